"""What ``daulat attest verify`` prints: what a statement says, what was compared, and what is proved by it and what isn't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daulat.api.counted import counted
from daulat.attestation.statement import Statement, as_value

from ..structured import WRITERS
from ..text import Page, printable

FORMATS = ("table", *WRITERS)

NEVER_PROVED = (
    "that the machine with this system UUID is where the statement says now: it says what the authority found",
    "that the node is that machine: a kubelet reports the system UUID itself, without a key of the hardware",
    "anything about a TPM: the digest of its key is on record, and nothing is compared with it",
)
"""What no statement proves, whatever it was compared with. docs/how-to/attestation.md says more."""


@dataclass
class Verified:
    """One statement, and what was found of it."""

    name: str
    statement: Statement | None
    digest: str = ""
    findings: list[str] = field(default_factory=list)
    """Why it is no evidence, or what contradicts it; empty where it is evidence."""
    compared: list[str] = field(default_factory=list)
    """What it was compared with, and agrees with."""
    not_compared: list[str] = field(default_factory=list)
    """What there was nothing to compare with."""


def report(found: list[Verified], form: str, page: Page) -> str:
    """Return the report in a format."""
    if form != "table":
        return WRITERS[form](
            {
                "apiVersion": "attestation.daulat.dev/v1",
                "kind": "VerificationReport",
                "verified": not any(each.findings for each in found),
                "notProved": list(NEVER_PROVED),
                "items": [_item(each) for each in found],
            }
        )
    for each in found:
        _lines(each, page)
    if any(not each.findings for each in found):
        page.line("Not proved:")
        for text in NEVER_PROVED:
            page.wrapped(text, "  - ")
    bad = sum(bool(each.findings) for each in found)
    page.line(
        f"{counted(len(found), 'statement')}: " + (f"{bad} not verified" if bad else "verified"),
    )
    return str(page)


def _lines(each: Verified, page: Page) -> None:
    if each.statement is not None:
        for key, value in _said(each.statement).items():
            page.wrapped(str(value), f"{key + ':':<15} ")
        page.wrapped(each.digest, f"{'digest:':<15} ")
        if not each.findings:
            page.wrapped(proved(each.statement), "proved:         ")
    for text in each.compared:
        page.wrapped(text, "agrees:         ")
    for text in each.not_compared:
        page.wrapped(text, "not compared:   ")
    for text in each.findings:
        page.wrapped(f"{printable(each.name)}: {text}", "not verified:   ")


def proved(statement: Statement) -> str:
    """Return what a verified statement proves."""
    said = statement.predicate
    return (
        f"authority {said.authority} has stated that a machine with system UUID {said.system_uuid} stands in "
        f"{said.facility.name}, {said.facility.country}, and stands by it until {said.not_after}"
    )


def _said(statement: Statement) -> dict[str, str]:
    said = statement.predicate
    found = {
        "node": statement.node,
        "system UUID": said.system_uuid,
        "facility": f"{said.facility.name}, {said.facility.country}"
        + (f", zone {said.facility.zone}" if said.facility.zone else ""),
    }
    if said.operator:
        found["operator"] = said.operator
    if said.tpm:
        found["TPM"] = said.tpm.ek_digest
    if said.chips:
        found["chips"] = ", ".join(f"{c.vendor} {c.product} {c.id}" for c in said.chips)
    return {
        **found,
        "valid": f"{said.not_before} to {said.not_after}",
        "authority": f"{said.authority}, serial number {said.serial_number}",
    }


def _item(each: Verified) -> dict[str, Any]:
    said = {} if each.statement is None else {"statement": as_value(each.statement)}
    return {
        "name": each.name,
        "verified": not each.findings,
        "digest": each.digest,
        **said,
        **({"proved": proved(each.statement)} if each.statement is not None and not each.findings else {}),
        "findings": each.findings,
        "agrees": each.compared,
        "notCompared": each.not_compared,
    }
