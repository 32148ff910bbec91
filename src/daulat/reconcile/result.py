"""What a reconciler wants done, as data. The executor does it; nobody else writes to the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from daulat.api.kinds import Manifest
from daulat.kube.ref import Ref


@dataclass(frozen=True)
class Apply:
    """Make the object so, by server-side apply. Refused where an object of that name isn't Daulat's."""

    manifest: Manifest


@dataclass(frozen=True)
class ApplyStatus:
    """Make the status of one of Daulat's own objects so."""

    ref: Ref
    status: Manifest


@dataclass(frozen=True)
class Delete:
    """Delete this very object."""

    ref: Ref
    uid: str
    grace: int | None = None
    """Seconds that a pod has to end by itself; None for as long as it says itself."""
    together: bool = False
    """Whether what was made by it goes at the same time, not one after the other."""


@dataclass(frozen=True)
class LabelNode:
    """Set labels on a node, or take them away where the value is None."""

    name: str
    labels: Mapping[str, str | None]


@dataclass(frozen=True)
class Probe:
    """Try a dry run of this pod, to see that the policy refuses it."""

    policy: str
    pod: Manifest


@dataclass(frozen=True)
class Record:
    """Tell people by an Event on the object."""

    ref: Ref
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Effect = Apply | ApplyStatus | Delete | LabelNode | Probe | Record


@dataclass(frozen=True)
class Outcome:
    """The effects of one pass, in order, and when to come back, in seconds, where that is needed."""

    effects: tuple[Effect, ...] = ()
    requeue_after: float | None = None
    also: tuple[Ref, ...] = ()
    """Keys to look at once the effects are carried out, because they depend on them."""
