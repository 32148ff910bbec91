"""Finds pods that carry a model's label and that no model explains: the model is gone, or its workload didn't make them.

Admission refuses such pods, so these are older than its guard, or what is left where the owner of a workload was taken away.
Pods that are on their way out are left alone: those of a deleted model have the time that they have by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from daulat.api.names import eligible_label
from daulat.facts.change import Change
from daulat.facts.derived import DerivedFact
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref

WHY = "has pods with the label daulat.dev/model that no SovereignModel explains"
"""What is said of their node."""


class Unexplained(DerivedFact):
    """The models, by namespace and name, that have such pods: known for all policies without a look at the pods of every model."""

    depends_on = frozenset({"Pod", "SovereignModel"})

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[Pod, ...]] | None = None

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Look at the pods of the model anew, or of the model whose label the pod has or had."""
        if self._found is None:
            return True
        names = {change.ref.name} if change.ref.kind == "SovereignModel" else {pod.model for pod in change.sides}
        for key in ((change.ref.namespace, name) for name in names if name):
            self._look(key, self._found, snapshot)
        return True

    def pods(self, snapshot: Snapshot) -> Mapping[tuple[str, str], tuple[Pod, ...]]:
        """Return them with the pods that nothing explains."""
        if self._found is None:
            self._found = {}
            for key in snapshot.pods_by_model:
                self._look(key, self._found, snapshot)
        return self._found

    @staticmethod
    def _look(key: tuple[str, str], found: dict[tuple[str, str], tuple[Pod, ...]], snapshot: Snapshot) -> None:
        pods = snapshot.pods_by_model.get(key, ())
        gone = Ref("SovereignModel", *key) not in snapshot.models
        if others := tuple(pod for pod in pods if gone or not pod.is_of_workload):
            found[key] = others
        else:
            found.pop(key, None)


def unexplained(policy: Policy, snapshot: Snapshot) -> dict[str, list[Pod]]:
    """Return such pods that are pinned to the policy's nodes and that are on one, by node."""
    if "SovereignModel" in snapshot.unlisted:
        return {}
    label = eligible_label(policy.name)
    found: dict[str, list[Pod]] = {}
    for (where, _), others in Unexplained.of(snapshot).pods(snapshot).items():
        namespace = snapshot.namespaces.get(where)
        if namespace is not None and policy.spec.namespace_selector.matches(namespace.labels):
            for pod in others:
                if label in pod.pins and pod.runs:
                    found.setdefault(pod.node, []).append(pod)
    return found
