"""Writes the pod template of a placed model: pinned, restricted, offline, its weights checked before the engine starts."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import ELIGIBLE, ZONE_LABEL, eligible_label
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen

from .container import container, context_of
from .engines import engine_of
from .labels import labels
from .weights import Loading, init_container, volumes

USER = 2000
"""An ordinary user, the one that vLLM's own image prepares (docs/deployment/docker.md)."""


def template(model: Model, chosen: Chosen, policies: Sequence[str], how: Loading) -> Manifest:
    """Return the pod template. It depends on the model, the choice, the policies' names and trust, and on nothing that moves."""
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "serviceAccountName": model.name,
        "enableServiceLinks": False,
        "nodeSelector": _node_selector(chosen, policies),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 60,
        # Accelerator nodes are often tainted with the resource's name, to keep other pods away.
        "tolerations": [{"key": chosen.resource, "operator": "Exists"}],
        "containers": [container(model, chosen, how)],
        "volumes": _volumes(model, how),
    }
    if chosen.profile.runtime_class_name:
        spec["runtimeClassName"] = chosen.profile.runtime_class_name
    if how.image:
        spec["initContainers"] = [init_container(model, how)]
    if expressions := _expressions(chosen.profile.node_selector):
        terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    if model.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in model.spec.image_pull_secrets]
    return {"metadata": {"labels": labels(model)}, "spec": spec}


def unusable_settings(model: Model, chosen: Chosen) -> list[str]:
    """Return a sentence for every setting that would undo what keeps the engine offline, and for each that is missing."""
    asked = model.spec.engine
    data, settings = engine_of(asked), chosen.profile.engine(asked.name)
    where = f'spec.accelerators["{chosen.choice.profile}"]'
    found: list[str] = []
    if not chosen.choice.image and not (settings and settings.image):
        profile = f"AcceleratorProfile {chosen.choice.profile}"
        found.append(f"{where}.image: there is none, and {profile} has none for {asked.name} either. Set it.")
    if data.one_file and not model.spec.model.file:
        found.append(
            f"spec.model.file: {asked.name} loads one file, and none was named. Name it by its path under spec.model.uri."
        )
    if asked.api_key_secret is not None and not data.api_key_env:
        found.append(
            f"spec.engine.apiKeySecret: {asked.name} can't ask clients for a key. Remove it, and put a gateway before it."
        )
    if data.configuration is not None and (asked.args or chosen.choice.args):
        found.append(f"spec.engine.args: {asked.name} takes a configuration and no arguments. Remove them.")
    if data.configuration is not None and context_of(model, chosen) is None:
        found.append(f"spec.engine.context: {asked.name} has to be told how long sequences are. Set it.")
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
    hardware = chosen.profile.node_selector.match_labels if chosen.profile.node_selector else None
    return {**(hardware or {}), ZONE_LABEL: chosen.zone, **pinned}


def _expressions(selector: LabelSelector | None) -> list[Manifest]:
    if selector is None or not selector.match_expressions:
        return []
    return [e.model_dump(by_alias=True, exclude_none=True, mode="json") for e in selector.match_expressions]


def _volumes(model: Model, how: Loading) -> list[Manifest]:
    weights, *others = volumes(model, how)
    # Tensor parallel workers talk through shared memory, of which a container has 64 MiB unless it is given more.
    shm: Manifest = {"emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    own = [{"name": "cache", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}, {"name": "shm", **shm}]
    return [weights, *own, *others]
