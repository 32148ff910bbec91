"""A node stops being eligible under what runs there: the policy's promise holds by the processes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dev.deployment import poll

from .models import CLIENT, ENDED, FIRST, Served, where
from .observer import Observer
from .steady import Steady
from .world import APPROVED, ASCEND, NPU, SITE, SLOT, RealWorld, client_pod

GRACE = 5
ENDS = 60
"""Seconds that a pod of a model may take to end: its preStop takes five, and kubelet and runtime of a slow machine take time."""


@contextmanager
def out_of_the_zone(real: RealWorld, node: str) -> Iterator[None]:
    """Take away what vouches for a node, as long as the block lasts."""
    real.admin.run("label", "node", node, f"{SITE}-")
    try:
        yield
    finally:
        real.admin.run("label", "node", node, f"{SITE}=cyberjaya-1", "--overwrite")
        poll(
            "its zone",
            lambda: real.get("node", node)["metadata"]["labels"].get(f"{SITE[: -len('site')]}zone") == "cyberjaya-1",
        )


def test_a_pod_of_anybody_is_ended_when_its_time_is_over(real: RealWorld) -> None:
    drift = {"gracePeriod": f"{GRACE}s"}
    with (
        real.governed(accelerators=APPROVED, drift=drift) as (policy, namespace),
        Observer(real, namespace) as observer,
    ):
        real.admin.apply([client_pod(real, "report", namespace, resources={"limits": {ASCEND: "1"}})])
        real.wait_phase("report", namespace, "Running")
        assert observer.now(NPU) == {"report"}
        with out_of_the_zone(real, NPU):
            observer.close(NPU, GRACE + ENDS)
            real.wait_condition("sovereigntypolicy", policy, "Upheld", "False")
            poll("its processes to be gone", lambda: not observer.now(NPU))
            real.wait_condition("sovereigntypolicy", policy, "Upheld", "True")


def test_a_model_leaves_a_node_that_lost_its_label_without_an_error(real: RealWorld, served: Served) -> None:
    name, namespace = served.name, served.namespace
    # Who asks isn't to leave with the node.
    served.without_client()
    real.admin.apply([client_pod(real, CLIENT, namespace, nodeSelector={"kubernetes.io/hostname": served.other})])
    with Observer(real, namespace) as observer:
        with Steady(served.chat) as steady, out_of_the_zone(real, served.node):
            told = real.wait_reason("sovereignmodel", name, "PolicyCompliant", "NodeNotEligible", namespace)
            assert f"its node {served.node} stands in no zone of record" in told["message"]
            assert real.condition("sovereignmodel", name, "Ready", namespace)["reason"] == "NodeNotEligible"
            served.wait_elsewhere()
            poll("its processes to be gone", lambda: not observer.now(served.node))
            observer.close(served.node)
            served.wait_ready()
            many = len(steady.answers)
            poll("answers after that", lambda: len(steady.answers) > many + 10)
        assert steady.errors == []
        assert set(steady.answers) == {FIRST}


def test_a_kubelet_that_starts_anew_ends_what_isnt_eligible_and_the_model_goes_elsewhere(
    real: RealWorld, served: Served
) -> None:
    """It says that there are no devices where the label is gone. That is no word of the model's status."""
    name, namespace = served.name, served.namespace
    served.without_client()
    with (
        served.under(drift={"action": "Report"}),
        Observer(real, namespace) as observer,
        out_of_the_zone(real, served.node),
    ):
        real.wait_reason("sovereignmodel", name, "PolicyCompliant", "NodeNotEligible", namespace)
        assert where(real, namespace) == [served.node]
        real.restart(served.node, "kubelet")
        poll("the kubelet to end it", lambda: real.pod_phase(served.pod, namespace)[0] in ENDED)
        assert {"NodeAffinity", f"OutOf{SLOT}"} & real.reasons(served.pod, namespace)
        served.wait_elsewhere()
        poll("its processes to be gone", lambda: not observer.now(served.node))
        observer.close(served.node)
        served.wait_ready()
        assert not {"InsufficientDevices", f"OutOf{SLOT}"} & real.reasons(name, namespace)


def test_a_node_that_nobody_reaches_is_told_as_such_until_it_is_back(real: RealWorld, served: Served) -> None:
    """Cut off, a kubelet hears no deletion: what runs there goes on, and nobody says otherwise."""
    name, namespace, policy = served.name, served.namespace, served.policy
    served.without_client()
    machine = real.machine(served.node)
    try:
        with served.under(drift={"gracePeriod": "1s", "limit": "100%"}), Observer(real, namespace) as observer:
            machine.disconnect()
            told = real.wait_condition("sovereignmodel", name, "Ready", "False", namespace)
            assert told["reason"] == "NodeNotReady"
            assert f"its node {served.node} isn't ready, so its state is unknown" in told["message"]
            with out_of_the_zone(real, served.node):
                served.wait_elsewhere()
                # Deleted in the API server, running by its processes: the policy says that it isn't upheld.
                assert observer.now(served.node) == {served.pod}
                (drifted,) = real.get("sovereigntypolicy", policy)["status"]["drift"]
                assert (drifted["node"], drifted["sample"]) == (served.node, [f"{namespace}/{served.pod}"])
                assert real.condition("sovereigntypolicy", policy, "Upheld")["status"] == "False"
                machine.disconnect(cut=False)
                poll("its processes to be gone", lambda: not observer.now(served.node))
                observer.close(served.node)
                real.wait_condition("sovereigntypolicy", policy, "Upheld", "True")
                served.wait_ready()
    finally:
        machine.disconnect(cut=False)
        poll("the node to be ready", lambda: real.is_ready(served.node))
