"""The writer loses nothing that it accepted and never signs two histories, whatever it is interrupted at."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from daulat.ledger import note, reader, tree
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.cosigning import Submission
from daulat.ledger.errors import Closed, Inconsistent, Locked, Malformed, Untrusted
from daulat.ledger.keys import SignerKey
from daulat.ledger.note import Signature
from daulat.ledger.reader import PENDING
from daulat.ledger.tiles import edge, tile_at
from daulat.ledger.trust import Trust, trusted
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer

from .logs import KEY, NOW, ORIGIN, POST_QUANTUM, STRANGER, TRUST, WITNESSES, Crash, Memory, entries, log

SIZES = st.sampled_from([0, 1, 2, 3, 100, 255, 256, 257, 300, 511, 512, 513])


def roots(leaves: list[bytes]) -> InmemoryTree:
    oracle = InmemoryTree(algorithm="sha256")
    for leaf in leaves:
        oracle.append_entry(leaf)
    return oracle


def check(store: Memory, model: list[bytes]) -> None:
    """What the files say is what was appended, and every file that C2SP asks for is there."""
    head = trusted(store.files["checkpoint"], TRUST)
    assert head.size == len(model)
    assert list(reader.entries(store, head.size)) == model
    assert head.root == (roots(model).get_root() if model else tree.EMPTY_ROOT)
    assert verify(store, TRUST).findings == ()
    for level in range(3):
        for index in range(-(-(head.size >> 8 * level) // 256)):
            tile = tile_at(level, index, head.size)
            assert len(store.files[tile.path]) == 32 * tile.width


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=6))
def test_a_log_is_what_was_appended_to_it(steps: list[tuple[int, bool]]) -> None:
    store, model = Memory(), list[bytes]()
    writer = Writer.create(store, [KEY], NOW)
    for count, reopens in steps:
        before = writer.head
        added = entries(count, len(model))
        head = writer.append(added, NOW)
        model += added
        proof = tree.consistency_proof(before.size, head.size, reader.nodes(store, head.size))
        assert tree.is_consistent(before.size, before.root, head.size, head.root, proof)
        check(store, model)
        if reopens:
            writer.close()
            writer = Writer.open(store, [KEY], NOW)
            assert writer.head == head
    writer.close()


def test_a_log_of_three_levels_is_what_was_appended_to_it() -> None:
    store = log(66_000, batch=11_000)
    head = trusted(store.files["checkpoint"], TRUST)
    assert [tile.level for tile in edge(head.size)] == [0, 1, 2]
    assert verify(store, TRUST).findings == ()
    with Writer.open(store, [KEY], NOW) as writer:
        writer.append(entries(3, 66_000), NOW)
    assert verify(store, TRUST).findings == ()
    assert reader.entry(store, 65_999, 66_003) == entries(1, 65_999)[0]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("start", [0, 3, 250, 256, 65_500])
def test_a_crash_at_any_change_loses_nothing_and_forks_nothing(start: int, after: bool) -> None:
    base = log(start, batch=30_000)
    batches = [entries(10, start), entries(40, start + 10), entries(2, start + 50)]
    crashes = 0
    while True:
        crashes += 1
        store = base.copy()
        store.crash_at, store.after = crashes, after
        accepted = start
        attempted = start
        try:
            with Writer.open(store, [KEY], NOW) as writer:
                for batch in batches:
                    attempted += len(batch)
                    writer.append(batch, NOW)
                    accepted += len(batch)
        except Crash:
            pass
        else:
            break
        assert not store.locked
        store.crash_at = None
        with Writer.open(store, [KEY], NOW + 5) as writer:
            assert accepted <= writer.head.size <= attempted
            rest = entries(start + 60 - writer.head.size, writer.head.size)
            writer.append(rest, NOW + 5)
        assert_one_history([*base.seen, *store.seen], start + 60)
        assert list(reader.entries(store, start + 60))[start:] == entries(60, start)
        if start < 1000:
            assert verify(store, TRUST).findings == ()
    assert crashes > 8


def assert_one_history(seen: Sequence[bytes], size: int) -> None:
    """Every checkpoint that could be read is a prefix of one history."""
    known: dict[int, Checkpoint] = {}
    for data in seen:
        head = trusted(data, TRUST)
        assert known.setdefault(head.size, head).root == head.root
    assert max(known) == size


def test_a_head_that_a_witness_has_seen_is_completed_after_a_crash() -> None:
    """The witness cosigned, and the checkpoint didn't reach the disk: another history would be a fork."""
    store, seen = log(5), list[str]()

    def cosign(submission: Submission) -> Sequence[Signature]:
        seen.append(submission.note.text)
        return [WITNESSES[0].sign(submission.note.text, NOW)]

    def crash(submission: Submission) -> Sequence[Signature]:
        seen.append(submission.note.text)
        raise Crash

    with pytest.raises(Crash), Writer.open(store, [KEY], NOW, crash) as writer:
        writer.append(entries(3, 5), NOW)
    with Writer.open(store, [KEY], NOW, cosign) as writer:
        assert writer.head.size == 8
        writer.append(entries(1, 8), NOW)
    assert seen[0] == seen[1]
    witnessed = Trust(TRUST.keys, (WITNESSES[0].verifier(),), 1)
    assert verify(store, witnessed).findings == ()


def test_witnesses_are_given_the_proof_from_the_checkpoint_before() -> None:
    calls = []

    def cosign(submission: Submission) -> Sequence[Signature]:
        calls.append((submission.previous, list(submission.prove(submission.previous)), submission.note))
        return [witness.sign(submission.note.text, NOW) for witness in WITNESSES]

    store = Memory()
    with Writer.create(store, [KEY], NOW, cosign) as writer:
        first = writer.append(entries(300), NOW)
        second = writer.append(entries(300, 300), NOW)
    assert [old for old, _, _ in calls] == [0, 0, 300]
    assert tree.is_consistent(300, first.root, 600, second.root, calls[2][1])
    assert len(note.parse(store.files["checkpoint"]).signatures) == 1 + len(WITNESSES)


def test_a_log_signs_by_ml_dsa_as_well_where_it_has_such_a_key() -> None:
    store = log(3, keys=[KEY, POST_QUANTUM])
    both = Trust((KEY.verifier(), POST_QUANTUM.verifier()))
    assert verify(store, both).findings == ()
    with Writer.open(log(3), [KEY, POST_QUANTUM], NOW) as writer:
        assert writer.head.size == 3


@pytest.mark.parametrize(
    "keys", [[], [POST_QUANTUM], [KEY, WITNESSES[0]], [KEY, SignerKey("other", KEY.type, b"\4" * 32)]]
)
def test_a_log_has_one_name_and_an_ed25519_key(keys: list[SignerKey]) -> None:
    with pytest.raises(ValueError, match="log"):
        Writer.create(Memory(), keys, NOW)


def test_a_key_that_was_rotated_out_may_have_signed_the_last_checkpoint() -> None:
    store = log(5, keys=[STRANGER])
    with pytest.raises(Untrusted):
        Writer.open(store, [KEY], NOW)
    with Writer.open(store, [KEY], NOW, former=[STRANGER.verifier()]) as writer:
        writer.append(entries(1, 5), NOW)
    assert verify(store, TRUST).findings == ()


def test_one_writer_excludes_another() -> None:
    store = log(1)
    with Writer.open(store, [KEY], NOW) as writer:
        with pytest.raises(Locked):
            Writer.open(store, [KEY], NOW)
        writer.append(entries(1, 1), NOW)
    with Writer.open(store, [KEY], NOW):
        pass


def test_a_writer_that_failed_has_to_be_opened_again() -> None:
    store = log(1)
    writer = Writer.open(store, [KEY], NOW)
    store.crash_at = store.changes + 1
    with pytest.raises(Crash):
        writer.append(entries(1, 1), NOW)
    assert not store.locked
    with pytest.raises(Closed):
        writer.append(entries(1, 1), NOW)


def test_an_entry_that_is_too_long_appends_nothing() -> None:
    store = log(1)
    before = dict(store.files)
    with Writer.open(store, [KEY], NOW) as writer:
        with pytest.raises(Malformed):
            writer.append([*entries(1, 1), b"x" * 65_536], NOW)
        assert store.files == before
        assert writer.append([], NOW).size == 1
        assert writer.append([b"x" * 65_535], NOW).size == 2


def test_partial_tiles_go_once_the_full_one_is_there() -> None:
    store = log(300, batch=10)
    with Writer.open(store, [KEY], NOW) as writer:
        for start in range(300, 520, 10):
            writer.append(entries(10, start), NOW)
        writer.append(entries(1, 520), NOW)
    assert not [path for path in store.files if path.startswith(("tile/0/001.p", "tile/entries/001.p"))]
    assert verify(store, TRUST).findings == ()


def test_a_checkpoint_that_may_not_be_on_the_disk_is_flushed_when_the_log_is_opened() -> None:
    store = log(3)
    store.seen.clear()
    with Writer.open(store, [KEY], NOW):
        assert store.seen == [store.files["checkpoint"]]


def test_a_log_is_created_once() -> None:
    with pytest.raises(Inconsistent):
        Writer.create(log(0), [KEY], NOW)
    store = log(3)
    del store.files["checkpoint"]
    for attempt in (Writer.create, Writer.open):
        with pytest.raises(Inconsistent, match="checkpoint"):
            attempt(store, [KEY], NOW)
        assert not store.locked


@pytest.mark.parametrize("path", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"])
@pytest.mark.parametrize("data", [None, b"", b"\0" * 32, b"\0" * 32 * 44])
def test_a_log_whose_edge_disagrees_with_its_checkpoint_isnt_opened(path: str, data: bytes | None) -> None:
    store = log(300)
    if data is None:
        del store.files[path]
    else:
        store.files[path] = data
    with pytest.raises(Inconsistent):
        Writer.open(store, [KEY], NOW)
    assert not store.locked


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        Checkpoint("other", 9, b"\0" * 32).text,
        Checkpoint(ORIGIN, 300, b"\0" * 32).text,
        Checkpoint(ORIGIN, 299, b"\0" * 32).text,
        Checkpoint(ORIGIN, 301, b"\0" * 32).text,
    ],
)
def test_a_log_whose_pending_head_disagrees_isnt_opened(text: str) -> None:
    store = log(300)
    store.files[PENDING] = text.encode()
    with pytest.raises(Inconsistent):
        Writer.open(store, [KEY], NOW)


def test_an_older_checkpoint_in_a_folder_is_brought_up_to_date() -> None:
    store = log(20, batch=10)
    newest = store.files["checkpoint"]
    store.files["checkpoint"] = store.seen[1]
    with Writer.open(store, [KEY], NOW) as writer:
        assert writer.head.size == 20
    assert store.files["checkpoint"] == newest


def test_a_pending_head_of_another_history_isnt_signed() -> None:
    """It isn't signed itself, so it may be forged, with tiles that fit it."""
    store, other = log(300), Memory()
    with Writer.create(other, [KEY], NOW) as writer:
        writer.append(entries(400, 1000), NOW)
    store.files |= {path: data for path, data in other.files.items() if path != "checkpoint"}
    # The tiles of the log's own edge are there as well.
    store.files |= {path: data for path, data in log(300).files.items() if path.endswith((".p/44", ".p/1"))}
    signed = list(store.seen)
    with pytest.raises(Inconsistent, match=r"doesn't continue|another root"):
        Writer.open(store, [KEY], NOW)
    assert store.seen == signed
