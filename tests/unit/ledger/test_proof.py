"""A proof is one file in C2SP's format, and holds without the log."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.ledger import base64
from daulat.ledger.errors import Inconsistent, Malformed, Untrusted
from daulat.ledger.proof import parse, prove, verify
from daulat.ledger.reader import Missing
from daulat.ledger.tiles import bundled
from daulat.ledger.trust import Trust

from .logs import TRUST, WITNESSES, Memory, entries, entry, log

LOG = log(600, witnesses=WITNESSES[:2])
WITNESSED = Trust(TRUST.keys, tuple(w.verifier() for w in WITNESSES), 2)


@given(st.integers(0, 599))
def test_every_entry_has_a_proof_that_holds(index: int) -> None:
    read = parse(bytes(prove(LOG, index)))
    assert read.entry == entry(index)
    found = verify(read, entry(index), WITNESSED)
    assert found.head is not None
    assert found.head.size == 600
    assert len(found.witnessed) == 2


def test_a_proof_is_these_lines() -> None:
    proof = prove(log(2), 1)
    checkpoint = log(2).files["checkpoint"].decode()
    [sibling] = proof.hashes
    extra, hashed = base64.encode(entry(1)), base64.encode(sibling)
    assert bytes(proof).decode() == f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex 1\n{hashed}\n\n{checkpoint}"
    alone = dataclasses.replace(prove(log(1), 0), entry=None)
    assert bytes(alone).decode() == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{log(1).files['checkpoint'].decode()}"
    assert parse(bytes(alone)) == alone


@settings(max_examples=200)
@given(st.data())
def test_a_proof_that_was_changed_doesnt_hold(data: st.DataObject) -> None:
    content = bytearray(bytes(prove(LOG, 411)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        read = parse(bytes(content))
    except Malformed:
        return
    assert read.entry is not None or at < 40
    with pytest.raises(Untrusted):
        verify(read, read.entry or b"", Trust(TRUST.keys, WITNESSED.witnesses[:2], 2))


def test_a_proof_is_of_this_entry_at_this_index() -> None:
    proof = prove(LOG, 17)
    with pytest.raises(Untrusted):
        verify(proof, entry(18), TRUST)
    with pytest.raises(Untrusted):
        verify(dataclasses.replace(proof, index=18), entry(17), TRUST)
    with pytest.raises(Untrusted):
        verify(dataclasses.replace(proof, hashes=proof.hashes[:-1]), entry(17), TRUST)


def test_a_proof_needs_the_quorum() -> None:
    with pytest.raises(Untrusted, match="2 known witnesses cosigned it; 3 are required"):
        verify(prove(LOG, 17), entry(17), Trust(TRUST.keys, WITNESSED.witnesses, 3))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n",
        b"c2sp.org/tlog-proof@v1\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v2\nindex 1\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nextra A\nindex 1\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nextra AA==\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nindex 1\nAA==\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nindex 1\n" + b"A" * 43 + b"=\n" * 64 + b"\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\n\xff\n\ncheckpoint",
    ],
)
def test_what_isnt_a_proof_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_an_entry_that_the_log_doesnt_have_has_no_proof() -> None:
    with pytest.raises(ValueError, match="it has 600"):
        prove(LOG, 600)
    with pytest.raises(Missing):
        prove(Memory(), 0)


def test_an_entry_that_was_changed_has_no_proof() -> None:
    store = log(3)
    store.files["tile/entries/000.p/3"] = bundled([*entries(2), entry(9)])
    with pytest.raises(Inconsistent):
        prove(store, 2)
    assert prove(store, 1).entry == entry(1)
