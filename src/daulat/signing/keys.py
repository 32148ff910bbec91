"""Keys as PEM: Ed25519, and ECDSA on P-256. No other kind is accepted, whatever a PEM file holds."""

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

ACCEPTED = "Ed25519 and ECDSA on P-256 are accepted"
KEYS = 1024
"""Public keys that are kept parsed: far more than all policies of a cluster name."""

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


class BadKey(ValueError):
    """A key that can't be used, with the reason."""


@lru_cache(maxsize=KEYS)
def public_key(pem: str) -> PublicKey:
    """Return a public key. BadKey where it isn't one, or of a kind that isn't accepted."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(f"not a public key as PEM: {error}") from error
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise BadKey(f"a key of another kind; {ACCEPTED}")


def private_key(pem: bytes) -> PrivateKey:
    """Return a private key. BadKey where it isn't one, is encrypted, or of a kind that isn't accepted."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise BadKey("the private key is encrypted; decrypt it first, such as into a pipe") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey("not a private key as PEM") from error
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise BadKey(f"a key of another kind; {ACCEPTED}")


def public_pem(key: PrivateKey) -> str:
    """Return the public key of a private one, as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Return the signature of a message."""
    return key.sign(message) if isinstance(key, Ed25519PrivateKey) else key.sign(message, ECDSA(SHA256()))


def verifies(pem: str, signature: bytes, message: bytes) -> bool:
    """Say whether the key made the signature. False where the key can't be used."""
    try:
        return made(public_key(pem), signature, message)
    except BadKey:
        return False


def made(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Say whether the key made the signature."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
