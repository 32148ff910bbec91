"""What keeps a model's pod from serving, read from the pod's own status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api import reasons
from daulat.api.counted import few
from daulat.api.enginestart import SERVED
from daulat.api.weights import CONTAINER, DIGEST_MISMATCH, FETCH_FAILED, SIGNATURE_VALIDATION_FAILED
from daulat.catalog import engine_errors

_WEIGHTS = {
    SIGNATURE_VALIDATION_FAILED: reasons.SIGNATURE_VALIDATION_FAILED,
    DIGEST_MISMATCH: reasons.DIGEST_MISMATCH,
    FETCH_FAILED: reasons.FETCH_FAILED,
}
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_NEVER_RAN = ("StartError", "ContainerCannotRun")
"""Where the runtime couldn't even start the command, the message is its own."""
_COMING = ("", "ContainerCreating", "PodInitializing")
# What the scheduler says before it looks at any node (Kubernetes 1.37, plugins/volumebinding/volume_binding.go).
_VOLUMES = re.compile(
    r'(\d+/\d+ nodes are available: )?(\d+ )?(persistentvolumeclaim "|pod has unbound immediate PersistentVolumeClaims|'
    r"waiting for ephemeral volume controller)"
)
_LONGEST = 500
_GATES = 5

PASSING = frozenset(reason for reason in reasons.reasons_of(reasons.WORKLOAD_READY) if reason.transient)
"""The states that every pod passes through before it is ready. Any other trouble outranks them."""


@dataclass(frozen=True)
class Trouble:
    """One trouble: a condition's reason, and a sentence. It never holds a line that an engine has logged: prompts may be in it."""

    reason: str
    message: str


def trouble(status: Mapping[str, Any], spec: Mapping[str, Any]) -> Trouble | None:
    """Return what keeps the pod from serving, or None where nothing does, or nobody can tell yet."""
    before: Iterable[Mapping[str, Any]] = status.get("initContainerStatuses") or ()
    after: Iterable[Mapping[str, Any]] = status.get("containerStatuses") or ()
    gates = sorted(str(gate.get("name")) for gate in spec.get("schedulingGates") or ())
    marks = _marking(spec)
    found = [_of_eviction(status)]
    found += [_of_weights(c) if c.get("name") == CONTAINER else _of_container(c, marks) for c in before]
    found += [_of_container(c, marks) for c in after]
    found += [_of_scheduling(status, gates), _of_start(status, before, after)]
    return next((t for t in found if t is not None), None)


def _of_weights(container: Mapping[str, Any]) -> Trouble | None:
    ended = _ended(container)
    if ended is not None:
        told = _one_line(ended.get("message"))
        word, _, sentence = told.partition(": ")
        if word in _WEIGHTS:
            return Trouble(_WEIGHTS[word], sentence)
        return Trouble(
            reasons.FETCH_FAILED, told or f"the weights couldn't be fetched: exit code {ended.get('exitCode')}"
        )
    if "running" in (container.get("state") or {}):
        return Trouble(reasons.LOADING_WEIGHTS, "the weights are being fetched or checked")
    return _of_container(container, frozenset())


def _of_container(container: Mapping[str, Any], marks: frozenset[str]) -> Trouble | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    name, why = container.get("name"), str(waiting.get("reason") or "")
    if why in _IMAGE:
        told = _one_line(waiting.get("message")) or why
        return Trouble(reasons.IMAGE_PULL_FAILED, f"container {name}: {told}")
    ended = _ended(container)
    if ended is None and "running" in state and not container.get("started", True):
        # Started anew after a failure: what it failed of is the better answer until it serves.
        ended = _failed((container.get("lastState") or {}).get("terminated"))
    if ended is not None and ended.get("reason") in _NEVER_RAN:
        told = _one_line(ended.get("message")) or str(ended["reason"])
        return Trouble(reasons.CONTAINER_START_FAILED, f"container {name}: {told}")
    if ended is not None:
        killed = f", {ended['reason']}" if ended.get("reason") not in (None, "Error") else ""
        told = f"container {name} ended with exit code {ended.get('exitCode')}{killed}"
        return Trouble(reasons.ENGINE_CRASHED, told + (_last_words(ended) if name in marks else ""))
    if why not in _COMING:
        return Trouble(reasons.CONTAINER_START_FAILED, f"container {name}: {why}: {_one_line(waiting.get('message'))}")
    return None


def _of_eviction(status: Mapping[str, Any]) -> Trouble | None:
    """Read why somebody ends the pod, such as a kubelet whose disk is full. What its containers say comes from that."""
    condition = _condition(status, "DisruptionTarget")
    if condition.get("status") != "True":
        return None
    told = _one_line(condition.get("message")) or str(condition.get("reason") or "no cause is given")
    return Trouble(reasons.POD_EVICTED, f"it is being evicted: {told}")


def _of_scheduling(status: Mapping[str, Any], gates: list[str]) -> Trouble | None:
    """Read the scheduler's own word, as long as the pod has no node."""
    condition = _condition(status, "PodScheduled")
    if condition.get("status") != "False":
        return None
    if condition.get("reason") == "SchedulingGated":
        named = f" {_one_line(few(gates, _GATES))}" if gates else ""
        held = f"the scheduling gate{named} is" if len(gates) == 1 else f"the scheduling gates{named} are"
        return Trouble(reasons.SCHEDULING_GATED, f"it isn't scheduled until {held} removed")
    told = _one_line(condition.get("message")) or "no node was found, and no cause is given"
    reason = reasons.VOLUME_PENDING if _VOLUMES.match(told) else reasons.UNSCHEDULABLE
    return Trouble(reason, f"the scheduler says: {told}")


def _of_start(
    status: Mapping[str, Any], before: Iterable[Mapping[str, Any]], containers: Iterable[Mapping[str, Any]]
) -> Trouble | None:
    """Tell how far a pod is that has a node and no trouble."""
    sandbox = _condition(status, "PodReadyToStartContainers")
    if sandbox.get("status") == "False" and _condition(status, "PodScheduled").get("status") == "True":
        return Trouble(reasons.POD_STARTING, "it is scheduled; its volumes and its network aren't ready yet")
    for container in containers:
        if "running" not in (container.get("state") or {}) or container.get("ready"):
            continue
        if not container.get("started"):
            return Trouble(reasons.ENGINE_STARTING, f"container {container.get('name')} runs and isn't ready yet")
        return Trouble(
            reasons.ENGINE_NOT_READY, f"container {container.get('name')} runs and fails its readiness probe"
        )
    waiting = (c.get("name") for c in (*before, *containers) if "waiting" in (c.get("state") or {}))
    if sandbox.get("status") == "True" and (first := next(waiting, None)) is not None:
        # The kubelet says no more than that while it pulls, which takes minutes for weights.
        told = f"container {first} waits until its image is pulled, and those of its volumes, as weights may be"
        return Trouble(reasons.POD_STARTING, told)
    return None


def _marking(spec: Mapping[str, Any]) -> frozenset[str]:
    """Return the containers of which the kubelet copies the log's end only if they have never served.

    docs/explanation/limits.md says why.
    """
    return frozenset(
        str(c.get("name"))
        for c in spec.get("containers") or ()
        if c.get("terminationMessagePolicy") == "FallbackToLogsOnError" and "exec" in (c.get("startupProbe") or {})
    )


def _last_words(ended: Mapping[str, Any]) -> str:
    """Return in our words what the container printed last. Once it has served, prompts may be in there: then nothing is read."""
    printed = str(ended.get("message") or "")
    if SERVED in printed:
        return " after it had served"
    meant = engine_errors.explained(printed)
    return f" before it served: {meant}" if meant else " before it served"


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or () if c.get("type") == type_), {})


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return how the container ended in failure last, where it isn't running now."""
    state = container.get("state") or {}
    if "running" in state:
        return None
    return _failed(state.get("terminated") or (container.get("lastState") or {}).get("terminated"))


def _failed(ended: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return ended if ended and ended.get("exitCode") else None


def _one_line(message: Any) -> str:
    told = " ".join("".join(c if c.isprintable() else " " for c in str(message or "")).split())
    return told if len(told) <= _LONGEST else told[:_LONGEST] + "..."
