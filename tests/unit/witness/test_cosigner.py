"""A witness cosigns one history of a log, whatever it is sent and wherever it is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.ledger import checkpoint, note, reader, tree
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.cosigning import SIZE_TYPE, Request, parse_cosignatures
from daulat.ledger.errors import Locked
from daulat.ledger.folder import Folder
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.note import Note, Signature
from daulat.ledger.trust import Trust, trusted
from daulat.ledger.witness import Answer
from daulat.witness.cosigner import Cosigner, folder_of
from tests.unit.ledger.logs import (
    KEY,
    NOW,
    ORIGIN,
    POST_QUANTUM,
    STRANGER,
    TRUST,
    WITNESSES,
    Crash,
    Memory,
    entries,
    log,
)

SIGNER = WITNESSES[0]
QUANTUM = SignerKey(SIGNER.name, KeyType.ML_DSA_44, b"\x20" * 32)


def cosigner(state: Memory, *keys: SignerKey) -> Cosigner:
    return Cosigner(keys or [SIGNER], [KEY.verifier(), POST_QUANTUM.verifier()], state, lambda: NOW)


class History:
    """A log of which a checkpoint of any size can be submitted."""

    def __init__(self, start: int, size: int = 40) -> None:
        self._hashes = [tree.leaf_hash(e) for e in entries(size, start)]

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(ORIGIN, size, tree.root(size, self._node))

    def request(self, old: int, size: int, *keys: SignerKey) -> bytes:
        head = self.head(size)
        signed = Note(head.text, tuple(k.sign(head.text, NOW) for k in keys or (KEY,)))
        proof = tree.consistency_proof(old, size, self._node) if old <= size else []
        return bytes(Request(old, tuple(proof), signed, head))

    def _node(self, level: int, index: int) -> bytes:
        return tree.perfect_root(self._hashes[index << level : (index + 1) << level])


TRUE, FALSE = History(0), History(1000)


def status(answer: Answer) -> int:
    return int(answer.status)


def test_a_log_that_grows_is_cosigned() -> None:
    witness = cosigner(Memory(), SIGNER, QUANTUM)
    for old, size in [(0, 0), (0, 5), (5, 5), (5, 16), (16, 40)]:
        answer = witness.add_checkpoint(TRUE.request(old, size))
        assert status(answer) == 200
        signed = Note(TRUE.head(size).text, ())
        assert len(parse_cosignatures(answer.body, signed, [SIGNER.verifier(), QUANTUM.verifier()])) == 2


def test_a_request_that_continues_another_size_is_answered_with_the_size() -> None:
    witness = cosigner(Memory())
    witness.add_checkpoint(TRUE.request(0, 5))
    for old, size in [(0, 5), (0, 16), (4, 16), (6, 16), (3, 4)]:
        answer = witness.add_checkpoint(TRUE.request(old, size))
        assert (status(answer), answer.body, answer.content_type) == (409, b"5\n", SIZE_TYPE)


def test_another_history_isnt_cosigned() -> None:
    witness = cosigner(Memory())
    witness.add_checkpoint(TRUE.request(0, 5))
    assert status(witness.add_checkpoint(FALSE.request(5, 5))) == 422
    assert status(witness.add_checkpoint(FALSE.request(5, 16))) == 422
    assert status(witness.add_checkpoint(TRUE.request(5, 16))) == 200


def test_a_proof_that_isnt_needed_isnt_taken() -> None:
    proof = (b"\0" * 32,)
    head = TRUE.head(5)
    signed = Note(head.text, (KEY.sign(head.text, NOW),))
    witness = cosigner(Memory())
    assert status(witness.add_checkpoint(bytes(Request(0, proof, signed, head)))) == 422
    assert status(witness.add_checkpoint(bytes(Request(0, (), signed, head)))) == 200
    assert status(witness.add_checkpoint(bytes(Request(5, proof, signed, head)))) == 422


def test_a_log_of_no_entries_has_one_root() -> None:
    head = Checkpoint(ORIGIN, 0, b"\0" * 32)
    signed = Note(head.text, (KEY.sign(head.text, NOW),))
    assert status(cosigner(Memory()).add_checkpoint(bytes(Request(0, (), signed, head)))) == 422


def test_the_log_has_to_have_signed() -> None:
    witness = cosigner(Memory())
    # A stranger's signature, and one that says it is the log's.
    assert status(witness.add_checkpoint(TRUE.request(0, 5, STRANGER))) == 403
    head = TRUE.head(5)
    made = KEY.sign(head.text, NOW)
    forged = Signature(made.name, made.key_id, bytes(64))
    for signatures in ([forged], [POST_QUANTUM.sign(head.text, NOW), forged]):
        request = Request(0, (), Note(head.text, tuple(signatures)), head)
        assert status(witness.add_checkpoint(bytes(request))) == 403
    # One of its keys is enough, and signatures of strangers are ignored.
    assert status(witness.add_checkpoint(TRUE.request(0, 5, POST_QUANTUM, STRANGER))) == 200


def test_an_unknown_log_isnt_found() -> None:
    other = SignerKey("other.example/log", KeyType.ED25519, b"\4" * 32)
    state = Memory()
    witness = Cosigner([SIGNER], [other.verifier()], state, lambda: NOW)
    assert status(witness.add_checkpoint(TRUE.request(0, 5))) == 404
    assert not state.files


def test_what_is_no_request_is_a_bad_one() -> None:
    witness = cosigner(Memory())
    assert status(witness.add_checkpoint(b"old 0\n")) == 400
    assert status(witness.add_checkpoint(TRUE.request(6, 5))) == 400


class Recorder(SignerKey):
    """A key that keeps which heads it has cosigned: a signature counts even if the answer never left the process."""

    made: list[str] = []

    def sign(self, text: str, time: int) -> Signature:
        self.made.append(text)
        return super().sign(text, time)


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 12), st.booleans()), max_size=12)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_a_witness_killed_at_any_write_has_cosigned_one_history(steps: list[tuple[bool, int, int, bool]]) -> None:
    key = Recorder(SIGNER.name, SIGNER.type, b"\x10" * 32)
    key.made.clear()
    state = Memory()
    for is_true, size, crash, after in steps:
        history = TRUE if is_true else FALSE
        # The process begins anew each time, and a log continues what the witness says that it knows.
        state.locked, state.changes, state.crash_at, state.after = False, 0, crash or None, after
        witness = Cosigner([key], [KEY.verifier()], state, lambda: NOW)
        latest = state.files.get(f"{folder_of(ORIGIN)}/latest")
        old = 0 if latest is None else checkpoint.parse(note.parse(latest).text).size
        try:
            answer = witness.add_checkpoint(history.request(old, size))
        except Crash:
            continue
        assert status(answer) in (200, 400, 422)
    heads = [checkpoint.parse(text) for text in key.made]
    consistent = [all(h == history.head(h.size) for h in heads) for history in (TRUE, FALSE)]
    assert any(consistent)
    # Nor does it go back: what was cosigned later has at least as many entries.
    assert [h.size for h in heads] == sorted(h.size for h in heads)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("crash", [1, 2])
def test_a_witness_killed_between_its_writes_cosigns_the_same_checkpoint_again(crash: int, after: bool) -> None:
    state = Memory(crash_at=crash, after=after)
    with pytest.raises(Crash):
        cosigner(state).add_checkpoint(TRUE.request(0, 5))
    state.crash_at, state.locked = None, False
    was_kept = crash == 2 or after
    witness = cosigner(state)
    assert status(witness.add_checkpoint(FALSE.request(5 if was_kept else 0, 5))) == (422 if was_kept else 200)
    if was_kept:
        assert status(witness.add_checkpoint(TRUE.request(5, 5))) == 200


def test_monitors_read_the_checkpoint_with_the_signatures_of_both() -> None:
    witness = cosigner(Memory())
    folder = folder_of(ORIGIN)
    assert witness.cosigned(folder) is None
    witness.add_checkpoint(TRUE.request(0, 5))
    served = witness.cosigned(folder)
    assert served is not None
    assert trusted(served, Trust(TRUST.keys, (SIGNER.verifier(),), 1)) == TRUE.head(5)
    assert witness.cosigned(folder_of("other")) is None


def test_one_state_has_one_witness(tmp_path: Path) -> None:
    keys = [SIGNER], [KEY.verifier()]
    first = Cosigner(*keys, Folder(tmp_path))
    with pytest.raises(Locked):
        Cosigner(*keys, Folder(tmp_path))
    first.add_checkpoint(TRUE.request(0, 5))
    first.close()
    second = Cosigner(*keys, Folder(tmp_path))
    assert second.add_checkpoint(TRUE.request(0, 7)).body == b"5\n"
    second.close()


def bad_keys() -> Iterator[tuple[list[SignerKey], list[SignerKey]]]:
    yield [], [KEY]
    yield [KEY], [KEY]
    yield [SIGNER, WITNESSES[1]], [KEY]
    yield [SIGNER], [KEY, KEY]
    yield [SIGNER], [WITNESSES[1]]
    yield [SignerKey(ORIGIN, KeyType.COSIGNATURE, b"\5" * 32)], [KEY]
    yield [SignerKey(SIGNER.name, KeyType.COSIGNATURE, b"\1" * 32)], [KEY]


@pytest.mark.parametrize(("keys", "logs"), list(bad_keys()))
def test_keys_that_dont_fit_are_refused(keys: list[SignerKey], logs: list[SignerKey]) -> None:
    with pytest.raises(ValueError, match=r"key|witness"):
        Cosigner(keys, [k.verifier() for k in logs], Memory())


def test_histories_of_these_tests_are_those_that_a_writer_makes() -> None:
    store = log(16)
    head = trusted(store.files["checkpoint"], TRUST)
    assert head == TRUE.head(16)
    assert tree.consistency_proof(5, 16, reader.nodes(store, 16)) == tree.consistency_proof(5, 16, TRUE._node)
