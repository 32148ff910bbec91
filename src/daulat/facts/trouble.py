"""What keeps a model's pod from serving, read from the pod's own status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api import reasons
from daulat.api.weights import CONTAINER, DIGEST_MISMATCH, FETCH_FAILED, SIGNATURE_REFUSED

_WEIGHTS = {
    SIGNATURE_REFUSED: reasons.SIGNATURE_REFUSED,
    DIGEST_MISMATCH: reasons.DIGEST_MISMATCH,
    FETCH_FAILED: reasons.FETCH_FAILED,
}
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_LONGEST = 500


@dataclass(frozen=True)
class Trouble:
    """One trouble: a condition's reason, and a sentence. It holds nothing that an engine has logged: prompts may be in it."""

    reason: str
    message: str


def trouble(status: Mapping[str, Any]) -> Trouble | None:
    """Return what keeps the pod from serving, or None where nothing does, or nobody can tell yet."""
    before: Iterable[Mapping[str, Any]] = status.get("initContainerStatuses") or ()
    after: Iterable[Mapping[str, Any]] = status.get("containerStatuses") or ()
    found = [_of_weights(c) if c.get("name") == CONTAINER else _of_container(c) for c in before]
    return next((t for t in [*found, *map(_of_container, after)] if t is not None), None)


def _of_weights(container: Mapping[str, Any]) -> Trouble | None:
    ended = _ended(container)
    if ended is not None:
        told = _one_line(ended.get("message"))
        word, _, sentence = told.partition(": ")
        if word in _WEIGHTS:
            return Trouble(_WEIGHTS[word], sentence)
        return Trouble(
            reasons.FETCH_FAILED, told or f"the weights could not be brought: exit code {ended.get('exitCode')}"
        )
    if "running" in (container.get("state") or {}):
        return Trouble(reasons.LOADING_WEIGHTS, "the weights are being fetched or checked")
    return _of_container(container)


def _of_container(container: Mapping[str, Any]) -> Trouble | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    name, why = container.get("name"), str(waiting.get("reason") or "")
    if why in _IMAGE:
        told = _one_line(waiting.get("message")) or why
        return Trouble(reasons.IMAGE_NOT_PULLED, f"container {name}: {told}")
    ended = _ended(container)
    if ended is not None:
        killed = f", {ended['reason']}" if ended.get("reason") not in (None, "Error") else ""
        return Trouble(reasons.ENGINE_CRASHED, f"container {name} ended with exit code {ended.get('exitCode')}{killed}")
    if why not in ("", "ContainerCreating", "PodInitializing"):
        return Trouble(reasons.CONTAINER_NOT_STARTED, f"container {name}: {why}: {_one_line(waiting.get('message'))}")
    return None


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return how the container ended in failure last, where it isn't running now."""
    state = container.get("state") or {}
    ended = (
        state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if "running" not in state
        else None
    )
    return ended if ended and ended.get("exitCode") else None


def _one_line(message: Any) -> str:
    told = " ".join("".join(c if c.isprintable() else " " for c in str(message or "")).split())
    return told if len(told) <= _LONGEST else told[:_LONGEST] + "..."
