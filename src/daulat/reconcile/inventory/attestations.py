"""The status of a NodeAttestation: what its statement says, and for which policies it is evidence now."""

from __future__ import annotations

from daulat.api import reasons
from daulat.api.attestation import NodeAttestationStatus
from daulat.attestation import dsse
from daulat.attestation.errors import AttestationError
from daulat.attestation.judgement import Standing, judge
from daulat.attestation.statement import Statement
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.node import Node
from daulat.facts.snapshot import Attestation, Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.evidence import Identities, disagreement
from daulat.placement.zoning import zone_of_record
from daulat.reconcile.conditions import Condition, condition, ready, status_change
from daulat.reconcile.result import Result

LISTED = 64
"""Policies that a status names."""
_REASONS = {
    Standing.UNTRUSTED: reasons.NOT_TRUSTED,
    Standing.EARLY: reasons.NOT_VALID_YET,
    Standing.EXPIRED: reasons.EXPIRED,
    Standing.REVOKED: reasons.REVOKED,
}
_WORST_LAST = (Standing.REVOKED, Standing.EXPIRED, Standing.EARLY, Standing.UNTRUSTED)
"""Which answer is told where policies differ: the one that a trusted signature stands behind."""


def reconcile_attestation(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the status, and come back when the statement begins or ends to be valid."""
    attestation = snapshot.attestations.get(ref.name)
    if attestation is None:
        return Result()
    if isinstance(attestation, Unparsable):
        return _result(ref, attestation, _invalid(attestation.reason), NodeAttestationStatus(), now)
    try:
        statement = dsse.unverified(attestation.spec.envelope)
    except AttestationError as error:
        return _result(ref, attestation, _invalid(f"spec.envelope.payload: {error}"), NodeAttestationStatus(), now)
    accepted, policies = _accepted(attestation, statement, snapshot)
    said = statement.predicate
    fields = NodeAttestationStatus(
        node=statement.node,
        system_uuid=said.system_uuid,
        facility=said.facility.name,
        country=said.facility.country,
        authority=said.authority,
        serial_number=said.serial_number,
        digest=dsse.digest(attestation.spec.envelope),
        not_after=said.not_after,
        policies=policies[:LISTED],
    )
    moments = [moment - now for moment in (statement.begins, statement.ends) if moment > now]
    return _result(ref, attestation, accepted, fields, now, min(moments) + 0.1 if moments else None)


def _result(
    ref: Ref,
    attestation: Attestation | Unparsable[NodeAttestationStatus],
    accepted: Condition,
    fields: NodeAttestationStatus,
    now: float,
    again: float | None = None,
) -> Result:
    change = status_change(ref, attestation, [ready(accepted), accepted], fields, now)
    return Result(status=change.status, events=change.events, requeue_after=again)


def _invalid(why: str) -> Condition:
    return condition(reasons.ACCEPTED, False, reasons.INVALID, why)


def _accepted(attestation: Attestation, statement: Statement, snapshot: Snapshot) -> tuple[Condition, tuple[str, ...]]:
    """Return whether the statement is evidence, and under which policies."""
    judged = {
        policy: judge(attestation.spec.envelope, statement, policy.spec.zones.attestations, snapshot.moment)
        for policy in snapshot.known_policies.values()
        if policy.spec.zones.attestations is not None
    }
    trusting = [policy for policy, judgement in judged.items() if judgement.standing is Standing.VALID]
    if not trusting:
        if not judged:
            return condition(reasons.ACCEPTED, False, reasons.NOT_TRUSTED, "no policy trusts any authority"), ()
        policy, why = min(judged.items(), key=lambda item: _WORST_LAST.index(item[1].standing))
        message = f"policy {policy.name}: {why.reason}"
        return condition(reasons.ACCEPTED, False, _REASONS[why.standing], message), ()
    return _matching(statement, trusting, snapshot)


def _matching(statement: Statement, trusting: list[Policy], snapshot: Snapshot) -> tuple[Condition, tuple[str, ...]]:
    names = Identities.of(snapshot).names(statement.predicate.system_uuid, snapshot) or {statement.node}
    node = snapshot.nodes.get(min(names))
    if not isinstance(node, Node):
        message = f"no node reports system UUID {statement.predicate.system_uuid}"
        return condition(reasons.ACCEPTED, False, reasons.NODE_NOT_FOUND, message), ()
    zone = zone_of_record(node, snapshot)
    if not isinstance(zone, Declared):
        return condition(reasons.ACCEPTED, False, reasons.MISMATCH, f"node {node.name} {zone.reason}"), ()
    found = {policy.name: disagreement(node, zone, policy, snapshot) for policy in trusting}
    agreed = tuple(sorted(name for name, why in found.items() if not why))
    if not agreed:
        why = next(iter(found.values()))
        return condition(reasons.ACCEPTED, False, reasons.MISMATCH, f"node {node.name} {why}"), ()
    message = f"evidence for {', '.join(agreed)} until {statement.predicate.not_after}"
    return condition(reasons.ACCEPTED, True, reasons.IS_EVIDENCE, message), agreed
