"""DSSE envelopes, beside the test vector of its specification."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from daulat.ledger import base64
from daulat.ledger.errors import Malformed, Untrusted
from daulat.signing import dsse, keys
from daulat.signing.keys import BadKey

ED25519, P256, P384 = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1()), generate_private_key(SECP384R1())


def pem(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("key", [ED25519, P256])
def test_what_a_key_has_signed_is_returned(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
    envelope = dsse.signed(b'{"a": 1}', dsse.IN_TOTO, keys.private_key(pem(key)))
    assert dsse.verified(envelope, dsse.IN_TOTO, keys.public_key(public(key).decode(errors="replace"))) == b'{"a": 1}'


def test_the_specifications_own_example_is_verified() -> None:
    """https://github.com/secure-systems-lab/dsse/blob/master/protocol.md#test-vectors"""
    x, y = (
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
    )
    key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    signature = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    raw = base64.decode(signature)
    # The specification's example has the two numbers of the signature, where PEM keys' tools write DER.
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    envelope = {
        "payload": base64.encode(b"hello world"),
        "payloadType": "http://example.com/HelloWorld",
        "signatures": [{"sig": base64.encode(der)}],
    }
    assert dsse.verified(json.dumps(envelope).encode(), "http://example.com/HelloWorld", key) == b"hello world"


def test_another_key_payload_or_type_is_refused() -> None:
    envelope = json.loads(dsse.signed(b"{}", dsse.IN_TOTO, ED25519))
    key = ED25519.public_key()
    other = {**envelope, "payload": base64.encode(b"[]")}
    with pytest.raises(Untrusted, match="isn't signed by the key"):
        dsse.verified(json.dumps(other).encode(), dsse.IN_TOTO, key)
    with pytest.raises(Untrusted, match="isn't signed by the key"):
        dsse.verified(json.dumps(envelope).encode(), dsse.IN_TOTO, P256.public_key())
    with pytest.raises(Untrusted, match="of the type"):
        dsse.verified(json.dumps(envelope).encode(), "text/plain", key)


NO_ENVELOPES = [b"", b"{}", b"[]", b'{"payloadType": "", "payload": "!", "signatures": []}', b"\xff", b"[" * 100_000]


@pytest.mark.parametrize("data", NO_ENVELOPES, ids=range(len(NO_ENVELOPES)))
def test_what_is_no_envelope_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        dsse.verified(data, dsse.IN_TOTO, ED25519.public_key())


def test_keys_of_other_kinds_are_refused() -> None:
    encrypted = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    private = {pem(P384): "another kind", encrypted: "encrypted", b"key": "not a private key", public(P256): "not a"}
    for data, why in private.items():
        with pytest.raises(BadKey, match=why):
            keys.private_key(data)
    for data, why in {public(P384): "another kind", b"key": "not a public key", pem(P256): "not a"}.items():
        with pytest.raises(BadKey, match=why):
            keys.public_key(data.decode(errors="replace"))
