"""Reads hashes and entries from a log's files. Whether they are those that a checkpoint signs, its callers verify."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from .errors import LedgerError, Malformed
from .store import Files
from .tiles import HEIGHT, WIDTH, Tile, split_hashes, tile_at, unbundled
from .tree import Node, perfect_root

CHECKPOINT = "checkpoint"
PENDING = ".pending"
"""The head that the writer is about to sign. Readers don't need it."""


class Missing(LedgerError):
    """A file that the tree has to have isn't there."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is missing")
        self.path = path


def tile_hashes(files: Files, tile: Tile) -> list[bytes]:
    """Return the hashes of a tile. Missing, or Malformed if it has another size."""
    data = files.get(tile.path)
    if data is not None:
        return split_hashes(data, tile.width)
    # A partial tile may be removed once the full one is there.
    data = None if tile.is_full else files.get(tile.full.path)
    if data is None:
        raise Missing(tile.path)
    return split_hashes(data, WIDTH)[: tile.width]


def bundle(files: Files, tile: Tile) -> list[bytes]:
    """Return the entries under a tile of level 0, as many as there are. Missing, or Malformed if the file can't be split."""
    data = files.get(tile.bundle_path)
    if data is not None:
        return list(unbundled(data))
    data = None if tile.is_full else files.get(tile.full.bundle_path)
    if data is None:
        raise Missing(tile.bundle_path)
    return list(unbundled(data))[: tile.width]


def entry(files: Files, index: int, size: int) -> bytes:
    """Return one entry of a tree of that size. Missing or Malformed if it can't be read."""
    tile = tile_at(0, index // WIDTH, size)
    found = bundle(files, tile)
    if len(found) != tile.width:
        raise Malformed(f"{tile.bundle_path}: {len(found)} entries instead of {tile.width}")
    return found[index % WIDTH]


def entries(files: Files, size: int) -> Iterator[bytes]:
    """Yield all entries of a tree of that size. Missing or Malformed where they can't be read."""
    for number in range(-(-size // WIDTH)):
        tile = tile_at(0, number, size)
        found = bundle(files, tile)
        if len(found) != tile.width:
            raise Malformed(f"{tile.bundle_path}: {len(found)} entries instead of {tile.width}")
        yield from found


def nodes(files: Files, size: int) -> Node:
    """Return how the tree of that size is read. It raises Missing or Malformed."""

    @lru_cache(maxsize=64)
    def hashes(tile: Tile) -> list[bytes]:
        try:
            return tile_hashes(files, tile)
        except Malformed as error:
            raise Malformed(f"{tile.path}: {error}") from error

    def node(level: int, index: int) -> bytes:
        tile_level, inside = divmod(level, HEIGHT)
        number, first = divmod(index << inside, WIDTH)
        return perfect_root(hashes(tile_at(tile_level, number, size))[first : first + (1 << inside)])

    return node
