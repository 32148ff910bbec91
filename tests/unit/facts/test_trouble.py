"""What keeps a pod from serving, by its own status."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.enginestart import SERVED
from daulat.facts.pod import parse_pod
from daulat.facts.trouble import PASSING, Trouble, trouble
from tests.unit.world import ASCEND_RESOURCE, pod

Raw = dict[str, Any]


def container(name: str = "engine", **more: Any) -> Raw:
    return {"name": name, "ready": False, "started": False, "restartCount": 0, **more}


def waiting(reason: str, message: str = "", **more: Any) -> Raw:
    return container(state={"waiting": {"reason": reason, "message": message}}, **more)


def scheduled(status: str, reason: str = "", message: str = "") -> Raw:
    return {"type": "PodScheduled", "status": status, "reason": reason, "message": message}


def told(status: Raw, gates: tuple[str, ...] = ()) -> tuple[str, str]:
    found = trouble(status, {"schedulingGates": [{"name": g} for g in gates]})
    assert found is not None
    return found.reason, found.message


BUSY = "0/9 nodes are available: 9 Insufficient huawei.com/Ascend910. preemption: 0/9 nodes are available."


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (BUSY, "Unschedulable"),
        ('0/9 nodes are available: persistentvolumeclaim "weights" not found.', "VolumePending"),
        ('persistentvolumeclaim "weights" is being deleted', "VolumePending"),
        ("0/9 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "VolumePending"),
        ("0/9 nodes are available: 9 node(s) didn't find available persistent volumes to bind.", "Unschedulable"),
    ],
)
def test_the_scheduler_is_told_in_its_own_words(message: str, reason: str) -> None:
    status = {"conditions": [scheduled("False", "Unschedulable", message)]}
    assert told(status) == (reason, f"the scheduler says: {message}")


def test_a_scheduler_that_says_nothing_is_told_so() -> None:
    assert told({"conditions": [scheduled("False", "SchedulerError")]}) == (
        "Unschedulable",
        "the scheduler says: no node was found, and no cause is given",
    )


def test_the_gates_that_keep_a_pod_from_the_scheduler_are_named() -> None:
    gated = scheduled("False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
    assert told({"conditions": [gated]}, ("kueue.x-k8s.io/admission",)) == (
        "SchedulingGated",
        "it isn't scheduled until the scheduling gate kueue.x-k8s.io/admission is removed",
    )
    many = tuple(f"example.com/{n}" for n in range(9))
    assert told({"conditions": [gated]}, many)[1].endswith("example.com/4 and 4 more are removed")


def test_the_gates_are_read_from_the_pods_spec() -> None:
    raw = pod("p", devices={ASCEND_RESOURCE: "1"}, model="m")
    raw["spec"]["schedulingGates"] = [{"name": "example.com/quota"}]
    raw["status"] = {"phase": "Pending", "conditions": [scheduled("False", "SchedulingGated")]}
    found = parse_pod(raw)
    assert found is not None
    assert found.trouble is not None
    assert "example.com/quota" in found.trouble.message


def test_a_pod_that_somebody_evicts_is_told_with_why_whatever_else_it_says() -> None:
    gone = {"type": "PodReadyToStartContainers", "status": "False"}
    full = "The node was low on resource: ephemeral-storage. Threshold quantity: 671088, available: 0. "
    target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": full}
    status = {"conditions": [scheduled("True"), gone, target]}
    assert told(status) == ("PodEvicted", f"it is being evicted: {full.strip()}")
    assert told({"conditions": [scheduled("True"), gone, {**target, "status": "False"}]})[0] == "PodStarting"


def test_a_pod_that_is_being_set_up_on_its_node_is_told() -> None:
    conditions = [scheduled("True"), {"type": "PodReadyToStartContainers", "status": "False"}]
    status = {"conditions": conditions, "containerStatuses": [waiting("ContainerCreating")]}
    assert told(status)[0] == "PodStarting"


def test_a_pod_whose_images_are_being_pulled_is_told() -> None:
    conditions = [scheduled("True"), {"type": "PodReadyToStartContainers", "status": "True"}]
    init = {**waiting("PodInitializing"), "name": "weights"}
    status = {
        "conditions": conditions,
        "initContainerStatuses": [init],
        "containerStatuses": [waiting("PodInitializing")],
    }
    reason, message = told(status)
    assert reason == "PodStarting"
    assert message.startswith("container weights waits until its image is pulled")
    done = {**init, "state": {"terminated": {"exitCode": 0}}}
    assert told({**status, "initContainerStatuses": [done]})[1].startswith("container engine waits")


@pytest.mark.parametrize(("started", "reason"), [(False, "EngineStarting"), (True, "EngineNotReady")])
def test_an_engine_that_runs_and_does_not_serve_is_told(started: bool, reason: str) -> None:
    assert told({"containerStatuses": [container(state={"running": {}}, started=started)]})[0] == reason


def test_an_engine_that_serves_is_no_trouble() -> None:
    assert trouble({"containerStatuses": [container(state={"running": {}}, started=True, ready=True)]}, {}) is None
    assert trouble({}, {}) is None


def test_an_engine_that_was_started_anew_is_told_with_what_it_failed_of_before() -> None:
    again = container(state={"running": {}}, lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    assert told({"containerStatuses": [again]}) == (
        "EngineCrashed",
        "container engine ended with exit code 137, OOMKilled",
    )
    serving = {**again, "started": True, "ready": True}
    assert trouble({"containerStatuses": [serving]}, {}) is None


def test_an_image_that_cant_be_pulled_comes_before_what_the_scheduler_said() -> None:
    status = {
        "conditions": [scheduled("False", "Unschedulable", BUSY)],
        "containerStatuses": [waiting("ErrImagePull", "not found")],
    }
    assert told(status) == ("ImagePullFailed", "container engine: not found")


def test_what_every_pod_goes_through_is_no_real_trouble() -> None:
    assert {"LoadingWeights", "PodStarting", "EngineStarting", "ReplicasPending"} == PASSING


def test_weights_that_are_refused_are_told_though_the_engine_never_started() -> None:
    ended = {"exitCode": 1, "message": "SignatureValidationFailed: no key of policy confidential signed it"}
    init = {"name": "weights", "state": {"terminated": ended}}
    assert trouble({"initContainerStatuses": [init], "containerStatuses": [waiting("PodInitializing")]}, {}) == Trouble(
        "SignatureValidationFailed", "no key of policy confidential signed it"
    )


def test_a_message_stays_on_one_short_line_whatever_it_holds() -> None:
    nasty = "a\x1b[31mred\n\r\u2028b\u202e" + "x" * 5000
    _, message = told({"conditions": [scheduled("False", "Unschedulable", nasty)]})
    assert message.isprintable()
    assert len(message) < 600


MARKING = {
    "containers": [
        {
            "name": "engine",
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "startupProbe": {"exec": {"command": ["python3"]}},
        }
    ]
}
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
PROMPT = "ValueError: bad prompt: what does Aminah earn"


def crashed(message: str, spec: Raw, **more: Any) -> str:
    ended = {"exitCode": 1, "reason": "Error", "message": message, **more}
    raw = waiting("CrashLoopBackOff", lastState={"terminated": ended})
    found = trouble({"containerStatuses": [raw]}, spec)
    assert found is not None
    assert found.reason == "EngineCrashed"
    return found.message


def test_an_engine_that_never_served_is_told_with_what_it_failed_of() -> None:
    assert crashed(OUT_OF_MEMORY, MARKING) == (
        "container engine ended with exit code 1 before it served: "
        "the device ran out of memory when 2.00 GiB more were requested (CUDA)"
    )
    assert crashed("", MARKING) == "container engine ended with exit code 1 before it served"


@pytest.mark.parametrize(
    "printed", [SERVED, f"{PROMPT}\n{SERVED}", f"{SERVED}\n{PROMPT}", f"OOM: {SERVED}{OUT_OF_MEMORY}"]
)
def test_of_an_engine_that_has_served_nothing_is_read(printed: str) -> None:
    assert crashed(printed, MARKING) == "container engine ended with exit code 1 after it had served"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"containers": [{"name": "engine", "terminationMessagePolicy": "FallbackToLogsOnError"}]},
        {"containers": [{"name": "engine", "startupProbe": {"exec": {"command": ["x"]}}}]},
        {"containers": [{**MARKING["containers"][0], "name": "another"}]},
    ],
    ids=["unknown", "without a start probe", "with its own message", "another container"],
)
def test_nothing_is_read_where_nobody_marks_that_an_engine_has_served(spec: Raw) -> None:
    for printed in (PROMPT, OUT_OF_MEMORY):
        assert crashed(printed, spec) == "container engine ended with exit code 1"


def test_no_line_of_a_log_is_ever_told() -> None:
    assert crashed(PROMPT, MARKING) == "container engine ended with exit code 1 before it served: of a ValueError"


def test_a_command_that_cant_be_started_is_told_in_the_runtimes_words() -> None:
    ended = {"exitCode": 128, "reason": "StartError", "message": 'exec: "vllm": executable file not found in $PATH'}
    status = {"containerStatuses": [waiting("CrashLoopBackOff", lastState={"terminated": ended})]}
    assert told(status) == (
        "ContainerStartFailed",
        'container engine: exec: "vllm": executable file not found in $PATH',
    )
