"""What breaks under a model that serves: programs of the node, its devices, an image that isn't there."""

from __future__ import annotations

import pytest

from dev.cluster.node.serving import tiny
from dev.deployment import poll
from tests.e2e.world import unique

from .container import Container
from .models import FIRST, Served, Weights, pods_of
from .observer import Observer
from .steady import Steady
from .world import ENGINE, GPU, NPU, SLOT, RealWorld

SLOTS = "3"
"""That each node has, by the scenario."""


def engine_of(real: RealWorld, served: Served) -> int:
    """Return the process that serves the model."""
    return Container.of(real, served.pod, served.namespace).pid


def offered(real: RealWorld) -> list[str]:
    """Return how many slots each node has that work."""
    return [real.get("node", node)["status"]["allocatable"][SLOT] for node in (NPU, GPU)]


@pytest.mark.parametrize("part", ["kubelet", "containerd", "kube-proxy", "plugin"])
def test_a_models_container_goes_on_while_a_program_of_its_node_is_killed_and_started(
    real: RealWorld, served: Served, part: str
) -> None:
    engine = engine_of(real, served)
    with Observer(real, served.namespace) as observer, Steady(served.chat) as steady:
        observer.forbid(lambda seen: seen.program == ENGINE and (seen.node, seen.pod) != (served.node, served.pod))
        real.restart(served.node, part)
        poll("answers after it", lambda: len(steady.answers) > 20)
        poll("the node to be ready", lambda: real.is_ready(served.node))
        poll("its devices to be offered", lambda: offered(real) == [SLOTS, SLOTS])
        many = len(steady.answers)
        poll("answers after that", lambda: len(steady.answers) > many + 20)
    # A kubelet that starts, or that misses its runtime, may take the pod for not ready until it has asked again. Another replica
    # would answer meanwhile. The process itself goes on: nothing was loaded anew.
    assert engine_of(real, served) == engine
    assert set(steady.answers) == {FIRST}
    assert part not in ("kube-proxy", "plugin") or steady.errors == []
    served.wait_ready()
    assert real.reasons(served.pod, served.namespace) & {"Killing", "BackOff", "Evicted"} == set()


def test_an_unhealthy_device_is_no_room_and_is_told(real: RealWorld, served: Served, weights: Weights) -> None:
    """A device that fails is taken from what the node offers; a model that can't have it says so, and comes up once it can."""
    broken = [(node, f"cpu-slot-{n}") for node in (NPU, GPU) for n in range(int(SLOTS))]
    try:
        with Observer(real, served.namespace) as observer:
            for node, device in broken:
                real.machine(node).devices.set_health(SLOT, device, healthy=False)
            poll("the nodes to offer none", lambda: offered(real) == ["0", "0"])
            observer.forbid(lambda seen: seen.program == ENGINE and seen.pod != served.pod)
            late = unique("late")
            real.admin.apply([tiny(late, served.namespace, weights.uris["first"])])
            told = real.wait_reason("sovereignmodel", late, "Placed", "InsufficientDevices", served.namespace)
            assert "2 of its 2 nodes have none that works" in told["message"]
            assert "InsufficientDevices" in real.reasons(late, served.namespace)
            # What serves goes on: the kubelet ends nobody for a device, and neither does the operator.
            assert served.chat.answer() == FIRST
            assert real.condition("sovereignmodel", served.name, "Ready", served.namespace)["status"] == "True"
    finally:
        for node in (NPU, GPU):
            real.machine(node).devices.restore()
    assert [p["metadata"]["name"] for p in pods_of(real, served.namespace, served.name)] == [served.pod]
    real.wait_condition("sovereignmodel", late, "Ready", "True", served.namespace)
    real.admin.run("delete", "sovereignmodel", late, "-n", served.namespace)


def test_an_image_that_nobody_has_is_told_in_words(real: RealWorld, weights: Weights, place: str) -> None:
    name = unique("nowhere")
    missing = "registry.example.my/models/tiny@sha256:" + "0" * 64
    with Observer(real, place) as observer:
        observer.forbid(lambda seen: seen.program == ENGINE)
        real.admin.apply([tiny(name, place, f"oci://{missing}")])
        told = real.wait_reason("sovereignmodel", name, "Ready", "ImagePullFailed", place)
        assert missing in told["message"]
        assert "ImagePullFailed" in real.reasons(name, place)
    # A correction alone brings it up.
    real.admin.apply([tiny(name, place, weights.uris["first"])])
    real.wait_condition("sovereignmodel", name, "Ready", "True", place)


def test_a_device_that_is_lost_and_comes_back_costs_no_container(real: RealWorld, served: Served) -> None:
    engine = engine_of(real, served)
    devices = real.machine(served.node).devices
    try:
        for n in range(int(SLOTS)):
            devices.lose(SLOT, f"cpu-slot-{n}")
        poll("the node to offer none", lambda: offered(real)[(NPU, GPU).index(served.node)] == "0")
        assert served.chat.answer() == FIRST
        assert real.condition("sovereignmodel", served.name, "Ready", served.namespace)["status"] == "True"
    finally:
        devices.restore()
    poll("the node to offer all", lambda: offered(real) == [SLOTS, SLOTS])
    assert engine_of(real, served) == engine
