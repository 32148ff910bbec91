"""Claims: what a report says of one thing, worked out of the entries that prove it and of nothing else.

The same entries make the same claim again, which is how a bundle is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from daulat.catalog.presets import leaves
from daulat.ledger.entry import Entry
from daulat.ledger.errors import Malformed

from .tiers import Tier, by_tier

Read = Callable[[int], Entry]
"""Returns an entry that is proved. LedgerError where there is none."""
Facts = Callable[[str], bytes | None]
"""Returns the facts that have a digest; None where they aren't there, or have another one."""
Claim = dict[str, Any]
"""``about``, ``kind``, ``entries`` by role, when it was ``recorded``, the ``facts`` by tier. Of runs also ``verdicts``, of policies
``rules``, where their spec is kept beside the log."""

RUN, POLICY, ENTRY = "Run", "Policy", "Entry"
_RUNS = ("RunStarted", "RunChanged")
_LISTS = (("policyEntries", "policies"), ("exemptionEntries", "exemptions"), ("attestationEntries", "attestations"))
_KEPT = {"ZoneRecorded": "spec", "AttestationRecorded": "envelope"}
"""Facts beside the log that a bundle has although nothing is worked out of them, by the field with their digest."""
LIMITS = {"countries": "country", "operatorCountries": "operatorCountry", "parentCountries": "parentCountry"}
"""What a policy allows of places, and the field of a run that it is compared with."""


def made(about: str, says: int, next_: int | None, read: Read, facts: Facts) -> Claim:
    """Return the claim that an entry proves; ``next_`` is the entry that ends what it says.

    Malformed where the entries don't belong together.
    """
    found = read(says)
    claim: Claim = {"about": about, "kind": found.kind, "entries": {"says": says}, "recorded": found.time}
    facts_by_tier = by_tier(found.kind, found.data)
    if next_ is not None:
        claim["entries"]["ended"] = next_
        claim["until"] = _end(found, says, read(next_), next_)
    if about == RUN:
        _run(claim, found, facts_by_tier, read, facts)
    elif about == POLICY:
        _policy(claim, found, facts)
    elif about != ENTRY:
        raise Malformed(f"an unknown claim: {about[:40]!r}")
    elif (name := _KEPT.get(found.kind)) is not None:
        claim["kept"] = facts(str(found.data.get(name) or "")) is not None
    return claim | {"facts": {str(tier): said for tier, said in facts_by_tier.items()}}


def spec_of(entry: Entry, facts: Facts) -> dict[str, Any] | None:
    """Return the spec whose digest an entry has; None where it isn't kept beside the log as it was recorded."""
    data = facts(str(entry.data.get("spec") or ""))
    try:
        found = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def verdicts(data: Mapping[str, Any], read: Read, facts: Facts) -> list[dict[str, Any]]:
    """Return for each policy that governed a run whether its place is among those that the policy's spec allows.

    Places are declared, so this compares two declarations: what the policy says, and what the zone says.
    """
    found = []
    for number in numbers(data, "policyEntries"):
        policy = read(number)
        allowed, because = _judged(data, spec_of(policy, facts))
        found.append(
            {"policy": str(policy.data.get("name", "")), "entry": number, "place": allowed, "because": because}
        )
    return found


def numbers(data: Mapping[str, Any], name: str) -> list[int]:
    """Return the entries that a field refers to."""
    found = data.get(name)
    return [n for n in found if isinstance(n, int)] if isinstance(found, list) else []


def place(data: Mapping[str, Any]) -> dict[str, str]:
    """Return where an entry says that a run was."""
    names = ("country", "operatorCountry", "parentCountry", "zone")
    return {name: str(data.get(name) or "") for name in names}


def worst(said: list[dict[str, Any]]) -> str:
    """Return what counts for a run under several policies."""
    results = {v["place"] for v in said}
    return next((r for r in ("outside", "undecided", "allowed") if r in results), "not limited")


def _run(claim: Claim, found: Entry, by: dict[str, dict[str, Any]], read: Read, facts: Facts) -> None:
    if found.kind not in _RUNS:
        raise Malformed(f"a run isn't proved by an entry of the kind {found.kind}")
    claim["since"] = str(found.data.get("started") or found.time) if found.kind == _RUNS[0] else found.time
    for name, role in (("nodeEntry", "node"), ("zoneEntry", "zone"), ("modelEntry", "model")):
        if isinstance(number := found.data.get(name), int):
            claim["entries"][role] = number
            of = read(number).data
            if name == "zoneEntry":
                declared = by.setdefault(Tier.DECLARED, {})
                declared |= {f: of[f] for f in ("facility", "operator", "unLocode") if f in of}
    for name, role in _LISTS:
        if refers := numbers(found.data, name):
            claim["entries"][role] = refers
            for number in refers:
                read(number)
    claim["verdicts"] = verdicts(found.data, read, facts)
    claim["place"] = worst(claim["verdicts"])


def _policy(claim: Claim, found: Entry, facts: Facts) -> None:
    conditions = found.data.get("conditions")
    claim["enforced"] = str(conditions.get("Enforced", "")) if isinstance(conditions, dict) else ""
    if (spec := spec_of(found, facts)) is not None:
        claim["rules"] = leaves(spec)


def _end(found: Entry, says: int, after: Entry, at: int) -> str:
    """Return when another entry ended what one says. Malformed where it isn't about the same object, or isn't later."""
    if at <= says or after.data.get("uid") != found.data.get("uid"):
        raise Malformed(f"entry {at} doesn't end what entry {says} says")
    return str(after.data.get("ended") or after.time)


def _judged(data: Mapping[str, Any], spec: dict[str, Any] | None) -> tuple[str, str]:
    if spec is None:
        return "undecided", "the policy's spec isn't kept beside the log as it was recorded"
    zones = spec.get("zones")
    zones = zones if isinstance(zones, dict) else {}
    limits = {field: zones[name] for name, field in LIMITS.items() if zones.get(name)}
    if not limits:
        return "not limited", "the policy limits no countries"
    for field, allowed in limits.items():
        if not data.get(field):
            return "undecided", f"{field} isn't known: {data.get('noZone') or 'the node has no zone of record'}"
        if data[field] not in allowed:
            return "outside", f"{field} {data[field]} is not among {', '.join(map(str, allowed))}"
    return "allowed", ""
