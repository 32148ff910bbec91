"""How a tree grows: its right edge, and the files that new entries make. Writing them is the writer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .checkpoint import Checkpoint
from .errors import Inconsistent, LedgerError
from .reader import bundle, nodes, tile_hashes
from .store import Files
from .tiles import HEIGHT, WIDTH, Tile, bundled, edge, tile_at
from .tree import EMPTY_ROOT, leaf_hash, node_hash, perfect_root


@dataclass(frozen=True)
class File:
    """A file to be written."""

    path: str
    data: bytes


class Edge:
    """The right edge of a tree: the hashes of each level's partial tile, and the entries of the partial bundle."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[list[bytes]] = [[]]
        self._entries: list[bytes] = []

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return edge_root(self._levels)

    def grown(self, entries: Sequence[bytes]) -> tuple[Edge, list[File], list[Tile]]:
        """Return the edge with more entries, the files to be written for it, and the tiles that became full."""
        new = Edge()
        new.size, new._entries = self.size, list(self._entries)
        new._levels = [list(level) for level in self._levels]
        files: list[File] = []
        full: list[Tile] = []
        for entry in entries:
            new._entries.append(entry)
            new.size += 1
            if len(new._entries) == WIDTH:
                files.append(File(Tile(0, new.size // WIDTH - 1, WIDTH).bundle_path, bundled(new._entries)))
                new._entries = []
            for tile, hashes in new._push(leaf_hash(entry)):
                files.append(File(tile.path, b"".join(hashes)))
                full.append(tile)
        files += new._partial(self)
        return new, files, full

    def _push(self, leaf: bytes) -> Iterator[tuple[Tile, list[bytes]]]:
        """Add a leaf, and yield each tile that it fills."""
        level, pushed = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(pushed)
            if len(hashes) < WIDTH:
                return
            self._levels[level] = []
            yield Tile(level, (self.size >> 8 * (level + 1)) - 1, WIDTH), hashes
            level, pushed = level + 1, perfect_root(hashes)

    def _partial(self, before: Edge) -> Iterator[File]:
        """Yield the partial tiles and the partial bundle that aren't on the edge of the tree before."""
        old = set(edge(before.size))
        for tile in edge(self.size):
            if tile not in old:
                yield File(tile.path, b"".join(self._levels[tile.level]))
                if tile.level == 0:
                    yield File(tile.bundle_path, bundled(self._entries))


def read_edge(files: Files, head: Checkpoint) -> Edge:
    """Return the right edge of the tree that a checkpoint signs. Inconsistent if the files have another one."""
    found = Edge()
    found.size = head.size
    tiles = edge(head.size)
    found._levels = [[] for _ in range(max((tile.level for tile in tiles), default=0) + 1)]
    try:
        for tile in tiles:
            found._levels[tile.level] = tile_hashes(files, tile)
            if tile.level == 0:
                found._entries = bundle(files, tile)
    except LedgerError as error:
        raise Inconsistent(f"the files don't have what the checkpoint of {head.size} entries signs: {error}") from error
    if found.root != head.root:
        raise Inconsistent(f"the tiles of {head.size} entries have another root than the checkpoint")
    if [leaf_hash(entry) for entry in found._entries] != found._levels[0]:
        raise Inconsistent(f"the last {head.size % WIDTH} entries aren't those that the checkpoint signs")
    return found


def former_edge(files: Files, size: int, head: Checkpoint) -> Edge:
    """Return the right edge that the tree had at an earlier size, as the files of a later one have it. Missing or Malformed.

    Whether that is what was signed at that size, the caller finds out by its root.
    """
    found, node = Edge(), nodes(files, head.size)
    found.size = size
    found._levels = []
    count = size
    while count:
        level = HEIGHT * len(found._levels)
        found._levels.append([node(level, index) for index in range(count // WIDTH * WIDTH, count)])
        count //= WIDTH
    found._levels = found._levels or [[]]
    if size % WIDTH:
        found._entries = bundle(files, tile_at(0, size // WIDTH, head.size))[: size % WIDTH]
    return found


def edge_root(levels: Sequence[Sequence[bytes]]) -> bytes:
    """Return the root over the hashes of a tree's partial tiles, from level 0 up."""
    result: bytes | None = None
    for hashes in levels:
        end = len(hashes)
        while end:
            # The perfect subtrees, from the smallest at the right to the largest.
            width = end & -end
            subtree = perfect_root(hashes[end - width : end])
            result = subtree if result is None else node_hash(subtree, result)
            end -= width
    return EMPTY_ROOT if result is None else result
