"""The keys of authorities: Ed25519, and ECDSA on P-256. No other kind is accepted, whatever a PEM file holds."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from .errors import AttestationError

ACCEPTED = "Ed25519 and ECDSA on P-256 are accepted"
KEYS = 1024
"""Public keys that are kept parsed: far more than all policies of a cluster name."""


@lru_cache(maxsize=KEYS)
def public_key(pem: str) -> Ed25519PublicKey | EllipticCurvePublicKey:
    """Return a public key. AttestationError where it isn't one, or of a kind that isn't accepted."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AttestationError(f"not a public key as PEM: {error}") from error
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise AttestationError(f"a key of another kind; {ACCEPTED}")


def private_key(pem: bytes) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    """Return a private key. AttestationError where it isn't one, is encrypted, or of a kind that isn't accepted."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise AttestationError("the private key is encrypted; decrypt it first, such as into a pipe") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AttestationError("not a private key as PEM") from error
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise AttestationError(f"a key of another kind; {ACCEPTED}")


def public_pem(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> str:
    """Return the public key of a private one, as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(key: Ed25519PrivateKey | EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return the signature of a message."""
    return key.sign(message) if isinstance(key, Ed25519PrivateKey) else key.sign(message, ECDSA(SHA256()))


def verifies(pem: str, signature: bytes, message: bytes) -> bool:
    """Say whether the key made the signature. False where the key can't be used."""
    try:
        key = public_key(pem)
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except (AttestationError, InvalidSignature):
        return False
    return True
