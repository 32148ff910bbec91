"""Where hashes and entries lie in the files of a log (C2SP tlog-tiles): paths, widths, and bundles of entries."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .errors import Malformed
from .tree import HASH_SIZE

WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle."""
HEIGHT = 8
"""Levels of the tree that a tile spans."""
MAXIMUM_ENTRY = 0xFFFF
"""Bytes: a bundle has 16 bits for the length of an entry."""


@dataclass(frozen=True, order=True)
class Tile:
    """One tile of hashes, by its level from 0 and its index in the level."""

    level: int
    index: int
    width: int
    """Hashes in it: fewer than 256 in a partial tile, which is the last of its level."""

    @property
    def path(self) -> str:
        """Where the hashes are."""
        return f"tile/{self.level}/{_number(self.index)}{_suffix(self.width)}"

    @property
    def bundle_path(self) -> str:
        """Where the entries of a tile of level 0 are."""
        return f"tile/entries/{_number(self.index)}{_suffix(self.width)}"

    @property
    def is_full(self) -> bool:
        """Whether it never grows again."""
        return self.width == WIDTH

    @property
    def full(self) -> Tile:
        """The tile that this one becomes."""
        return Tile(self.level, self.index, WIDTH)


def hashes_at(level: int, size: int) -> int:
    """Return how many hashes a level of tiles has in a tree of that size."""
    return size >> HEIGHT * level


def tile_at(level: int, index: int, size: int) -> Tile:
    """Return a tile as it is in a tree of that size. ValueError if the tree doesn't have it."""
    width = min(hashes_at(level, size) - index * WIDTH, WIDTH)
    if index < 0 or width <= 0:
        raise ValueError(f"a tree of {size} leaves has no tile {index} at level {level}")
    return Tile(level, index, width)


def edge(size: int) -> list[Tile]:
    """Return the partial tiles of a tree, from level 0 up. Levels that end with a full tile have none."""
    found = []
    level = 0
    while (hashes := hashes_at(level, size)) > 0:
        if hashes % WIDTH:
            found.append(Tile(level, hashes // WIDTH, hashes % WIDTH))
        level += 1
    return found


def split_hashes(data: bytes, width: int) -> list[bytes]:
    """Return the hashes of a tile. Malformed if there are more or fewer than its width."""
    if len(data) != width * HASH_SIZE:
        raise Malformed(f"{len(data)} bytes instead of {width * HASH_SIZE}")
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


def bundled(entries: Sequence[bytes]) -> bytes:
    """Return entries as a bundle has them. Malformed for an entry of more than 65,535 bytes."""
    for entry in entries:
        if len(entry) > MAXIMUM_ENTRY:
            raise Malformed(f"an entry has {len(entry)} bytes; at most {MAXIMUM_ENTRY} fit")
    return b"".join(part for entry in entries for part in (struct.pack(">H", len(entry)), entry))


def unbundled(data: bytes) -> Iterator[bytes]:
    """Yield the entries of a bundle. Malformed where it ends within an entry."""
    at, end = 0, len(data)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > end or at > end:
            raise Malformed("it ends within an entry")
        yield data[start:at]


def _number(index: int) -> str:
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
