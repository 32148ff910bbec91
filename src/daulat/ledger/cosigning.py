"""What a log and a witness send each other (C2SP tlog-witness): the request ``add-checkpoint``, and the answers to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import base64, checkpoint, note
from .checkpoint import Checkpoint
from .errors import Malformed, Untrusted
from .keys import VerifierKey
from .note import Note, Signature
from .tree import HASH_SIZE

SIZE_TYPE = "text/x.tlog.size"
"""The media type of the answer that has the size of another checkpoint."""
MAXIMUM_PROOF = 63
"""Hashes of a consistency proof."""
MAXIMUM_ANSWER = 65_536
"""Bytes of an answer that is read: a cosignature of ML-DSA-44 is a line of 3,300."""
_OLD = "old "


@dataclass(frozen=True)
class Submission:
    """A checkpoint that the log has signed, for witnesses to cosign."""

    note: Note
    head: Checkpoint
    previous: int
    """Entries of the checkpoint before, which a witness that keeps up has cosigned."""
    prove: Callable[[int], Sequence[bytes]]
    """Returns the proof that this checkpoint continues the log's first so many entries. Missing, Malformed or OSError if hashes
    can't be read; ValueError for more entries than the checkpoint has."""


@dataclass(frozen=True)
class Request:
    """What a log submits to a witness. Nothing of it is verified."""

    old: int
    """Entries of the checkpoint that the witness cosigned last, as the log knows it."""
    proof: tuple[bytes, ...]
    note: Note
    head: Checkpoint

    def __bytes__(self) -> bytes:
        lines = [f"{_OLD}{self.old}", *map(base64.encode, self.proof), "", ""]
        return "\n".join(lines).encode() + bytes(self.note)


def request(submission: Submission, old: int) -> Request:
    """Return the request to a witness that has cosigned the first ``old`` entries. It raises what ``prove`` raises."""
    return Request(old, tuple(submission.prove(old)), submission.note, submission.head)


def parse_request(data: bytes) -> Request:
    """Return the request. Malformed if it isn't one."""
    top, separator, signed = data.partition(b"\n\n")
    try:
        lines = top.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("the lines before the checkpoint aren't ASCII") from error
    if not separator or not lines[0].startswith(_OLD):
        raise Malformed("the first line is old and a size, and an empty line stands before the checkpoint")
    old = checkpoint.decimal(lines[0].removeprefix(_OLD))
    if len(lines) - 1 > MAXIMUM_PROOF:
        raise Malformed(f"a proof of more than {MAXIMUM_PROOF} hashes")
    proof = tuple(map(base64.decode, lines[1:]))
    if any(len(h) != HASH_SIZE for h in proof):
        raise Malformed(f"a hash has {HASH_SIZE} bytes")
    parsed = note.parse(signed)
    return Request(old, proof, parsed, checkpoint.parse(parsed.text))


def size_line(size: int) -> bytes:
    """Return the answer of a witness that has cosigned another checkpoint than the request continues."""
    return f"{size}\n".encode()


def parse_size(data: bytes) -> int:
    """Return how many entries the witness has cosigned. Malformed if the answer doesn't say it."""
    if not data.endswith(b"\n") or len(data) > 20:
        raise Malformed("not a size and a line end")
    try:
        return checkpoint.decimal(data[:-1].decode("ascii"))
    except UnicodeDecodeError as error:
        raise Malformed("a size that isn't ASCII") from error


def cosignature_lines(signatures: Sequence[Signature]) -> bytes:
    """Return the answer of a witness that cosigned."""
    return "".join(s.line for s in signatures).encode()


def parse_cosignatures(data: bytes, signed: Note, keys: Sequence[VerifierKey]) -> tuple[Signature, ...]:
    """Return a witness's valid cosignatures of the note; those by other keys are ignored.

    Malformed if the answer isn't lines of signatures. Untrusted if one by the witness's keys isn't valid or says no time, or if
    there is none.
    """
    answered = note.parse(signed.text.encode() + b"\n" + data)
    if answered.text != signed.text:
        # An empty line in the answer would move the end of the text.
        raise Malformed("the answer isn't lines of signatures")
    valid: dict[VerifierKey, Signature] = {}
    for key in keys:
        for signature in filter(key.made, answered.signatures):
            if not key.verifies(signed, signature) or not key.time(signature):
                raise Untrusted(f"the cosignature by {key.name} (key {key.key_id.hex()}) isn't valid")
            valid[key] = signature
    if not valid:
        raise Untrusted("it has no cosignature by a key of this witness")
    return tuple(valid.values())
