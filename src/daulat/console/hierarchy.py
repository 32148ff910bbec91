"""Zones as a hierarchy: country, operator, facility, zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from daulat.facts.declared import Declared
from daulat.facts.snapshot import Snapshot, Zone
from daulat.status.view import ZoneRow, ready

from .outlines import Outlines
from .worldmap import Place, located


@dataclass(frozen=True)
class FacilityGroup:
    """The zones of one building."""

    name: str
    un_locode: str
    zones: tuple[ZoneRow, ...]


@dataclass(frozen=True)
class OperatorGroup:
    """What one operator runs in a country."""

    legal_name: str
    country: str
    """Where the operator is incorporated."""
    parent_country: str
    facilities: tuple[FacilityGroup, ...]


@dataclass(frozen=True)
class CountryGroup:
    """What stands in a country."""

    code: str
    operators: tuple[OperatorGroup, ...]

    @property
    def zones(self) -> tuple[ZoneRow, ...]:
        """All zones in the country."""
        return tuple(zone for o in self.operators for f in o.facilities for zone in f.zones)


class _Key(NamedTuple):
    country: str
    operator: tuple[str, str, str]
    """Legal name, country, ultimate parent's country."""
    facility: tuple[str, str]
    """Name, UN/LOCODE."""


def readable(rows: Iterable[ZoneRow], snapshot: Snapshot) -> tuple[ZoneRow, ...]:
    """Return the zones whose facts of record can be read, in the order of the hierarchy."""
    found = [(_key(zone), row) for row in rows if isinstance(zone := snapshot.zones.get(row.name), Declared)]
    return tuple(row for _, row in sorted(found, key=lambda item: (item[0], item[1].name)))


def hierarchy(rows: Iterable[ZoneRow], snapshot: Snapshot) -> tuple[CountryGroup, ...]:
    """Group zones that ``readable`` returned."""
    keyed = [(_key(snapshot.known_zones[row.name]), row) for row in rows]
    countries = groupby(keyed, lambda item: item[0].country)
    return tuple(CountryGroup(country, _operators(of_country)) for country, of_country in countries)


def _operators(keyed: Iterable[tuple[_Key, ZoneRow]]) -> tuple[OperatorGroup, ...]:
    return tuple(
        OperatorGroup(name, country, parent, _facilities(of_operator))
        for (name, country, parent), of_operator in groupby(keyed, lambda item: item[0].operator)
    )


def _facilities(keyed: Iterable[tuple[_Key, ZoneRow]]) -> tuple[FacilityGroup, ...]:
    return tuple(
        FacilityGroup(name, un_locode, tuple(row for _, row in of_facility))
        for (name, un_locode), of_facility in groupby(keyed, lambda item: item[0].facility)
    )


def places(
    rows: Iterable[ZoneRow], snapshot: Snapshot, outlines: Outlines
) -> tuple[tuple[Place, ...], tuple[str, ...]]:
    """Return the places with zones, and the names of zones that have no place in the outlines."""
    zones: Mapping[str, Zone] = snapshot.known_zones
    found: dict[tuple[str, str], list[ZoneRow]] = {}
    nowhere = []
    for row in rows:
        spec = zones[row.name].spec
        key = located(spec.country, spec.facility.un_locode, outlines)
        if key:
            found.setdefault((key, spec.country), []).append(row)
        else:
            nowhere.append(row.name)
    return (
        tuple(Place(key, country, len(of), len(of) - ready(of)) for (key, country), of in sorted(found.items())),
        tuple(nowhere),
    )


def _key(zone: Zone) -> _Key:
    operator, facility = zone.spec.operator, zone.spec.facility
    return _Key(
        zone.spec.country,
        (operator.legal_name, operator.country, operator.ultimate_parent_country),
        (facility.name, facility.un_locode or ""),
    )
