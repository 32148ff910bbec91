"""Checks a bundle without the log: signatures, digests, every proof, and that each claim is what its entries make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from jinja2 import TemplateError

from daulat.ledger import base64, entry, proof, rotation
from daulat.ledger.entry import Entry
from daulat.ledger.errors import LedgerError, Malformed, Untrusted
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.trust import Examined, Trust, examine
from daulat.signing import dsse
from daulat.signing.keys import PublicKey

from .bundle import ENVELOPE, OSCAL, PAGE, REPORT, STATEMENT, encoded, subjects
from .document import KIND, VERSION, again, ends, sentences, summed, unobserved, witnesses
from .oscal import assessment_results, named
from .page import page
from .preset import rows
from .proofs import facts_path, is_digest, proofs_beside
from .sections import NO_AUDIT, SECTIONS


@dataclass
class Checked:
    """What the check came to."""

    checkpoint: Examined | None = None
    problems: list[str] = field(default_factory=list)
    """What is wrong, each with its file. The bundle holds where there is none."""
    proofs: int = 0
    claims: int = 0
    signed: bool = False
    """Whether a key was given, and has signed the digests of all files."""
    notes: list[str] = field(default_factory=list)
    """What wasn't checked, and why."""


@dataclass
class _Entries:
    """The entries that a bundle proves."""

    files: Mapping[str, bytes]
    known: dict[int, Entry] = field(default_factory=dict)

    def read(self, number: int) -> Entry:
        if number not in self.known:
            raise Malformed(f"entry {number} isn't proved by a file of the bundle")
        return self.known[number]

    def facts(self, digest: str) -> bytes | None:
        data = self.files.get(facts_path(digest)) if is_digest(digest) else None
        return data if data is not None and entry.digest(data) == digest else None


def check(files: Mapping[str, bytes], trust: Trust, release: str, key: PublicKey | None = None) -> Checked:
    """Check the files of a bundle, by their paths. ``release`` is Daulat's own."""
    done = Checked()
    _signature(files, key, done)
    signers = _signers(files, trust, done)
    done.checkpoint = examine(files.get(CHECKPOINT, b""), signers)
    done.problems += [f"{CHECKPOINT}: {message}" for _, message in done.checkpoint.doubts]
    if done.problems:
        return done
    entries = _Entries(files)
    _proofs(files, signers, done, entries)
    done.notes.append("whether lists and totals are complete wasn't checked: the same report made of the log shows it")
    try:
        report = json.loads(files.get(REPORT, b""))
        if (report["apiVersion"], report["kind"]) != (VERSION, KIND):
            raise Malformed(f"not a report of {VERSION}")
        _report(report, files, trust, release, entries, done)
    except (LedgerError, ValueError, KeyError, TypeError, AttributeError, RecursionError, TemplateError) as error:
        done.problems.append(f"{REPORT}: {error if isinstance(error, LedgerError) else 'not a report of Daulat'}")
    return done


def _signature(files: Mapping[str, bytes], key: PublicKey | None, done: Checked) -> None:
    if key is None:
        done.notes.append("who made the report, when and for which period wasn't checked: no --sign-key was given")
        return
    try:
        payload = dsse.verified(files.get(ENVELOPE, b""), dsse.IN_TOTO, key)
        statement = json.loads(payload)
        if statement["_type"] != STATEMENT:
            raise Malformed("the statement is of another type")
        signed = {str(s["name"]): str(s["digest"]["sha256"]) for s in statement["subject"]}
    except (Malformed, Untrusted) as error:
        done.problems.append(f"{ENVELOPE}: {error}")
        return
    except (ValueError, KeyError, TypeError, RecursionError):
        done.problems.append(f"{ENVELOPE}: not an in-toto statement")
        return
    there = subjects(files)
    for path in sorted(signed.keys() | there.keys()):
        if signed.get(path) != there.get(path):
            reason = (
                "isn't signed"
                if path not in signed
                else "is missing"
                if path not in there
                else "isn't as it was signed"
            )
            done.problems.append(f"{path}: {reason}")
    done.signed = not done.problems


def _signers(files: Mapping[str, bytes], trust: Trust, done: Checked) -> Trust:
    """Return whom to trust with the checkpoint: the keys that those that are trusted have handed the log over to, if it is by them.

    They are followed by entries that are proved afterwards, under this very checkpoint.
    """
    data = files.get(CHECKPOINT, b"")
    found = examine(data, trust)
    if found.head is None or found.is_signed:
        return trust
    entries = []
    for number, proved in sorted(proofs_beside(files).items()):
        with suppress(LedgerError):
            if (said := proof.parse(proved).entry) is not None:
                entries.append((number, said))
    for keys in rotation.follow(trust.keys, entries).signers(found.head.size):
        with suppress(ValueError):
            following = replace(trust, keys=keys)
            if examine(data, following).is_signed:
                done.notes.append(
                    "the keys were rotated: that no other history was signed before, `daulat ledger verify` shows"
                )
                return following
    return trust


def _proofs(files: Mapping[str, bytes], trust: Trust, done: Checked, entries: _Entries) -> None:
    for number, data in sorted(proofs_beside(files).items()):
        try:
            found = proof.parse(data)
            if found.index != number or found.entry is None or found.checkpoint != files[CHECKPOINT]:
                raise Malformed("it proves another entry, or under another checkpoint")
            proof.verify(found, found.entry, trust)
            entries.known[number] = entry.parse(found.entry)
            done.proofs += 1
        except LedgerError as error:
            done.problems.append(f"proofs/{number}.tlog-proof: {error}")


def _report(
    report: dict[str, Any], files: Mapping[str, bytes], trust: Trust, release: str, entries: _Entries, done: Checked
) -> None:
    _head(report, trust, done)
    for section in report["sections"]:
        for claim in section["claims"]:
            if _is_proved(claim, section, entries, done):
                done.claims += 1
        listed = {claim["entries"]["says"] for claim in section["claims"]}
        if not len(section["claims"]) == len(listed) == section["listed"] <= section["total"]:
            done.problems.append(f"{REPORT}: section {section['name']} doesn't list {section['listed']} claims")
    _totals(report, done)
    if report["release"] != release:
        done.notes.append(
            f"{PAGE} and {OSCAL} weren't made again: they are by Daulat {report['release']}, this is {release}"
        )
        return
    _own_words(report, entries, done)
    for path, made in ((PAGE, page(report).encode()), (OSCAL, encoded(assessment_results(report)))):
        if files.get(path) != made:
            done.problems.append(f"{path}: isn't what {REPORT} says")


def _head(report: dict[str, Any], trust: Trust, done: Checked) -> None:
    found = done.checkpoint
    if found is None or (head := found.head) is None:
        return
    said = report["log"]
    if (said["origin"], said["size"], said["root"]) != (head.origin, head.size, base64.encode(head.root)):
        done.problems.append(f"{REPORT}: it is about another checkpoint")
    if set(said["keys"]) - {str(key) for key in trust.keys}:
        done.notes.append(
            "signatures of the log by other keys that the report names weren't checked: no --key was given for them"
        )
    if unknown := [w["name"] for w in said["witnesses"] if w not in witnesses(found)]:
        done.notes.append(f"cosignatures of {', '.join(unknown)} weren't checked: no --witness was given for them")


def _is_proved(claim: dict[str, Any], section: dict[str, Any], entries: _Entries, done: Checked) -> bool:
    number = claim["entries"]["says"]
    try:
        made = again(claim, entries.read, entries.facts)
        of = next((s for s in SECTIONS if s.name == section["name"]), None)
        if of is not None and (made["about"] != of.about or made["kind"] not in of.kinds):
            raise Malformed(f"an entry of the kind {made['kind']} isn't of this section")
    except LedgerError as error:
        done.problems.append(f"{REPORT}: section {section['name']}, entry {number}: {error}")
        return False
    if made != claim:
        done.problems.append(
            f"{REPORT}: section {section['name']}, entry {number}: the entries {named(made)} say something else"
        )
    return made == claim


def _own_words(report: dict[str, Any], entries: _Entries, done: Checked) -> None:
    """Check what a report of this release says beside its claims."""
    log, period = report["log"], report["period"]
    first_last = ends(log["size"], entries.read)
    outside = unobserved(period["from"], period["until"], *first_last)
    said = sentences(bool(log["witnesses"]))
    if (log["first"], log["last"]) != first_last or report["unobserved"] != outside:
        done.problems.append(f"{REPORT}: the log covers another time")
    if any(report[name] != said[name] for name in said):
        done.problems.append(f"{REPORT}: what it says was checked isn't what a report of this release says")
    if [(s["name"], s["title"]) for s in report["sections"]] != [(s.name, s.title) for s in SECTIONS]:
        done.problems.append(f"{REPORT}: it has other sections than a report of this release")
    for section, known in zip(report["sections"], SECTIONS, strict=False):
        expected = {None} if section["total"] else {known.empty}
        if section.get("note") not in expected | ({NO_AUDIT} if known.audited else set()):
            done.problems.append(f"{REPORT}: section {section['name']} has another note than a report of this release")
    if "preset" in report:
        rules = [c for s in report["sections"] if s["name"] == "rules" for c in s["claims"]]
        made = rows(report["preset"]["name"], rules, entries.read, entries.facts)
        if json.loads(encoded(made)) != report["preset"]:
            done.problems.append(f"{REPORT}: the preset's table isn't what the entries say")


def _totals(report: dict[str, Any], done: Checked) -> None:
    sections = {s["name"]: s for s in report["sections"]}
    runs = sections["runs"]
    if runs["total"] != runs["listed"]:
        left = runs["total"] - runs["listed"]
        done.notes.append(f"the table of places wasn't added up again: {left} of {runs['total']} runs aren't listed")
    elif summed(runs["claims"]) != report["places"]:
        done.problems.append(f"{REPORT}: the table of places isn't what the runs add up to")
