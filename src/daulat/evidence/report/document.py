"""The report as data (``report.json``): the claims by section, and what was checked and what isn't proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from daulat.api.timestamps import stamp
from daulat.ledger import base64
from daulat.ledger.trust import Examined, Trust

from .claim import Claim, Facts, Read, made, place
from .collect import Collected, Place
from .preset import rows
from .scope import Scope

VERSION = "ledger.daulat.dev/v1"
KIND = "EvidenceReport"
PLACES = 200
"""Places that are listed; the rest are added up."""

CHECKED = (
    "The checkpoint is signed by the log's keys that are named here, or by those that these have handed the log over to.",
    "All entries of the log lead to the checkpoint's root, and each is an entry of Daulat's.",
    "Each entry that a claim names is proved by a file of its own, and the claim was made of these entries alone.",
    "Facts that are kept beside the log have the digests that the entries say.",
)
WITNESSED = "The witnesses named here have seen this log grow up to this checkpoint by appending only, at these times."
NOT_PROVED = (
    "Whether an entry is true: the log holds what its recorder saw, and what people declared. The tier of each fact says which.",
    "That nothing else happened: what was not observed is listed as a gap, and what the recorder doesn't watch isn't in the log.",
    "From the bundle alone, that the lists and totals are complete: a proof shows that an entry is in the log. Made again from the "
    "whole log, the report has the same lists and totals.",
    "What ran in namespaces that no policy governs.",
    "The signatures of statements about nodes: the operator verified them, and the report doesn't again.",
    "Which data was processed, and what network traffic carried.",
    "That any law, standard or contract is complied with. The report is no legal advice.",
)
UNWITNESSED = (
    "Without witnesses: that the owner of the log's key shows everybody the same history. It can sign another one, and an older "
    "state of the log verifies as well as the newest."
)


def document(found: Collected, scope: Scope, examined: Examined, trust: Trust, at: str, release: str) -> dict[str, Any]:
    """Return the report. ``at`` is when it is made (RFC 3339)."""
    if (head := examined.head) is None:
        raise ValueError("a report is made of a log whose checkpoint is trusted")
    sections = [
        {"name": p.section.name, "title": p.section.title, "total": p.total, "listed": len(p.claims)}
        | ({"note": p.note} if p.note else {})
        | {"claims": list(p.claims)}
        for p in found.parts
    ]
    first, last = ends(head.size, found.proved.read)
    report: dict[str, Any] = {
        "apiVersion": VERSION,
        "kind": KIND,
        "made": at,
        "release": release,
        "period": {"from": scope.since, "until": scope.until},
        "log": {
            "origin": head.origin,
            "size": head.size,
            "root": base64.encode(head.root),
            "keys": [str(key) for key in trust.keys],
            "witnesses": witnesses(examined),
            "first": first,
            "last": last,
        },
        **sentences(bool(examined.witnessed)),
        "unobserved": unobserved(scope.since, scope.until, first, last),
        "places": _listed(found.places),
        "sections": sections,
    }
    if scope.policy:
        report["policy"] = scope.policy
    if scope.preset:
        report["preset"] = rows(scope.preset, _claims(report, "rules"), found.proved.read, found.proved.facts)
    return report


def sentences(witnessed: bool) -> dict[str, list[str]]:
    """Return what a report says was checked, and what isn't proved."""
    return {
        "checked": [*CHECKED, *([WITNESSED] if witnessed else [])],
        "notProved": [*NOT_PROVED, *([] if witnessed else [UNWITNESSED])],
    }


def witnesses(examined: Examined) -> list[dict[str, str]]:
    """Return who has cosigned the checkpoint, and when (RFC 3339)."""
    return [{"name": w.name, "time": _time(w.time)} for w in examined.witnessed]


def _time(seconds: int) -> str:
    """Return POSIX seconds in RFC 3339; as they are beyond the year 9999."""
    try:
        return stamp(seconds)
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def ends(size: int, read: Read) -> tuple[str, str]:
    """Return the times of a log's first and last entry; both empty in an empty log."""
    return (read(0).time, read(size - 1).time) if size else ("", "")


def unobserved(since: str, until: str, first: str, last: str) -> list[str]:
    """Return what of a period lies outside of what the log covers."""
    found = []
    if not first:
        return ["The log is empty."]
    if since < first:
        found.append(f"Before {first} nothing was recorded.")
    if until > last:
        found.append(f"After {last} nothing is recorded yet.")
    return found


def again(claim: Mapping[str, Any], read: Read, facts: Facts) -> Claim:
    """Make the claim that a report has again. LedgerError, ValueError, KeyError or TypeError where its entries don't make one."""
    return made(claim["about"], claim["entries"]["says"], claim["entries"].get("ended"), read, facts)


def summed(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    """Return the table of places that runs add up to."""
    places: Counter[tuple[Place, str]] = Counter()
    for claim in claims:
        data = {name: value for of in claim["facts"].values() for name, value in of.items()}
        places[(tuple(place(data).items()), claim["place"])] += 1
    return _listed(places)


def _listed(places: Counter[tuple[Place, str]]) -> list[dict[str, Any]]:
    """Return where runs were: those that aren't known to be allowed first, then by how many there were."""
    order = ("outside", "undecided", "not limited", "allowed")
    ranked = sorted(places.items(), key=lambda item: (order.index(item[0][1]), -item[1], item[0]))
    found: list[dict[str, Any]] = [{**dict(where), "place": said, "runs": n} for (where, said), n in ranked[:PLACES]]
    if more := ranked[PLACES:]:
        found.append({"others": len(more), "runs": sum(n for _, n in more)})
    return found


def _claims(report: Mapping[str, Any], name: str) -> list[Claim]:
    return [c for s in report["sections"] if s["name"] == name for c in s["claims"]]
