"""A node's disk gets full. Nothing else may be there: a kubelet evicts one pod after another, with ten seconds between them."""

from __future__ import annotations

from dev.deployment import poll

from .models import Served
from .observer import Observer
from .world import RealWorld


def test_a_full_disk_ends_what_runs_there_and_the_model_comes_up_elsewhere(real: RealWorld, served: Served) -> None:
    """The kubelet's disk is the node's own (`sandbox.DISK`). A little is left, with which it can still write down what it does."""
    real.settle()
    served.without_client()
    machine = real.machine(served.node)
    ballast = "/var/lib/kubelet/ballast"
    fill = f"set -- $(df -k /var/lib/kubelet | tail -1); fallocate -l $(( ($4 - 300) * 1024 )) {ballast}"
    try:
        with Observer(real, served.namespace) as observer:
            assert machine.run("sh", "-c", fill).returncode == 0
            poll("the disk to be full", lambda: real.condition("node", served.node, "DiskPressure")["status"] == "True")
            served.wait_elsewhere()
            poll("its processes to be gone", lambda: not observer.now(served.node))
            observer.close(served.node)
            served.wait_ready()
        assert "Evicted" in real.reasons(served.pod, served.namespace)
    finally:
        machine.run("rm", "-f", ballast)
        poll("the disk to have room", lambda: real.condition("node", served.node, "DiskPressure")["status"] == "False")
