"""A model without a place is told which kind of place is missing, and who has what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from daulat.api import reasons
from daulat.kube.ref import Ref
from daulat.placement.choice import Decision, choose, survey
from daulat.placement.holders import NAMED, holdings
from daulat.reconcile.conditions import MESSAGE, cut
from tests.strategies import clusters
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    World,
    ascend,
    choice,
    h20,
    model,
    namespace,
    node,
    pod,
    policy,
    standing,
    the_model,
    zone,
)

TWO_NODES = [ascend("a1"), ascend("a2")]


def decide(world: World) -> Decision:
    snapshot = world.snapshot()
    found = the_model(snapshot)
    return choose(found, snapshot.governing(found.namespace), snapshot)


def wanting(count: int = 8, replicas: int = 1, **world: Any) -> World:
    world.setdefault("nodes", [ascend("a1")])
    others = world.pop("others", [])
    asking = model(accelerators=[choice(ASCEND, count)], replicas=replicas)
    return World(models=[asking, *others], **world)


def test_where_no_node_is_eligible_the_nodes_are_counted_by_what_is_wrong_with_them() -> None:
    nodes = [ascend("a1", "sg"), ascend("a2", "sg"), ascend("stray", "")]
    decision = decide(World(nodes=nodes, zones=[zone("sg", country="SG")]))
    assert decision.reason == reasons.NO_ELIGIBLE_NODE
    assert decision.message == (
        "no node is eligible under policy confidential: 2 nodes: zone sg is in SG, outside MY; "
        "1 node: stands in no zone of record"
    )


def test_all_policies_are_named_under_which_no_node_is_eligible() -> None:
    both = World(policies=[policy(), policy("two", zones={"names": ["johor-1"]})])
    assert decide(both).message.startswith("no node is eligible under policies confidential, two: 3 nodes: ")


def test_eligible_nodes_without_a_listed_accelerator_are_told_with_what_they_have() -> None:
    decision = decide(wanting(nodes=[h20("h1"), h20("h2"), node("plain"), ascend("sg-1", "singapore-1")]))
    assert decision.reason == reasons.NO_MATCHING_ACCELERATOR
    assert decision.message == (
        "none of the 3 eligible nodes has huawei-ascend-910b; they have nvidia-h20; 1 node: stands in no zone of record"
    )


def test_one_eligible_node_without_any_accelerator_is_told() -> None:
    decision = decide(World(nodes=[node("plain")]))
    assert decision.reason == reasons.NO_MATCHING_ACCELERATOR
    assert decision.message == (
        "the one eligible node doesn't have huawei-ascend-910b or nvidia-h20; it has no accelerator"
    )


def test_an_accelerator_that_cant_be_used_is_told_apart_from_one_that_no_node_has() -> None:
    world = World(nodes=[h20("h1")], models=[model(accelerators=[choice("acme-1", 1), choice(ASCEND, 1)])])
    assert decide(world).message == (
        "the one eligible node doesn't have huawei-ascend-910b; it has nvidia-h20; AcceleratorProfile acme-1 doesn't exist"
    )


def test_nodes_that_would_do_but_take_no_pods_are_told_by_name() -> None:
    down, cordoned = ascend("a1", ready=False), ascend("a2")
    cordoned["spec"] = {"unschedulable": True, "taints": [{"key": "x", "effect": "NoSchedule"}]}
    decision = decide(wanting(nodes=[down, cordoned]))
    assert decision.reason == reasons.NO_SCHEDULABLE_NODE
    assert decision.message == (
        "2 nodes would do, but none takes pods: a1 isn't ready, a2 is cordoned and has the taint x"
    )


def test_who_holds_the_devices_is_told_with_models_by_name_and_other_pods_by_theirs() -> None:
    world = wanting(
        pods=[
            pod("r1-a", "a1", {ASCEND_RESOURCE: "2"}, model="deepseek-r1"),
            pod("r1-b", "a1", {ASCEND_RESOURCE: "2"}, model="deepseek-r1"),
            pod("trainer-0", "a1", {ASCEND_RESOURCE: "4"}, namespace="lab"),
        ]
    )
    decision = decide(world)
    assert decision.reason == reasons.INSUFFICIENT_DEVICES
    assert decision.message == (
        "no room for 1 replica: huawei-ascend-910b in zone cyberjaya-1 has room for 0 with 8 huawei.com/Ascend910 each: "
        "8 of 8 huawei.com/Ascend910 are held: 4 by model treasury/deepseek-r1, 4 by pod lab/trainer-0"
    )


def ending(raw: dict[str, Any], by: str) -> dict[str, Any]:
    raw["metadata"]["deletionTimestamp"] = by
    return raw


def test_devices_that_come_back_once_pods_have_ended_are_told_with_the_time() -> None:
    first, last = "2027-01-15T08:10:00Z", "2027-01-15T08:12:00Z"
    world = wanting(
        pods=[
            pod("r1-a", "a1", {ASCEND_RESOURCE: "1"}, model="deepseek-r1"),
            ending(pod("r1-b", "a1", {ASCEND_RESOURCE: "2"}, model="deepseek-r1"), last),
            ending(pod("r1-c", "a1", {ASCEND_RESOURCE: "2"}, model="deepseek-r1"), first),
            ending(pod("trainer-0", "a1", {ASCEND_RESOURCE: "3"}, namespace="lab"), first),
        ]
    )
    assert decide(world).message.endswith(
        f"5 by model treasury/deepseek-r1 (4 of them until {last} at the latest: what has them is ending), "
        f"3 by pod lab/trainer-0 (until {first} at the latest: it is ending)"
    )


def test_devices_that_are_kept_for_replicas_without_a_node_are_promised() -> None:
    other = model("other", status=standing(ASCEND, ASCEND_RESOURCE, "a1", "a2"), accelerators=[choice(ASCEND, 4)])
    other["spec"]["replicas"] = 3
    bound = pod("other-1", "a1", {ASCEND_RESOURCE: "4"}, model="other")
    decision = decide(wanting(nodes=TWO_NODES, others=[other], pods=[bound]))
    assert decision.message.endswith(
        "12 of 16 huawei.com/Ascend910 are held: 8 promised to model treasury/other, 4 by model treasury/other"
    )


def test_what_is_kept_for_a_replica_on_several_nodes_is_promised_as_well() -> None:
    placed = {**standing(ASCEND, ASCEND_RESOURCE, "a1", "a2"), "sizing": {"devices": 8, "nodes": 2}}
    other = model("other", status=placed, accelerators=[choice(ASCEND, 8, nodes=2)])
    bound = pod("other-0-0", "a1", {ASCEND_RESOURCE: "4"}, model="other")
    assert decide(wanting(nodes=TWO_NODES, others=[other], pods=[bound], replicas=2)).message.endswith(
        "8 of 16 huawei.com/Ascend910 are held: 4 by model treasury/other, 4 promised to model treasury/other"
    )


def test_of_many_holders_the_largest_are_named_and_the_others_counted() -> None:
    pods = [pod(f"p{n}", "a1", {ASCEND_RESOURCE: "1"}, namespace="lab") for n in range(6)]
    pods.append(pod("big", "a1", {ASCEND_RESOURCE: "2"}, namespace="lab"))
    told = "2 by pod lab/big, 1 by pod lab/p0, 1 by pod lab/p1, 4 by 4 others"
    assert decide(wanting(pods=pods)).message.endswith(told)
    assert decide(wanting(pods=list(reversed(pods)))).message.endswith(told)


def test_a_model_that_would_not_fit_into_empty_nodes_is_told_so() -> None:
    told = decide(wanting(replicas=3, nodes=TWO_NODES)).message
    assert "has room for 2 with 8 huawei.com/Ascend910 each, and for 2 if nothing were held" in told
    assert "are held" not in told


def test_nodes_that_take_no_pods_are_told_beside_those_that_are_full() -> None:
    world = wanting(nodes=[ascend("a1"), ascend("a2", ready=False)], pods=[pod("p", "a1", {ASCEND_RESOURCE: "8"})])
    assert decide(world).message.endswith("8 by pod treasury/p; 1 of its 2 nodes takes no pods: a2 isn't ready")


def test_a_quantity_that_nobody_can_read_holds_no_more_than_there_is() -> None:
    assert (
        "8 of 8 huawei.com/Ascend910 are held: 8 by pod treasury/p"
        in decide(wanting(pods=[pod("p", "a1", {ASCEND_RESOURCE: "1.5"})])).message
    )


def test_the_policy_that_does_not_approve_an_accelerator_is_named() -> None:
    world = World(policies=[policy(), policy("two", accelerators={"profiles": [H20]})], nodes=[ascend("a1")])
    assert "AcceleratorProfile huawei-ascend-910b isn't approved by policy two" in decide(world).message


@pytest.mark.parametrize("pods", [0, 1, 200])
def test_the_sentence_stays_short_however_many_zones_and_holders_there_are(pods: int) -> None:
    zones = [zone(f"zone-with-a-long-name-{n}") for n in range(30)]
    nodes = [ascend(f"node-{n}", f"zone-with-a-long-name-{n}", count=4) for n in range(30)]
    held = [pod(f"pod-with-a-long-name-{n}", f"node-{n % 30}", {ASCEND_RESOURCE: "1"}) for n in range(pods)]
    decision = decide(wanting(nodes=nodes, zones=zones, pods=held))
    assert decision.reason == reasons.INSUFFICIENT_DEVICES
    assert "nor in 26 more places" in decision.message
    assert len(cut(decision.message).encode()) <= MESSAGE


@settings(max_examples=100)
@given(clusters())
def test_what_is_free_and_what_is_held_add_up_to_what_is_offered(world: World) -> None:
    world.namespaces = [namespace()]
    snapshot = world.snapshot()
    found = the_model(snapshot)
    seen = survey(found, snapshot.governing(found.namespace), snapshot)
    ref = Ref("SovereignModel", found.namespace, found.name)
    for option in seen.options:
        held = holdings(option.nodes, option.resource, seen.accounting, snapshot, ref)
        assert held.offered == sum(seen.accounting.total(n, option.resource) for n in option.nodes)
        assert 0 <= held.free <= held.offered
        assert sum(h.count for h in held.holders) >= held.offered - held.free
        assert all(h.count > 0 for h in held.holders)
        assert str(held).count(" by ") + str(held).count(" promised to ") <= NAMED + 1
