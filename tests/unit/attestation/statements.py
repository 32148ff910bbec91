"""Statements about nodes, signed by keys that are made anew for each run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from daulat.api.attestation import Envelope
from daulat.api.names import API_VERSION
from daulat.attestation import dsse
from daulat.attestation.statement import PREDICATE, Statement, statement_of
from tests.requests import merge

UUID = "4c4c4544-0051-3510-8052-b4c04f4a3132"
OTHER_UUID = "4c4c4544-0051-3510-8052-b4c04f4a9999"
AUTHORITY = "my-inspectorate"
BEGINS, ENDS = "2026-12-01T00:00:00Z", "2027-03-01T00:00:00Z"
NOW = datetime(2027, 1, 15, tzinfo=UTC).timestamp()


def private_pem(name: str = "one", kind: str = "ed25519") -> bytes:
    """Return the private key of that name, which is another one for each name and kind."""
    return _made(name, kind)


@cache
def _made(name: str, kind: str) -> bytes:
    makers: dict[str, Callable[[], Any]] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }
    made = makers[kind]()
    return bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_pem(name: str = "one", kind: str = "ed25519") -> str:
    """Return the public key of that name."""
    key = load_pem_private_key(private_pem(name, kind), password=None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def chip(chip_id: str) -> dict[str, str]:
    """Return an accelerator as it is attested."""
    return {"vendor": "NVIDIA", "product": "H20", "id": chip_id}


def predicate(**changes: Any) -> dict[str, Any]:
    """Return where a node stands, changed by merging."""
    said = {
        "systemUUID": UUID,
        "facility": {"name": "DC 1", "country": "MY"},
        "notBefore": BEGINS,
        "notAfter": ENDS,
        "authority": AUTHORITY,
        "serialNumber": "2026-0017",
    }
    return dict(merge(said, changes))


def statement(node: str = "h1", **changes: Any) -> Statement:
    """Return a statement about a node."""
    return statement_of(node, PREDICATE.validate_python(predicate(**changes)))


def envelope(node: str = "h1", key: str = "one", kind: str = "ed25519", **changes: Any) -> Envelope:
    """Return a signed statement."""
    return dsse.sign(statement(node, **changes), private_pem(key, kind))


def attestation(
    node: str = "h1", *, name: str = "", key: str = "one", signed: Envelope | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a NodeAttestation."""
    body = (signed or envelope(node, key, **changes)).model_dump(by_alias=True, exclude_none=True)
    meta = {"name": name or node, "uid": f"uid-{name or node}", "generation": 1}
    return {"apiVersion": API_VERSION, "kind": "NodeAttestation", "metadata": meta, "spec": {"envelope": body}}


def trust(*keys: str, **more: Any) -> dict[str, Any]:
    """Return a policy's trust in the authority, by keys of these names."""
    pems = [{"publicKey": public_pem(key)} for key in keys or ("one",)]
    return {"authorities": [{"name": AUTHORITY, "keys": pems, **more}]}
