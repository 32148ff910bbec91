"""Compares two values of a field by its direction: lists, booleans, times, classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from daulat.api.meta import seconds_of
from daulat.api.policy import DriftAction

from .difference import Difference, Grade, Pair, listed, quoted
from .directions import Direction

Comparison = Callable[[str, Pair], list[Difference]]
_IT = "Remove it"


def _list(
    path: str, national: Sequence[str], local: Sequence[str], within: Callable[[str], bool], otherwise: str = "none"
) -> list[Difference]:
    """Compare what the local list adds. ``within`` says whether the national one allows an item."""
    added = [(n, v) for n, v in enumerate(local) if not within(v)]
    if not added:
        return []
    remedy = f"{_IT}." if len(added) == 1 else "Remove them."
    allowed = f"allows {listed(national, otherwise)}"
    values = listed(national, otherwise), listed(local)
    return [Difference(path, Grade.WIDER, quoted(v for _, v in added), allowed, remedy, *values, added[0][0])]


def _open(path: str, national: Sequence[str]) -> Difference:
    value = listed(national, "none")
    remedy = f"Set it to {value}, or to a part of that." if national else "Set it to an empty list."
    return Difference(path, Grade.WIDER, "left out, so anything is allowed", f"allows {value}", remedy, value, "any")


def _subset(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national is None:
        return []
    return [_open(path, national)] if local is None else _list(path, national, local, lambda v: v in national)


def _subset_if_any(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if not national:
        return []
    return _list(path, national, local, lambda v: v in national) if local else [_open(path, national)]


def _listed(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    return _list(path, national or (), local or (), lambda v: v in (national or ()))


def _listed_in_section(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path.rpartition(".")[0])
    return [] if national is None or local is None else _listed(path, pair)


def _prefixes(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national is None:
        return []
    if local is None:
        return [_open(path, national)]
    return _list(path, national, local, lambda v: any(v.startswith(p) for p in national))


def _domains(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if not national:
        return []
    within: Callable[[str], bool] = lambda v: any(v == d or v.endswith(f".{d}") for d in national)  # noqa: E731
    return _list(path, national, local, within) if local else [_open(path, national)]


def _licenses(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national is None:
        return []
    known = {v.lower() for v in national}
    return [_open(path, national)] if local is None else _list(path, national, local, lambda v: v.lower() in known)


def _superset(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    missing = [v for v in national if v not in local]
    if not missing:
        return []
    names = listed(missing)
    values = listed(national), listed(local)
    return [Difference(path, Grade.WIDER, f"{names} isn't listed", f"lists {values[0]}", f"Add {names}.", *values)]


def _boolean(stricter: bool) -> Comparison:
    def compare(path: str, pair: Pair) -> list[Difference]:
        national, local = pair.values(path)
        if national is not stricter or local is stricter:
            return []
        # Where only a scope that the national policy doesn't have makes the field count, it admits nothing that was refused.
        if path == "egress.allowKubernetesAPI" and not (pair.national.egress and pair.national.egress.whole_namespace):
            return []
        want, have = str(stricter).lower(), str(local).lower()
        return [Difference(path, Grade.WIDER, f"is {have}", f"says {want}", f"Set it to {want}.", want, have)]

    return compare


def _shorter(path: str, pair: Pair) -> list[Difference]:
    national, local = (v or "" for v in pair.values(path))
    if not national:
        return []
    remedy = f"Set {national} or a shorter time."
    if not local:
        return [
            Difference(path, Grade.WIDER, "left out, so without an end", f"says {national}", remedy, national, "any")
        ]
    if seconds_of(local) <= seconds_of(national):
        return []
    return [Difference(path, Grade.WIDER, f'"{local}" was set', f"says {national}", remedy, national, local)]


def _larger(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if int(local.removesuffix("%")) >= int(national.removesuffix("%")):
        return []
    remedy = f"Set {national} or more."
    return [Difference(path, Grade.WIDER, f'"{local}" was set', f"says {national}", remedy, national, local)]


def _drift(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national is not DriftAction.EVICT or local is DriftAction.EVICT:
        return []
    return [
        Difference(path, Grade.WIDER, f'"{local}" was set', f"says {national}", f"Set {national}.", national, local)
    ]


def _scope(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.national.egress, pair.local.egress
    if not (national and national.whole_namespace) or local is None or local.whole_namespace:
        return []
    found = f'"{local.scope}" was set' if local.scope else "left out, so only models are governed"
    values = "Namespace", str(local.scope or "Models")
    return [Difference(path, Grade.WIDER, found, "says Namespace", "Set Namespace.", *values)]


def _present(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national is None or local is not None:
        return []
    remedy = f"Set {path.rpartition('.')[2]} to what the national policy says, or to a part of that."
    return [Difference(path, Grade.WIDER, "left out, so it isn't checked", "has it", remedy, "set", "left out")]


def _same(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.values(path)
    if national == local:
        return []
    if national is None:
        found, allowed = f'"{local}" was set', "leaves it to the operator's own setting"
        return [Difference(path, Grade.WIDER, found, allowed, "Remove it.", "left out", str(local))]
    found = f'"{local}" was set' if local else "left out"
    return [
        Difference(
            path, Grade.WIDER, found, f"says {national}", f"Set {national}.", str(national), str(local or "left out")
        )
    ]


def _aliases(path: str, pair: Pair) -> list[Difference]:
    national, local = (_entries(v) for v in pair.values(path))
    return _list(path, national, local, lambda v: v in national)


def _entries(aliases: Iterable[Any]) -> list[str]:
    return [f"{name} at {alias.ip}" for alias in aliases for name in alias.hostnames]


def _acknowledgements(path: str, pair: Pair) -> list[Difference]:
    national, local = pair.national.accelerators, pair.local.accelerators
    given = {a.regime for a in national.acknowledgements}
    still_open = [r for r in national.require_acknowledgement if r not in given]
    added = [a.regime for a in local.acknowledgements if a.regime in still_open]
    if not added:
        return []
    allowed = f"requires an acknowledgement of {listed(still_open)} and has none"
    values = listed(sorted(given)), listed(a.regime for a in local.acknowledgements)
    return [Difference(path, Grade.WIDER, f"{listed(added)} was acknowledged", allowed, f"{_IT}.", *values)]


VALUES: dict[Direction, Comparison] = {
    Direction.SUBSET: _subset,
    Direction.SUBSET_IF_ANY: _subset_if_any,
    Direction.LISTED: _listed,
    Direction.LISTED_IN_SECTION: _listed_in_section,
    Direction.PREFIXES: _prefixes,
    Direction.DOMAINS: _domains,
    Direction.LICENSES: _licenses,
    Direction.SUPERSET: _superset,
    Direction.TRUE: _boolean(True),
    Direction.FALSE: _boolean(False),
    Direction.SHORTER: _shorter,
    Direction.LARGER: _larger,
    Direction.DRIFT: _drift,
    Direction.SCOPE: _scope,
    Direction.PRESENT: _present,
    Direction.SAME: _same,
    Direction.ALIASES: _aliases,
    Direction.ACKNOWLEDGEMENTS: _acknowledgements,
}
