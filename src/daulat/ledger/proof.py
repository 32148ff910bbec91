"""Proofs that a log has an entry (C2SP tlog-proof): one file, which is verified offline and without the log.

Daulat puts the entry itself into the line ``extra``, so that the file says what it proves. The line isn't signed: the entry
counts only once its hash leads to the signed root.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import base64, checkpoint, note, reader, tree
from .errors import Inconsistent, Malformed, Untrusted
from .reader import CHECKPOINT, Missing
from .store import Files
from .tree import HASH_SIZE
from .trust import Examined, Trust, examine

_FORMAT = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = "index "
_LONGEST = 63
"""Hashes: the height of the highest tree."""


@dataclass(frozen=True)
class Proof:
    """A proof as it is written, which isn't verified."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note."""
    entry: bytes | None = None

    def __bytes__(self) -> bytes:
        lines = [_FORMAT]
        if self.entry is not None:
            lines.append(_EXTRA + base64.encode(self.entry))
        lines += [f"{_INDEX}{self.index}", *map(base64.encode, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def parse(data: bytes) -> Proof:
    """Return the proof. Malformed if it isn't one."""
    head, separator, signed = data.partition(b"\n\n")
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("a proof that isn't UTF-8") from error
    if not separator or lines[0] != _FORMAT:
        raise Malformed(f"not a proof: it begins with the line {_FORMAT}")
    del lines[0]
    entry = base64.decode(lines.pop(0).removeprefix(_EXTRA)) if lines and lines[0].startswith(_EXTRA) else None
    if not lines or not lines[0].startswith(_INDEX):
        raise Malformed("a proof without the line index")
    hashes = tuple(map(base64.decode, lines[1:]))
    if len(hashes) > _LONGEST or any(len(h) != HASH_SIZE for h in hashes):
        raise Malformed("the hashes of a proof are at most 63, of 32 bytes each")
    return Proof(checkpoint.decimal(lines[0].removeprefix(_INDEX)), hashes, signed, entry)


def prove(files: Files, index: int) -> Proof:
    """Return the proof of an entry under the log's checkpoint, whose signatures aren't verified.

    Missing or Malformed if files can't be read, ValueError if the log has no such entry, Inconsistent if the entry isn't the one
    that the checkpoint's root covers.
    """
    signed = files.get(CHECKPOINT)
    if signed is None:
        raise Missing(CHECKPOINT)
    head = checkpoint.parse(note.parse(signed).text)
    if not 0 <= index < head.size:
        raise ValueError(f"the log has no entry {index}: it has {head.size}, from 0")
    entry = reader.entry(files, index, head.size)
    hashes = tree.inclusion_proof(index, head.size, reader.nodes(files, head.size))
    if tree.root_by_inclusion(index, head.size, tree.leaf_hash(entry), hashes) != head.root:
        raise Inconsistent(f"entry {index} isn't covered by the checkpoint: verify the log")
    return Proof(index, tuple(hashes), signed, entry)


def verify(proof: Proof, entry: bytes, trust: Trust) -> Examined:
    """Return the trusted checkpoint that covers the entry at the proof's index. Untrusted if there is any doubt."""
    found = examine(proof.checkpoint, trust)
    if found.doubts or found.head is None:
        raise Untrusted("; ".join(f"checkpoint: {message}" for _, message in found.doubts))
    leads_to = tree.root_by_inclusion(proof.index, found.head.size, tree.leaf_hash(entry), proof.hashes)
    if leads_to != found.head.root:
        raise Untrusted(f"entry {proof.index}: its hash and the proof don't lead to the checkpoint's root")
    return found
