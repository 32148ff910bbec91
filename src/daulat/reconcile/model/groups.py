"""Decides which groups of pods there are, where a replica has several nodes: each whole, in one domain, or not at all.

A group is never changed. A rollout makes a group of the new kind, and takes an old one away once that is ready; where there is no
room for one more, an old one goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api.timestamps import seconds
from daulat.facts.child import Child
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Snapshot
from daulat.placement.choice import Chosen
from daulat.workload.plan import Group

HALF_PLACED = 60.0
"""Seconds that part of a group may hold devices while the rest finds no node. Then all of it waits, and holds none."""
_KINDS = ("LeaderWorkerSet", "StatefulSet")


@dataclass(frozen=True)
class Existing:
    """A group as it is in the cluster."""

    number: int
    backend: str
    revision: str
    domain: str
    held: bool
    ready: bool
    pods: tuple[Pod, ...]


@dataclass(frozen=True)
class Groups:
    """The groups that are to be, and what becomes of the others."""

    wanted: tuple[Group, ...]
    """Those of the present settings."""
    former: frozenset[int] = frozenset()
    """Those of former settings that stay for now."""
    ends: frozenset[int] = frozenset()
    """Those on nodes that aren't eligible any more and in whose place others serve."""
    waiting: int = 0
    """Replicas that there is no room for, or that wait until there is room for all of their pods."""
    again: float | None = None
    """Seconds after which to look again."""


def existing(children: Sequence[Child], pods: Sequence[Pod]) -> list[Existing]:
    """Return the groups that there are, by number."""
    found: dict[int, list[Child]] = {}
    for child in children:
        if child.ref.kind in _KINDS and child.group.isdigit() and not child.deleting:
            found.setdefault(int(child.group), []).append(child)
    return [
        Existing(
            number=number,
            backend=parts[0].ref.kind,
            revision=parts[0].revision,
            domain=parts[0].domain,
            held=all(part.wanted == 0 for part in parts),
            ready=all(0 < part.wanted <= part.ready_replicas and part.settled for part in parts),
            pods=tuple(p for p in pods if p.group == str(number)),
        )
        for number, parts in sorted(found.items())
    ]


def numbers_of(children: Sequence[Child], pods: Sequence[Pod]) -> frozenset[int]:
    """Return the numbers of all groups of which anything is there, if only pods that are ending."""
    found = {*(c.group for c in children), *(p.group for p in pods)}
    return frozenset(int(number) for number in found if number.isdigit())


def plan(
    model: Model,
    chosen: Chosen,
    revision: str,
    there: Sequence[Existing],
    snapshot: Snapshot,
    now: float,
    *,
    taken: frozenset[int],
    waits: bool,
    moving: frozenset[Pod] = frozenset(),
) -> Groups:
    """Return the groups that are to be.

    Names by the numbers in ``taken`` can't be used again yet. ``waits``: whether pods are ending that give their devices back soon.
    ``moving``: pods on nodes that aren't eligible any more. Their groups stay until others serve in their place.
    """
    size, many = chosen.devices.nodes, model.spec.replicas
    drifted = [g for g in there if g.revision == revision and not g.held and not moving.isdisjoint(g.pods)]
    alike = (g for g in there if g.revision == revision and g not in drifted)
    present = sorted(alike, key=lambda g: (g.held, not g.ready, g.number))[:many]
    former = [g for g in there if g.revision != revision]
    room = dict(chosen.room)
    for group in present:
        if not group.held:
            room[group.domain] = room.get(group.domain, 0) - (size - _placed(group))
    wanted: list[Group] = []
    again: list[float] = []
    for group in present:
        if group.held:
            domain = _domain(room, size, group.domain)
            wanted.append(Group(group.number, domain or group.domain, domain is None, group.backend))
        else:
            left = _patience(group, size, now)
            again += [left] if left is not None and left > 0 else []
            wanted.append(Group(group.number, group.domain, left is not None and left <= 0, group.backend))
    numbers = set(taken)
    backend = "LeaderWorkerSet" if snapshot.serves("LeaderWorkerSet") else "StatefulSet"
    # One more than asked for while former ones are there: a rollout needs that where there is room.
    while len(wanted) < many and len(wanted) + len(former) <= many and (domain := _domain(room, size)) is not None:
        number = next(n for n in range(len(numbers) + 1) if n not in numbers)
        numbers.add(number)
        wanted.append(Group(number, domain, backend=backend))
    ready = sum(g.ready for g in present)
    going = _going(former, wanted, ready, many, waits=waits, place=frozenset(chosen.nodes) - chosen.too_small)
    ends = _replaced(drifted, ready, sum(g.ready for g in former), many)
    wanted += [Group(g.number, g.domain, backend=g.backend) for g in drifted if g.number not in ends]
    held = sum(g.held for g in wanted) + max(many - len(wanted), 0)
    return Groups(
        tuple(sorted(wanted, key=lambda g: g.number)),
        frozenset(g.number for g in former) - going,
        ends,
        held,
        min(again, default=None),
    )


def _replaced(drifted: Sequence[Existing], ready: int, former: int, many: int) -> frozenset[int]:
    """Return the groups on nodes that aren't eligible any more and that others replace: those that serve, and the rest at last."""
    serving = [g.number for g in drifted if g.ready]
    spare = max(ready + former + len(serving) - many, 0)
    idle = {g.number for g in drifted if not g.ready} if ready >= many else set()
    return frozenset({*idle, *serving[: min(spare, ready)]})


def _going(
    former: Sequence[Existing],
    wanted: Sequence[Group],
    ready: int,
    many: int,
    *,
    waits: bool,
    place: frozenset[str],
) -> frozenset[int]:
    """Return the former groups that go now: those that don't serve, those that are surplus, and one where there's no room else.

    Where one has gone whose pods haven't ended yet (``waits``), the room comes by itself. One that has pods outside the chosen
    ``place``, such as on a node that isn't eligible any more, makes no room: it goes first where some are surplus, and else stays.
    """
    going = {g.number for g in former if not g.ready}
    outside = [g.number for g in former if g.ready and not _is_within(g, place)]
    within = [g.number for g in former if g.ready and _is_within(g, place)]
    serving = [*within, *outside]
    spare = ready + len(serving) - many
    if spare > 0:
        going |= set(serving[-spare:])
    elif (
        not waits
        and not going
        and within
        and len(wanted) < many
        and ready == len(wanted)
        and len(wanted) + len(former) <= many
    ):
        going.add(within[-1])
    return frozenset(going)


def _is_within(group: Existing, place: frozenset[str]) -> bool:
    return all(p.node in place for p in group.pods if p.node)


def _domain(room: dict[str, int], size: int, first: str = "") -> str | None:
    """Take room for a whole group: in the domain that it had, or where the least is left over. None where there is none."""
    fits = [(domain != first, free, domain) for domain, free in room.items() if free >= size]
    if not fits:
        return None
    domain = min(fits)[2]
    room[domain] -= size
    return domain


def _placed(group: Existing) -> int:
    return sum(bool(p.node) for p in group.pods)


def _patience(group: Existing, size: int, now: float) -> float | None:
    """Return for how many seconds a group may stay half placed; None where it isn't."""
    waits = [seconds(p.waits_since) for p in group.pods if p.waits_since]
    if not waits or not 0 < _placed(group) < size:
        return None
    return min(waits) + HALF_PLACED - now
