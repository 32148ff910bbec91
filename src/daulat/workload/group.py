"""Writes a replica of several nodes: a LeaderWorkerSet where there are such, or two StatefulSets and a Service.

One object a replica, not one for all: each replica can be kept back, and given another interconnect domain, without the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import DOMAIN_ANNOTATION, GROUP_LABEL, MODEL_LABEL, REVISION_ANNOTATION, ROLE_LABEL
from daulat.facts.platform import STANDARD, Platform
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen
from daulat.placement.loading import Loading

from .labels import Member, owned, selector
from .plan import Group
from .pod import template

LONGEST = 38
"""Characters in a group's name. A StatefulSet's pods carry its name with a hash and more in labels, which have 63."""
_TELLING = (MODEL_LABEL, GROUP_LABEL, ROLE_LABEL)
_POD_INDEX = "apps.kubernetes.io/pod-index"
_WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"


def group_name(model: str, number: int) -> str:
    """Return the name of a group's objects: the model's with the number, shortened where labels couldn't hold it."""
    name = f"{model}-{number}"
    if len(name) <= LONGEST:
        return name
    mark = hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"{model[: LONGEST - len(str(number)) - 10]}-{mark}-{number}"


def group_manifests(
    model: Model,
    chosen: Chosen,
    policies: Sequence[str],
    how: Loading,
    group: Group,
    platform: Platform = STANDARD,
) -> list[Manifest]:
    """Return what makes the pods of one group, in the order in which it may be applied."""
    name = group_name(model.name, group.number)
    lws = group.backend == "LeaderWorkerSet"
    label = chosen.profile.interconnect.node_label if chosen.profile.interconnect else None

    def pods(*, leader: bool) -> Manifest:
        member = Member(
            group=group.number,
            leader=leader,
            nodes=chosen.devices.nodes,
            address=f"{name}-0.{name}.{model.namespace}.svc",
            rank_label=_WORKER_INDEX if lws else _POD_INDEX,
            domain=(label, group.domain) if label and group.domain else None,
        )
        return template(model, chosen, policies, how, member, platform)

    leader, worker = pods(leader=True), pods(leader=False)
    made = leader["metadata"]["annotations"][REVISION_ANNOTATION]
    if lws:
        return [_marked(_leader_worker_set(model, chosen, group, name, leader, worker), group, made)]
    workers = chosen.devices.nodes - 1
    return [
        _address(model, group, name),
        _marked(_stateful_set(model, group, name, name, leader, 0, 1), group, made),
        _marked(_stateful_set(model, group, f"{name}-w", name, worker, 1, workers), group, made),
    ]


def _leader_worker_set(
    model: Model, chosen: Chosen, group: Group, name: str, leader: Manifest, worker: Manifest
) -> Manifest:
    spec = {
        "replicas": 0 if group.held else 1,
        # An engine whose parts have lost each other doesn't find them again: all start anew.
        "leaderWorkerTemplate": {
            "size": chosen.devices.nodes,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": leader,
            "workerTemplate": worker,
        },
        "startupPolicy": "LeaderCreated",
        "networkConfig": {"subdomainPolicy": "Shared"},
    }
    return owned(model, "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", {"spec": spec}, name)


def _stateful_set(
    model: Model, group: Group, name: str, service: str, pods: Manifest, first: int, count: int
) -> Manifest:
    spec = {
        "replicas": 0 if group.held else count,
        "serviceName": service,
        "podManagementPolicy": "Parallel",
        "ordinals": {"start": first},
        "selector": {"matchLabels": {key: pods["metadata"]["labels"][key] for key in _TELLING}},
        # A group is replaced by another one: its own pods stay as they are.
        "updateStrategy": {"type": "OnDelete"},
        "template": pods,
    }
    return owned(model, "apps/v1", "StatefulSet", {"spec": spec}, name)


def _address(model: Model, group: Group, name: str) -> Manifest:
    """Return the Service by which the nodes of a group find each other, before any of them is ready."""
    found_by = {**selector(model), GROUP_LABEL: str(group.number)}
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": found_by}
    made = owned(model, "v1", "Service", {"spec": spec}, name)
    made["metadata"]["labels"][GROUP_LABEL] = str(group.number)
    return made


def _marked(model_manifest: Manifest, group: Group, revision: str) -> Manifest:
    metadata = model_manifest["metadata"]
    metadata["labels"][GROUP_LABEL] = str(group.number)
    metadata["annotations"] = {
        REVISION_ANNOTATION: revision,
        **({DOMAIN_ANNOTATION: group.domain} if group.domain else {}),
    }
    return model_manifest
