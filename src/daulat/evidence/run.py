"""A pod as a run: which containers the kubelet has started from which images, where, with which devices, and how it ended."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from daulat.api.frozen import FrozenDict
from daulat.api.names import MODEL_LABEL
from daulat.api.weights import CONTAINER, LOADED
from daulat.facts.pod import Pod, parse_pod

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")


class Started(NamedTuple):
    """A container that the kubelet has started."""

    name: str
    image: str
    """The digest of the image that runs, as the kubelet reports it; what it reports where that is no digest."""


class Ended(NamedTuple):
    """How a pod ended."""

    reason: str
    """``Completed``, ``Failed``, ``Deleted``, or what the kubelet or a controller reports, such as ``NodeLost``."""
    at: str
    """When its last container ended, as the kubelet reports it; empty where it doesn't."""


@dataclass(frozen=True)
class Run(Pod):
    """A pod of any phase. ``started`` is empty until a container has started."""

    started: str = ""
    """When its first container started, as the kubelet reports it (RFC 3339)."""
    containers: tuple[Started, ...] = ()
    """Those that have started, init containers first."""
    loaded: str = ""
    """The digest of the weights that the init container has checked, as it reports it; empty where it reports none."""
    claims: FrozenDict[str, str] = field(default_factory=FrozenDict)
    """The ResourceClaims that hold its devices, by the name in the pod."""
    ended: Ended | None = None
    """Set once the pod is finished. A pod that is deleted while it runs is gone without it."""
    doomed: str = ""
    """Why a controller is ending it, where its condition DisruptionTarget says so."""

    def as_gone(self) -> Ended:
        """Return how a pod ended of which this was the last that is known before it was gone."""
        return self.ended or Ended(self.doomed or "Deleted", "")


def parse_run(raw: Mapping[str, Any]) -> Run | None:
    """Read a Pod of any phase; None where no node was bound to it."""
    meta, spec, status = raw.get("metadata") or {}, raw.get("spec") or {}, raw.get("status") or {}
    node = str(spec.get("nodeName") or "")
    if not node:
        return None
    live = dict(raw)
    # What a finished pod held is part of what ran; for the operator it holds nothing any more.
    live["status"] = {k: v for k, v in status.items() if k != "phase"}
    pod = parse_pod(live)
    inits = status.get("initContainerStatuses") or ()
    began = [*_states(inits), *_states(status.get("containerStatuses") or ())]
    model = str((meta.get("labels") or {}).get(MODEL_LABEL) or "")
    return Run(
        namespace=sys.intern(str(meta.get("namespace") or "")),
        name=str(meta.get("name") or ""),
        node=sys.intern(node),
        devices=pod.devices if pod is not None else FrozenDict(),
        pins=pod.pins if pod is not None else frozenset(),
        model=sys.intern(model),
        uid=str(meta.get("uid") or ""),
        started=min((str(state.get("startedAt")) for _, state in began if state.get("startedAt")), default=""),
        containers=tuple(Started(str(c.get("name")), _image(c)) for c, state in began if state.get("startedAt")),
        loaded=_loaded(inits) if model else "",
        claims=FrozenDict(
            {
                str(c["name"]): str(c["resourceClaimName"])
                for c in status.get("resourceClaimStatuses") or ()
                if c.get("name") and c.get("resourceClaimName")
            }
            | {
                str(c["name"]): str(c["resourceClaimName"])
                for c in spec.get("resourceClaims") or ()
                if c.get("resourceClaimName")
            }
        ),
        ended=_ended(status, [state for _, state in began]),
        doomed=_doomed(status),
    )


def _states(containers: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield containers with the state that tells when they started: the present one, or the last one of a restart."""
    for container in containers:
        states = [container.get("state") or {}, container.get("lastState") or {}]
        found = [state.get("running") or state.get("terminated") or {} for state in states]
        yield container, next((state for state in found if state.get("startedAt")), {})


def _image(container: Mapping[str, Any]) -> str:
    reported = str(container.get("imageID") or "")
    found = _DIGEST.search(reported)
    return sys.intern(found[0] if found else reported[:256])


def _loaded(inits: Iterable[Mapping[str, Any]]) -> str:
    for container in inits:
        ended = (container.get("state") or {}).get("terminated") or {}
        if container.get("name") == CONTAINER and ended.get("exitCode") == 0:
            return loaded_digest(str(ended.get("message") or ""))
    return ""


def loaded_digest(message: str) -> str:
    """Return the digest that the init container of the weights reports in its termination message; empty where there is none."""
    try:
        found = json.loads(message) if message.startswith("{") else None
    except ValueError:
        return ""
    digest = str(found.get(LOADED) or "") if isinstance(found, dict) else ""
    return digest if _DIGEST.fullmatch(digest) else ""


def _ended(status: Mapping[str, Any], states: Iterable[Mapping[str, Any]]) -> Ended | None:
    phase = status.get("phase")
    if phase not in ("Succeeded", "Failed"):
        return None
    at = max((str(state.get("finishedAt")) for state in states if state.get("finishedAt")), default="")
    if phase == "Succeeded":
        return Ended("Completed", at)
    return Ended(str(status.get("reason") or _doomed(status) or "Failed")[:64], at)


def _doomed(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return str(condition.get("reason") or "DisruptionTarget")[:64]
    return ""
