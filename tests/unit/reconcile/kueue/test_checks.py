"""What is decided on AdmissionChecks is written once, and only where Daulat is their controller."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.timestamps import stamp
from daulat.kube.ref import Ref
from daulat.reconcile.registry import reconcile
from daulat.reconcile.result import ApplyForeignStatus, EmitEvent, Result
from tests.unit.world import (
    ASCEND_RESOURCE,
    Raw,
    World,
    admission_check,
    ascend,
    namespace,
    node,
    pod,
    policy,
    workload,
    zone,
)

NOW = 1_800_000_000.0
JOB, CHECK = Ref("Workload", "treasury", "job"), Ref("AdmissionCheck", "", "sovereignty")
RESERVED = {"type": "QuotaReserved", "status": "True"}


def decide(world: World, key: Ref = JOB) -> Result:
    return reconcile(key, world.snapshot(), NOW)


def one(**more: Any) -> World:
    return World(models=[], workloads=[workload(devices={ASCEND_RESOURCE: "8"}, **more)])


def states(result: Result) -> list[Raw]:
    (effect,) = result.effects
    assert isinstance(effect, ApplyForeignStatus)
    assert (effect.ref, effect.uid) == (JOB, "uid-job")
    entries: list[Raw] = effect.status["admissionChecks"]
    return entries


def check(state: str = "Pending", name: str = "sovereignty", **more: Any) -> Raw:
    return {"name": name, "state": state, "message": "", **more}


def test_the_state_is_written_with_its_time_and_message_and_nothing_else() -> None:
    message = "2 eligible nodes in zone cyberjaya-1 under policy confidential"
    assert states(decide(one())) == [
        {"name": "sovereignty", "state": "Ready", "lastTransitionTime": stamp(NOW), "message": message}
    ]


@pytest.mark.parametrize(("retries", "seconds"), [(None, 10), (1, 20), (4, 160), (5, 300), (400, 300)])
def test_each_retry_waits_longer_up_to_a_limit(retries: int | None, seconds: int) -> None:
    state = check() if retries is None else check(retryCount=retries)
    world = one(status={"admissionChecks": [state]})
    world.nodes = []
    (entry,) = states(decide(world))
    assert (entry["state"], entry["requeueAfterSeconds"]) == ("Retry", seconds)


@pytest.mark.parametrize(
    ("zones", "reason", "message"),
    [
        (
            [zone("sg", country="SG")],
            "AdmissionCheckRejected",
            "policy confidential accepts no zone: zone sg is in SG, outside MY",
        ),
        ([zone()], "AdmissionCheckRetry", "no node is eligible under policy confidential: there are no nodes"),
    ],
)
def test_the_reason_stands_at_the_workload_and_at_the_job_that_it_stands_for(
    zones: list[Raw], reason: str, message: str
) -> None:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": "uid-one"}
    world = one(metadata={"ownerReferences": [owner]})
    world.nodes, world.zones = [], zones
    (effect,) = decide(world).effects
    assert isinstance(effect, ApplyForeignStatus)
    assert effect.events == (
        EmitEvent(JOB, "uid-job", "Warning", reason, message),
        EmitEvent(Ref("Job", "treasury", "one"), "uid-one", "Warning", reason, message, "batch/v1"),
    )


def test_what_is_admitted_gets_no_event_and_a_group_of_pods_only_some() -> None:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": f"p{n}", "uid": f"uid-{n}"} for n in range(9)]
    world = one(metadata={"ownerReferences": owners})
    (effect,) = decide(world).effects
    assert isinstance(effect, ApplyForeignStatus)
    assert effect.events == ()
    world.nodes = []
    (effect,) = decide(world).effects
    assert isinstance(effect, ApplyForeignStatus)
    assert [e.ref.name for e in effect.events] == ["job", "p0", "p1", "p2"]


def test_a_rejection_has_no_time_to_come_again() -> None:
    world = one()
    world.zones = [zone("sg", country="SG")]
    (entry,) = states(decide(world))
    assert entry["state"] == "Rejected"
    assert "requeueAfterSeconds" not in entry


@pytest.mark.parametrize(
    "more",
    [
        {"status": {"conditions": []}},
        {"status": {"conditions": [RESERVED, {"type": "Evicted", "status": "True"}]}},
        {"status": {"conditions": [RESERVED, {"type": "Finished", "status": "True"}]}},
        {"spec": {"active": False}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"status": {"admissionChecks": [check("Ready")]}},
        {"status": {"admissionChecks": [check("Retry")]}},
        {"status": {"admissionChecks": [check(name="another")]}},
        {"status": {"admissionChecks": []}},
    ],
    ids=["no quota", "evicted", "finished", "inactive", "deleted", "decided", "sent back", "another's", "none"],
)
def test_nothing_is_decided_on_what_does_not_wait_for_it(more: dict[str, Any]) -> None:
    assert decide(one(**more)) == Result()


def test_an_admission_check_of_another_controller_is_left_alone() -> None:
    world = one()
    world.checks = [admission_check(controller="example.com/other")]
    assert decide(world) == Result()
    assert decide(world, CHECK) == Result()


def test_all_admission_checks_of_daulat_are_written_together() -> None:
    world = one(status={"admissionChecks": [check(), check(name="second"), check(name="another")]})
    world.checks = [admission_check(), admission_check("second"), admission_check("another", "example.com/other")]
    assert [(e["name"], e["state"]) for e in states(decide(world))] == [("sovereignty", "Ready"), ("second", "Ready")]


def test_while_devices_are_about_to_be_free_the_reason_is_written_once_and_it_is_looked_at_again() -> None:
    ending = pod("p", "a1", {ASCEND_RESOURCE: "8"})
    ending["metadata"]["deletionTimestamp"] = stamp(NOW + 10)
    world = one()
    world.nodes, world.pods = [ascend("a1")], [ending]
    first = decide(world)
    (entry,) = states(first)
    assert (entry["state"], first.requeue_after) == ("Pending", 5.0)
    assert entry["message"].startswith("devices of pods that are ending are awaited: podSet main: 1 pod with 8 ")
    world.workloads = [workload(devices={ASCEND_RESOURCE: "8"}, status={"admissionChecks": [entry]})]
    assert decide(world) == Result(requeue_after=5.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": []}, "no node is eligible under policy confidential: there are no nodes"),
        ({"zones": [zone("sg", country="SG")]}, "policy confidential accepts no zone: zone sg is in SG, outside MY"),
    ],
    ids=["no node yet", "never"],
)
def test_a_copy_of_multikueue_keeps_its_quota_and_has_the_reason(change: dict[str, Any], message: str) -> None:
    """Kueue would leave a copy evicted for ever: it takes quota back by a Job, which only the chosen cluster gets."""
    copied: dict[str, Any] = {"metadata": {"labels": {"kueue.x-k8s.io/multikueue-origin": "multikueue"}}}
    world = one(**copied)
    for name, value in change.items():
        setattr(world, name, value)
    first = decide(world)
    (entry,) = states(first)
    assert (entry["state"], entry["message"]) == ("Pending", message)
    assert "requeueAfterSeconds" not in entry
    (effect,) = first.effects
    assert isinstance(effect, ApplyForeignStatus)
    assert effect.events == ()
    world.workloads = [workload(devices={ASCEND_RESOURCE: "8"}, **copied, status={"admissionChecks": [entry]})]
    assert decide(world).effects == ()
    world.nodes, world.zones = [ascend("a1")], [zone()]
    assert [e["state"] for e in states(decide(world))] == ["Ready"]


def test_an_admission_check_is_active_once_somebody_decides_on_it() -> None:
    world = World(models=[])
    (effect,) = decide(world, CHECK).effects
    assert isinstance(effect, ApplyForeignStatus)
    (condition,) = effect.status["conditions"]
    assert (condition["type"], condition["status"], condition["observedGeneration"]) == ("Active", "True", 1)
    world.checks = [admission_check(status=effect.status)]
    assert decide(world, CHECK) == Result()
    world.checks = [admission_check(status=effect.status, metadata={"generation": 2})]
    (again,) = decide(world, CHECK).effects
    assert isinstance(again, ApplyForeignStatus)
    assert again.status["conditions"][0]["lastTransitionTime"] == condition["lastTransitionTime"]


def test_an_admission_check_with_parameters_is_not_active() -> None:
    parameters = {"apiGroup": "example.com", "kind": "Config", "name": "a"}
    world = World(models=[], checks=[admission_check(spec={"parameters": parameters})])
    (effect,) = decide(world, CHECK).effects
    assert isinstance(effect, ApplyForeignStatus)
    (condition,) = effect.status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "ParametersNotSupported")
    assert condition["message"] == (
        "spec.parameters names Config a; daulat.dev/sovereignty takes no parameters. Remove them."
    )


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("Node", ascend("a9")),
        ("Pod", pod("p", "a1", {ASCEND_RESOURCE: "1"})),
        ("Namespace", namespace(other="label")),
        ("SovereigntyPolicy", policy(zones={"countries": ["MY", "SG"]})),
        ("SovereignZone", zone("johor-1")),
        ("AdmissionCheck", admission_check("second")),
        ("ResourceFlavor", {"metadata": {"name": "f"}}),
    ],
)
def test_what_a_decision_depends_on_wakes_the_workloads_that_wait_for_one(kind: str, raw: Raw) -> None:
    waiting, decided = workload(), workload("done", status={"admissionChecks": [check("Ready")]})
    woken = World(models=[], workloads=[waiting, decided]).woken(kind, raw)
    assert [ref for ref in woken if ref.kind == "Workload"] == [JOB]


def test_a_heartbeat_of_a_node_wakes_no_workload() -> None:
    assert World(models=[], nodes=[node("n")], workloads=[workload()]).woken("Node", node("n")) == []
