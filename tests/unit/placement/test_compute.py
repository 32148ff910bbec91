"""A model goes to no node that has less CPU or memory than its pods request, and is told so where no node has as much."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api import reasons
from daulat.facts.change import Change
from daulat.facts.node import Node, parse_node
from daulat.kube.ref import Ref
from daulat.placement.choice import Decision, choose
from daulat.reconcile.inventory.changes import changes_capacity
from tests.unit.world import ASCEND, ASCEND_RESOURCE, H20, World, ascend, choice, h20, model, pod, standing, the_model


def sized(raw: dict[str, Any], cpu: object = None, memory: object = None) -> dict[str, Any]:
    """Return a node with so much for pods."""
    own = {k: v for k, v in {"cpu": cpu, "memory": memory}.items() if v is not None}
    raw["status"]["allocatable"] = {**raw["status"]["allocatable"], **own}
    return raw


def requesting(**amounts: Any) -> dict[str, Any]:
    return model(resources={"requests": amounts}, accelerators=[choice(ASCEND, 4), choice(H20, 2)])


def decide(world: World) -> Decision:
    snapshot = world.snapshot()
    found = the_model(snapshot)
    return choose(found, snapshot.governing(found.namespace), snapshot)


def where(decision: Decision) -> tuple[str, tuple[str, ...]] | None:
    return (decision.chosen.choice.profile, decision.chosen.nodes) if decision.chosen is not None else None


@pytest.mark.parametrize(
    ("request_", "lacks"),
    [
        ({"cpu": "32"}, "CPU"),
        ({"memory": "512Gi"}, "memory"),
        ({"cpu": "15900m"}, "CPU"),
        ({"memory": "275G"}, "memory"),
    ],
)
def test_a_node_that_is_too_small_is_passed_over(request_: dict[str, str], lacks: str) -> None:
    small, large = sized(ascend("a1"), "15890m", "263921440Ki"), sized(ascend("a2"), 128, "1Ti")
    decision = decide(World(nodes=[small, large], models=[requesting(**request_)]))
    assert where(decision) == (ASCEND, ("a2",))
    assert [(g.reason, g.nodes) for g in decision.rejected] == [
        (f"has less {lacks} in all than spec.resources of the model requests", ("a1",))
    ]


def test_the_next_accelerator_is_taken_where_nodes_of_the_first_are_too_small() -> None:
    nodes = [sized(ascend("a1"), "16"), sized(h20("h1"), "64")]
    assert where(decide(World(nodes=nodes, models=[requesting(cpu="32")]))) == (H20, ("h1",))


def test_where_no_node_is_large_enough_the_message_has_both_amounts() -> None:
    nodes = [sized(ascend("a1"), "15890m", "252Gi"), sized(h20("h1"), "32", "1Ti")]
    decision = decide(World(nodes=nodes, models=[requesting(cpu="48", memory="300Gi")]))
    assert decision.chosen is None
    assert decision.reason == reasons.NODES_TOO_SMALL
    assert decision.message == (
        f"no node with {ASCEND} or {H20} is large enough: spec.resources requests 48 CPU, and the largest node has 32 CPU for pods "
        "in all; 300.0 GiB of memory, and the largest node has 1024.0 GiB of memory for pods in all"
    )


@pytest.mark.parametrize("status", [{"cpu": None, "memory": None}, {"cpu": "many", "memory": ""}])
def test_a_node_that_doesnt_report_its_size_is_refused_nothing(status: dict[str, Any]) -> None:
    nodes = [ascend("a1")]
    nodes[0]["status"]["allocatable"] |= status
    assert where(decide(World(nodes=nodes, models=[requesting(cpu="999", memory="9Ti")]))) == (ASCEND, ("a1",))


def test_as_much_as_a_node_has_is_not_too_much() -> None:
    nodes = [sized(ascend("a1"), "15890m", "263921440Ki")]
    asked = requesting(cpu="15.89", memory=str(263921440 * 1024))
    assert where(decide(World(nodes=nodes, models=[asked]))) == (ASCEND, ("a1",))


def test_a_limit_alone_is_a_request_too() -> None:
    asked = model(resources={"limits": {"cpu": "32"}}, accelerators=[choice(ASCEND, 4)])
    assert decide(World(nodes=[sized(ascend("a1"), "16")], models=[asked])).reason == reasons.NODES_TOO_SMALL
    both = model(resources={"limits": {"cpu": "32"}, "requests": {"cpu": "8"}}, accelerators=[choice(ASCEND, 4)])
    assert where(decide(World(nodes=[sized(ascend("a1"), "16")], models=[both]))) == (ASCEND, ("a1",))


def test_what_other_pods_request_is_left_to_the_scheduler() -> None:
    busy = pod("busy", "a1")
    busy["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "16"}}
    world = World(nodes=[sized(ascend("a1"), "16")], pods=[busy], models=[requesting(cpu="8")])
    assert where(decide(world)) == (ASCEND, ("a1",))


def test_a_model_that_runs_stays_though_it_requests_more_than_its_node_has() -> None:
    nodes, asked = [sized(ascend("a1"), "16")], requesting(cpu="32")
    asked["status"] = standing(ASCEND, ASCEND_RESOURCE, "a1")
    running = pod("p", "a1", {ASCEND_RESOURCE: "4"}, "deepseek")
    decision = decide(World(nodes=nodes, pods=[running], models=[asked]))
    assert where(decision) == (ASCEND, ("a1",))
    assert decision.message.endswith(
        "; no node there is large enough for what spec.resources requests now, so new pods wait"
    )
    # Without a pod on it nothing is lost by another place.
    assert decide(World(nodes=nodes, models=[asked])).reason == reasons.NODES_TOO_SMALL


def test_a_node_that_grows_is_capacity_and_what_is_used_of_it_isnt() -> None:
    def read(cpu: str) -> Node:
        found = parse_node(sized(ascend("a1"), cpu))
        assert isinstance(found, Node)
        return found

    ref = Ref("Node", "", "a1")
    assert changes_capacity(Change(ref, read("16"), read("32")))
    assert not changes_capacity(Change(ref, read("16"), read("16000m")))
