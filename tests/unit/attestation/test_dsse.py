"""Who signed a statement: forged, copied and swapped envelopes, weak keys, and signatures for other purposes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import ValidationError
from securesystemslib.dsse import Envelope as Reference
from securesystemslib.signer._crypto_signer import CryptoSigner

from daulat.api.attestation import PAYLOAD_TYPE, Envelope, Signature
from daulat.attestation import dsse
from daulat.attestation.errors import AttestationError
from daulat.attestation.statement import written
from daulat.ledger import base64
from daulat.signing import keys
from daulat.signing.dsse import pae
from daulat.signing.keys import BadKey
from tests.unit.attestation.statements import UUID, envelope, private_pem, public_pem, statement


def with_payload(signed: Envelope, payload: bytes) -> Envelope:
    return signed.model_copy(update={"payload": base64.encode(payload)})


def signed_bytes(message: bytes, payload: bytes, key: str = "one") -> Envelope:
    """Return an envelope with a signature over any bytes."""
    made = keys.sign(keys.private_key(private_pem(key)), message)
    return Envelope(
        payload_type=PAYLOAD_TYPE, payload=base64.encode(payload), signatures=(Signature(sig=base64.encode(made)),)
    )


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_signed_statement_is_read_back_and_its_key_is_told(kind: str) -> None:
    signed = envelope(kind=kind)
    assert dsse.unverified(signed) == statement()
    assert dsse.is_signed_by(signed, public_pem("one", kind))
    assert not dsse.is_signed_by(signed, public_pem("two", kind))
    assert not dsse.is_signed_by(signed, public_pem("one", "p256" if kind == "ed25519" else "ed25519"))


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_another_implementation_verifies_what_is_signed_here(kind: str) -> None:
    key = CryptoSigner(load_pem_private_key(private_pem("one", kind), password=None)).public_key
    signed = envelope(kind=kind).model_dump(by_alias=True)
    signed["signatures"][0]["keyid"] = key.keyid
    assert Reference.from_dict(signed).verify([key], 1)


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_what_another_implementation_signs_is_verified_here(kind: str) -> None:
    made = Reference(written(statement()), PAYLOAD_TYPE, {})
    made.sign(CryptoSigner(load_pem_private_key(private_pem("one", kind), password=None)))
    assert dsse.is_signed_by(Envelope.model_validate(made.to_dict()), public_pem("one", kind))


def test_a_swapped_payload_isnt_signed() -> None:
    swapped = with_payload(envelope(), written(statement(facility={"country": "SG"})))
    assert dsse.unverified(swapped).predicate.facility.country == "SG"
    assert not dsse.is_signed_by(swapped, public_pem())


def test_a_payload_without_its_type_and_lengths_isnt_what_is_signed() -> None:
    payload = written(statement())
    kind = PAYLOAD_TYPE.encode()
    confused = (
        payload,
        b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload) + 1, payload),
        b"DSSEv1 %b %b" % (kind, payload),
        pae("text/plain", payload),
        pae(PAYLOAD_TYPE + " ", payload),
    )
    for message in confused:
        assert not dsse.is_signed_by(signed_bytes(message, payload), public_pem())
    assert dsse.is_signed_by(signed_bytes(pae(PAYLOAD_TYPE, payload), payload), public_pem())


def test_lengths_are_of_bytes() -> None:
    assert pae("é", "é".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xa9"


def test_another_payload_type_is_refused() -> None:
    raw = envelope().model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="payloadType"):
        Envelope.model_validate({**raw, "payloadType": "application/json"})


def test_the_key_id_decides_nothing() -> None:
    (signature,) = envelope(key="forger").signatures
    forged = envelope(key="forger").model_copy(
        update={"signatures": (signature.model_copy(update={"keyid": public_pem()[:200]}),)}
    )
    assert not dsse.is_signed_by(forged, public_pem())


def test_one_good_signature_among_others_is_enough() -> None:
    both = envelope().model_copy(update={"signatures": (*envelope(key="two").signatures, *envelope().signatures)})
    assert dsse.is_signed_by(both, public_pem("one"))
    assert dsse.is_signed_by(both, public_pem("two"))


def test_a_second_signature_doesnt_change_the_digest_by_which_a_statement_is_revoked() -> None:
    assert dsse.digest(envelope()) == dsse.digest(envelope(key="two"))
    assert dsse.digest(envelope()) != dsse.digest(envelope(serialNumber="2026-0018"))


@pytest.mark.parametrize(
    "spelling", [lambda text: text.rstrip("=") + "===", lambda text: text + "\n", lambda text: " " + text]
)
def test_another_spelling_of_the_payload_is_no_payload(spelling: object) -> None:
    assert callable(spelling)
    signed = envelope()
    other = signed.model_copy(update={"payload": spelling(signed.payload)})
    assert not dsse.is_signed_by(other, public_pem())
    with pytest.raises(AttestationError, match="base64"):
        dsse.digest(other)


@pytest.mark.parametrize("kind", ["rsa", "p384"])
def test_other_kinds_of_keys_are_refused_for_signing_and_verify_nothing(kind: str) -> None:
    with pytest.raises(BadKey, match="Ed25519 and ECDSA on P-256"):
        dsse.sign(statement(), private_pem("one", kind))
    with pytest.raises(BadKey, match="Ed25519 and ECDSA on P-256"):
        keys.public_key(public_pem("one", kind))
    assert not dsse.is_signed_by(envelope(), public_pem("one", kind))


def test_what_is_no_key_verifies_nothing() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----\n"
    with pytest.raises(BadKey, match="not a public key"):
        keys.public_key(pem)
    assert not dsse.is_signed_by(envelope(), pem)


def test_a_signature_of_another_length_verifies_nothing() -> None:
    for sig in ("", "QUJD", "A" * 88):
        forged = envelope().model_copy(update={"signatures": (Signature.model_construct(sig=sig),)})
        assert not dsse.is_signed_by(forged, public_pem())
        assert not dsse.is_signed_by(forged, public_pem("one", "p256"))


def raw() -> dict[str, object]:
    found: dict[str, object] = json.loads(written(statement()))
    return found


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\xff", "payload isn't the JSON"),
        (b"[]", "statement"),
        (b"{}", "subject"),
        (b"[" * 40_000, "payload isn't the JSON"),
        (json.dumps(raw() | {"extra": 1}).encode(), "extra"),
        (json.dumps(raw() | {"predicateType": "https://slsa.dev/provenance/v1"}).encode(), "predicateType"),
        (json.dumps(raw() | {"_type": "https://in-toto.io/Statement/v0.1"}).encode(), "_type"),
        (json.dumps(raw() | {"subject": []}).encode(), "subject"),
        (json.dumps(raw() | {"subject": [{"name": "h1", "digest": {"sha256": "0" * 64}}]}).encode(), "digest"),
        (written(statement()).replace(b'"country":"MY"', b'"country":"MY","country":"SG"'), "duplicate key"),
        (written(statement()).replace(UUID.encode(), UUID.upper().encode()), "systemUUID"),
        (written(statement()).replace(b'"2026-0017"', b"NaN"), "payload isn't the JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_payload_that_could_be_read_in_two_ways_is_no_statement(payload: bytes, why: str) -> None:
    signed = signed_bytes(pae(PAYLOAD_TYPE, payload), payload)
    assert dsse.is_signed_by(signed, public_pem()), "it is signed all the same"
    with pytest.raises(AttestationError, match=why):
        dsse.unverified(signed)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"notAfter": "2026-12-01T00:00:00Z"}, "notAfter"),
        ({"notAfter": "2027-02-30T00:00:00Z"}, "notAfter"),
        ({"notAfter": "2027-03-01T00:00:00+08:00"}, "notAfter"),
        ({"systemUUID": "00000000-0000-0000-0000-000000000000"}, "placeholder"),
        ({"systemUUID": "03000200-0400-0500-0006-000700080009"}, "placeholder"),
        ({"chips": [{"vendor": "v", "product": "p", "id": "1"}] * 2}, "duplicate chip"),
        ({"facility": {"country": "my"}}, "country"),
    ],
)
def test_a_statement_that_means_nothing_cant_be_made(changes: dict[str, Any], why: str) -> None:
    with pytest.raises((AttestationError, ValidationError), match=why):
        statement(**changes)


def test_forged_signatures_push_no_valid_one_out_of_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write NodeAttestations would have the operator verify those of the whole fleet at each pass."""
    monkeypatch.setattr(dsse, "VERIFICATIONS", 8)
    good = envelope()
    assert dsse.is_signed_by(good, public_pem())
    verified: list[bytes] = []

    def invalid(public_pem: str, signature: bytes, message: bytes) -> bool:
        verified.append(signature)
        return False

    monkeypatch.setattr(keys, "verifies", invalid)
    for number in range(20):
        forged = good.model_copy(update={"signatures": (Signature(sig=base64.encode(number.to_bytes(64, "big"))),)})
        assert not dsse.is_signed_by(forged, public_pem())
    assert len(verified) == 20
    assert len(dsse._INVALID) <= 8
    assert dsse.is_signed_by(good, public_pem())
    assert len(verified) == 20, "the valid one was verified again"
    assert dsse._valid.cache_info().maxsize, "what is kept is bounded"
