"""Compares what two policies approve of accelerators: by the profiles that are known, and by those that may come."""

from __future__ import annotations

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.approval import approved_profiles, mismatch
from daulat.api.counted import few
from daulat.api.requirements import AcceleratorRequirements

from .difference import Difference, Grade, Pair, listed, quoted, value_at

_SELECTORS = ("vendors", "vendorCountries", "families")
_PATH = "accelerators."


def approval(path: str, pair: Pair) -> list[Difference]:
    """Compare one of the fields that approve profiles."""
    national, local = pair.national.accelerators, pair.local.accelerators
    name = path.removeprefix(_PATH)
    if name == "profiles":
        return _named(pair) if local.profiles is not None else _any_name(pair)
    # A policy that lists profiles approves these alone, and each is compared there.
    if local.profiles is not None:
        return []
    asked, given = value_at(national, name, AcceleratorRequirements), value_at(local, name, AcceleratorRequirements)
    if name == "excludeRegimes":
        lacking = [r for r in asked if r not in given]
        if not lacking:
            return []
        found, remedy = f"{listed(lacking)} isn't listed", f"Add {listed(lacking)}."
        return [_graded(path, pair, found, f"lists {listed(asked)}", remedy, listed(asked), listed(given))]
    if asked is None:
        return []
    if given is None:
        remedy = f"Set it to {listed(asked)}, or to a part of that."
        return [_graded(path, pair, "left out", f"allows {listed(asked)}", remedy, listed(asked), "any")]
    added = [v for v in given if v not in asked]
    if not added:
        return []
    return [_graded(path, pair, quoted(added), f"allows {listed(asked)}", "Remove it.", listed(asked), listed(given))]


def _named(pair: Pair) -> list[Difference]:
    """Compare the profiles that the local policy lists, each by what is known of it."""
    national, local = pair.national.accelerators, pair.local.accelerators
    found = []
    for n, name in enumerate(local.profiles or ()):
        known = pair.profiles.get(name)
        by_name = national.profiles is not None and name in national.profiles
        values = _said(national), _said(local)
        if known is None:
            if by_name and national.by_name_alone:
                continue
            if national.profiles is not None and not by_name:
                allowed = f"approves {listed(national.profiles)}"
                found.append(
                    Difference(f"{_PATH}profiles", Grade.WIDER, quoted([name]), allowed, "Remove it.", *values, n)
                )
                continue
            why = f"approves {values[0]}, and what this profile is isn't in the input"
            remedy = "Add its AcceleratorProfile to the input."
            found.append(Difference(f"{_PATH}profiles", Grade.UNDECIDED, quoted([name]), why, remedy, *values, n))
        elif mismatch(local, name, known) is None and (why_not := mismatch(national, name, known)) is not None:
            allowed = f"doesn't approve it: it {why_not}"
            found.append(Difference(f"{_PATH}profiles", Grade.WIDER, quoted([name]), allowed, "Remove it.", *values, n))
    return found


def _any_name(pair: Pair) -> list[Difference]:
    national = pair.national.accelerators
    if national.profiles is None:
        return []
    allowed = f"approves {listed(national.profiles)} alone"
    values = listed(national.profiles), "any"
    remedy = "List the profiles."
    return [_graded(f"{_PATH}profiles", pair, "left out, so a profile may have any name", allowed, remedy, *values)]


def _graded(path: str, pair: Pair, found: str, allowed: str, remedy: str, national: str, local: str) -> Difference:
    """Return the difference: wider where a known profile shows it, undecided where only one that is created later would."""
    shown = [
        name
        for name, profile in approved_profiles(pair.local.accelerators, pair.profiles).items()
        if mismatch(pair.national.accelerators, name, profile) is not None
    ]
    if shown:
        found += f", which approves {few(shown, 1)}"
        return Difference(path, Grade.WIDER, found, allowed, remedy, national, local)
    found += (
        ", which approves no known profile beyond those of the national policy, and perhaps one that is created later"
    )
    return Difference(path, Grade.UNDECIDED, found, allowed, remedy, national, local)


def other_resources(path: str, pair: Pair) -> list[Difference]:
    """Compare resources that aren't accelerators. One that is to the national policy has more controls there."""
    national, local = pair.national.accelerators, pair.local.accelerators
    theirs, ours = _resources(pair, national), _resources(pair, local)
    unknown = [n for n in national.profiles or () if n not in pair.profiles and n not in (local.profiles or ())]
    values = listed(national.other_resources), listed(local.other_resources)
    found = []
    for n, resource in enumerate(local.other_resources):
        said = quoted([resource])
        if resource not in national.other_resources:
            difference = Difference(path, Grade.WIDER, said, f"allows {values[0]}", "Remove it.", *values, n)
        elif resource in theirs and resource not in ours:
            allowed = "takes it for an accelerator's, for which more is required"
            difference = Difference(path, Grade.WIDER, said, allowed, "Remove it, or approve the profile.", *values, n)
        elif unknown:
            allowed = f"approves {listed(unknown)}, of which the input has no AcceleratorProfile and which may have it"
            remedy = "Add the profile to the input."
            difference = Difference(path, Grade.UNDECIDED, said, allowed, remedy, *values, n)
        else:
            continue
        found.append(difference)
    return found


def _resources(pair: Pair, asked: AcceleratorRequirements) -> set[str]:
    return {r.name for p in _approved(pair, asked) for r in p.resources}


def _approved(pair: Pair, asked: AcceleratorRequirements) -> list[AcceleratorProfileSpec]:
    return [*approved_profiles(asked, pair.profiles).values()]


def _said(asked: AcceleratorRequirements) -> str:
    """Return what a policy says of profiles, as one text."""
    parts = [listed(asked.profiles)] if asked.profiles is not None else []
    for name in _SELECTORS:
        given = value_at(asked, name, AcceleratorRequirements)
        parts += [f"{name} {listed(given)}"] if given is not None else []
    parts += [f"without {listed(asked.exclude_regimes)}"] if asked.exclude_regimes else []
    return "; ".join(parts)
