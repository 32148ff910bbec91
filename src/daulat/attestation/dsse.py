"""DSSE (v1): signs a statement, and says which keys have signed an envelope.

What is signed is the payload's bytes with their type and both lengths (PAE), so that no bytes that were signed for another purpose
pass for a statement. The key ids of an envelope aren't signed, and nothing is decided by them.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from daulat.api.attestation import PAYLOAD_TYPE, Envelope, Signature
from daulat.ledger import base64
from daulat.ledger.errors import Malformed
from daulat.signing import keys
from daulat.signing.dsse import pae

from .errors import AttestationError
from .statement import Statement, read, written

VERIFICATIONS = 1 << 16
"""Verifications that are kept, of one signature by one key each, as many again of invalid ones: a fleet of 5,000 nodes with several
keys and policies."""

STATEMENTS = 1 << 14
"""Statements that are kept read, beside those that facts hold."""


def sign(statement: Statement, private_pem: bytes, keyid: str | None = None) -> Envelope:
    """Return the signed statement. BadKey for a key that can't be used."""
    payload, key = written(statement), keys.private_key(private_pem)
    made = keys.sign(key, pae(PAYLOAD_TYPE, payload))
    signature = Signature(keyid=keyid, sig=base64.encode(made))
    return Envelope(payload_type=PAYLOAD_TYPE, payload=base64.encode(payload), signatures=(signature,))


def payload_of(envelope: Envelope) -> bytes:
    """Return the payload. AttestationError where it isn't base 64."""
    return _decoded(envelope.payload)


def _decoded(payload: str) -> bytes:
    try:
        return base64.decode(payload)
    except Malformed as error:
        raise AttestationError(f"envelope.payload: {error}") from error


def unverified(envelope: Envelope) -> Statement:
    """Return what the envelope says, by whichever key it was signed. AttestationError where it is no statement about a node."""
    return _read(envelope.payload)


def digest(envelope: Envelope) -> str:
    """Return the statement's digest, by which it can be revoked. Another signature of the same statement doesn't change it."""
    return f"sha256:{sha256(payload_of(envelope)).hexdigest()}"


def is_signed_by(envelope: Envelope, public_pem: str) -> bool:
    """Say whether one of the signatures is by the key. False as well for a key that can't be used."""
    return any(_verified(public_pem, s.sig, envelope.payload_type, envelope.payload) for s in envelope.signatures)


@lru_cache(maxsize=STATEMENTS)
def _read(payload: str) -> Statement:
    return read(_decoded(payload))


def _verified(public_pem: str, signature: str, payload_type: str, payload: str) -> bool:
    """Verify one signature. Kept by all that it depends on, so that no pass of a reconciler verifies a second time."""
    signed = (public_pem, signature, payload_type, payload)
    if signed in _INVALID:
        return False
    try:
        return _valid(*signed)
    except _Invalid:
        if len(_INVALID) >= VERIFICATIONS:
            _INVALID.clear()
        _INVALID.add(signed)
        return False


class _Invalid(Exception):
    """A signature that isn't valid."""


_INVALID: set[tuple[str, str, str, str]] = set()
"""Signatures that aren't valid, apart from those that are: anybody can make many of them, and would push the others out."""


@lru_cache(maxsize=VERIFICATIONS)
def _valid(public_pem: str, signature: str, payload_type: str, payload: str) -> bool:
    """Return True for a valid signature. _Invalid, which isn't kept, for another one."""
    try:
        if keys.verifies(public_pem, base64.decode(signature), pae(payload_type, base64.decode(payload))):
            return True
    except Malformed as error:
        raise _Invalid from error
    raise _Invalid
