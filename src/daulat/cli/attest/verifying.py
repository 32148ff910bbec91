"""Verifies statements from files: their signature and time, then what they say against nodes, zones and ResourceSlices."""

from __future__ import annotations

from itertools import combinations

from daulat.api.attestation import Envelope
from daulat.api.authorities import AttestationRequirements, AuthorityKey, TrustedAuthority
from daulat.api.counted import counted, either
from daulat.attestation import dsse
from daulat.attestation.errors import AttestationError
from daulat.attestation.judgement import judge
from daulat.attestation.matching import chip_mismatch, contradiction, node_mismatch, zone_contradiction
from daulat.attestation.statement import Statement

from .output import Verified
from .reading import Given


def trusting(keys: list[str], statement: Statement) -> AttestationRequirements:
    """Return the trust in these keys alone, whichever authority the statement names."""
    trusted = tuple(AuthorityKey(public_key=key) for key in keys)
    return AttestationRequirements(authorities=(TrustedAuthority(name=statement.predicate.authority, keys=trusted),))


def verified(given: Given, trust: AttestationRequirements | None, keys: list[str], now: float) -> list[Verified]:
    """Verify every statement that was given, by the policy's trust, or by keys where there is none."""
    found = []
    for name, envelope in given.attestations.items():
        try:
            statement = dsse.unverified(envelope)
        except AttestationError as error:
            found.append(Verified(name, None, findings=[f"envelope.payload: {error}"]))
            continue
        each = Verified(name, statement, dsse.digest(envelope))
        _verify(each, statement, envelope, trust or trusting(keys, statement), now)
        if not each.findings:
            _compare(each, statement, given)
        found.append(each)
    valid = [(each, each.statement) for each in found if each.statement is not None and not each.findings]
    for (one, first), (other, second) in combinations(valid, 2):
        if first.predicate.system_uuid == second.predicate.system_uuid and (why := contradiction(first, second)):
            one.findings.append(why)
            other.findings.append(why)
    return found


def _verify(
    each: Verified, statement: Statement, envelope: Envelope, trust: AttestationRequirements, now: float
) -> None:
    judged = judge(envelope, statement, trust, now)
    if judged.reason:
        each.findings.append(judged.reason)
    else:
        each.compared.append("the signature, by a key that is trusted, and the time")


def _compare(each: Verified, statement: Statement, given: Given) -> None:
    node = given.nodes.get(statement.node) or next(
        (n for n in given.nodes.values() if n.system_uuid == statement.predicate.system_uuid), None
    )
    if node is None:
        each.not_compared.append("the node: it isn't among the files")
    elif why := node_mismatch(statement, node.name, node.system_uuid):
        each.findings.append(f"node {node.name} {why}")
    elif twins := sorted(n.name for n in given.nodes.values() if n != node and n.system_uuid == node.system_uuid):
        each.findings.append(f"node {node.name} reports the same system UUID as node {twins[0]}")
    else:
        each.compared.append(f"node {node.name} reports the system UUID that is attested")
    _compare_chips(each, statement, given)
    _compare_zone(each, statement, given)


def _compare_chips(each: Verified, statement: Statement, given: Given) -> None:
    seen = list(dict.fromkeys(d.chip_ids for d in given.devices(statement.node) if d.chip_ids))
    if why := chip_mismatch(statement.predicate.chips, seen):
        each.findings.append(f"node {statement.node} {why}")
    elif statement.predicate.chips and seen:
        each.compared.append(
            f"the {counted(len(seen), 'chip')} that ResourceSlices show on the node {either(len(seen), 'is', 'are')} attested"
        )
    elif statement.predicate.chips:
        each.not_compared.append("the chips: no ResourceSlice among the files shows any with an id on the node")
    else:
        each.not_compared.append("the chips: the statement names none")


def _compare_zone(each: Verified, statement: Statement, given: Given) -> None:
    named = statement.predicate.facility.zone
    zones = {n: z for n, z in given.zones.items() if named in (None, n)}
    if not zones or (named is None and len(zones) > 1):
        each.not_compared.append("the zone's record: it isn't among the files, or the statement doesn't name it")
        return
    for name, zone in zones.items():
        if why := zone_contradiction(statement, name, zone):
            each.findings.append(f"node {statement.node} {why}")
        else:
            each.compared.append(f"zone {name} has the same facility and country on record")
