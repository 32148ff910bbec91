"""Keys are rotated by an entry: a reader of the first key follows, a former key can't write on, and no crash splits the log."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.ledger import reader, rotation
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.entry import Entry, canonical
from daulat.ledger.errors import Inconsistent, Malformed, Rotated, Untrusted
from daulat.ledger.findings import Finding
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.trust import Trust
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer

from .buckets import Requests
from .logs import KEY, NOW, ORIGIN, POST_QUANTUM, STRANGER, TRUST, WITNESSES, Crash, Memory, entries, log

SECOND = SignerKey(ORIGIN, KeyType.ED25519, b"\x0b" * 32)
THIRD = SignerKey(ORIGIN, KeyType.ED25519, b"\x0c" * 32)


def rotated(*generations: list[SignerKey], each: int = 5) -> Memory:
    """Return a log to which each generation of keys has appended so many entries before it handed over."""
    store = log(each)
    former = [KEY]
    for keys in generations:
        with Writer.succeed(store, keys, former, NOW) as writer:
            writer.append(entries(each, writer.head.size), NOW)
        former = keys
    return store


def faults(store: Memory, *keys: SignerKey, previous: tuple[bytes, ...] = ()) -> list[str]:
    trust = Trust(tuple(k.verifier() for k in keys))
    return [f"{f.fault} {f.where}" for f in findings(store, trust, previous)]


def findings(store: Memory, trust: Trust, previous: tuple[bytes, ...] = ()) -> tuple[Finding, ...]:
    return verify(store, trust, [(f"kept/{n}", data) for n, data in enumerate(previous)]).findings


def test_a_reader_of_the_first_key_follows_every_rotation() -> None:
    store = rotated([SECOND], [THIRD, POST_QUANTUM], each=300)
    assert faults(store, KEY) == []
    # Checkpoints that were kept, by the keys of their time.
    assert faults(store, KEY, previous=tuple(store.seen)) == []


def test_a_reader_of_a_later_key_begins_there() -> None:
    store = rotated([SECOND], [THIRD, POST_QUANTUM])
    assert faults(store, SECOND) == []
    assert faults(store, THIRD, POST_QUANTUM) == []
    assert faults(store, STRANGER) == [
        "InvalidRotation tile/entries/000.p/17, entry 5",
        "InvalidRotation tile/entries/000.p/17, entry 11",
        "UnsignedCheckpoint checkpoint",
    ]


def test_a_former_key_cant_continue_the_log() -> None:
    store = rotated([SECOND])
    with pytest.raises(Untrusted):
        Writer.open(store, [KEY], NOW)
    # A thief of the key doesn't use this check.
    with Writer.open(store, [KEY], NOW, former=[SECOND.verifier()]) as thief:
        thief.append(entries(1, 50), NOW)
    (found,) = findings(store, TRUST)
    assert (found.fault, found.path) == ("UnsignedCheckpoint", "checkpoint")
    assert found.message == f"entry 5 hands the log over to key {SECOND.verifier().key_id.hex()}, which hasn't signed"
    assert faults(store, SECOND) == ["UnsignedCheckpoint checkpoint"]


def test_a_former_key_cant_change_what_it_handed_over() -> None:
    """The rotation stays, and what is before it is another history."""
    store = rotated([SECOND], each=5)
    kept = list(reader.entries(store, 11))
    forged = Memory()
    with Writer.create(forged, [KEY], NOW) as thief:
        thief.append([*entries(5, 90), *kept[5:]], NOW)
    assert faults(forged, KEY) == ["InvalidRotation tile/entries/000.p/11, entry 5", "UnsignedCheckpoint checkpoint"]


def test_a_rotation_is_good_for_one_place_alone() -> None:
    store = rotated([SECOND], each=5)
    handover = reader.entry(store, 5, 11)
    for before in (4, 6):
        forged = log(before)
        with Writer.open(forged, [KEY], NOW) as thief:
            thief.append([handover], NOW)
        assert faults(forged, KEY) == [f"InvalidRotation tile/entries/000.p/{before + 1}, entry {before}"]


def test_what_a_thief_of_an_old_key_can_do_is_found_by_a_later_key_or_a_kept_checkpoint() -> None:
    """A branch from before the rotation can't be distinguished from the log by the first key alone."""
    store = rotated([SECOND])
    branch = rotated([STRANGER], each=4)
    assert faults(branch, KEY) == []
    assert "UnsignedCheckpoint checkpoint" in faults(branch, SECOND)
    assert faults(branch, KEY, previous=(store.files["checkpoint"],)) != []
    # One from before the rotation is signed by the old key as well, and is of the other history.
    assert faults(branch, KEY, previous=(store.seen[1],)) == ["Forked kept/0, entries 0 to 4"]


def test_new_keys_have_to_agree() -> None:
    """A signature by a new key proves that somebody holds it."""
    store = log(5)
    with Writer.open(store, [KEY], NOW) as writer:
        data = json.loads(rotation.rotate([KEY], [SECOND], writer.head, NOW))
        data["data"]["signatures"] = data["data"]["signatures"][:1] * 2
        writer.append([canonical(data)], NOW)
    (found,) = findings(store, TRUST)
    assert (found.fault, found.entries) == ("InvalidRotation", (5, 5))
    assert found.message == f"key {SECOND.verifier().key_id.hex()} hasn't signed it"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("size", [0, 5, 255, 256])
def test_a_rotation_that_is_interrupted_anywhere_is_completed(size: int, after: bool) -> None:
    base = log(size, witnesses=WITNESSES)
    crash = 0
    while True:
        crash += 1
        store = base.copy()
        store.crash_at, store.after = crash, after
        try:
            with Writer.succeed(store, [SECOND, POST_QUANTUM], [KEY], NOW) as writer:
                writer.append(entries(1, size), NOW)
            crashed = False
        except Crash:
            crashed = True
        store.crash_at = None
        seen = (*base.seen, *store.seen)
        with Writer.succeed(store, [SECOND, POST_QUANTUM], [KEY], NOW) as writer:
            assert writer.head.size in (size + 1, size + 2)
        assert faults(store, KEY, previous=(*seen, *store.seen)) == []
        handed = [e for e in reader.entries(store, writer.head.size) if b"KeyRotated" in e]
        assert len(handed) == 1
        assert faults(store, SECOND, POST_QUANTUM) == []
        if not crashed:
            break
    assert crash > 8


def test_a_log_that_was_handed_over_isnt_opened_with_the_former_key() -> None:
    """The process has ended right after the entry, and its configuration was set back."""
    store = log(5)
    with Writer.open(store, [KEY], NOW) as writer:
        writer.append([rotation.rotate([KEY], [SECOND], writer.head, NOW)], NOW)
    with pytest.raises(Rotated, match="entry 5"):
        Writer.open(store, [KEY], NOW)
    with pytest.raises(Rotated):
        Writer.succeed(store, [THIRD], [KEY], NOW)
    assert not store.locked
    assert faults(store, KEY) == []
    Writer.succeed(store, [SECOND], [KEY], NOW).close()
    assert faults(store, SECOND) == []


def test_a_log_in_a_bucket_is_rotated(requests: Requests) -> None:
    with Writer.create(requests.bucket(), [KEY], NOW) as writer:
        writer.append(entries(5), NOW)
    for _ in range(2):
        with Writer.succeed(requests.bucket(), [SECOND], [KEY], NOW) as writer:
            writer.append(entries(5, writer.head.size), NOW)
    assert verify(requests.bucket(), TRUST).findings == ()


def test_cosignatures_stay_when_the_new_key_signs_the_same_checkpoint() -> None:
    store = log(5, witnesses=WITNESSES[:1])
    with Writer.open(store, [KEY], NOW, lambda s: [WITNESSES[0].sign(s.note.text, NOW)]) as writer:
        writer._cosign = lambda s: (
            [WITNESSES[0].sign(s.note.text, NOW)] if KEY.verifier().made(s.note.signatures[0]) else []
        )
        writer.rotate([SECOND], NOW)
    assert findings(store, Trust(TRUST.keys, (WITNESSES[0].verifier(),), 1)) == ()


@pytest.mark.parametrize(
    "keys", [[KEY], [POST_QUANTUM], [SignerKey("other", KEY.type, b"\4" * 32)], [WITNESSES[0]], []]
)
def test_a_log_isnt_handed_over_to_keys_that_cant_be_its_own(keys: list[SignerKey]) -> None:
    store = log(5)
    with Writer.open(store, [KEY], NOW) as writer:
        with pytest.raises(ValueError, match="log"):
            writer.rotate(keys, NOW)
        writer.append(entries(1, 5), NOW)
    assert faults(store, KEY) == []


def handover() -> dict[str, object]:
    found: dict[str, object] = json.loads(rotation.rotate([KEY], [SECOND], Checkpoint(ORIGIN, 5, b"\1" * 32), NOW))[
        "data"
    ]
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"size": 4},
        {"size": -5},
        {"size": "5"},
        {"root": "x"},
        {"keys": []},
        {"keys": ["x"]},
        {"keys": [str(POST_QUANTUM.verifier())]},
        {"keys": [str(SECOND.verifier())] * 2},
        {"keys": [str(SECOND.verifier()), str(WITNESSES[0].verifier())]},
        {"signatures": []},
        {"signatures": ["x", "y"]},
        {"signatures": ["\u2014 a AAAAAAAA\n\n\u2014 b AAAAAAAA"] * 2},
        {"more": 1},
    ],
)
def test_an_entry_that_is_no_rotation_is_malformed(change: dict[str, object]) -> None:
    entry = Entry(kind=rotation.KIND, time="2027-01-15T08:00:00Z", data={**handover(), **change})  # type: ignore[dict-item]
    with pytest.raises(Malformed):
        rotation.parse(entry.encode(), 5)


@pytest.mark.parametrize("time", ["2027-01-15T08:00:00Z", "2027-01-15T08:00:00.123456789Z"])
def test_a_rotation_is_found_whatever_its_time(time: str) -> None:
    entry = Entry(kind=rotation.KIND, time=time, data=handover()).encode()  # type: ignore[arg-type]
    assert rotation.is_candidate(entry)
    assert rotation.parse(entry, 5) is not None


@given(st.text(max_size=80))
def test_an_entry_of_another_kind_is_no_rotation_whatever_it_says(text: str) -> None:
    data = {"a": text, "kind": "KeyRotated", "b": f'"kind":"KeyRotated"{text}'}
    try:
        entry = Entry(kind="PodStarted", time="2027-01-15T08:00:00Z", data=data).encode()  # type: ignore[arg-type]
    except Malformed:
        return
    assert rotation.parse(entry, 5) is None


def test_a_rotation_to_the_key_of_a_witness_isnt_followed() -> None:
    witness = SignerKey(WITNESSES[0].name, POST_QUANTUM.type, b"\x02" * 32)
    assert witness.verifier().public == POST_QUANTUM.verifier().public
    store = rotated([SECOND, POST_QUANTUM])
    found = findings(store, Trust(TRUST.keys, (witness.verifier(),), 0))
    assert [f.fault for f in found] == ["UnsignedCheckpoint"]


def test_a_log_whose_rotation_was_edited_isnt_trusted() -> None:
    store = rotated([SECOND])
    path = "tile/entries/000.p/11"
    store.files[path] = store.files[path].replace(SECOND.verifier().key_id.hex().encode(), b"00000000")
    assert faults(store, KEY) == [f"InvalidRotation {path}, entry 5", "UnsignedCheckpoint checkpoint"]
    assert faults(store, SECOND)[0] == f"Edited {path}, entry 5"


def test_succession_needs_keys_that_the_log_knows() -> None:
    with pytest.raises(Untrusted):
        Writer.succeed(log(5), [SECOND], [], NOW)
    with pytest.raises(Untrusted):
        Writer.succeed(log(5), [SECOND], [THIRD], NOW)
    with pytest.raises(Inconsistent):
        Writer.succeed(Memory(), [SECOND], [KEY], NOW)
