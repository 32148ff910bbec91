"""What breaks under a model that serves: programs of the node, its devices, its network, an image that isn't there."""

from __future__ import annotations

import pytest

from dev.cluster.node.serving import tiny
from dev.deployment import poll
from tests.e2e.world import unique

from .models import FIRST, Served, Weights, pods_of, where
from .observer import Observer
from .steady import Steady
from .world import GPU, NPU, SLOT, RealWorld


def started(real: RealWorld, served: Served) -> list[tuple[str, int]]:
    """Return the containers of the model's pod, with how often each was started anew."""
    status = real.get("pod", served.pod, namespace=served.namespace)["status"]
    return [(c["containerID"], c["restartCount"]) for c in status["containerStatuses"]]


def offered(real: RealWorld) -> list[str]:
    """Return how many slots each node has that work."""
    return [real.get("node", node)["status"]["allocatable"][SLOT] for node in (NPU, GPU)]


@pytest.mark.parametrize("part", ["kubelet", "containerd", "kube-proxy"])
def test_a_models_container_goes_on_while_a_program_of_its_node_is_killed_and_started(
    real: RealWorld, served: Served, part: str
) -> None:
    before = started(real, served)
    with Steady(served.chat) as steady:
        real.restart(served.node, part)
        poll("answers after it", lambda: len(steady.answers) > 20, 30)
        poll("the node to be ready", lambda: real.condition("node", served.node, "Ready").get("status") == "True")
        many = len(steady.answers)
        poll("answers after that", lambda: len(steady.answers) > many + 20, 30)
    # A kubelet that starts, or that misses its runtime, may take the pod for not ready until it has asked again. Another replica
    # would answer meanwhile. The container itself goes on: nothing was loaded anew.
    assert started(real, served) == before
    assert set(steady.answers) == {FIRST}
    assert part != "kube-proxy" or steady.errors == []
    real.wait_condition("sovereignmodel", served.name, "Ready", "True", served.namespace, 60)


def test_an_unhealthy_device_is_no_room_and_is_told(real: RealWorld, served: Served, weights: Weights) -> None:
    """A device that fails is taken from what the node offers; a model that can't have it says so, and comes up once it can."""
    broken = [(node, f"cpu-slot-{n}") for node in (NPU, GPU) for n in range(2)]
    try:
        for node, device in broken:
            real.machine(node).devices.set_health(SLOT, device, healthy=False)
        poll("the nodes to offer none", lambda: offered(real) == ["0", "0"])
        late = unique("late")
        real.admin.apply([tiny(late, served.namespace, weights.uris["first"])])
        told = real.wait_reason("sovereignmodel", late, "Placed", "NoRoom", served.namespace)
        assert "2 of its 2 nodes have none that works" in told["message"]
        # What serves goes on: the kubelet ends nobody for a device, and neither does the operator.
        assert served.chat.answer() == FIRST
        assert real.condition("sovereignmodel", served.name, "Ready", served.namespace)["status"] == "True"
    finally:
        for node in (NPU, GPU):
            real.machine(node).devices.restore()
    assert [p["metadata"]["name"] for p in real.pods(served.namespace) if served.name in p["metadata"]["name"]] == [
        served.pod
    ]
    real.wait_condition("sovereignmodel", late, "Ready", "True", served.namespace, 90)


def test_an_image_that_nobody_has_is_told_in_words(real: RealWorld, weights: Weights, place: str) -> None:
    name = unique("nowhere")
    missing = "registry.example.my/models/tiny@sha256:" + "0" * 64
    real.admin.apply([tiny(name, place, f"oci://{missing}")])
    told = real.wait_reason("sovereignmodel", name, "Ready", "ImageNotPulled", place)
    assert missing in told["message"]
    # A correction alone brings it up.
    real.admin.apply([tiny(name, place, weights.uris["first"])])
    real.wait_condition("sovereignmodel", name, "Ready", "True", place, 90)


def test_a_full_disk_ends_what_runs_there_and_the_model_comes_up_elsewhere(
    real: RealWorld, weights: Weights, place: str
) -> None:
    """The kubelet's disk is the node's own (`sandbox.DISK`). A little is left, with which it can still write down what it does."""
    name = unique("tiny")
    real.admin.apply([tiny(name, place, weights.uris["first"])])
    real.wait_condition("sovereignmodel", name, "Ready", "True", place, 90)
    (before,), (pod,) = where(real, place), pods_of(real, place)
    (other,) = {NPU, GPU} - {before}
    machine = real.machine(before)
    ballast = "/var/lib/kubelet/ballast"
    fill = f"set -- $(df -k /var/lib/kubelet | tail -1); fallocate -l $(( ($4 - 300) * 1024 )) {ballast}"
    try:
        with Observer(real, place) as observer:
            assert machine.run("sh", "-c", fill).returncode == 0
            poll("the disk to be full", lambda: real.condition("node", before, "DiskPressure").get("status") == "True")
            poll("the model to serve elsewhere", lambda: where(real, place) == [other], 60)
            poll("its processes to be gone", lambda: not observer.now(before))
            observer.close(before, 0)
            real.wait_condition("sovereignmodel", name, "Ready", "True", place)
        told = real.get("events", f"--field-selector=involvedObject.name={pod['metadata']['name']}", namespace=place)
        assert "Evicted" in {e["reason"] for e in told["items"]}
    finally:
        machine.run("rm", "-f", ballast)
        poll("the disk to have room", lambda: real.condition("node", before, "DiskPressure").get("status") == "False")


def test_a_device_that_is_lost_and_comes_back_costs_no_container(real: RealWorld, served: Served) -> None:
    before = started(real, served)
    devices = real.machine(served.node).devices
    try:
        for n in range(2):
            devices.lose(SLOT, f"cpu-slot-{n}")
        poll("the node to offer none", lambda: offered(real)[(NPU, GPU).index(served.node)] == "0")
        assert served.chat.answer() == FIRST
        assert real.condition("sovereignmodel", served.name, "Ready", served.namespace)["status"] == "True"
    finally:
        devices.restore()
    poll("the node to offer all", lambda: offered(real) == ["2", "2"])
    assert started(real, served) == before
