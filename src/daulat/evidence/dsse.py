"""DSSE (v1): signs a payload with a PEM key (Ed25519, or ECDSA on P-256), and says whether a key has signed an envelope.

What is signed is the payload with its type and both lengths, so that bytes that were signed for another purpose don't pass for it.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from daulat.ledger import base64
from daulat.ledger.errors import Malformed, Untrusted

IN_TOTO = "application/vnd.in-toto+json"
"""The type of a payload that is an in-toto statement."""
_ACCEPTED = "Ed25519 and ECDSA on P-256 are accepted"

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


def private_key(pem: bytes) -> PrivateKey:
    """Return a private key. Malformed where it isn't one, is encrypted, or of a kind that isn't accepted."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise Malformed("the private key is encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("not a private key as PEM") from error
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and _is_p256(key)):
        return key
    raise Malformed(f"a private key of another kind; {_ACCEPTED}")


def public_key(pem: bytes) -> PublicKey:
    """Return a public key. Malformed where it isn't one, or of a kind that isn't accepted."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("not a public key as PEM") from error
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, EllipticCurvePublicKey) and _is_p256(key)):
        return key
    raise Malformed(f"a public key of another kind; {_ACCEPTED}")


def signed(payload: bytes, payload_type: str, key: PrivateKey) -> bytes:
    """Return the envelope as JSON."""
    message = _encoding(payload_type, payload)
    made = key.sign(message) if isinstance(key, Ed25519PrivateKey) else key.sign(message, ECDSA(SHA256()))
    envelope = {
        "payloadType": payload_type,
        "payload": base64.encode(payload),
        "signatures": [{"sig": base64.encode(made)}],
    }
    return json.dumps(envelope, indent=2).encode() + b"\n"


def verified(envelope: bytes, payload_type: str, key: PublicKey) -> bytes:
    """Return the payload. Malformed where it is no envelope, Untrusted where the key hasn't signed it, or it has another type."""
    try:
        read: Any = json.loads(envelope)
        kind, payload = str(read["payloadType"]), base64.decode(str(read["payload"]))
        signatures = [base64.decode(str(s["sig"])) for s in read["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed("not a DSSE envelope") from error
    if kind != payload_type:
        raise Untrusted(f"the envelope's payload is of the type {kind[:80]!r}, not {payload_type}")
    message = _encoding(kind, payload)
    if not any(_made(key, signature, message) for signature in signatures):
        raise Untrusted("the envelope isn't signed by the key")
    return payload


def _encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _made(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _is_p256(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> bool:
    return isinstance(key.curve, SECP256R1)
