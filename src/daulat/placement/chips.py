"""Accounts for the chips of one AcceleratorInventory: where each is, since when, and what doesn't add up.

What is declared is compared with what is shown now and with what is remembered. A chip that isn't shown counts as gone only after
the time that the inventory allows: a driver that is being upgraded and a node that is down take no chip out of the country.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from daulat.api.inventory import AcceleratorInventorySpec, Delivery
from daulat.api.meta import seconds_of
from daulat.api.timestamps import stamp
from daulat.facts.chips import ids_of
from daulat.facts.declared import Declared
from daulat.facts.node import Node
from daulat.facts.snapshot import Inventory, Snapshot

from .sightings import PUBLISHED, Declarations, Owner, Sighting, Sightings, shows_now
from .zoning import NoZone, zone_of_record


class State(StrEnum):
    """What is known of a chip."""

    DECLARED = "Declared"
    """It is declared, and hasn't been seen yet."""
    SEEN = "Seen"
    MOVED = "Moved"
    """It is seen in another place than it was remembered in, and one of the newest moves is its own."""
    MISSING = "Missing"
    """It was seen and isn't now, for less than the time allowed."""
    GONE = "Gone"
    """It hasn't been seen for longer than that, or never since it was received."""
    UNOBSERVED = "Unobserved"
    """Only exporters show it, and none was read."""
    UNDECLARED = "Undeclared"
    """It is seen, and no inventory declares it."""


class Doubt(StrEnum):
    """What doesn't add up."""

    OUTSIDE = "Outside"
    GONE = "Gone"
    AMBIGUOUS = "Ambiguous"
    UNDECLARED = "Undeclared"


class Place(NamedTuple):
    """A node, and its zone of record. Without a node where the source doesn't say; without a zone where it has none."""

    node: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered of a chip."""

    place: Place
    since: float
    """Seconds since the epoch, like the other times."""
    absent_since: float | None = None
    gone: bool = False


class Move(NamedTuple):
    """A chip that is in another place than before."""

    chip: str
    before: Place
    after: Place
    at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """One declared chip."""

    chip: str
    """The first of its declared ids, as it is written there."""
    delivery: Delivery
    state: State
    now: Remembered | None = None
    """Where it is, or was last; None where it was never seen."""
    doubts: tuple[tuple[Doubt, str], ...] = ()
    """What doesn't add up, each with a sentence."""
    why: str = ""
    """Why it isn't seen, as far as that is known."""
    sighting: Sighting | None = None
    """What shows it now."""


@dataclass(frozen=True)
class Account:
    """All chips of an inventory."""

    inventory: str
    chips: tuple[Standing, ...] = ()
    undeclared: tuple[Sighting, ...] = ()
    moves: tuple[Move, ...] = ()
    """The moves that were found now."""
    lost: tuple[Standing, ...] = ()
    """The chips that count as gone from now on."""
    found: tuple[Standing, ...] = ()
    """The chips that counted as gone and are seen again, or are seen for the first time."""
    next_look: float | None = None
    """When a chip that isn't seen will count as gone, in seconds since the epoch."""

    def with_doubt(self, doubt: Doubt) -> list[Standing]:
        """Return the declared chips of which this doesn't add up."""
        return [chip for chip in self.chips if any(kind is doubt for kind, _ in chip.doubts)]

    def in_state(self, *states: State) -> list[Standing]:
        """Return the declared chips in these states."""
        return [chip for chip in self.chips if chip.state in states]


def account(
    inventory: Inventory,
    shown: Sightings,
    undeclared: list[Sighting],
    memory: Mapping[str, Remembered],
    snapshot: Snapshot,
    now: float,
    moved: frozenset[str] = frozenset(),
    *,
    exporters: bool = False,
) -> Account:
    """Account for the chips of an inventory.

    ``undeclared``: the chips that no inventory declares. ``memory``: by the chip, as `Remembered` of the last account.
    ``moved``: the chips of the newest moves. ``exporters``: whether what exporters show is among what is shown.
    """
    owners = Declarations.of(snapshot).owners(snapshot)
    one = _Pass(inventory, shown, owners, memory, snapshot, now, moved, exporters)
    chips = tuple(one.standing(entry, d) for d in inventory.spec.deliveries for entry in d.chips)
    scoped = tuple(s for s in undeclared if _in_scope(s.node, inventory.spec, snapshot))
    return Account(
        inventory.name, chips, scoped, tuple(one.moves), tuple(one.lost), tuple(one.found), min(one.due, default=None)
    )


@dataclass
class _Pass:
    """One pass over an inventory's chips, with what has changed since the last one."""

    inventory: Inventory
    shown: Sightings
    owners: Mapping[str, tuple[Owner, ...]]
    memory: Mapping[str, Remembered]
    snapshot: Snapshot
    now: float
    moved: frozenset[str]
    exporters: bool
    moves: list[Move] = field(default_factory=list)
    lost: list[Standing] = field(default_factory=list)
    found: list[Standing] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    """When chips that aren't seen will count as gone."""

    def standing(self, entry: str, delivery: Delivery) -> Standing:
        """Return what is known of one declared chip."""
        chip, ids = entry.partition(",")[0], ids_of(entry)
        known = next((self.memory[each] for each in entry.split(",") if each in self.memory), None)
        doubts = [
            (Doubt.AMBIGUOUS, _declared_again(each, self.owners[each], Owner(self.inventory.name, delivery.name)))
            for each in ids
            if len(self.owners.get(each, ())) > 1
        ]
        everywhere = self.shown.of_chip(ids)
        live = [s for s in everywhere if s.source != PUBLISHED or not shows_now(s.node, self.snapshot)]
        if not live:
            why = next((shows_now(s.node, self.snapshot) for s in everywhere), "nothing shows it")
            return self._unseen(chip, delivery, known, doubts, why)
        nodes = sorted({s.node for s in live if s.node} or {""})
        if len(nodes) > 1:
            doubts.append((Doubt.AMBIGUOUS, f"is seen on {len(nodes)} nodes at once: {', '.join(nodes[:5])}"))
        node = known.place.node if known is not None and known.place.node in nodes else nodes[0]
        place, without_zone = _place(node, known, self.snapshot)
        has_moved = known is not None and known.place != place and bool(known.place.node and node)
        if known is not None and has_moved:
            self.moves.append(Move(chip, known.place, place, self.now))
        if wrong := outside(place, without_zone, delivery, self.inventory.spec, self.snapshot):
            doubts.append((Doubt.OUTSIDE, wrong))
        state = State.MOVED if has_moved or chip in self.moved else State.SEEN
        since = known.since if known is not None and known.place == place else self.now
        sighting = next(s for s in live if s.node in (node, ""))
        standing = Standing(chip, delivery, state, Remembered(place, since), tuple(doubts), "", sighting)
        if known is None or known.gone:
            self.found.append(standing)
        return standing

    def _unseen(
        self,
        chip: str,
        delivery: Delivery,
        known: Remembered | None,
        doubts: list[tuple[Doubt, str]],
        why: str,
    ) -> Standing:
        if delivery.observed_by == "Exporters" and not self.exporters:
            return Standing(chip, delivery, State.UNOBSERVED, known, tuple(doubts), "only exporters show it")
        allowed = seconds_of(self.inventory.spec.gone_after)
        if known is None:
            begin = _received(delivery, self.inventory)
            if self.now - begin >= allowed:
                text = f"was never seen, and {_since_received(delivery, self.inventory)}"
                return Standing(chip, delivery, State.GONE, None, (*doubts, (Doubt.GONE, text)), why)
            self.due.append(begin + allowed)
            return Standing(chip, delivery, State.DECLARED, None, tuple(doubts), why)
        absent_since = self.now if known.absent_since is None else known.absent_since
        gone = self.now - absent_since >= allowed
        remembered = Remembered(known.place, known.since, absent_since, gone)
        if not gone:
            self.due.append(absent_since + allowed)
            return Standing(chip, delivery, State.MISSING, remembered, tuple(doubts), why)
        text = f"isn't seen since {stamp(absent_since)}: {why}; it was last on {_where(known.place)}"
        standing = Standing(chip, delivery, State.GONE, remembered, (*doubts, (Doubt.GONE, text)), why)
        if not known.gone:
            self.lost.append(standing)
        return standing


def _place(node: str, known: Remembered | None, snapshot: Snapshot) -> tuple[Place, str]:
    """Return the place, and why it has no zone. A zone that can't be decided now is the one that is remembered."""
    found = snapshot.nodes.get(node)
    zone = zone_of_record(found, snapshot) if found is not None else None
    if isinstance(zone, Declared):
        return Place(node, zone.name), ""
    if isinstance(zone, NoZone):
        return Place(node), zone.reason
    if found is None and node:
        return Place(node), "isn't in the cluster"  # What an exporter shows there.
    return Place(node, known.place.zone if known is not None and known.place.node == node else ""), ""


def outside(
    place: Place, without_zone: str, delivery: Delivery, spec: AcceleratorInventorySpec, snapshot: Snapshot
) -> str:
    """Return why a chip may not stand there; empty where it may, or where that can't be told now."""
    zones, countries = delivery.zones or spec.zones, delivery.countries or spec.countries
    if not (zones or countries):
        return ""
    allowed = " and ".join(
        [
            *([f"zones {', '.join(zones)}"] if zones else []),
            *([f"countries {', '.join(countries)}"] if countries else []),
        ]
    )
    basis = f"permit {delivery.permit.reference}" if delivery.permit is not None else f"delivery {delivery.name}"
    if without_zone:
        return f"is on node {place.node}, which {without_zone}; {basis} allows {allowed}"
    zone = snapshot.known_zones.get(place.zone)
    if zone is None or ((not zones or zone.name in zones) and (not countries or zone.spec.country in countries)):
        return ""
    return f"is on {_where(place)} ({zone.spec.country}); {basis} allows {allowed}"


def _declared_again(chip: str, owners: tuple[Owner, ...], mine: Owner) -> str:
    others = [o for o in owners if o != mine] or [mine]
    where = ", ".join(f"delivery {o.delivery} of inventory {o.inventory}" for o in others[:3])
    return f"id {chip} is declared {len(owners)} times, also by {where}"


def _in_scope(node: str, spec: AcceleratorInventorySpec, snapshot: Snapshot) -> bool:
    """Say whether a chip on the node is one that the inventory would have to declare."""
    if not (spec.zones or spec.countries):
        return True
    found = snapshot.nodes.get(node)
    zone = zone_of_record(found, snapshot) if isinstance(found, Node) else None
    if not isinstance(zone, Declared):
        return False
    return (not spec.zones or zone.name in spec.zones) and (not spec.countries or zone.spec.country in spec.countries)


def _received(delivery: Delivery, inventory: Inventory) -> float:
    for text in (delivery.received, inventory.created):
        try:
            at = datetime.fromisoformat(text or "")
        except ValueError:
            continue
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return 0.0


def _since_received(delivery: Delivery, inventory: Inventory) -> str:
    if delivery.received:
        return f"delivery {delivery.name} was received on {delivery.received}"
    return f"delivery {delivery.name} is declared since {inventory.created}"


def _where(place: Place) -> str:
    node = f"node {place.node}" if place.node else "no single node"
    return f"{node} in zone {place.zone}" if place.zone else f"{node} in no zone of record"
