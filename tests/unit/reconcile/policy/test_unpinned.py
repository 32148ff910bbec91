"""A policy isn't upheld while pods that nothing pins run where it would let none."""

from __future__ import annotations

import pytest

from daulat.facts.store import Store
from daulat.reconcile.policy.unpinned import RECHECK
from tests.unit.world import World, ascend, exemption, namespace, pod, policy

from .test_drift import PIN, moved, run, running, upheld


def world(*pods: object, **more: object) -> World:
    return World(nodes=[ascend("a1"), moved()], models=[], pods=list(pods), **more)  # type: ignore[arg-type]


def test_a_pod_that_nothing_pins_counts_and_stays() -> None:
    """One that asks for no device, of which nothing else is known, and one that does."""
    result = run(world(pod("old", on="gone"), pod("other", on="gone", devices={"huawei.com/Ascend910": 1})))
    status, reason, message = upheld(result)
    assert (status, reason) == ("False", "PodNotPinned")
    assert message == (
        "2 pods that nothing pins run on nodes that aren't eligible, such as in namespace treasury on gone; "
        "they stay until they are deleted"
    )
    assert result.evict == ()


@pytest.mark.parametrize("action", ["Audit", "Warn"])
def test_a_policy_on_trial_pins_nothing_and_isnt_upheld_either(action: str) -> None:
    result = run(world(pod("old", on="gone"), policies=[policy(action=action)]))
    assert upheld(result) == (
        "False",
        "PodNotPinned",
        "1 pod that nothing pins runs on nodes that aren't eligible, such as in namespace treasury on gone; "
        "it stays until it is deleted",
    )
    assert result.evict == ()


def test_pods_that_nothing_pins_are_fine_on_eligible_nodes_and_elsewhere() -> None:
    others = [pod("ok", on="a1"), pod("waits"), pod("elsewhere", on="gone", namespace="open")]
    done = pod("done", on="gone")
    done["status"]["phase"] = "Succeeded"
    going = pod("going", on="gone")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = upheld(run(world(*others, done, going, namespaces=[namespace(), namespace("open", team="ml")])))
    assert found[:2] == ("True", "AllPodsOnEligibleNodes")


def test_they_are_counted_again_soon_since_no_change_of_theirs_wakes_the_policy() -> None:
    """On trial no canary wakes it sooner."""
    on_trial = [policy(action="Warn")]
    assert run(world(pod("old", on="gone"), policies=on_trial)).requeue_after == RECHECK
    assert (run(world(pod("ok", on="a1"), policies=on_trial)).requeue_after or 0) > RECHECK


def test_an_exemption_from_the_pin_is_no_failure() -> None:
    exempt = exemption(controls=["USE-01"])
    assert upheld(run(world(pod("old", on="gone"), exemptions=[exempt])))[0] == "True"


def test_pinned_pods_come_first() -> None:
    assert upheld(run(world(running(), pod("old", on="gone"))))[1] == "NodeNotEligible"


def test_a_pod_is_counted_once_and_forgotten_with_the_pod() -> None:
    store = Store("daulat-system")

    def at(version: int, on: str, pins: dict[str, str] | None = None) -> dict[frozenset[str], dict[str, int]]:
        body = pod("old", on=on, pins=pins)
        body["metadata"]["resourceVersion"] = str(version)
        store.apply("Pod", body)
        return {pins: dict(nodes) for pins, nodes in store.snapshot().placed.get("treasury", {}).items()}

    assert at(1, "") == {}
    assert at(2, "gone") == {frozenset(): {"gone": 1}}
    assert at(3, "gone") == {frozenset(): {"gone": 1}}
    assert at(4, "gone", PIN) == {frozenset(PIN): {"gone": 1}}
    store.retain("Pod", set(), 9)
    assert store.snapshot().placed == {}
