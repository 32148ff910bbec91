"""What logs and witnesses send each other is read as it was written, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daulat.ledger import base64
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.cosigning import (
    Request,
    cosignature_lines,
    parse_cosignatures,
    parse_request,
    parse_size,
    size_line,
)
from daulat.ledger.errors import Malformed, Untrusted
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.note import Note, Signature

from .logs import KEY, NOW, ORIGIN, POST_QUANTUM, WITNESSES

HASHES = st.binary(min_size=32, max_size=32)
SIZES = st.integers(0, 2**63 - 1)
QUANTUM_WITNESS = SignerKey(WITNESSES[0].name, KeyType.ML_DSA_44, b"\x20" * 32)


def signed(size: int = 3, root: bytes = b"\1" * 32) -> Note:
    head = Checkpoint(ORIGIN, size, root)
    return Note(head.text, (KEY.sign(head.text, NOW), POST_QUANTUM.sign(head.text, NOW)))


NOTE = signed()


@given(SIZES, st.lists(HASHES, max_size=63), SIZES, HASHES)
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes], size: int, root: bytes) -> None:
    note = Note(Checkpoint(ORIGIN, size, root).text, NOTE.signatures)
    request = Request(old, tuple(proof), note, Checkpoint(ORIGIN, size, root))
    assert parse_request(bytes(request)) == request


@given(st.binary(max_size=300))
@example(b"old 0\n\n")
@example(b"old 1\n" + b"A\n\n" + bytes(NOTE))
def test_what_is_no_request_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_request(data)


@pytest.mark.parametrize(
    "top",
    [
        "",
        "old",
        "old ",
        "old -1",
        "old 01",
        "old 1 ",
        "OLD 1",
        "old 1\r",
        f"old {2**63}",
        "size 1",
        " old 1",
        "old \u0661",
    ],
)
def test_a_request_begins_with_the_old_size(top: str) -> None:
    with pytest.raises(Malformed):
        parse_request(top.encode() + b"\n\n" + bytes(NOTE))


def test_a_proof_has_at_most_63_hashes_of_32_bytes() -> None:
    line = base64.encode(b"\0" * 32) + "\n"
    assert len(parse_request(b"old 1\n" + line.encode() * 63 + b"\n" + bytes(NOTE)).proof) == 63
    for lines in (line * 64, base64.encode(b"\0" * 31) + "\n", "\n"):
        with pytest.raises(Malformed):
            parse_request(b"old 1\n" + lines.encode() + b"\n" + bytes(NOTE))


@given(SIZES)
def test_a_size_is_read_as_it_was_written(size: int) -> None:
    assert parse_size(size_line(size)) == size


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"1", b"01\n", b"-1\n", b"1\n\n", b" 1\n", "\u0661\n".encode(), b"9" * 20 + b"\n"]
)
def test_what_is_no_size_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_size(data)


def test_cosignatures_of_a_witness_are_taken_and_others_ignored() -> None:
    ours = [WITNESSES[0].sign(NOTE.text, NOW), QUANTUM_WITNESS.sign(NOTE.text, NOW)]
    body = cosignature_lines([WITNESSES[1].sign(NOTE.text, NOW), *ours])
    keys = [WITNESSES[0].verifier(), QUANTUM_WITNESS.verifier()]
    assert parse_cosignatures(body, NOTE, keys) == tuple(ours)
    assert parse_cosignatures(body, NOTE, keys[:1]) == tuple(ours[:1])


@given(st.integers(0, 71), st.integers(1, 255))
def test_a_forged_cosignature_isnt_taken(at: int, change: int) -> None:
    made = WITNESSES[0].sign(NOTE.text, NOW)
    forged = bytearray(made.signature)
    forged[at] ^= change
    body = cosignature_lines([Signature(made.name, made.key_id, bytes(forged))])
    with pytest.raises(Untrusted):
        parse_cosignatures(body, NOTE, [WITNESSES[0].verifier()])


def test_a_cosignature_of_another_checkpoint_or_without_a_time_isnt_taken() -> None:
    key = WITNESSES[0].verifier()
    for signature in (WITNESSES[0].sign(signed(4).text, NOW), WITNESSES[0].sign(NOTE.text, 0)):
        with pytest.raises(Untrusted):
            parse_cosignatures(cosignature_lines([signature]), NOTE, [key])
    with pytest.raises(Untrusted):
        parse_cosignatures(cosignature_lines([WITNESSES[1].sign(NOTE.text, NOW)]), NOTE, [key])


@given(st.binary(max_size=200))
@example(b"")
@example(b"\n")
@example(b"another line\n\n" + cosignature_lines([WITNESSES[0].sign(NOTE.text, NOW)]))
def test_what_is_no_answer_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_cosignatures(data, NOTE, [WITNESSES[0].verifier()])
