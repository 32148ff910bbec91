"""A controller: one kind of keys, the function that reconciles them, and what wakes them, declared beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from daulat.facts.change import Change
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref

from .result import Result

Reconcile = Callable[[Ref, Snapshot, float], Result]
Wake = Callable[[Change, Snapshot], Iterable[Ref]]
"""Returns the keys of the controller that a change concerns. The snapshot is the one after the change."""

SETTLE = 0.5
"""Seconds that keys wait for more news where changes come in series: of pods, and of what was made for models."""


def _no_keys(snapshot: Snapshot) -> Iterable[Ref]:
    return ()


def _always(key: Ref, snapshot: Snapshot) -> bool:
    return True


def _no_priority(key: Ref, snapshot: Snapshot) -> int:
    return 1


@dataclass(frozen=True)
class Controller:
    """One kind of keys."""

    kind: str
    reconcile: Reconcile
    wakes: Mapping[str, Wake] = field(default_factory=dict)
    """By the kind of the object that changed."""
    keys: Callable[[Snapshot], Iterable[Ref]] = _no_keys
    """All keys that there are, for the start and for now and then, should a change have been missed."""
    is_due: Callable[[Ref, Snapshot], bool] = _always
    """Whether a key that nothing has woken needs a pass, where that costs less to say than the pass."""
    serial: bool = False
    """Whether its keys, and those of all other serial controllers, are worked on one after the other."""
    settle: Mapping[str, float] = field(default_factory=dict)
    """Seconds that a key waits for more changes, by the kind of the object that changed; left out, it doesn't wait."""
    priority: Callable[[Ref, Snapshot], int] = _no_priority
    """What is due goes in this order, lower numbers first: what is begun is finished before something else is begun."""


def itself(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the key of the changed object, gone or not."""
    yield change.ref
