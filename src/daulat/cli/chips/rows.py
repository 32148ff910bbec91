"""The rows that ``daulat chips`` shows: one a chip, declared or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daulat.api.timestamps import stamp
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.node import Node
from daulat.facts.snapshot import Inventory, Snapshot
from daulat.placement.chips import Place, Standing, State, account
from daulat.placement.remembered import memory
from daulat.placement.sightings import PUBLISHED, Shown, Sighting, shows_now, undeclared
from daulat.placement.zoning import zone_of_record


@dataclass(frozen=True)
class Row:
    """One chip. Texts are empty where nothing is known."""

    chip: str
    ids: tuple[str, ...]
    """All ids that are declared or seen, the first one first, as they are compared."""
    state: State
    node: str = ""
    zone: str = ""
    country: str = ""
    since: str = ""
    """Since when it is there."""
    absent_since: str = ""
    model: str = ""
    source: str = ""
    """What shows it now."""
    inventory: str = ""
    delivery: str = ""
    received: str = ""
    permit: str = ""
    permit_date: str = ""
    problems: tuple[str, ...] = ()
    """What doesn't add up."""


def rows(snapshot: Snapshot, shown_by_exporters: Iterable[Sighting] | None, now: float) -> list[Row]:
    """Return every chip that is declared, by inventory and delivery, and then those that are only seen.

    ``shown_by_exporters``: None where none was read.
    """
    exporters = shown_by_exporters is not None
    exported = [_on_a_node_of(snapshot, sighting) for sighting in shown_by_exporters or ()]
    shown = Shown.of(snapshot).sightings(snapshot).with_others(exported)
    found: list[Row] = []
    for _, inventory in sorted(snapshot.inventories.items()):
        if isinstance(inventory, Declared):
            status = inventory.status
            moved = frozenset(move.chip for move in status.moves)
            told = account(inventory, shown, [], memory(status), snapshot, now, moved, exporters=exporters)
            found += [_declared(one, inventory, snapshot, now) for one in told.chips]
    others = sorted(undeclared(shown, snapshot), key=lambda s: (s.node, s.ids))
    found += [_undeclared(sighting, snapshot) for sighting in others]
    return found


def unreadable(snapshot: Snapshot) -> list[str]:
    """Return what is wrong with inventories that can't be read. While there is one, no chip counts as undeclared."""
    broken = (i for _, i in sorted(snapshot.inventories.items()) if isinstance(i, Unparsable))
    return [f"AcceleratorInventory {i.name}: {i.reason}" for i in broken]


def _declared(one: Standing, inventory: Inventory, snapshot: Snapshot, now: float) -> Row:
    delivery, permit, place = one.delivery, one.delivery.permit, one.now.place if one.now is not None else Place("")
    seen = one.sighting.ids if one.sighting is not None else ()
    return Row(
        chip=one.chip,
        ids=seen or (one.chip.upper(),),
        state=one.state,
        node=place.node,
        zone=place.zone,
        country=_country(place.zone, snapshot),
        # What the operator hasn't written down is seen for the first time: since when isn't known.
        since=stamp(one.now.since) if one.now is not None and one.now.since < now else "",
        absent_since=stamp(one.now.absent_since) if one.now is not None and one.now.absent_since is not None else "",
        model=one.sighting.model if one.sighting is not None else "",
        source=one.sighting.source if one.sighting is not None else "",
        inventory=inventory.name,
        delivery=delivery.name,
        received=delivery.received or "",
        permit=permit.reference if permit is not None else "",
        permit_date=(permit.date or "") if permit is not None else "",
        problems=tuple(text for _, text in one.doubts),
    )


def _undeclared(sighting: Sighting, snapshot: Snapshot) -> Row:
    node = snapshot.nodes.get(sighting.node)
    zone = zone_of_record(node, snapshot) if node is not None else None
    name = zone.name if isinstance(zone, Declared) else ""
    problems = ("is in no inventory",) if snapshot.inventories else ()
    stale = shows_now(sighting.node, snapshot) if sighting.source == PUBLISHED else ""
    return Row(
        chip=sighting.ids[0],
        ids=sighting.ids,
        state=State.UNDECLARED,
        node=sighting.node,
        zone=name,
        country=_country(name, snapshot),
        model=sighting.model,
        source=sighting.source,
        problems=(*problems, *([stale] if stale else [])),
    )


def _country(zone: str, snapshot: Snapshot) -> str:
    found = snapshot.known_zones.get(zone)
    return found.spec.country if found is not None else ""


def _on_a_node_of(snapshot: Snapshot, sighting: Sighting) -> Sighting:
    """Return the sighting with the node's name in the cluster: an exporter says the host's, which may have or lack a domain."""
    if not sighting.node or sighting.node in snapshot.nodes:
        return sighting
    short = sighting.node.lower().partition(".")[0]
    known = [n for n, node in snapshot.nodes.items() if isinstance(node, Node) and n.partition(".")[0] == short]
    return sighting._replace(node=known[0]) if len(known) == 1 else sighting


def problems(found: Sequence[Row]) -> int:
    """Return of how many chips something doesn't add up."""
    return sum(bool(row.problems) for row in found)


def counts(found: Sequence[Row]) -> dict[State, int]:
    """Return how many chips are in each state."""
    return {state: sum(row.state is state for row in found) for state in State}
