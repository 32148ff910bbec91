"""What admission would say of a model and of its pods. It is asked once, for as long as nothing that it reads has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from daulat.admission.policy import CompiledPolicy
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION
from daulat.api.timestamps import stamp
from daulat.cel.evaluator import Request, evaluate_all
from daulat.facts.change import Change
from daulat.facts.derived import DerivedFact
from daulat.facts.snapshot import Model, Snapshot


class Judgements(DerivedFact):
    """What admission would say of each model and of its pods."""

    depends_on = frozenset({"SovereignModel"})

    def __init__(self) -> None:
        self.kept: dict[tuple[str, ...], tuple[Any, list[str]]] = {}

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop a model that is gone. What is judged anew takes the place of what was."""
        if change.after is None:
            for of in ("model", "pods"):
                self.kept.pop((of, change.ref.namespace, change.ref.name), None)
        return True


def model_violations(model: Model, in_force: Sequence[CompiledPolicy], snapshot: Snapshot) -> list[str]:
    """Return every violation of the model itself."""
    namespace = _namespace(model.namespace, snapshot)

    def judge() -> list[str]:
        request = Request(
            object={
                "apiVersion": API_VERSION,
                "kind": "SovereignModel",
                "metadata": {"name": model.name, "namespace": model.namespace, "creationTimestamp": model.created},
                "spec": model.spec.model_dump(by_alias=True, exclude_none=True, mode="json"),
            },
            resource="sovereignmodels",
            group="daulat.dev",
            version="v1alpha1",
            namespace=model.namespace,
            namespace_object=namespace,
        )
        return [v.message for c in in_force for v in evaluate_all(c.refusing, request)]

    return _once(
        ("model", model.namespace, model.name), (model.spec, model.created, namespace), in_force, judge, snapshot
    )


def pod_violations(
    model: Model, pods: Sequence[Manifest], in_force: Sequence[CompiledPolicy], snapshot: Snapshot, now: float
) -> list[str]:
    """Return every violation of the pods that the model would get. What expires with time is in force or isn't compiled."""
    namespace = _namespace(model.namespace, snapshot)

    def judge() -> list[str]:
        created = stamp(now)
        found: list[str] = []
        for pod in pods:
            own = {"name": model.name, "namespace": model.namespace, "creationTimestamp": created}
            request = Request(
                object={
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {**pod["metadata"], **own},
                    "spec": pod["spec"],
                },
                namespace=model.namespace,
                namespace_object=namespace,
            )
            found += [v.message for c in in_force for v in evaluate_all(c.refusing, request)]
        return found

    return _once(("pods", model.namespace, model.name), (list(pods), namespace), in_force, judge, snapshot)


def _once(
    of: tuple[str, ...],
    facts: tuple[Any, ...],
    in_force: Sequence[CompiledPolicy],
    judge: Callable[[], list[str]],
    snapshot: Snapshot,
) -> list[str]:
    read = (facts, tuple((c.name, c.revision) for c in in_force))
    kept = Judgements.of(snapshot).kept
    known = kept.get(of)
    if known is None or known[0] != read:
        known = kept[of] = read, judge()
    return list(known[1])


def _namespace(name: str, snapshot: Snapshot) -> Manifest:
    found = snapshot.namespaces.get(name)
    labels = dict(found.labels) if found else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
