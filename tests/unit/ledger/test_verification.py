"""Each way to tamper with a log is found and named with the entry or the tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.ledger import note, reader
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.findings import Fault, Finding
from daulat.ledger.keys import SignerKey
from daulat.ledger.note import Note
from daulat.ledger.tiles import Tile, bundled, tile_at
from daulat.ledger.tree import leaf_hash
from daulat.ledger.trust import Doubt, Trust
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer

from .logs import KEY, NOW, ORIGIN, POST_QUANTUM, STRANGER, TRUST, WITNESSES, Memory, entries, entry, log

SIZE = 1000
HIGH = 66_000
"""Three levels of tiles, all of them with a partial one."""


@cache
def _whole(size: int) -> Memory:
    return log(size, batch=11_000)


@pytest.fixture
def store() -> Memory:
    return _whole(SIZE).copy()


@pytest.fixture
def high() -> Memory:
    return _whole(HIGH).copy()


def found(store: Memory, trust: Trust = TRUST, previous: Sequence[tuple[str, bytes]] = ()) -> list[Finding]:
    return list(verify(store, trust, previous).findings)


def brief(findings: Sequence[Finding]) -> list[tuple[str, str, tuple[int, int] | None]]:
    return [(f.fault, f.path, f.entries) for f in findings]


def change(store: Memory, index: int, edit: Callable[[list[bytes]], object], size: int = SIZE) -> Tile:
    """Edit the bundle that has an entry, and return its tile."""
    tile = tile_at(0, index // 256, size)
    inside = reader.bundle(store, tile)
    edit(inside)
    store.files[tile.bundle_path] = bundled(inside)
    return tile


def test_a_log_as_it_was_written_is_verified(store: Memory) -> None:
    result = verify(store, TRUST)
    assert result.findings == ()
    assert result.size == SIZE


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 513])
def test_a_log_of_any_size_is_verified(size: int) -> None:
    assert found(log(size, batch=30_000)) == []


@pytest.mark.parametrize("index", [0, 255, 256, 767, 768, SIZE - 1])
def test_an_edited_entry_is_named(store: Memory, index: int) -> None:
    tile = change(store, index, lambda inside: inside.__setitem__(index % 256, entry(999_999)))
    assert brief(found(store)) == [(Fault.EDITED, tile.bundle_path, (index, index))]


@pytest.mark.parametrize("index", [40_000, 65_536])
def test_an_edited_entry_of_a_high_tree_is_named(high: Memory, index: int) -> None:
    tile = change(high, index, lambda inside: inside.__setitem__(index % 256, entry(999_999)), HIGH)
    assert brief(found(high)) == [(Fault.EDITED, tile.bundle_path, (index, index))]


@pytest.mark.parametrize("index", [0, 255, SIZE - 1])
def test_a_deleted_entry_is_named(store: Memory, index: int) -> None:
    tile = change(store, index, lambda inside: inside.pop(index % 256))
    assert brief(found(store)) == [(Fault.DELETED, tile.bundle_path, (index, index))]


@pytest.mark.parametrize("index", [0, 300])
def test_an_inserted_entry_is_named(store: Memory, index: int) -> None:
    tile = change(store, index, lambda inside: inside.insert(index % 256, entry(999_999)))
    assert brief(found(store)) == [(Fault.INSERTED, tile.bundle_path, (index, index))]


def test_reordered_entries_are_named(store: Memory) -> None:
    def swap(inside: list[bytes]) -> None:
        inside[3], inside[200] = inside[200], inside[3]

    tile = change(store, 0, swap)
    findings = found(store)
    assert brief(findings) == [
        (Fault.REORDERED, tile.bundle_path, (3, 3)),
        (Fault.REORDERED, tile.bundle_path, (200, 200)),
    ]
    assert findings[0].message == "entry 200 stands in its place"


def test_several_changes_in_a_bundle_are_each_named(store: Memory) -> None:
    def several(inside: list[bytes]) -> None:
        del inside[10]
        inside[100] = entry(999_999)

    change(store, 0, several)
    assert [(f.fault, f.entries) for f in found(store)] == [(Fault.DELETED, (10, 10)), (Fault.EDITED, (101, 101))]


@pytest.mark.parametrize("index", [0, 300, SIZE - 1])
def test_a_missing_bundle_is_named_with_its_entries(store: Memory, index: int) -> None:
    tile = tile_at(0, index // 256, SIZE)
    del store.files[tile.bundle_path]
    first = tile.index * 256
    assert brief(found(store)) == [(Fault.MISSING, tile.bundle_path, (first, first + tile.width - 1))]


def test_a_bundle_that_cant_be_split_is_named(store: Memory) -> None:
    tile = tile_at(0, 3, SIZE)
    store.files[tile.bundle_path] = store.files[tile.bundle_path][:-1]
    assert brief(found(store)) == [(Fault.EDITED, tile.bundle_path, (768, 999))]


TILES = [(0, 255), (0, 257), (1, 0), (1, 1), (2, 0)]


@pytest.mark.parametrize(("level", "index"), TILES)
@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_a_tile_that_was_changed_is_named_and_its_entries_arent(high: Memory, level: int, index: int, how: str) -> None:
    tile = tile_at(level, index, HIGH)
    data = bytearray(high.files[tile.path])
    if how == "missing":
        del high.files[tile.path]
    elif how == "cut":
        high.files[tile.path] = bytes(data[:-1])
    else:
        data[0] ^= 1
        high.files[tile.path] = bytes(data)
    [finding] = found(high)
    assert (finding.fault, finding.path) == (Fault.MISSING if how == "missing" else Fault.TILE, tile.path)
    each = 256**level
    assert finding.entries == (tile.index * 256 * each, tile.index * 256 * each + tile.width * each - 1)


def test_an_entry_edited_together_with_its_tile_is_named_with_the_tile(store: Memory) -> None:
    tile = change(store, 700, lambda inside: inside.__setitem__(700 % 256, entry(999_999)))
    store.files[tile.path] = b"".join(leaf_hash(e) for e in reader.bundle(store, tile))
    assert brief(found(store)) == [(Fault.REWRITTEN, "tile/0/002", (512, 767))]


def test_two_changed_partial_tiles_are_both_named(high: Memory) -> None:
    paths = [tile_at(0, 257, HIGH).path, tile_at(2, 0, HIGH).path]
    for path in paths:
        high.files[path] = bytes(len(high.files[path]))
    assert [(f.fault, f.path) for f in found(high)] == [(Fault.TILE, path) for path in paths]


def test_a_log_that_was_rewritten_as_a_whole_doesnt_have_the_signed_root() -> None:
    store, other = log(600), Memory()
    with Writer.create(other, [KEY], NOW) as writer:
        writer.append([*entries(599), entry(999_999)], NOW)
    other.files["checkpoint"] = store.files["checkpoint"]
    assert brief(found(other)) == [(Fault.REWRITTEN, "checkpoint", (0, 599))]


def test_a_log_without_files_is_reported_and_not_an_error() -> None:
    assert brief(found(Memory())) == [(Fault.MISSING, "checkpoint", None)]
    store = log(300)
    store.files = {"checkpoint": store.files["checkpoint"]}
    assert {f.fault for f in found(store)} == {Fault.MISSING, Fault.REWRITTEN}
    assert {f.path for f in found(store)} >= {
        "tile/entries/000",
        "tile/entries/001.p/44",
        "tile/0/000",
        "tile/1/000.p/1",
    }


def test_a_truncated_log_is_found_by_an_earlier_checkpoint() -> None:
    store = log(600)
    later = store.files["checkpoint"]
    shorter = log(300)
    assert found(shorter) == []
    [finding] = found(shorter, previous=[("kept", later)])
    assert (finding.fault, finding.path, finding.entries) == (Fault.TRUNCATED, "kept", (300, 599))


@pytest.mark.parametrize("size", [300, 400])
def test_a_forked_log_is_found_by_an_earlier_checkpoint(size: int) -> None:
    kept = log(300).files["checkpoint"]
    other = Memory()
    with Writer.create(other, [KEY], NOW) as writer:
        writer.append([entry(999_999), *entries(size - 1)], NOW)
    assert found(other) == []
    assert brief(found(other, previous=[("kept", kept)])) == [(Fault.FORKED, "kept", (0, 299))]


def test_earlier_checkpoints_of_the_same_history_are_fine() -> None:
    store = log(600, batch=70)
    assert found(store, previous=[(str(n), data) for n, data in enumerate(store.seen)]) == []


def test_an_earlier_checkpoint_that_the_log_didnt_sign_is_named() -> None:
    kept = log(300, keys=[STRANGER]).files["checkpoint"]
    assert {(f.fault, f.path) for f in found(log(600), previous=[("kept", kept)])} == {(Doubt.UNSIGNED, "kept")}


def resigned(store: Memory, head: Checkpoint, *keys: SignerKey) -> None:
    store.files["checkpoint"] = bytes(Note(head.text, tuple(key.sign(head.text, NOW) for key in keys)))


def test_a_checkpoint_by_another_key_is_forged() -> None:
    store = log(300)
    head = Checkpoint(ORIGIN, 300, verify(store, TRUST).checkpoint.head.root)  # type: ignore[union-attr]
    resigned(store, head, STRANGER)
    assert [f.fault for f in found(store)] == [Doubt.UNSIGNED]
    imitation = note.parse(store.files["checkpoint"]).signatures[0]
    lie = note.Signature(imitation.name, KEY.verifier().key_id, imitation.signature)
    store.files["checkpoint"] = bytes(Note(head.text, (lie,)))
    assert [f.fault for f in found(store)] == [Doubt.FORGED]


@pytest.mark.parametrize(("old", "new"), [(b"\n300\n", b"\n299\n"), (ORIGIN.encode() + b"\n", b"other\n")])
def test_a_checkpoint_that_was_edited_is_forged(old: bytes, new: bytes) -> None:
    store = log(300)
    store.files["checkpoint"] = store.files["checkpoint"].replace(old, new, 1)
    assert Doubt.FORGED in {f.fault for f in found(store)}


def test_a_checkpoint_of_another_log_isnt_of_this_one() -> None:
    store = log(300)
    resigned(store, Checkpoint("other", 300, verify(store, TRUST).checkpoint.head.root), KEY)  # type: ignore[union-attr]
    assert [f.fault for f in found(store)] == [Doubt.FORGED]


def test_extension_lines_arent_the_writers() -> None:
    store = log(3)
    head = verify(store, TRUST).checkpoint.head  # type: ignore[union-attr]
    assert head is not None
    resigned(store, Checkpoint(ORIGIN, 3, head.root, ("x",)), KEY)
    assert [f.fault for f in found(store)] == [Doubt.FORGED]


@pytest.mark.parametrize("data", [b"", b"x", b"a\n1\nAAAA\n\n\xe2\x80\x94 a AAAAAAA=\n", b"\xff"])
def test_a_checkpoint_that_cant_be_read_is_named(data: bytes) -> None:
    store = log(3)
    store.files["checkpoint"] = data
    assert brief(found(store)) == [(Doubt.MALFORMED, "checkpoint", None)]


def test_each_key_of_the_log_has_to_have_signed() -> None:
    both = Trust((KEY.verifier(), POST_QUANTUM.verifier()))
    assert [f.fault for f in found(log(3), both)] == [Doubt.UNSIGNED]
    assert found(log(3, keys=[KEY, POST_QUANTUM]), both) == []


@pytest.mark.parametrize(
    ("cosigned", "quorum", "enough"), [(3, 2, True), (2, 2, True), (1, 2, False), (0, 0, True), (2, 3, False)]
)
def test_a_quorum_of_witnesses_is_required(cosigned: int, quorum: int, enough: bool) -> None:
    trust = Trust(TRUST.keys, tuple(w.verifier() for w in WITNESSES), quorum)
    store = log(3, witnesses=WITNESSES[:cosigned])
    result = verify(store, trust)
    assert [f.fault for f in result.findings] == ([] if enough else [Doubt.UNWITNESSED])
    assert result.checkpoint is not None
    assert [(w.name, w.time) for w in result.checkpoint.witnessed] == [(w.name, NOW + 1) for w in WITNESSES[:cosigned]]


def test_a_cosignature_that_was_changed_is_forged() -> None:
    store = log(3, witnesses=WITNESSES[:1])
    signed = note.parse(store.files["checkpoint"])
    own, cosignature = signed.signatures
    later = cosignature.signature[:7] + bytes([cosignature.signature[7] ^ 1]) + cosignature.signature[8:]
    changed = note.Signature(cosignature.name, cosignature.key_id, later)
    store.files["checkpoint"] = bytes(Note(signed.text, (own, changed)))
    trust = Trust(TRUST.keys, (WITNESSES[0].verifier(),), 1)
    assert {f.fault for f in found(store, trust)} == {Doubt.FORGED, Doubt.UNWITNESSED}
    assert found(store) == []


def test_a_witness_counts_once_by_name() -> None:
    name = WITNESSES[0].name
    second = SignerKey(name, POST_QUANTUM.type, b"\x21" * 32)
    trust = Trust(TRUST.keys, tuple(w.verifier() for w in (WITNESSES[0], second, WITNESSES[1])), 2)
    store = log(3, witnesses=[WITNESSES[0], second])
    assert [f.fault for f in found(store, trust)] == [Doubt.UNWITNESSED]


@pytest.mark.parametrize(
    "trust",
    [
        lambda: Trust(()),
        lambda: Trust((KEY.verifier(), WITNESSES[0].verifier())),
        lambda: Trust(TRUST.keys, (KEY.verifier(),)),
        lambda: Trust(TRUST.keys, (POST_QUANTUM.verifier(),)),
        lambda: Trust(
            TRUST.keys, (WITNESSES[0].verifier(), SignerKey("w", WITNESSES[0].type, b"\x10" * 32).verifier())
        ),
        lambda: Trust(TRUST.keys, (WITNESSES[0].verifier(),), 2),
        lambda: Trust(TRUST.keys, (), -1),
    ],
)
def test_trust_that_means_nothing_is_refused(trust: Callable[[], Trust]) -> None:
    with pytest.raises(ValueError, match=r"log|key|quorum"):
        trust()


def test_bytes_that_arent_an_entry_are_named() -> None:
    store = log(3)
    with Writer.open(store, [KEY], NOW) as writer:
        writer.append([b"not json", entry(4)], NOW)
    assert brief(found(store)) == [(Fault.NOT_AN_ENTRY, "tile/entries/000.p/5", (3, 3))]


def test_a_log_that_claims_any_size_is_given_up_after_a_thousand_findings() -> None:
    store = log(300)
    resigned(store, Checkpoint(ORIGIN, (1 << 63) - 1, b"\0" * 32), KEY)
    findings = found(store)
    assert len(findings) < 2100
    assert findings[-1].fault == Fault.STOPPED
    resigned(store, Checkpoint(ORIGIN, (1 << 63) - 1, b"\0" * 32), STRANGER)
    assert [f.fault for f in found(store)] == [Doubt.UNSIGNED]


def test_files_are_verified_under_a_checkpoint_that_lacks_witnesses() -> None:
    store = log(300)
    change(store, 5, lambda inside: inside.pop(5), 300)
    trust = Trust(TRUST.keys, (WITNESSES[0].verifier(),), 1)
    assert [f.fault for f in found(store, trust)] == [Doubt.UNWITNESSED, Fault.DELETED]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_a_file_that_the_tree_needs_goes_unnoticed(data: st.DataObject) -> None:
    whole = log(600, batch=600)
    store = whole.copy()
    path = data.draw(st.sampled_from(sorted(p for p in store.files if not p.startswith("."))))
    content = bytearray(store.files[path])
    at = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "remove"]))
    if how == "flip":
        content[at] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del content[at:]
    elif how == "insert":
        content.insert(at, data.draw(st.integers(0, 255)))
    store.files[path] = bytes(content)
    if how == "remove":
        del store.files[path]
    if store.files != whole.files:
        findings = found(store)
        assert findings
        assert all(f.path == path or f.fault in {Fault.REWRITTEN, Doubt.FORGED} for f in findings)
