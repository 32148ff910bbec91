"""Where a model goes, where it stays, and why not elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from daulat.api import reasons
from daulat.facts.node import Node
from daulat.placement.choice import Decision, choose
from daulat.placement.eligibility import ineligible
from tests.strategies import clusters
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    NVIDIA_RESOURCE,
    World,
    ascend,
    choice,
    h20,
    model,
    namespace,
    pod,
    policy,
    standing,
    the_model,
    zone,
)


def decide(world: World, name: str = "deepseek") -> Decision:
    snapshot = world.snapshot()
    found = the_model(snapshot, name)
    return choose(found, snapshot.governing(found.namespace), snapshot)


def where(decision: Decision) -> tuple[str, str, tuple[str, ...]] | None:
    chosen = decision.chosen
    return (chosen.zone, chosen.choice.profile, chosen.nodes) if chosen else None


def why(decision: Decision) -> dict[str, tuple[str, ...]]:
    return {g.reason: g.nodes for g in decision.rejected}


def full(name: str, resource: str = ASCEND_RESOURCE, **more: Any) -> dict[str, Any]:
    return pod(f"full-{name}", name, {resource: "8"}, **more)


def test_the_first_accelerator_in_the_users_order_is_taken() -> None:
    assert where(decide(World())) == ("cyberjaya-1", ASCEND, ("a1", "a2"))
    world = World(models=[model(accelerators=[choice(H20, 2), choice(ASCEND, 4)])])
    assert where(decide(world)) == ("cyberjaya-1", H20, ("h1",))


def test_the_next_accelerator_is_taken_where_the_first_is_full() -> None:
    decision = decide(World(pods=[full("a1"), full("a2")]))
    assert where(decision) == ("cyberjaya-1", H20, ("h1",))
    assert why(decision) == {"huawei-ascend-910b in zone cyberjaya-1 has room for 0 of 1 replicas": ("a1", "a2")}


def test_a_replica_does_not_span_nodes() -> None:
    world = World(nodes=[ascend("a1", count=3), ascend("a2", count=3)])
    assert decide(world).reason == reasons.INSUFFICIENT_DEVICES


def test_all_replicas_go_to_one_zone() -> None:
    world = World(
        nodes=[ascend("a1", count=4), ascend("b1", "johor-1", count=4)],
        zones=[zone(), zone("johor-1")],
        models=[model(replicas=2)],
    )
    assert decide(world).reason == reasons.INSUFFICIENT_DEVICES


def test_devices_reserved_for_another_placed_model_are_not_given_away() -> None:
    other = model("other", status=standing(ASCEND, ASCEND_RESOURCE, "a1", "a2"), replicas=4)
    assert where(decide(World(models=[model(), other]))) == ("cyberjaya-1", H20, ("h1",))


def test_a_reservation_ends_where_the_pods_hold_the_devices_themselves() -> None:
    other = model("other", status=standing(ASCEND, ASCEND_RESOURCE, "a1", "a2"), replicas=1)
    held = [pod("o", "a1", {ASCEND_RESOURCE: "4"}, model="other")]
    world = World(nodes=[ascend("a1")], models=[model(), other], pods=held)
    assert where(decide(world)) == ("cyberjaya-1", ASCEND, ("a1",))


def test_a_model_being_deleted_reserves_nothing() -> None:
    other = model("other", status=standing(ASCEND, ASCEND_RESOURCE, "a1", "a2"), replicas=4)
    other["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert where(decide(World(models=[model(), other]))) == ("cyberjaya-1", ASCEND, ("a1", "a2"))


def test_a_model_of_the_same_name_in_another_namespace_is_another_model() -> None:
    pods = [full("a1", model="deepseek", namespace="other"), full("a2", model="deepseek", namespace="other")]
    assert where(decide(World(pods=pods))) == ("cyberjaya-1", H20, ("h1",))


def on_h20(*pods: dict[str, Any], **world: Any) -> World:
    placed = model(status=standing(H20, NVIDIA_RESOURCE, "h1"))
    own = pod("own", "h1", {NVIDIA_RESOURCE: "2"}, model="deepseek")
    return World(models=[placed], pods=[own, *pods], **world)


def test_a_model_stays_where_it_is_when_a_better_place_frees_up() -> None:
    assert where(decide(on_h20())) == ("cyberjaya-1", H20, ("h1",))


def test_a_model_moves_when_its_zone_is_not_eligible_any_more() -> None:
    world = on_h20(nodes=[h20("h1", "singapore-1"), ascend("a1")], zones=[zone(), zone("singapore-1", country="SG")])
    world.models[0]["status"]["placement"]["zone"] = "singapore-1"
    decision = decide(world)
    assert where(decision) == ("cyberjaya-1", ASCEND, ("a1",))
    assert why(decision) == {"zone singapore-1 is in SG, outside MY": ("h1",)}


def test_a_node_that_isnt_ready_does_not_move_a_running_model() -> None:
    assert where(decide(on_h20(nodes=[h20("h1", ready=False), ascend("a1")]))) == ("cyberjaya-1", H20, ("h1",))


def test_a_model_without_pods_yet_chooses_anew_where_others_took_the_devices() -> None:
    placed = model(status=standing(H20, NVIDIA_RESOURCE, "h1"))
    world = World(models=[placed], pods=[full("h1", NVIDIA_RESOURCE)])
    assert where(decide(world)) == ("cyberjaya-1", ASCEND, ("a1", "a2"))


def test_a_cordoned_or_tainted_node_takes_no_new_model() -> None:
    cordoned, tainted = ascend("a1"), ascend("a2")
    cordoned["spec"]["unschedulable"] = True
    tainted["spec"]["taints"] = [{"key": "x", "effect": "NoSchedule"}]
    decision = decide(World(nodes=[cordoned, tainted, h20("h1")]))
    assert where(decision) == ("cyberjaya-1", H20, ("h1",))
    assert why(decision) == {"is cordoned": ("a1",), "has the taint x": ("a2",)}


def test_a_preferred_taint_does_not_keep_pods_away() -> None:
    tainted = ascend("a1")
    tainted["spec"]["taints"] = [{"key": "x", "effect": "PreferNoSchedule"}]
    assert where(decide(World(nodes=[tainted]))) == ("cyberjaya-1", ASCEND, ("a1",))


def test_a_node_of_the_chosen_zone_that_is_full_is_accounted_for() -> None:
    decision = decide(World(pods=[full("a1")]))
    assert where(decision) == ("cyberjaya-1", ASCEND, ("a2",))
    assert why(decision)["has fewer than 4 free huawei.com/Ascend910"] == ("a1",)


def test_a_node_with_room_beside_those_where_the_model_runs_is_accounted_for() -> None:
    decision = decide(on_h20(nodes=[h20("h1"), h20("h2")]))
    assert where(decision) == ("cyberjaya-1", H20, ("h1",))
    assert why(decision) == {"has room too, but the model runs on other nodes of its zone": ("h2",)}


def test_all_policies_must_hold() -> None:
    both = World(policies=[policy(), policy("two", zones={"names": ["johor-1"]})])
    decision = decide(both)
    assert decision.reason == reasons.NO_ELIGIBLE_NODE
    assert why(decision) == {"zone cyberjaya-1 is none of johor-1": ("a1", "a2", "h1")}


def test_an_accelerator_that_one_of_two_policies_does_not_approve_is_not_taken() -> None:
    world = World(policies=[policy(), policy("two", accelerators={"profiles": [H20]})])
    assert where(decide(world)) == ("cyberjaya-1", H20, ("h1",))


def test_no_replica_needs_no_room_where_the_model_stands() -> None:
    world = World(
        models=[model(status=standing(ASCEND, ASCEND_RESOURCE, "a1"), replicas=0)], pods=[full("a1"), full("a2")]
    )
    assert decide(world).reason == reasons.PLACEMENT_CHOSEN


def test_unknown_profiles_are_told_by_name() -> None:
    decision = decide(World(models=[model(accelerators=[choice("acme-1", 1)])]))
    assert (decision.reason, decision.message) == (
        reasons.NO_USABLE_PROFILE,
        "AcceleratorProfile acme-1 doesn't exist",
    )


def test_an_unknown_profile_does_not_stand_in_the_way_of_a_known_one() -> None:
    world = World(models=[model(accelerators=[choice("acme-1", 1), choice(H20, 1)])])
    assert where(decide(world)) == ("cyberjaya-1", H20, ("h1",))


def test_a_cluster_without_nodes_is_told_so() -> None:
    assert decide(World(nodes=[])).message.endswith(": there are no nodes")


@settings(max_examples=150)
@given(clusters())
def test_every_node_is_accounted_for_once_and_a_chosen_one_is_eligible_under_all_policies(world: World) -> None:
    world.namespaces = [namespace()]
    snapshot = world.snapshot()
    found = the_model(snapshot)
    policies = snapshot.governing(found.namespace)
    decision = choose(found, policies, snapshot)
    chosen = decision.chosen.nodes if decision.chosen else ()
    told = [*chosen, *(name for group in decision.rejected for name in group.nodes)]
    assert sorted(told) == sorted(snapshot.nodes)
    for name in chosen:
        taken = snapshot.nodes[name]
        assert isinstance(taken, Node)
        assert decision.chosen is not None
        held = {
            r
            for p in snapshot.pods_by_model.get((found.namespace, found.name), ())
            if p.node == name
            for r in p.devices
        }
        assert decision.chosen.resource in taken.resources | held
        assert all(ineligible(taken, p, snapshot) is None for p in policies)


@settings(max_examples=60)
@given(clusters())
def test_a_new_placement_has_room_for_every_replica(world: World) -> None:
    world.models[0]["status"], world.pods = {}, [p for p in world.pods if "deepseek" not in str(p)]
    chosen = decide(world).chosen
    if chosen is not None:
        held: dict[str, int] = {}
        for p in world.pods:
            amount = int(p["spec"]["containers"][0]["resources"]["limits"].get(chosen.resource, 0))
            held[p["spec"]["nodeName"]] = held.get(p["spec"]["nodeName"], 0) + amount
        free = {
            n["metadata"]["name"]: int(n["status"]["allocatable"][chosen.resource]) - held.get(n["metadata"]["name"], 0)
            for n in world.nodes
            if n["metadata"]["name"] in chosen.nodes
        }
        replicas = world.models[0]["spec"]["replicas"]
        assert sum(count // chosen.devices.count for count in free.values()) >= replicas


def failing(raw: dict[str, Any], capacity: str = "8") -> dict[str, Any]:
    """Return the node with devices of which none works just now, or, with a capacity of zero, that nobody offers any more."""
    resource = next(r for r in raw["status"]["allocatable"] if "/" in r)
    status = {**raw["status"], "capacity": {**raw["status"]["allocatable"], resource: capacity}}
    return {**raw, "status": {**status, "allocatable": {**raw["status"]["allocatable"], resource: "0"}}}


@pytest.mark.parametrize("capacity", ["8", "0"])
def test_a_model_that_runs_stays_while_no_device_of_its_node_is_offered(capacity: str) -> None:
    """A device plugin that is started anew offers nothing for a while; pods keep what they have."""
    runs = World(
        nodes=[failing(ascend("a1"), capacity), h20("h1")],
        models=[model(status=standing(ASCEND, ASCEND_RESOURCE, "a1"))],
        pods=[pod("p", "a1", {ASCEND_RESOURCE: "4"}, model="deepseek")],
    )
    assert where(decide(runs)) == ("cyberjaya-1", ASCEND, ("a1",))
    # Nothing is kept for one that doesn't run yet: it takes its next preference.
    assert where(decide(World(nodes=runs.nodes, models=runs.models))) == ("cyberjaya-1", H20, ("h1",))


def test_a_model_that_runs_leaves_a_node_that_is_not_eligible_any_more_whatever_it_offers() -> None:
    world = World(
        nodes=[failing(ascend("a1", site="")), h20("h1")],
        models=[model(status=standing(ASCEND, ASCEND_RESOURCE, "a1"))],
        pods=[pod("p", "a1", {ASCEND_RESOURCE: "4"}, model="deepseek")],
    )
    assert where(decide(world)) == ("cyberjaya-1", H20, ("h1",))


def test_devices_of_which_none_works_are_told_as_such() -> None:
    decision = decide(World(nodes=[failing(ascend("a1"))], models=[model(accelerators=[choice(ASCEND, 4)])]))
    assert decision.reason == reasons.INSUFFICIENT_DEVICES
    assert "1 of its 1 node has none that works" in decision.message
