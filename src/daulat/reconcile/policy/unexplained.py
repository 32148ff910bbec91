"""Finds pods that carry a model's label and that no model explains: the model is gone, or its workload didn't make them.

Admission refuses such pods, so these are older than its guard, or what is left where the owner of a workload was taken away.
Pods that are on their way out are left alone: those of a deleted model have the time that they have by themselves.
"""

from __future__ import annotations

from daulat.api.names import eligible_label
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref

WHY = "has pods with the label daulat.dev/model that no SovereignModel explains"
"""What is said of their node."""


def unexplained(policy: Policy, snapshot: Snapshot) -> dict[str, list[Pod]]:
    """Return such pods that are pinned to the policy's nodes and that are on one, by node."""
    if "SovereignModel" in snapshot.unlisted:
        return {}
    label = eligible_label(policy.name)
    found: dict[str, list[Pod]] = {}
    for (where, model), pods in snapshot.pods_by_model.items():
        gone = Ref("SovereignModel", where, model) not in snapshot.models
        others = pods if gone else [pod for pod in pods if not pod.is_of_workload]
        namespace = snapshot.namespaces.get(where) if others else None
        if namespace is not None and policy.spec.namespace_selector.matches(namespace.labels):
            for pod in others:
                if label in pod.pins and pod.runs:
                    found.setdefault(pod.node, []).append(pod)
    return found
