"""Which chips ResourceSlices show, and which chips inventories declare: what every inventory is compared with.

Both are worked out only where there is an AcceleratorInventory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from daulat.facts.change import Change
from daulat.facts.chips import ids_of
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.devices import Slice
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot

PUBLISHED = "ResourceSlice"
"""The source of what drivers publish in the cluster."""


class Sighting(NamedTuple):
    """One chip that something shows on a node."""

    ids: tuple[str, ...]
    """As they are compared, the first one first."""
    node: str
    """Empty where the source doesn't say."""
    source: str = PUBLISHED
    model: str = ""
    """The product, where the source says it."""


@dataclass
class Sightings:
    """What is shown now, by id."""

    chips: dict[Sighting, int] = field(default_factory=dict)
    """Each chip on each node once, with how often it is shown there: two generations of a pool may show the same."""
    by_id: dict[str, tuple[Sighting, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[Sighting]) -> Sightings:
        """Return the sightings."""
        index = cls()
        for sighting in found:
            index.add(sighting)
        return index

    def add(self, sighting: Sighting) -> None:
        """Take in that a chip is shown."""
        count = self.chips.get(sighting, 0)
        self.chips[sighting] = count + 1
        for chip in () if count else sighting.ids:
            self.by_id[chip] = (*self.by_id[chip], sighting) if chip in self.by_id else (sighting,)

    def discard(self, sighting: Sighting) -> None:
        """Take in that a chip isn't shown any more by one of those that did."""
        count = self.chips.pop(sighting, 0)
        if count > 1:
            self.chips[sighting] = count - 1
            return
        for chip in sighting.ids:
            if rest := tuple(s for s in self.by_id.get(chip, ()) if s != sighting):
                self.by_id[chip] = rest
            else:
                self.by_id.pop(chip, None)

    def of_chip(self, ids: Iterable[str]) -> list[Sighting]:
        """Return where a chip with one of these ids is shown."""
        return list(dict.fromkeys(s for chip in ids for s in self.by_id.get(chip, ())))

    def with_others(self, others: Iterable[Sighting]) -> Sightings:
        """Return these with what other sources show. The same first id on the same node is one chip, with the ids of both."""
        merged: dict[tuple[str, str], Sighting] = {(s.ids[0], s.node): s for s in self.chips}
        for other in others:
            known = merged.get((other.ids[0], other.node))
            ids = other.ids if known is None else tuple(dict.fromkeys((*known.ids, *other.ids)))
            merged[other.ids[0], other.node] = other._replace(ids=ids)
        return Sightings.of(merged.values())


class Shown(DerivedFact):
    """The chips of all ResourceSlices. A changed slice costs the work of its pool, not of the cluster."""

    depends_on = frozenset({"ResourceSlice"})

    def __init__(self) -> None:
        self._found: Sightings | None = None
        self._pools: defaultdict[tuple[str, str], dict[str, Slice]] = defaultdict(dict)

    def sightings(self, snapshot: Snapshot) -> Sightings:
        """Return the chips."""
        if self._found is None:
            for name, part in snapshot.slices.items():
                if part.chips:
                    self._pools[part.driver, part.pool][name] = part
            self._found = Sightings.of(s for parts in self._pools.values() for s in _published(parts.values()))
        return self._found

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Read the pool anew where a slice shows other chips than before."""
        if self._found is not None and shows_otherwise(change):
            touched = {(side.driver, side.pool) for side in change.sides}
            for pool in touched:
                for sighting in _published(self._pools[pool].values()):
                    self._found.discard(sighting)
                self._pools[pool].pop(change.ref.name, None)
            if change.after is not None and change.after.chips:
                self._pools[change.after.driver, change.after.pool][change.ref.name] = change.after
            for pool in touched:
                for sighting in _published(self._pools[pool].values()):
                    self._found.add(sighting)
                if not self._pools[pool]:
                    del self._pools[pool]
        return True


def shows_otherwise(change: Change) -> bool:
    """Say whether a ResourceSlice shows other chips than before, or on other nodes. Most of its changes are of taints."""
    before, after = (_shows(side) for side in (change.before, change.after))
    return before != after


def _shows(part: Slice | None) -> object:
    if part is None or not part.chips:
        return ""
    return part.driver, part.pool, part.generation, part.of, part.chips, [node for _, node in part.sightings()]


def _published(parts: Collection[Slice]) -> Iterator[Sighting]:
    """Yield the chips of a pool's newest generation; those of the one before as well until the newest is complete."""
    newest = max((part.generation for part in parts), default=0)
    current = [part for part in parts if part.generation == newest]
    complete = len(current) >= max((part.of for part in current), default=0)
    for part in current if complete else parts:
        for ids, node in part.sightings():
            yield Sighting(ids_of(ids), node)


class Owner(NamedTuple):
    """Who declares a chip."""

    inventory: str
    delivery: str


class Declarations(DerivedFact):
    """Which deliveries declare each chip."""

    depends_on = frozenset({"AcceleratorInventory"})

    def __init__(self) -> None:
        self._owners: dict[str, tuple[Owner, ...]] | None = None

    def owners(self, snapshot: Snapshot) -> Mapping[str, tuple[Owner, ...]]:
        """Return the deliveries by the id of a chip. More than one mean that the chip is declared more than once."""
        if self._owners is None:
            self._owners = _owners(snapshot)
        return self._owners

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop everything: inventories are few, and hardly ever change."""
        return False


def _owners(snapshot: Snapshot) -> dict[str, tuple[Owner, ...]]:
    found: dict[str, tuple[Owner, ...]] = {}
    for name, inventory in sorted(snapshot.inventories.items()):
        for delivery in inventory.spec.deliveries if isinstance(inventory, Declared) else ():
            alone = (Owner(name, delivery.name),)
            for entry in delivery.chips:
                for chip in ids_of(entry):
                    found[chip] = (*found[chip], *alone) if chip in found else alone
    return found


class Undeclared(DerivedFact):
    """The chips that ResourceSlices show and no inventory declares."""

    depends_on = frozenset({"ResourceSlice", "AcceleratorInventory"})

    def __init__(self) -> None:
        self._found: list[Sighting] | None = None

    def sightings(self, snapshot: Snapshot) -> list[Sighting]:
        """Return the chips."""
        if self._found is None:
            self._found = undeclared(Shown.of(snapshot).sightings(snapshot), snapshot)
        return self._found

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop everything where a slice shows other chips than before, or other chips are declared."""
        return change.ref.kind == "ResourceSlice" and not shows_otherwise(change)


def undeclared(shown: Sightings, snapshot: Snapshot) -> list[Sighting]:
    """Return the chips that no inventory declares. None are known where an inventory can't be read: it may declare them."""
    if any(isinstance(inventory, Unparsable) for inventory in snapshot.inventories.values()):
        return []
    owners = Declarations.of(snapshot).owners(snapshot)
    return [sighting for sighting in shown.chips if not any(chip in owners for chip in sighting.ids)]


def shows_now(node: str, snapshot: Snapshot) -> str:
    """Return why what is published for a node shows nothing of now; empty where it does.

    A ResourceSlice stays while its node is down: it is the node that vouches for it.
    """
    found = snapshot.nodes.get(node)
    if not node or (isinstance(found, Node) and found.ready):
        return ""
    return f"node {node} isn't Ready" if isinstance(found, Node) else f"node {node} isn't in the cluster"
