"""What only a real kubelet shows, with the operator and policies in place: refused at admission, or handled in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.deployment import poll
from tests.e2e.world import Manifest

from .world import APPROVED, ASCEND, GPU, NPU, SITE, RealWorld, client_pod


@pytest.fixture(scope="module")
def governed(real: RealWorld) -> Iterator[tuple[str, str]]:
    with real.governed(accelerators=APPROVED) as (policy, namespace):
        yield policy, namespace


@pytest.fixture(scope="module")
def free(real: RealWorld) -> Iterator[str]:
    """A namespace that no policy governs."""
    with real.ungoverned() as name:
        yield name


def devices(count: int, resource: str = ASCEND) -> Manifest:
    return {"limits": {resource: str(count)}}


@contextmanager
def running(real: RealWorld, pod: Manifest) -> Iterator[None]:
    """Have a pod that runs, as long as the block lasts."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    real.admin.apply([pod])
    real.wait_phase(name, namespace, "Running")
    try:
        yield
    finally:
        real.admin.run("delete", "pod", name, "-n", namespace, "--now")


def test_a_pin_holds_for_a_pod_that_goes_around_the_scheduler(
    real: RealWorld, free: str, governed: tuple[str, str]
) -> None:
    _, namespace = governed
    direct = client_pod(real, "direct", namespace, nodeName=NPU, nodeSelector={SITE: "kulai-1"})
    assert "USE-04 " in real.refusal(direct)
    # Where nobody asks a policy, the kubelet itself keeps to the selector.
    real.admin.apply([client_pod(real, "direct", free, nodeName=NPU, nodeSelector={SITE: "kulai-1"})])
    assert real.wait_phase("direct", free, "Failed") == "NodeAffinity"


def test_devices_of_a_pod_that_the_kubelet_refuses_were_given_away_and_are_free_again(
    real: RealWorld, free: str, governed: tuple[str, str]
) -> None:
    """So what a plugin was requested is no record of what ran."""
    _, namespace = governed
    four: Manifest = {"nodeName": NPU, "nodeSelector": {SITE: "kulai-1"}, "resources": devices(4)}
    assert "USE-04 " in real.refusal(client_pod(real, "given", namespace, **four))
    before = len(real.machine(NPU).allocations)
    real.admin.apply([client_pod(real, "given", free, **four)])
    assert real.wait_phase("given", free, "Failed") == "NodeAffinity"
    (given,) = real.machine(NPU).allocations[before:]
    assert (given.resource, len(given.ids)) == (ASCEND, 4)
    with running(real, client_pod(real, "taker", namespace, resources=devices(4))):
        pass


def test_a_request_for_devices_that_a_node_lacks_proves_nothing(
    real: RealWorld, free: str, governed: tuple[str, str]
) -> None:
    _, namespace = governed
    lacking = client_pod(real, "lacking", namespace, nodeName=GPU, resources=devices(1))
    assert "USE-04 " in real.refusal(lacking)
    # The kubelet lets it run without: so nodeName must be refused.
    real.admin.apply([client_pod(real, "lacking", free, nodeName=GPU, resources=devices(1))])
    real.wait_phase("lacking", free, "Running")
    assert "ASCEND" not in real.inside(free, "lacking", "env")


def test_more_devices_than_are_free_are_the_kubelets_to_refuse(
    real: RealWorld, free: str, governed: tuple[str, str]
) -> None:
    _, namespace = governed
    assert "USE-04 " in real.refusal(client_pod(real, "greedy", namespace, nodeName=NPU, resources=devices(5)))
    real.admin.apply([client_pod(real, "greedy", free, nodeName=NPU, resources=devices(5))])
    assert real.wait_phase("greedy", free, "Failed") in ("UnexpectedAdmissionError", f"OutOf{ASCEND}")


def test_a_taint_is_no_fence_for_a_pod_that_names_its_node(
    real: RealWorld, free: str, governed: tuple[str, str]
) -> None:
    _, namespace = governed
    real.admin.run("taint", "node", GPU, "example.com/closed=true:NoSchedule")
    try:
        assert "USE-04 " in real.refusal(client_pod(real, "bold", namespace, nodeName=GPU))
        real.admin.apply([client_pod(real, "bold", free, nodeName=GPU)])
        real.wait_phase("bold", free, "Running")
    finally:
        real.admin.run("taint", "node", GPU, "example.com/closed-")


def test_a_container_has_the_devices_that_the_plugin_gave_it_and_no_others(
    real: RealWorld, governed: tuple[str, str]
) -> None:
    _, namespace = governed
    with running(real, client_pod(real, "two", namespace, resources=devices(2))):
        said = dict(line.split("=", 1) for line in real.inside(namespace, "two", "env").splitlines() if "=" in line)
        given = real.machine(NPU).allocations[-1]
    assert given.resource == ASCEND
    assert said["ASCEND_VISIBLE_DEVICES"].split(",") == [i.rpartition("-")[2] for i in sorted(given.ids)]
    assert len(given.ids) == 2


@pytest.mark.parametrize("value", ["all", "0,1,2,3,4,5,6,7"])
@pytest.mark.parametrize("name", ["ASCEND_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"])
def test_a_user_who_sets_the_variable_of_devices_is_refused(
    real: RealWorld, free: str, governed: tuple[str, str], name: str, value: str
) -> None:
    _, namespace = governed
    env = [{"name": name, "value": value}]
    pod = client_pod(real, "wish", namespace, env=env, resources=devices(1) if name.startswith("ASCEND") else {})
    assert "USE-16 " in real.refusal(pod)
    if name != "ASCEND_VISIBLE_DEVICES":
        return
    # Without a policy the user's value wins over the plugin's: so it must be refused.
    here = {"kubernetes.io/hostname": NPU}
    wish = client_pod(real, f"wish-{len(value)}", free, env=env, resources=devices(1), nodeSelector=here)
    with running(real, wish):
        assert f"{name}={value}\n" in real.inside(free, f"wish-{len(value)}", "env")


def test_a_kubelet_that_starts_anew_keeps_what_runs(real: RealWorld, governed: tuple[str, str]) -> None:
    _, namespace = governed
    with running(real, client_pod(real, "steady", namespace, resources=devices(1))):
        before = real.get("pod", "steady", namespace=namespace)["status"]["containerStatuses"]
        for _ in range(2):
            real.restart(NPU, "kubelet")
            poll("the node to be ready", lambda: real.is_ready(NPU))
            devices_back = lambda: real.get("node", NPU)["status"]["allocatable"].get(ASCEND) == "4"  # noqa: E731
            poll("its devices to be back", devices_back)
        after = real.get("pod", "steady", namespace=namespace)["status"]["containerStatuses"]
    assert [c["containerID"] for c in before] == [c["containerID"] for c in after]
    assert after[0]["restartCount"] == 0
