"""Pods whose node isn't eligible any more are told of, and taken away once their time is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from daulat.api.names import eligible_label
from daulat.kube.ref import Ref
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.policy.drift import EVICTION_GRACE_SECONDS, Watch
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Apply, ApplyStatus, Delete, EmitEvent, Result
from tests.unit.world import Raw, World, ascend, child, model, namespace, node, pod, policy, zone

REF = Ref("SovereigntyPolicy", "", "confidential")
MODEL = Ref("SovereignModel", "treasury", "deepseek")
PIN = {eligible_label("confidential"): "eligible"}
NOW = 1_800_000_000.0


def moved(name: str = "gone") -> Raw:
    """Return a node that nobody vouches for any more."""
    return ascend(name, site="")


def running(name: str = "report", on: str = "gone", **more: Any) -> Raw:
    """Return a pod that admission pinned."""
    raw = pod(name, on=on, pins=more.pop("pins", PIN), **more)
    raw["metadata"]["uid"] = f"uid-{name}"
    return raw


def world(*pods: Raw, **spec: Any) -> World:
    return World(nodes=[ascend("a1"), moved()], models=[], pods=list(pods or (running(),)), policies=[policy(**spec)])


def run(world: World, now: float = NOW) -> Result:
    return reconcile_policy(REF, world.snapshot(), now)


def of(result: Result, kind: type) -> list[Any]:
    return [e for e in result.effects if isinstance(e, kind)]


def deleted(result: Result) -> list[tuple[str, int | None]]:
    return [(e.ref.name, e.grace) for e in of(result, Delete) if e.ref.kind == "Pod"]


def upheld(result: Result) -> tuple[str, str, str]:
    (written,) = of(result, ApplyStatus)
    found = next(c for c in written.status["conditions"] if c["type"] == "Upheld")
    return found["status"], found["reason"], found["message"]


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def watched(world: World, now: float = NOW) -> tuple[Any, Any, float]:
    snapshot = world.snapshot()
    return snapshot.known_policies["confidential"], snapshot, now


def seen(world: World, now: float = NOW) -> World:
    """Carry the status of a first pass over."""
    world.with_status_of(run(world, now).effects)
    return world


def test_a_pod_on_an_eligible_node_is_no_news() -> None:
    result = run(world(running(on="a1")))
    assert upheld(result) == ("True", "AllPodsOnEligibleNodes", "all governed pods are on eligible nodes")
    assert deleted(result) == []
    assert not [e for e in of(result, EmitEvent) if "Upheld" in e.message]


def test_a_pod_whose_node_isnt_eligible_any_more_is_told_at_once_and_deleted_after_the_grace_period() -> None:
    found = world()
    first = run(found)
    status, reason, message = upheld(first)
    assert (status, reason) == ("False", "NodeNotEligible")
    assert message == (
        "gone stands in no zone of record, so it isn't eligible any more; "
        "pods there are deleted 60s after that was seen: treasury/report"
    )
    (written,) = of(first, ApplyStatus)
    assert written.status["drift"] == [
        {
            "node": "gone",
            "since": stamp(NOW),
            "reason": "stands in no zone of record",
            "pods": 1,
            "sample": ["treasury/report"],
        }
    ]
    assert any(e.type == "Warning" and e.message.startswith("Upheld=False") for e in of(first, EmitEvent))
    assert deleted(first) == []
    assert Watch(*watched(found)).again() == [pytest.approx(60.1)]
    # The time goes on where the operator started anew: it is in the status.
    found.with_status_of(first.effects)
    assert deleted(run(found, NOW + 59)) == []
    late = run(found, NOW + 60)
    assert deleted(late) == [("report", EVICTION_GRACE_SECONDS)]
    event = next(e.event for e in of(late, Delete) if e.ref == Ref("Pod", "treasury", "report"))
    assert event is not None
    assert event.message == (
        "deleted: gone stands in no zone of record, so it isn't eligible under policy confidential any more"
    )


def test_the_grace_period_ends_where_the_status_cant_be_written_too() -> None:
    found = world()
    (decided,) = of(run(found), ApplyStatus)
    snapshot = replace(found.snapshot(), assumed={REF: decided.decided})
    assert deleted(reconcile_policy(REF, snapshot, NOW + 59)) == []
    late = reconcile_policy(REF, snapshot, NOW + 60)
    assert deleted(late) == [("report", EVICTION_GRACE_SECONDS)]
    assert of(late, ApplyStatus)[0].status["drift"][0]["since"] == stamp(NOW)


def test_the_grace_period_is_the_policys() -> None:
    found = seen(world(drift={"gracePeriod": "15m"}))
    assert deleted(run(found, NOW + 899)) == []
    assert deleted(run(found, NOW + 900)) == [("report", EVICTION_GRACE_SECONDS)]
    assert deleted(run(world(drift={"gracePeriod": "0s"}))) == [("report", EVICTION_GRACE_SECONDS)]


@pytest.mark.parametrize("spec", [{"drift": {"action": "Report"}}, {"action": "Warn"}, {"action": "Audit"}])
def test_a_policy_that_only_reports_takes_nothing_away(spec: Raw) -> None:
    found = seen(world(**spec))
    later = run(found, NOW + 10_000)
    assert deleted(later) == []
    assert upheld(run(world(**spec)))[2].endswith("pods there are only reported: treasury/report")


def test_a_pod_that_was_never_pinned_or_isnt_governed_is_left_alone() -> None:
    stray = [running("unpinned", pins={}, devices={"huawei.com/Ascend910": 1}), running("elsewhere", namespace="lab")]
    found = world(*stray)
    found.namespaces += [namespace("lab", team="lab")]
    result = run(found, NOW)
    assert upheld(result)[:2] == ("False", "PodNotPinned")
    assert deleted(result) == []


def test_a_node_of_which_nobody_can_tell_keeps_its_pods() -> None:
    found = world()
    found.nodes = [ascend("gone", labels={"daulat.node-restriction.kubernetes.io/zone": "cyberjaya-1", **PIN})]
    broken = zone()
    broken["spec"]["country"] = "Malaysia"
    found.zones = [broken]
    result = run(found)
    assert upheld(result)[:2] == ("Unknown", "Undecided")
    assert "zone cyberjaya-1 can't be read" in upheld(result)[2]
    assert deleted(result) == []
    assert deleted(run(seen(found), NOW + 10_000)) == []


def test_a_device_that_nobody_approved_makes_the_node_unfit() -> None:
    found = world()
    found.nodes = [node("gone", devices={"amd.com/gpu": 8})]
    assert "which no approved profile names" in upheld(run(found))[2]


def test_a_deletion_that_somebody_drew_out_is_cut_short() -> None:
    """Whoever deletes a pod says how long it has to end; that is no way to stay."""
    drawn_out = running()
    drawn_out["metadata"]["deletionTimestamp"] = stamp(NOW + 86_400)
    assert deleted(run(seen(world(drawn_out)), NOW + 60)) == [("report", EVICTION_GRACE_SECONDS)]
    ends_soon = running()
    ends_soon["metadata"]["deletionTimestamp"] = stamp(NOW + 70)
    waits = run(seen(world(ends_soon)), NOW + 60)
    assert deleted(waits) == []
    assert waits.requeue_after is not None
    assert waits.requeue_after <= EVICTION_GRACE_SECONDS


@pytest.mark.parametrize(("own", "granted"), [(0, 1), (5, 5), (86_400, EVICTION_GRACE_SECONDS)])
def test_a_pod_has_the_time_to_end_that_it_asks_for_but_no_more_than_others(own: int, granted: int) -> None:
    raw = running()
    raw["spec"]["terminationGracePeriodSeconds"] = own
    assert deleted(run(world(raw, drift={"gracePeriod": "0s"}))) == [("report", granted)]


def test_several_nodes_are_counted_and_some_pods_named() -> None:
    pods = [running(f"p{n}", on=f"gone-{n % 2}") for n in range(5)]
    found = world(*pods)
    found.nodes = [moved("gone-0"), moved("gone-1")]
    message = upheld(run(found))[2]
    assert "isn't eligible any more, nor is 1 other; " in message
    assert message.endswith("treasury/p0, treasury/p2, treasury/p4 and 2 more")


def test_a_pod_that_comes_to_such_a_node_or_leaves_it_concerns_the_policy() -> None:
    found = seen(world())
    assert REF in found.woken("Pod", running("another"))
    assert REF in found.woken("Pod", running("was-there"), gone=True)
    fine = world(running(on="a1"))
    fine.nodes[0]["metadata"]["labels"] |= PIN
    assert REF not in fine.woken("Pod", running("another", on="a1"))


def test_a_pod_that_is_gone_concerns_the_model_that_it_was_of() -> None:
    """A Deployment doesn't count a pod that is on its way out: when it is gone, nothing else changes."""
    assert MODEL in placed().woken("Pod", running("deepseek-5f7c-x", model="deepseek"), gone=True)
    assert MODEL not in placed().woken("Pod", running("report-1"), gone=True)


def served(*names: str, on: str = "gone", ready: bool = True, **more: Any) -> list[Raw]:
    found = []
    for name in names:
        raw = running(name, on=on, model="deepseek", devices={"huawei.com/Ascend910": 4}, **more)
        raw["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
        found.append(raw)
    return found


def placed(*pods: Raw, replicas: int = 1, policies: list[Raw] | None = None) -> World:
    where = {"zone": "cyberjaya-1", "accelerator": "huawei-ascend-910b", "resource": "huawei.com/Ascend910"}
    return World(
        nodes=[ascend("a1"), ascend("a2"), moved()],
        models=[model(replicas=replicas, status={"placement": where})],
        pods=list(pods),
        policies=policies or [policy()],
        children=[child("Deployment", "deepseek", "treasury", "deepseek", spec={"replicas": replicas})],
    )


def model_pass(found: World) -> Result:
    return reconcile_model(MODEL, found.snapshot(), NOW)


def compliant(result: Result) -> tuple[str, str, str]:
    (written,) = of(result, ApplyStatus)
    found = next(c for c in written.status["conditions"] if c["type"] == "PolicyCompliant")
    return found["status"], found["reason"], found["message"]


def wanted(result: Result) -> int:
    (found,) = [e.manifest for e in of(result, Apply) if e.manifest["kind"] == "Deployment"]
    return int(found["spec"]["replicas"])


def test_a_model_says_that_a_pod_is_where_it_must_not_be_and_serves_elsewhere_first() -> None:
    result = model_pass(placed(*served("old")))
    assert compliant(result) == (
        "False",
        "NodeNotEligible",
        "pod old: its node gone stands in no zone of record, so it isn't eligible under confidential any more; "
        "the pod is deleted as soon as another one serves elsewhere, and after 60 s in any case",
    )
    (written,) = of(result, ApplyStatus)
    assert written.status["phase"] == "Placing"
    assert wanted(result) == 2
    assert deleted(result) == []
    # The other one serves: now the old one may go, in the time that it needs.
    both = model_pass(placed(*served("old"), *served("new", on="a1")))
    assert deleted(both) == [("old", None)]
    ending = served("old")
    ending[0]["metadata"]["deletionTimestamp"] = stamp(NOW + 30)
    after = model_pass(placed(*ending, *served("new", on="a1")))
    assert wanted(after) == 1
    assert deleted(after) == []
    assert compliant(after)[1] == "NodeNotEligible"


@pytest.mark.parametrize(
    ("own", "drift", "granted"),
    [(60, {}, None), (655, {}, 90), (655, {"gracePeriod": "5m"}, 330), (655, {"gracePeriod": "1h"}, None)],
)
def test_a_pod_that_moves_in_time_may_take_as_long_to_end_as_its_policy_lets_it_stay(
    own: int, drift: Raw, granted: int | None
) -> None:
    """Nobody can hurry a kubelet later that has begun to wait."""
    old, new = served("old"), served("new", on="a1")
    old[0]["spec"]["terminationGracePeriodSeconds"] = own
    assert deleted(model_pass(placed(*old, *new, policies=[policy(drift=drift)]))) == [("old", granted)]


def test_a_pod_that_moves_late_has_no_more_than_a_minute_to_end() -> None:
    old, new = served("old"), served("new", on="a1")
    old[0]["spec"]["terminationGracePeriodSeconds"] = 655
    since = {"drift": [{"node": "gone", "since": stamp(NOW - 50)}]}
    assert deleted(model_pass(placed(*old, *new, policies=[{**policy(), "status": since}]))) == [("old", 60)]


def test_pods_of_a_model_go_once_others_serve_in_their_place() -> None:
    old = served("old-1", "old-2")
    first = model_pass(placed(*old, replicas=2))
    assert (deleted(first), wanted(first)) == ([], 4), "there is room for two more"
    coming = served("new-1", "new-2", on="a1", ready=False)
    loads = model_pass(placed(*old, *coming, replicas=2))
    assert (deleted(loads), wanted(loads)) == ([], 4)
    half = model_pass(placed(*old, *served("new-1", on="a1"), *coming[1:], replicas=2))
    assert (deleted(half), wanted(half)) == ([("old-1", None)], 4)
    last = model_pass(placed(old[1], *served("new-1", "new-2", on="a1"), replicas=2))
    assert deleted(last) == [("old-2", None)]
    over = model_pass(placed(*served("new-1", "new-2", on="a1"), replicas=2))
    assert (deleted(over), wanted(over)) == ([], 2)


def test_no_pod_of_a_model_goes_where_there_is_no_room_for_another_one() -> None:
    """Its devices would stand idle until the grace period is over, and so would those who ask it."""
    full = served("old-1", "old-2", on="gone") + served("stays-1", "stays-2", on="a1")
    found = placed(*full, replicas=4)
    found.nodes = [ascend("a1"), moved()]
    result = model_pass(found)
    assert (deleted(result), wanted(result)) == ([], 4)


def test_a_model_has_no_more_replicas_than_there_is_room_for_while_it_moves() -> None:
    found = placed(*served("old-1", "old-2"), *served("stays", on="a1"), replicas=3)
    found.nodes = [ascend("a1"), moved()]
    assert wanted(model_pass(found)) == 4
    one_came = placed(*served("old-1", "old-2"), *served("stays", "new", on="a1"), replicas=3)
    one_came.nodes = found.nodes
    result = model_pass(one_came)
    assert (deleted(result), wanted(result)) == ([("old-1", None)], 4)
    rest = placed(*served("old-2"), *served("stays", "new", on="a1"), replicas=3)
    rest.nodes = found.nodes
    result = model_pass(rest)
    assert (deleted(result), wanted(result)) == ([], 3)


def test_a_model_under_a_policy_that_only_reports_stays_and_says_so() -> None:
    result = model_pass(placed(*served("old"), policies=[policy(drift={"action": "Report"})]))
    assert compliant(result)[2].endswith("; the policy only reports that")
    assert wanted(result) == 1
    assert deleted(result) == []
