"""Pods that carry a model's label and that no model explains are drift, whatever node they are on."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from daulat.facts.derived import DerivedFacts
from daulat.reconcile.policy.unexplained import unexplained
from daulat.reconcile.result import Delete
from tests.unit.world import Raw, World, model, namespace, the_policy

from .test_drift import NOW, deleted, of, run, running, seen, upheld, world

AFTER = NOW + 61


def with_models(*pods: Raw, **spec: object) -> World:
    made = world(*pods, **spec)
    made.models = [model()]
    return made


def ours(name: str = "one", on: str = "a1", by: str = "ReplicaSet", of_model: str = "deepseek") -> Raw:
    raw = running(name, on=on, model=of_model)
    raw["metadata"]["ownerReferences"] = [{"kind": by, "name": f"{of_model}-1", "controller": True}] if by else []
    return raw


def test_a_pod_that_a_models_workload_made_is_explained() -> None:
    for by in ("ReplicaSet", "StatefulSet"):
        assert upheld(run(with_models(ours(by=by))))[0] == "True"


def test_a_pod_that_somebody_else_made_for_a_model_is_told_and_deleted_after_the_grace_period() -> None:
    for by in ("", "Job", "DaemonSet"):
        found = with_models(ours(), ours("mine", by=by))
        status, reason, message = upheld(run(found))
        assert (status, reason) == ("False", "PodWithoutModel")
        assert message == (
            "a1 has pods with the label daulat.dev/model that no SovereignModel explains; "
            "pods there are deleted 60s after that was seen: treasury/mine"
        )
        assert deleted(run(found)) == []
        result = run(seen(found), AFTER)
        assert deleted(result) == [("mine", 30)]
        (eviction,) = [e for e in of(result, Delete) if e.ref.kind == "Pod"]
        assert eviction.charged_to == ("confidential",)
        assert eviction.event is not None
        assert eviction.event.reason == "PodWithoutModel"


def test_the_pods_of_a_gone_model_are_unexplained_unless_they_end_already() -> None:
    found = world(ours())
    assert upheld(run(found))[1] == "PodWithoutModel"
    assert deleted(run(seen(found), AFTER)) == [("one", 30)]
    ends = ours()
    ends["metadata"]["deletionTimestamp"] = "2027-01-15T09:00:00Z"
    assert upheld(run(world(ends)))[0] == "True"


def test_the_brake_holds_such_pods_as_any_others() -> None:
    found = seen(world(*(ours(f"p{n}") for n in range(5))))
    assert len(deleted(run(found, AFTER))) == 1
    assert upheld(run(found, AFTER))[1] == "BrakeHeld"


def test_a_policy_that_reports_drift_deletes_none() -> None:
    found = with_models(ours("mine", by=""), drift={"action": "Report"})
    assert upheld(run(found))[1] == "PodWithoutModel"
    assert deleted(run(seen(found), AFTER)) == []


def test_pods_stay_where_models_could_not_be_listed_or_no_policy_governs() -> None:
    found = world(ours())
    found.unlisted = ("SovereignModel",)
    assert upheld(run(found))[0] == "True"
    found = world(ours())
    found.namespaces = [namespace(other="1")]
    assert upheld(run(found))[0] == "True"


def test_a_node_that_isnt_eligible_any_more_has_a_time_of_its_own() -> None:
    found = seen(with_models(ours("mine", on="a1", by="")))
    found.nodes[0]["metadata"]["labels"].pop("daulat.node-restriction.kubernetes.io/site", None)
    found.pods.append(ours("fine", on="a1"))
    assert "fine" not in [name for name, _ in deleted(run(found, AFTER))]


def test_pods_and_models_that_come_and_go_are_followed() -> None:
    """What is kept from one pass to the next is what a pass that knows nothing would find."""
    store = with_models(ours(), ours("mine", by="")).store()
    version = count(100)

    def names() -> list[str]:
        kept = store.snapshot()
        alone = replace(kept, derived=DerivedFacts(), sequence=0)
        found, anew = (unexplained(the_policy(s), s) for s in (kept, alone))
        assert found == anew
        return sorted(pod.name for pods in found.values() for pod in pods)

    def put(kind: str, raw: Raw) -> None:
        store.apply(kind, {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(next(version))}})

    def drop(kind: str, raw: Raw) -> None:
        store.delete(kind, {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(next(version))}})

    assert names() == ["mine"]
    put("Pod", ours("theirs", by="Job"))
    assert names() == ["mine", "theirs"]
    drop("SovereignModel", model())
    assert names() == ["mine", "one", "theirs"]
    put("SovereignModel", model())
    assert names() == ["mine", "theirs"]
    put("Pod", ours("theirs"))
    drop("Pod", ours("mine", by=""))
    assert names() == []
    put("Pod", ours("theirs", of_model="other"))
    assert names() == ["theirs"]
