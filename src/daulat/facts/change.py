"""A change of one fact as a value: what the store answers to every event, list and answer to a write.

Wake-ups, metrics and records of what happened read the same stream of changes. A change carries both sides, so that a deletion
needs no guess from an object's name, and a controller can tell whether what it depends on really differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from daulat.api.frozen import FrozenDict
from daulat.kube.ref import Ref

from .child import Child
from .node import Node


@dataclass(frozen=True)
class Change:
    """One fact that differs. ``before`` and ``after`` are typed facts; None where there is none."""

    ref: Ref
    before: Any
    after: Any

    @property
    def latest(self) -> Any:
        """The fact after the change, or the last one known of an object that is gone."""
        return self.before if self.after is None else self.after

    @property
    def sides(self) -> tuple[Any, ...]:
        """Both facts, as far as there are any."""
        return tuple(side for side in (self.before, self.after) if side is not None)


Written = Callable[[Node], Node]
"""Makes of a node what a write alone makes of it."""


def beyond_own_write(change: Change, written: Written | None = None) -> bool:
    """Say whether the answer to a write of our own brings more than what was written.

    The API server answers with the whole object, and so with what others changed since it was last seen. The watch brings the
    same version later, which is no change any more: what isn't noticed here isn't noticed until the next full list.
    """
    before, after = change.before, change.after
    if isinstance(before, Node) and written is not None:
        return bool(written(before) != after)
    if isinstance(after, Child):
        return _observed(before) != _observed(after)
    return True


def with_record(node: Node, labels: Mapping[str, str | None], undecided: bool | None) -> Node:
    """Return the node with labels set, or taken away where the value is None, and with the taint where that is written, too."""
    kept = {k: v for k, v in {**node.labels, **labels}.items() if v is not None}
    return replace(node, labels=FrozenDict(kept), undecided=node.undecided if undecided is None else undecided)


def _observed(child: Child | None) -> tuple[Any, ...]:
    """Return what others write on an object of ours: its controller's counts and conditions, and the mark of its deletion."""
    if child is None:
        return (0, 0, "", 0, "", False, None)
    counts = (child.replicas, child.ready_replicas, child.message, child.updated)
    return (*counts, child.stalled, child.deleting, child.answer)
