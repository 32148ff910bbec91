"""Writes the pod template of a placed model: pinned, restricted, offline, its weights checked before the engine starts."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import ELIGIBLE, NAMED_USER, REVISION_ANNOTATION, ZONE_LABEL, eligible_label
from daulat.catalog.engines import engine_of
from daulat.facts.platform import STANDARD, Platform
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen
from daulat.placement.loading import Loading

from .claims import pod_claims
from .container import CACHE, SHUTDOWN_SECONDS, container, context_of, image_of
from .labels import Member, labels
from .podsettings import own_metadata, spread, tolerations, with_own_metadata
from .podsettings import volumes as own_volumes
from .weights import init_container, volumes

USER = 2000
"""An ordinary user, the one that vLLM's own image prepares (docs/deployment/docker.md)."""
PASSWD = f"root:x:0:0:root:/root:/sbin/nologin\ndaulat:x:{USER}:{USER}::{CACHE}:/sbin/nologin\n"
"""What /etc/passwd says where an accelerator's libraries look the user up. Most images know nobody of that number."""


def template(
    model: Model,
    chosen: Chosen,
    policies: Sequence[str],
    how: Loading,
    member: Member | None = None,
    platform: Platform = STANDARD,
) -> Manifest:
    """Return the pod template. It depends on the model, the choice, the policies' names and trust, the platform, and on nothing
    that moves.

    Its revision is on it, so that a pod tells by which template it was made.
    """
    noted = {REVISION_ANNOTATION: revision(model, chosen, policies, how, platform)}
    if _is_named(chosen, platform):
        noted[NAMED_USER] = PASSWD
    metadata = {"labels": {**labels(model), **(member.labels if member else {})}, "annotations": noted}
    return {
        "metadata": with_own_metadata(model, metadata),
        "spec": _spec(model, chosen, policies, how, member, platform),
    }


def templates(
    model: Model, chosen: Chosen, policies: Sequence[str], how: Loading, platform: Platform = STANDARD
) -> list[Manifest]:
    """Return every kind of pod that a replica has, as policies judge them: which replica it is and in which domain is left out."""
    if chosen.devices.nodes == 1:
        return [template(model, chosen, policies, how, None, platform)]
    return [template(model, chosen, policies, how, member, platform) for member in _members(chosen)]


def revision(model: Model, chosen: Chosen, policies: Sequence[str], how: Loading, platform: Platform = STANDARD) -> str:
    """Return the revision of the pod template. Which replica a pod belongs to and in which domain it runs is no part of it."""
    members = [None] if chosen.devices.nodes == 1 else _members(chosen)
    specs = [_spec(model, chosen, policies, how, member, platform) for member in members]
    read = specs[0] if chosen.devices.nodes == 1 else specs
    own = own_metadata(model)
    return digest(read if own is None else {"spec": read, "metadata": own})


def _members(chosen: Chosen) -> list[Member]:
    return [Member(0, leader, chosen.devices.nodes, "leader", "") for leader in (True, False)]


def _spec(
    model: Model, chosen: Chosen, policies: Sequence[str], how: Loading, member: Member | None, platform: Platform
) -> Manifest:
    named = _is_named(chosen, platform)
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "serviceAccountName": model.name,
        "enableServiceLinks": False,
        "nodeSelector": {
            **_node_selector(chosen, policies),
            **(dict([member.domain]) if member and member.domain else {}),
        },
        "securityContext": {
            "runAsNonRoot": True,
            **({} if platform.any_user else {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}),
            # The engine isn't root, so device files that are their owners' and a group's alone are closed to it but for the group.
            **({"supplementalGroups": sorted(groups)} if (groups := chosen.profile.device_groups) else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": model.spec.engine.grace_seconds + SHUTDOWN_SECONDS,
        # Accelerator nodes are often tainted with the resource's name, to keep other pods away.
        "tolerations": [{"key": _tainted_by(chosen), "operator": "Exists"}, *tolerations(model)],
        "containers": [container(model, chosen, how, member, named=named)],
        "volumes": _volumes(model, how, named=named),
        **pod_claims(model, chosen),
        **spread(model, member),
    }
    if chosen.profile.runtime_class_name:
        spec["runtimeClassName"] = chosen.profile.runtime_class_name
    if chosen.profile.scheduler_name:
        spec["schedulerName"] = chosen.profile.scheduler_name
    if how.image:
        spec["initContainers"] = [init_container(model, how)]
    if expressions := _expressions(_hardware(chosen)):
        terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    if model.spec.priority_class_name:
        spec["priorityClassName"] = model.spec.priority_class_name
    if model.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in model.spec.image_pull_secrets]
    return spec


def unusable_settings(model: Model, chosen: Chosen) -> list[str]:
    """Return a sentence for every setting that would undo what keeps the engine offline, and for each that is missing."""
    asked = model.spec.engine
    data = engine_of(asked)
    where = f'spec.accelerators["{chosen.choice.profile}"]'
    found: list[str] = []
    if not image_of(model, chosen):
        profile = f"AcceleratorProfile {chosen.choice.profile}"
        found.append(f"{where}.image: there is none, and {profile} has none for {asked.name} either. Set it.")
    if data.one_file and not model.spec.model.file:
        found.append(
            f"spec.model.file: {asked.name} loads one file, and none was named. Name it by its path under spec.model.uri."
        )
    if asked.api_key_secret is not None and not data.api_key_env:
        found.append(
            f"spec.engine.apiKeySecret: {asked.name} can't require a key from clients. Remove it, and use a gateway that does."
        )
    if data.configuration is not None and (asked.args or chosen.choice.args):
        found.append(f"spec.engine.args: {asked.name} takes a configuration and no arguments. Remove them.")
    if data.configuration is not None and context_of(model, chosen) is None:
        found.append(f"spec.engine.context: {asked.name} requires the length of sequences. Set it.")
    if data.configuration is not None and "/" in model.spec.model.name:
        found.append(
            f'spec.model.name: {asked.name} serves no name with a slash, such as "{model.spec.model.name}". Choose another.'
        )
    return found + [
        f'{where}.env["{name}"]: it would switch a hub, a report or a debugging interface on. Remove it.'
        for name in sorted(chosen.choice.env)
        if name in data.forbidden_env or name in data.env
    ]


def _node_selector(chosen: Chosen, policies: Sequence[str]) -> dict[str, str]:
    pinned = {eligible_label(name): ELIGIBLE for name in sorted(policies)}
    selector = _hardware(chosen)
    hardware = selector.match_labels if selector else None
    return {**(hardware or {}), ZONE_LABEL: chosen.zone, **pinned}


def _hardware(chosen: Chosen) -> LabelSelector | None:
    """Return the labels of nodes with the accelerator, where they tell it: a claim's attributes tell it by themselves."""
    return chosen.profile.node_selector if chosen.claim is None or chosen.claim.by_node_labels else None


def _tainted_by(chosen: Chosen) -> str:
    return chosen.resource if chosen.claim is None else chosen.profile.resources[0].name


def _expressions(selector: LabelSelector | None) -> list[Manifest]:
    if selector is None or not selector.match_expressions:
        return []
    return [e.model_dump(by_alias=True, exclude_none=True, mode="json") for e in selector.match_expressions]


def _is_named(chosen: Chosen, platform: Platform) -> bool:
    """Say whether the pod brings a name for its user. Where the platform chooses the user, its runtime knows a name as well."""
    return chosen.profile.named_user and not platform.any_user


def _volumes(model: Model, how: Loading, *, named: bool) -> list[Manifest]:
    weights, *others = volumes(model, how)
    # Tensor parallel workers talk through shared memory, of which a container has 64 MiB unless it is given more.
    shm: Manifest = {"emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    own = [{"name": "cache", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}, {"name": "shm", **shm}]
    if named:
        # From the pod itself: nothing else has to be there, and nobody changes it while the pod runs.
        field = {"fieldPath": f"metadata.annotations['{NAMED_USER}']"}
        own.append({"name": "user", "downwardAPI": {"items": [{"path": "passwd", "fieldRef": field}]}})
    return [weights, *own, *others, *own_volumes(model)]
