"""bench-scale tells slow from stuck, and judges placements even where pods wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bench.scale import manifests, settle
from bench.scale.exactness import exact
from bench.scale.rounds import Round
from bench.scale.settle import Final, of_model, waiting_for_room


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_objects_that_go_on_changing_are_slow_and_not_stuck(clock: Clock) -> None:
    final = Final(1000, clock)
    for _ in range(100):
        clock.now += settle.STUCK - 1
        final.note("a/model", "")
    assert not final.stuck
    assert final.changed == settle.STUCK - 1  # its state never changed again


def test_whatever_happens_to_pods_counts_as_progress(clock: Clock) -> None:
    final = Final(1, clock)
    clock.now = settle.STUCK + 1
    assert final.stuck
    final.hear()
    assert not final.stuck


def test_objects_are_settled_once_all_are_final_for_a_while(clock: Clock) -> None:
    final = Final(2, clock)
    final.note("a", "Ready")
    clock.now = 5
    final.note("b", "")
    clock.now = 50
    assert not final.settled
    assert final.missing == ["b"]
    final.note("b", "Ready")
    assert not final.settled
    clock.now += settle.QUIET + 1
    assert final.settled
    assert final.at == {"a": 0, "b": 50}


def test_what_was_never_seen_is_not_settled(clock: Clock) -> None:
    final = Final(2, clock)
    final.note("a", "Ready")
    clock.now = 1000
    assert not final.settled
    assert final.unseen == 1


def test_what_does_not_come_is_said_and_no_exception(clock: Clock) -> None:
    final = Final(3, clock)
    final.note("a", "Ready")
    final.note("b", "")
    clock.now = settle.STUCK + 1
    problem = asyncio.run(settle.settle(final))
    assert problem == "1 of 3 aren't in a final state, 1 were never seen, and nothing has happened for 90 s"


def test_the_deadline_ends_what_goes_on_for_ever(clock: Clock) -> None:
    final = Final(1, clock)

    def later() -> float:
        clock.now += settle.LIMIT
        final.heard = clock.now
        return clock.now

    final.clock = later
    final.note("a", "")
    assert "1 of 1 aren't in a final state" in asyncio.run(settle.settle(final))


def test_a_model_that_was_not_looked_at_since_it_changed_is_in_no_final_state() -> None:
    status = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
    status["placement"] = {"accelerator": "nvidia-h20"}
    assert of_model({"metadata": {"generation": 1}, "status": status}) == "Ready on nvidia-h20"
    assert of_model({"metadata": {"generation": 2}, "status": status}) == ""
    assert of_model({"metadata": {"generation": 1}}) == ""


def test_a_deployment_waits_for_room_where_the_scheduler_says_so_of_its_pod() -> None:
    def pod(name: str, reason: str) -> dict[str, Any]:
        condition = {"type": "PodScheduled", "status": "False", "reason": reason}
        labels = {manifests.PLAIN: name}
        return {"metadata": {"namespace": "a", "labels": labels}, "status": {"conditions": [condition]}}

    assert waiting_for_room([pod("big", "Unschedulable"), pod("new", ""), {"metadata": {}}], manifests.PLAIN) == {
        "a/big"
    }


def model(accelerator: str = "") -> dict[str, Any]:
    placed = {"status": {"placement": {"accelerator": accelerator}}} if accelerator else {}
    return {**manifests.models(1)[0], **placed}


def node(name: str, resource: str, count: int) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"allocatable": {resource: str(count), "cpu": "8"}}}


def pod(where: str, resource: str, count: int) -> dict[str, Any]:
    limits = {resource: str(count), "cpu": "1"}
    return {"spec": {"containers": [{"resources": {"limits": limits}}], **({"nodeName": where} if where else {})}}


ASCEND = "huawei.com/Ascend910"
NODES = [node("atlas-800-a2-cyberjaya-1-1", ASCEND, 8)]


def test_a_pod_that_waits_for_a_node_holds_nothing() -> None:
    assert exact([pod("", ASCEND, 8)], NODES, [model("huawei-ascend-910b")], 8) == []


def test_a_device_that_is_held_twice_is_told() -> None:
    held = [pod(NODES[0]["metadata"]["name"], ASCEND, 6)] * 2
    assert exact(held, NODES, [], 8) == ["atlas-800-a2-cyberjaya-1-1: 4 huawei.com/Ascend910 too many are held"]


def test_a_model_without_a_placement_where_there_is_room_is_told() -> None:
    (wrong,) = exact([], NODES, [model()], 8)
    assert wrong == "model-0000 isn't on huawei-ascend-910b, where 4 replicas more have room"


def test_the_median_is_of_what_is_ready() -> None:
    states = {"a": "Ready on x", "b": "Ready on y", "c": "Ready on x", "d": "NoRoom"}
    found = Round("models", 40.0, {}, states, {"a": 1.0, "b": 2.0, "c": 9.0, "d": 40.0})
    assert found.median == 2.0
