"""Verifies a whole log from its files: from the signed root down to each entry, a bundle at a time.

Tiles are checked from the top: each against a hash that is trusted already, so that a changed one is named, and not all above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from . import entry as entries
from . import rotation
from .bundles import differences
from .checkpoint import Checkpoint
from .errors import LedgerError, Malformed
from .findings import Fault, Finding
from .growth import edge_root
from .reader import CHECKPOINT, Missing, bundle, nodes, tile_hashes
from .rotation import Succession
from .store import Files
from .tiles import WIDTH, Tile, edge, tile_at
from .tree import leaf_hash, perfect_root, root
from .trust import Doubt, Examined, Trust, examine

MOST = 1000
"""Findings after which verification stops: a checkpoint may claim more entries than can be looked at."""


@dataclass(frozen=True)
class Verified:
    """What verification came to."""

    checkpoint: Examined | None
    """None if there is no checkpoint."""
    findings: tuple[Finding, ...]

    @property
    def size(self) -> int:
        """Entries that the checkpoint says there are."""
        return self.checkpoint.head.size if self.checkpoint is not None and self.checkpoint.head is not None else 0


def verify(files: Files, trust: Trust, previous: Sequence[tuple[str, bytes]] = ()) -> Verified:
    """Verify a log. ``previous`` are checkpoints of it that were kept elsewhere, with the name that findings say."""
    signed = files.get(CHECKPOINT)
    if signed is None:
        return Verified(None, (Finding(Fault.MISSING, CHECKPOINT, "there is no checkpoint, so nothing is signed"),))
    found, findings = _checkpoint(files, signed, trust)
    findings += [Finding(doubt, CHECKPOINT, message) for doubt, message in found.doubts]
    # A head that the log didn't sign says nothing about its files, and may claim any size.
    if found.head is not None and found.is_signed:
        walk = _Walk(files, found.head)
        findings += walk.findings()
        succession = rotation.follow(trust.keys, walk.rotations)
        findings += _rotations(files, found.head, succession)
        last = _examined(signed, found.head.size, trust, succession)
        if not last.is_signed and succession.rotations:
            findings += [Finding(Doubt.UNSIGNED, CHECKPOINT, _overdue(succession))]
        findings += chain.from_iterable(
            _against(files, found.head, name, old, trust, succession) for name, old in previous
        )
    return Verified(found, tuple(findings))


def current(files: Files, trust: Trust) -> tuple[Examined, tuple[Finding, ...]]:
    """Return a log's checkpoint and what is doubtful about it, without reading the entries that aren't about keys.

    Where there is no finding, the entries that lead to its root are those that the log signed.
    """
    signed = files.get(CHECKPOINT)
    if signed is None:
        return Examined(None, None, (), ()), (Finding(Fault.MISSING, CHECKPOINT, "there is no checkpoint"),)
    found, findings = _checkpoint(files, signed, trust)
    if found.head is not None and found.is_signed and not examine(signed, trust).is_signed:
        succession = rotation.follow(trust.keys, rotation.candidates(files, found.head.size))
        findings += _rotations(files, found.head, succession)
    return found, (*findings, *(Finding(doubt, CHECKPOINT, message) for doubt, message in found.doubts))


def _checkpoint(files: Files, signed: bytes, trust: Trust) -> tuple[Examined, list[Finding]]:
    """Return the checkpoint by the keys that may sign it, and what is wrong with the rotations that lead to them."""
    found = examine(signed, trust)
    if found.head is None or found.is_signed:
        return found, []
    # Keys that follow the trusted ones may have signed it. What leads to them is verified with the entries.
    succession = rotation.follow(trust.keys, rotation.candidates(files, found.head.size))
    found = _examined(signed, found.head.size, trust, succession)
    wrong = _problems(found.head, succession) if found.head is not None and not found.is_signed else []
    return found, wrong


def _examined(data: bytes, size: int, trust: Trust, succession: Succession) -> Examined:
    """Return a checkpoint of that size by the keys that may sign it: those that did, or else the newest."""
    examined = []
    for keys in succession.signers(size):
        try:
            examined.append(examine(data, replace(trust, keys=keys)))
        except ValueError:
            # A witness's key, which can't be the log's as well.
            continue
    return next((e for e in examined if e.is_signed), examined[0] if examined else examine(data, trust))


def _overdue(succession: Succession) -> str:
    last = succession.rotations[-1]
    return f"entry {last.index} hands the log over to key {last.keys[0].key_id.hex()}, which hasn't signed"


def _rotations(files: Files, head: Checkpoint, succession: Succession) -> Iterator[Finding]:
    yield from _problems(head, succession)
    for done in succession.rotations:
        try:
            before = root(done.index, nodes(files, head.size))
        except LedgerError:
            continue  # The file that can't be read is a finding of its own.
        if before != done.root:
            message = "the rotation from the former keys refers to another history of the entries before it"
            yield _rotation(head, done.index, message)


def _problems(head: Checkpoint, succession: Succession) -> list[Finding]:
    return [_rotation(head, index, problem) for index, problem in succession.problems]


def _rotation(head: Checkpoint, index: int, message: str) -> Finding:
    return Finding(Fault.ROTATION, tile_at(0, index // WIDTH, head.size).bundle_path, message, (index, index))


def _against(
    files: Files, head: Checkpoint, name: str, data: bytes, trust: Trust, succession: Succession
) -> Iterator[Finding]:
    # Witnesses of before may be other ones: the log's signature is what binds it.
    found = examine(data, Trust(trust.keys))
    if found.head is not None:
        found = _examined(data, found.head.size, Trust(trust.keys), succession)
    yield from (Finding(doubt, name, message) for doubt, message in found.doubts)
    old = found.head
    if old is None or found.doubts:
        return
    if old.size > head.size:
        message = f"this checkpoint has {old.size} entries, the log's own {head.size}"
        yield Finding(Fault.TRUNCATED, name, message, (head.size, old.size - 1))
        return
    try:
        now = root(old.size, nodes(files, head.size))
    except LedgerError:
        return  # The file that can't be read is a finding of its own.
    if now != old.root:
        message = f"the log has another root of its first {old.size} entries: two histories were signed"
        yield Finding(Fault.FORKED, name, message, (0, old.size - 1) if old.size else None)


@dataclass
class _Walk:
    """One pass over the files of a log."""

    files: Files
    head: Checkpoint
    found: list[Finding] = field(default_factory=list)
    trusted: dict[Tile, list[bytes] | None] = field(default_factory=dict)
    """Hashes of the right edge, and of the tiles above the bundle at hand: those that the signed root leads to, where it leads to
    any. None for a tile that can't be known."""

    rotations: list[tuple[int, bytes]] = field(default_factory=list)
    """The entries that may rotate keys, with their indices."""

    def findings(self) -> list[Finding]:
        self._edge()
        for index in range(-(-self.head.size // WIDTH)):
            if len(self.found) > MOST:
                rest = (index * WIDTH, self.head.size - 1)
                message = f"there are more than {MOST} findings; what follows wasn't verified"
                self.found.append(Finding(Fault.STOPPED, CHECKPOINT, message, rest))
                break
            self._bundle(index)
        return self.found

    def _edge(self) -> None:
        """Trust the partial tiles if the signed root follows from them; else find the one that was changed."""
        tiles = edge(self.head.size)
        levels: list[list[bytes]] = [[] for _ in range(max((t.level for t in tiles), default=0) + 1)]
        unread = set()
        for tile in tiles:
            hashes = self._read(tile)
            if hashes is None:
                unread.add(tile)
            levels[tile.level] = hashes or []
        self.trusted |= {tile: levels[tile.level] for tile in tiles if tile not in unread}
        if not unread and edge_root(levels) == self.head.root:
            return
        below = {tile: self._from_below(tile) for tile in tiles}
        # One tile at a time, then all: what the level below says, under which the signed root follows.
        for attempt in [*([t] for t in tiles), tiles]:
            if not unread.issubset(attempt) or any(below[tile] is None for tile in attempt):
                continue
            tried = {tile: below[tile] or [] for tile in attempt}
            if edge_root([tried.get(t, levels[t.level]) for t in _padded(tiles)]) == self.head.root:
                for tile in attempt:
                    if tile not in unread and tried[tile] != levels[tile.level]:
                        self._tile(tile)
                self.trusted |= tried
                return
        self.found.append(
            Finding(
                Fault.REWRITTEN,
                CHECKPOINT,
                "the root that it signs doesn't follow from the tiles",
                (0, self.head.size - 1) if self.head.size else None,
            )
        )

    def _from_below(self, tile: Tile) -> list[bytes] | None:
        """Return the hashes of a partial tile as the level below it has them, or None if that can't be read."""
        try:
            if tile.level == 0:
                return _fitting([leaf_hash(e) for e in bundle(self.files, tile)], tile)
            first = tile.index * WIDTH
            return [
                perfect_root(tile_hashes(self.files, Tile(tile.level - 1, n, WIDTH)))
                for n in range(first, first + tile.width)
            ]
        except LedgerError:
            return None

    def _bundle(self, index: int) -> None:
        tile = tile_at(0, index, self.head.size)
        try:
            inside = bundle(self.files, tile)
        except Missing:
            self.found.append(Finding(Fault.MISSING, tile.bundle_path, "the file isn't there", _span(tile)))
            self._hashes(tile, None)
            return
        except Malformed as error:
            self.found.append(Finding(Fault.EDITED, tile.bundle_path, str(error), _span(tile)))
            self._hashes(tile, None)
            return
        leaves = [leaf_hash(e) for e in inside]
        hashes = self._hashes(tile, leaves)
        if hashes is not None:
            self.found += differences(tile, leaves, hashes)
        for n, data in enumerate(inside):
            if rotation.is_candidate(data):
                self.rotations.append((tile.index * WIDTH + n, data))
            try:
                entries.parse(data)
            except Malformed as error:
                at = tile.index * WIDTH + n
                if hashes is None or (n < len(hashes) and hashes[n] == leaves[n]):
                    self.found.append(Finding(Fault.NOT_AN_ENTRY, tile.bundle_path, str(error), (at, at)))

    def _hashes(self, tile: Tile, below: list[bytes] | None) -> list[bytes] | None:
        """Return the hashes that a tile has to have, as the tiles above it say, or None where that isn't known.

        ``below`` are those that follow from the level below. What is wrong with the tile is added to what was found, once.
        """
        if tile in self.trusted or not tile.is_full:
            return self.trusted.get(tile)
        expected = self._expected(tile)
        hashes = self._read(tile)
        if expected is None or (hashes is not None and perfect_root(hashes) == expected):
            return self._keep(tile, hashes)
        if tile.level:
            below = self._from_below(tile)
        if below is not None and len(below) == WIDTH and perfect_root(below) == expected:
            if hashes is not None:
                self._tile(tile)
            return self._keep(tile, below)
        if hashes is not None:
            message = f"it and what it covers were changed: {_above(tile, self.head.size).path} has another hash of it"
            self.found.append(Finding(Fault.REWRITTEN, tile.path, message, _span(tile)))
        return self._keep(tile, hashes)

    def _expected(self, tile: Tile) -> bytes | None:
        """Return the hash of a full tile in the tile above it."""
        hashes = self._hashes(_above(tile, self.head.size), None)
        return None if hashes is None else hashes[tile.index % WIDTH]

    def _keep(self, tile: Tile, hashes: list[bytes] | None) -> list[bytes] | None:
        """Remember a tile above level 0 until the next of its level."""
        if tile.level:
            self.trusted.pop(Tile(tile.level, tile.index - 1, WIDTH), None)
            self.trusted[tile] = hashes
        return hashes

    def _read(self, tile: Tile) -> list[bytes] | None:
        try:
            return tile_hashes(self.files, tile)
        except Missing:
            self.found.append(Finding(Fault.MISSING, tile.path, "the file isn't there", _span(tile)))
        except Malformed as error:
            self.found.append(Finding(Fault.TILE, tile.path, str(error), _span(tile)))
        return None

    def _tile(self, tile: Tile) -> None:
        message = "its hashes aren't those of what it covers, which is as it was signed"
        self.found.append(Finding(Fault.TILE, tile.path, message, _span(tile)))


def _above(tile: Tile, size: int) -> Tile:
    return tile_at(tile.level + 1, tile.index // WIDTH, size)


def _padded(tiles: Sequence[Tile]) -> list[Tile]:
    """Return a tile for each level: one without hashes where a level ends with a full tile."""
    by_level = {tile.level: tile for tile in tiles}
    return [by_level.get(level, Tile(level, 0, 0)) for level in range(max(by_level, default=0) + 1)]


def _fitting(hashes: list[bytes], tile: Tile) -> list[bytes] | None:
    return hashes if len(hashes) == tile.width else None


def _span(tile: Tile) -> tuple[int, int]:
    """Return the first and the last entry under a tile."""
    each = WIDTH**tile.level
    first = tile.index * WIDTH * each
    return first, first + tile.width * each - 1
