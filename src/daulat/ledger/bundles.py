"""Compares the entries of a bundle with the hashes that the tree has of them, and names what was done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from .findings import Fault, Finding
from .tiles import WIDTH, Tile


def differences(tile: Tile, found: Sequence[bytes], expected: Sequence[bytes]) -> Iterator[Finding]:
    """Yield what differs between the hashes of a bundle's entries and the tile of level 0 over them."""
    if list(found) == list(expected):
        return
    path, start = tile.bundle_path, tile.index * WIDTH
    if len(found) == len(expected):
        yield from _replaced(path, start, found, expected)
        return
    matcher = SequenceMatcher(None, found, expected, autojunk=False)
    for tag, at, end, expected_at, expected_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        # A part that was replaced by one of another length: entries were edited, and the rest deleted or inserted.
        both = min(end - at, expected_end - expected_at)
        for n in range(both):
            yield _one(Fault.EDITED, path, start + expected_at + n, "its bytes aren't those that were recorded")
        for n in range(expected_at + both, expected_end):
            yield _one(Fault.DELETED, path, start + n, "it isn't there any more")
        for n in range(at + both, end):
            yield _one(Fault.INSERTED, path, start + n, "it was never recorded")


def _replaced(path: str, start: int, found: Sequence[bytes], expected: Sequence[bytes]) -> Iterator[Finding]:
    differing = [n for n, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]
    moved = {expected[n]: n for n in differing} if _same(found, expected) else {}
    for n in differing:
        if (source := moved.get(found[n])) is not None:
            yield _one(Fault.REORDERED, path, start + n, f"entry {start + source} stands in its place")
        else:
            yield _one(Fault.EDITED, path, start + n, "its bytes aren't those that were recorded")


def _same(found: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    return Counter(found) == Counter(expected)


def _one(fault: Fault, path: str, index: int, message: str) -> Finding:
    return Finding(fault, path, message, (index, index))
