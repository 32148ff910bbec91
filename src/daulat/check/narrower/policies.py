"""Compares two policies field by field, by the table of directions."""

from __future__ import annotations

from daulat.api.meta import DataClass, LabelSelector

from . import accelerators, actions, evidence, selectors
from .difference import Difference, Grade, Pair, listed
from .directions import DIRECTIONS, Direction
from .peers import peers
from .values import VALUES, Comparison

_CLASS_LABEL = "daulat.dev/data-class"


def compare(pair: Pair) -> list[Difference]:
    """Return every field in which the local policy isn't proved narrower. None are left where it is.

    Which namespaces it governs is compared by ``coverage``, for all local policies together.
    """
    found: list[Difference] = []
    for path, direction in DIRECTIONS.items():
        comparison = COMPARISONS.get(direction)
        if comparison is not None:
            found += comparison(path, pair)
    return [*_zones_by_record(found, pair), *_registries(pair)]


def _actions(path: str, pair: Pair) -> list[Difference]:
    return actions.action(path, pair) if path == "action" else actions.controls(path, pair)


def _data_class(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national is None:
        return []
    if local is None or local.rank < national.rank:
        found = f'"{local}" was set' if local else "left out, so any class is enough"
        remedy = f"Set {national}."
        return [Difference(path, Grade.WIDER, found, f"says {national}", remedy, str(national), str(local or "any"))]
    # A pod is refused where its namespace holds data that the zones aren't fit for. Zones for more sensitive data take more.
    for each in DataClass:
        if not national.rank < each.rank <= local.rank:
            continue
        own = LabelSelector.model_validate({"matchLabels": {_CLASS_LABEL: each.value}})
        try:
            both = selectors.shared(pair.national.namespace_selector, pair.local.namespace_selector, own)
        except selectors.Undecided:
            both = {_CLASS_LABEL: each.value}
        if both is not None:
            allowed = f"says {national}, and refuses pods where a namespace holds {each} data"
            remedy = f"Set {national}, or don't select namespaces with {_CLASS_LABEL}={each}."
            found = f'"{local}" was set'
            return [Difference(path, Grade.WIDER, found, allowed, remedy, str(national), str(local))]
    return []


_ZONE_FIELDS = {f"zones.{name}" for name in ("countries", "operatorCountries", "parentCountries", "minimumDataClass")}


def _zones_by_record(found: list[Difference], pair: Pair) -> list[Difference]:
    """Take back what the zones' records prove: a policy that names its zones needn't repeat what is true of them."""
    names = pair.local.zones.names
    if names is None:
        return found
    kept = []
    for each in found:
        left_out = each.field in _ZONE_FIELDS and pair.values(each.field)[1] is None
        if not left_out:
            kept.append(each)
            continue
        unknown = [n for n in names if n not in pair.zones]
        bad = [n for n in names if n in pair.zones and not _holds(each.field, pair, n)]
        remedy = f"Set it, or {'remove the zone' if bad else 'add the SovereignZone to the input'}."
        if bad:
            found_text = f"left out, and zone {bad[0]} is on record otherwise"
            kept.append(
                Difference(each.field, Grade.WIDER, found_text, each.allowed, remedy, each.national, each.local)
            )
        elif unknown:
            found_text = f"left out, and zone {unknown[0]} isn't in the input"
            kept.append(
                Difference(each.field, Grade.UNDECIDED, found_text, each.allowed, remedy, each.national, each.local)
            )
    return kept


def _holds(path: str, pair: Pair, name: str) -> bool:
    zone, asked = pair.zones[name], pair.national.zones
    match path.removeprefix("zones."):
        case "countries":
            return zone.country in (asked.countries or ())
        case "operatorCountries":
            return zone.operator.country in (asked.operator_countries or ())
        case "parentCountries":
            return zone.operator.ultimate_parent_country in (asked.parent_countries or ())
    return asked.minimum_data_class is None or zone.maximum_data_class.rank >= asked.minimum_data_class.rank


def _registries(pair: Pair) -> list[Difference]:
    """Compare the registries that images and weights come from together: image volumes and engines' endpoints may be of either."""
    national, local = pair.national, pair.local
    theirs = [*(national.images.registries if national.images else ()), *_oci(national.models)]
    found = []
    for path, prefixes in (
        ("images.registries", local.images.registries if local.images else ()),
        ("models.sources", _oci(local.models)),
    ):
        # What the national policy lists itself is compared already.
        if pair.values(path)[0] is not None:
            continue
        added = [p for p in prefixes if not any(p.startswith(t) for t in theirs)]
        if not added:
            continue
        values = "left out", listed(added)
        names = listed(f'"{p}"' for p in added)
        if path == "models.sources" and national.images is not None:
            allowed = f"allows volumes of images from {listed(theirs)}"
            found.append(Difference(path, Grade.WIDER, f"{names} was set", allowed, "Remove it.", *values))
        else:
            said = f"{names} was set, where engines' endpoints may then lead"
            allowed = "names no registry, so that engines may have no endpoint (USE-07)"
            remedy = "Nothing has to be done where the registry is known."
            found.append(Difference(path, Grade.SIDE_EFFECT, said, allowed, remedy, *values))
    return found


def _oci(models: object) -> list[str]:
    return [s.removeprefix("oci://") for s in getattr(models, "sources", None) or () if s.startswith("oci://")]


COMPARISONS: dict[Direction, Comparison] = {
    **VALUES,
    Direction.ACTION: _actions,
    Direction.DATA_CLASS: _data_class,
    Direction.EVIDENCE: evidence.minimum,
    Direction.AUTHORITIES: evidence.authorities,
    Direction.ACCELERATORS: accelerators.approval,
    Direction.OTHER_RESOURCES: accelerators.other_resources,
    Direction.PEERS: peers,
}
"""How the directions are compared; those that aren't here compare nothing by themselves."""
