"""Compares a statement with what the node itself shows, and with its zone's record."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from daulat.api.zone import SovereignZoneSpec

from .statement import Chip, Statement


def node_mismatch(statement: Statement, name: str, system_uuid: str) -> str:
    """Return how the node differs from the one that is attested; empty where it doesn't."""
    if not system_uuid:
        return "reports no system UUID to compare with its attestation"
    if system_uuid != statement.predicate.system_uuid:
        return f"reports system UUID {system_uuid}, and its attestation is of {statement.predicate.system_uuid}"
    if name != statement.node:
        return f"reports the system UUID that is attested of node {statement.node}"
    return ""


def chip_mismatch(stated: Sequence[Chip], seen: Sequence[Collection[str]]) -> str:
    """Return how the chips that are seen differ from those that are attested; empty where they don't.

    ``seen`` has for each chip all ids that are known of it, such as its UUID and its serial number, wherever they were read: from
    ResourceSlices or from an exporter. Nothing is compared where no chip is attested, or none is seen.
    """
    if not stated or not seen:
        return ""
    # Some tools write the same UUID in upper case, and others in lower case.
    ids = {chip.id.upper() for chip in stated}
    for chip in seen:
        if not any(each.upper() in ids for each in chip):
            return f"shows the chip {next(iter(chip))}, which its attestation doesn't name"
    shown = {each.upper() for chip in seen for each in chip}
    for one in stated:
        if one.id.upper() not in shown:
            return f"doesn't show the chip {one.id} ({one.vendor} {one.product}), which its attestation names"
    return ""


def zone_contradiction(statement: Statement, name: str, zone: SovereignZoneSpec) -> str:
    """Return in what the statement contradicts the record of the zone that the node stands in; empty where in nothing."""
    said, by = statement.predicate, f"is attested by {statement.predicate.authority}"
    if said.facility.country != zone.country:
        return f"{by} to stand in {said.facility.country}, and zone {name} is in {zone.country}"
    if said.facility.name != zone.facility.name:
        return f"{by} to stand in {said.facility.name}, and zone {name} is {zone.facility.name}"
    if said.facility.zone not in (None, name):
        return f"{by} to stand in zone {said.facility.zone}, and not in {name}"
    if said.operator not in (None, zone.operator.legal_name):
        return f"{by} to be run by {said.operator}, and zone {name} is run by {zone.operator.legal_name}"
    return ""


def contradiction(one: Statement, other: Statement) -> str:
    """Return in what two valid statements about one node contradict each other; empty where in nothing."""
    first, second = one.predicate, other.predicate
    pairs = (
        ("node", one.node, other.node),
        ("country", first.facility.country, second.facility.country),
        ("facility", first.facility.name, second.facility.name),
        ("zone", first.facility.zone, second.facility.zone),
        ("operator", first.operator, second.operator),
        ("TPM", first.tpm and first.tpm.ek_digest, second.tpm and second.tpm.ek_digest),
    )
    for what, a, b in pairs:
        if a is not None and b is not None and a != b:
            return (
                f"has two attestations, {first.serial_number} by {first.authority} and {second.serial_number} by "
                f"{second.authority}, of which one says {what} {a} and the other {b}"
            )
    return ""
