"""Says whether a statement is evidence: signed by a trusted authority, within its time, and not revoked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daulat.api.attestation import Envelope
from daulat.api.authorities import AttestationRequirements

from . import dsse
from .statement import Statement


class Standing(Enum):
    """What a statement is worth under a policy."""

    VALID = "valid"
    UNTRUSTED = "untrusted"
    """No trusted authority has signed it, or it claims more than the authority may state."""
    EARLY = "not valid yet"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Judgement:
    """What a statement is worth, and why it is no evidence; empty where it is."""

    standing: Standing
    reason: str = ""


VALID = Judgement(Standing.VALID)


def judge(envelope: Envelope, statement: Statement, trust: AttestationRequirements | None, now: float) -> Judgement:
    """Judge a statement, with its envelope, by whom a policy trusts. ``now`` counts seconds since the epoch."""
    said = statement.predicate
    authority = None if trust is None else trust.authority(said.authority)
    if trust is None or authority is None:
        return Judgement(Standing.UNTRUSTED, f"authority {said.authority} isn't trusted")
    signers = [key for key in authority.keys if dsse.is_signed_by(envelope, key.public_key)]
    if not signers:
        return Judgement(Standing.UNTRUSTED, f"no key of authority {said.authority} has signed it")
    if not any(key.covers(statement.begins, statement.ends) for key in signers):
        return Judgement(Standing.UNTRUSTED, f"the key of authority {said.authority} isn't good for all of its time")
    if statement.ends - statement.begins > trust.max_seconds:
        return Judgement(Standing.UNTRUSTED, f"it claims a longer time than maxDuration {trust.max_duration}")
    digest = dsse.digest(envelope)
    # Some tools write digests in upper case.
    if any(
        each == said.serial_number or (len(each) == len(digest) and each.lower() == digest)
        for each in authority.revoked
    ):
        return Judgement(Standing.REVOKED, f"authority {said.authority} has it revoked")
    if now < statement.begins:
        return Judgement(Standing.EARLY, f"it isn't valid before {said.not_before}")
    if now >= statement.ends:
        return Judgement(Standing.EXPIRED, f"it expired at {said.not_after}")
    return VALID
