"""Tiles and bundles lie where C2SP's tlog-tiles says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.ledger.errors import Malformed
from daulat.ledger.tiles import Tile, bundled, edge, split_hashes, tile_at, unbundled


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0, 256), "tile/0/000"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(0, 1000, 256), "tile/0/x001/000"),
        (Tile(63, 1234067, 256), "tile/63/x001/x234/067"),
    ],
)
def test_a_tile_has_this_path(tile: Tile, path: str) -> None:
    assert tile.path == path


def test_a_bundle_lies_beside_the_tiles() -> None:
    assert Tile(0, 1234067, 7).bundle_path == "tile/entries/x001/x234/067.p/7"


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    assert edge(70000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert tile_at(0, 272, 70000) == Tile(0, 272, 256)
    assert tile_at(1, 0, 70000) == Tile(1, 0, 256)


def test_a_tree_of_256_has_a_full_tile_and_a_partial_one_above() -> None:
    assert edge(256) == [Tile(1, 0, 1)]
    assert tile_at(0, 0, 256).is_full
    assert edge(0) == []


@pytest.mark.parametrize(("level", "index", "size"), [(0, 0, 0), (0, 1, 256), (1, 0, 255), (0, -1, 5)])
def test_a_tile_beyond_the_tree_isnt_one(level: int, index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no tile"):
        tile_at(level, index, size)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    assert list(unbundled(bundled(entries))) == entries


def test_a_bundle_has_big_endian_lengths() -> None:
    assert bundled([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert list(unbundled(bundled([b"x" * 65535]))) == [b"x" * 65535]
    with pytest.raises(Malformed):
        bundled([b"x" * 65536])


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x01", b"\x00\x02a", b"\x00\x01a\x00"])
def test_a_bundle_that_ends_within_an_entry_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        list(unbundled(data))


def test_a_tile_of_another_size_is_refused() -> None:
    assert split_hashes(b"a" * 64, 2) == [b"a" * 32] * 2
    with pytest.raises(Malformed):
        split_hashes(b"a" * 63, 2)
