"""What a pod says as a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.evidence.run import Ended, Started, loaded_digest, parse_run
from tests.unit.world import pod

DIGEST = "sha256:" + "ab" * 32
AT = "2027-01-15T08:00:00Z"


def container(name: str, image: str = f"registry.example.my/vllm@{DIGEST}", **state: Any) -> dict[str, Any]:
    return {"name": name, "imageID": image, "state": state}


def running(name: str = "p", **status: Any) -> dict[str, Any]:
    raw = pod(name, on="a1", model="m")
    raw["status"] = {"phase": "Running", **status}
    return raw


def test_a_pod_without_a_node_is_no_run() -> None:
    assert parse_run(pod("p")) is None


def test_a_pod_on_a_node_has_not_started_until_a_container_has() -> None:
    found = parse_run(running(containerStatuses=[container("engine", waiting={"reason": "ContainerCreating"})]))
    assert found is not None
    assert (found.started, found.containers, found.ended) == ("", (), None)


def test_a_run_has_the_images_that_the_kubelet_reports_init_containers_first() -> None:
    found = parse_run(
        running(
            initContainerStatuses=[container("weights", "docker-pullable://x@" + DIGEST, terminated={"startedAt": AT})],
            containerStatuses=[
                container("engine", running={"startedAt": "2027-01-15T08:01:00Z"}),
                container("late", waiting={}),
            ],
        )
    )
    assert found is not None
    assert found.started == AT
    assert found.containers == (Started("weights", DIGEST), Started("engine", DIGEST))


def test_an_image_without_a_digest_is_what_the_kubelet_reports() -> None:
    found = parse_run(running(containerStatuses=[container("engine", "an-id", running={"startedAt": AT})]))
    assert found is not None
    assert found.containers == (Started("engine", "an-id"),)


def test_a_container_that_restarts_has_started() -> None:
    crashed = {
        "name": "engine",
        "imageID": DIGEST,
        "state": {"waiting": {}},
        "lastState": {"terminated": {"startedAt": AT}},
    }
    found = parse_run(running(containerStatuses=[crashed]))
    assert found is not None
    assert found.containers == (Started("engine", DIGEST),)


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ({"phase": "Succeeded"}, Ended("Completed", AT)),
        ({"phase": "Failed"}, Ended("Failed", AT)),
        ({"phase": "Failed", "reason": "Evicted"}, Ended("Evicted", AT)),
        (
            {
                "phase": "Failed",
                "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
            },
            Ended("PreemptionByScheduler", AT),
        ),
    ],
)
def test_a_finished_pod_says_how_it_ended_and_what_it_held(status: dict[str, Any], ended: Ended) -> None:
    raw = pod("p", on="a1", devices={"huawei.com/Ascend910": 2})
    raw["status"] = {**status, "containerStatuses": [container("x", terminated={"startedAt": AT, "finishedAt": AT})]}
    found = parse_run(raw)
    assert found is not None
    assert found.ended == ended
    assert dict(found.devices) == {"huawei.com/Ascend910": 2}


def test_a_pod_that_is_gone_while_it_ran_was_deleted_unless_a_controller_says_why() -> None:
    plain = parse_run(running())
    drained = parse_run(
        running(conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}])
    )
    assert plain is not None
    assert drained is not None
    assert plain.as_gone() == Ended("Deleted", "")
    assert drained.as_gone() == Ended("EvictionByEvictionAPI", "")


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (json.dumps({"loaded": DIGEST}), DIGEST),
        ("", ""),
        ("DigestMismatch: no", ""),
        ("{", ""),
        ("[]", ""),
        (json.dumps({"loaded": "sha256:short"}), ""),
        (json.dumps({"loaded": None}), ""),
        (json.dumps({"loaded": f"{DIGEST}\nx"}), ""),
    ],
)
def test_the_loaded_digest_is_a_digest_or_nothing(message: str, digest: str) -> None:
    assert loaded_digest(message) == digest


def test_a_failed_check_of_weights_reports_nothing_as_loaded() -> None:
    status = container(
        "weights", terminated={"startedAt": AT, "exitCode": 1, "message": json.dumps({"loaded": DIGEST})}
    )
    found = parse_run(running(initContainerStatuses=[status]))
    assert found is not None
    assert found.loaded == ""
    status["state"]["terminated"]["exitCode"] = 0
    found = parse_run(running(initContainerStatuses=[status]))
    assert found is not None
    assert found.loaded == DIGEST
