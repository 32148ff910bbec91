"""The state of an AdmissionCheck is written beside what Kueue writes, and only for the workload that was decided on."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.kube.ref import Ref
from daulat.kube.resources import QUEUED, WATCHED
from daulat.reconcile.result import ApplyForeignStatus
from tests.unit.world import ASCEND_RESOURCE, Raw, World, admission_check, ascend, workload

from .cluster import Cluster, serve
from .server import FakeServer
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

JOB, CHECK = Ref("Workload", "treasury", "job"), Ref("AdmissionCheck", "", "sovereignty")
READY = {"name": "sovereignty", "state": "Ready", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "a place"}


def served(**more: Any) -> FakeServer:
    server = serve(World(models=[]))
    server.put("AdmissionCheck", admission_check())
    server.put("Workload", workload(devices={ASCEND_RESOURCE: "8"}, **more), manager="kueue-admission")
    return server


def following(server: FakeServer) -> Cluster:
    return Cluster(server, resources=(*WATCHED, *QUEUED))


async def write(cluster: Cluster, uid: str = "uid-job") -> None:
    await cluster.leader._executor.run(ApplyForeignStatus(JOB, uid, {"admissionChecks": [READY]}))


def state(server: FakeServer) -> str:
    (entry,) = server.object(JOB)["status"]["admissionChecks"]
    return str(entry["state"])


def test_a_state_is_written_and_all_else_of_the_status_stays() -> None:
    async def scenario() -> None:
        server = served()
        before = server.object(JOB)["status"]["conditions"]
        cluster = following(server)
        await cluster.list()
        await write(cluster)
        assert server.object(JOB)["status"] == {"conditions": before, "admissionChecks": [READY]}
        assert cluster.store.snapshot().workloads[JOB].states(frozenset({"sovereignty"})) == {"Ready"}

    run(scenario())


def test_it_is_written_where_the_workload_has_changed_in_what_does_not_count() -> None:
    async def scenario() -> None:
        server = served()
        cluster = following(server)
        await cluster.list()
        server.edit(JOB, metadata={"labels": {"a": "b"}})
        await write(cluster)
        assert state(server) == "Ready"

    run(scenario())


def test_it_is_not_written_where_the_workload_has_lost_its_quota_meanwhile() -> None:
    async def scenario() -> None:
        server = served()
        cluster = following(server)
        await cluster.list()
        server.edit(JOB, manager="kueue-admission", status={"conditions": []})
        await write(cluster)
        assert state(server) == "Pending"
        assert not cluster.store.snapshot().workloads[JOB].reserved

    run(scenario())


@pytest.mark.parametrize("again", [True, False], ids=["made anew", "gone"])
def test_it_is_not_written_where_the_workload_is_another_one(again: bool) -> None:
    async def scenario() -> None:
        server = served()
        cluster = following(server)
        await cluster.list()
        server.remove(JOB)
        if again:
            server.put("Workload", workload(metadata={"uid": "another"}))
        await write(cluster)
        assert (state(server) if again else "Pending") == "Pending"
        assert server.asked[-1].verb != "POST"

    run(scenario())


def test_an_operator_decides_on_what_waits_and_of_two_gives_the_last_device_to_one() -> None:
    async def scenario() -> None:
        server = served(metadata={"ownerReferences": [OWNER]})
        server.put("Workload", workload("second", devices={ASCEND_RESOURCE: "8"}), manager="kueue-admission")
        for name in ("a1", "a2", "h1"):
            server.remove(Ref("Node", "", name))
        server.put("Node", ascend("only"))
        cluster = following(server)
        await cluster.start()
        await cluster.settle()
        (active,) = server.object(CHECK)["status"]["conditions"]
        assert (active["type"], active["status"]) == ("Active", "True")
        second = server.object(Ref("Workload", "treasury", "second"))["status"]["admissionChecks"][0]
        assert (state(server), second["state"], second["requeueAfterSeconds"]) == ("Ready", "Retry", 10)
        told = [(e["involvedObject"]["kind"], e["reason"]) for e in server.events if "AdmissionCheck" in e["reason"]]
        assert told == [("Workload", "AdmissionCheckRetry")]
        asked = [a for a in server.asked if a.writes and "kueue" in a.path]
        assert len(asked) == 3, asked
        await cluster.stop()

    run(scenario())


def test_an_operator_that_is_not_switched_on_for_it_reads_and_writes_nothing_of_kueue() -> None:
    async def scenario() -> None:
        server = served()
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle()
        assert [a for a in server.asked if "kueue.x-k8s.io" in a.path] == []
        await cluster.stop()

    run(scenario())


OWNER: Raw = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": "uid-one"}
