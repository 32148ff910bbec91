"""Rotation of a log's keys by an entry: the former keys hand the log over to new ones, at one place of one history.

The statement that both sign has the number of entries before it and their root. So it can't be used in another place or history,
and who steals a former key later can't change what is before it, nor continue the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from . import base64, note, reader
from . import entry as entries
from .checkpoint import Checkpoint
from .errors import LedgerError, Malformed
from .keys import KeyType, SignerKey, VerifierKey, parse_verifier
from .note import Note, Signature
from .store import Files

KIND = "KeyRotated"
_STATEMENT = "ledger.daulat.dev/v1/KeyRotated"
"""Stands where a checkpoint has its origin, so that neither passes for the other."""
_MARK = f'"kind":"{KIND}"'.encode()
_TAIL = 64
"""Bytes at the end of an entry that have its kind, if that is this one: the time follows, with at most 30."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    size: int = Field(ge=0)
    root: str
    keys: list[str] = Field(min_length=1, max_length=8)
    signatures: list[str] = Field(min_length=2, max_length=32)


@dataclass(frozen=True)
class Rotation:
    """A rotation as an entry says it. Whether the keys before it have signed it, ``Succession`` says."""

    index: int
    """The entry's own, which is how many entries are before it."""
    root: bytes
    """The root of the tree of the entries before it."""
    keys: tuple[VerifierKey, ...]
    """Those that sign from now on, each."""
    signatures: tuple[Signature, ...]

    def problem(self, former: Sequence[VerifierKey]) -> str | None:
        """Return why the former keys don't hand over by this entry, or None if they do."""
        signed = Note(_text(self.index, self.root, former[0].name, self.keys), self.signatures)
        for key in (*former, *self.keys):
            if not any(key.verifies(signed, s) for s in self.signatures if key.made(s)):
                return f"key {key.key_id.hex()} hasn't signed it"
        return None


@dataclass(frozen=True)
class Succession:
    """The keys that have followed each other in a log, from those that a reader trusts."""

    first: tuple[VerifierKey, ...]
    rotations: tuple[Rotation, ...]
    problems: tuple[tuple[int, str], ...]
    """Entries that rotate nothing though they say so, and why."""

    def signers(self, size: int) -> list[tuple[VerifierKey, ...]]:
        """Return which keys may have signed a checkpoint of that size, the newest first; each key of one of these has to have.

        The checkpoint that ends with a rotation is signed by either: the former keys accept it, and the new ones sign it next.
        """
        found = [self.first, *(r.keys for r in self.rotations if r.index < size)]
        ends_with_one = any(r.index == size - 1 for r in self.rotations)
        return found[: -3 if ends_with_one else -2 : -1]


def rotate(former: Sequence[SignerKey], keys: Sequence[SignerKey], head: Checkpoint, now: int) -> bytes:
    """Return the entry by which the log whose head it is hands over to ``keys``. ``now`` is in POSIX seconds."""
    new = tuple(key.verifier() for key in keys)
    text = _text(head.size, head.root, head.origin, new)
    data: dict[str, JsonValue] = {
        "size": head.size,
        "root": base64.encode(head.root),
        "keys": [str(key) for key in new],
        "signatures": [key.sign(text, now).line.rstrip("\n") for key in (*former, *keys)],
    }
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return entries.Entry(kind=KIND, time=time, data=data).encode()


def parse(data: bytes, index: int) -> Rotation | None:
    """Return the rotation, None for an entry of another kind. Malformed if it says that it is one and can't be read."""
    if not is_candidate(data):
        return None
    found = entries.parse(data)
    if found.kind != KIND:
        return None
    try:
        said = _Data.model_validate(found.data)
    except ValidationError as error:
        raise Malformed(f"{error.errors(include_url=False)[0]['msg']}") from error
    if said.size != index:
        raise Malformed(f"it is for a log of {said.size} entries")
    keys = tuple(map(parse_verifier, said.keys))
    if len({key.name for key in keys}) != 1 or KeyType.ED25519 not in {key.type for key in keys}:
        raise Malformed("the keys of a log have one name, and one of them is of type 1 (Ed25519)")
    if len(set(keys)) != len(keys) or KeyType.COSIGNATURE in {key.type for key in keys}:
        raise Malformed("its keys aren't those of a log")
    signed = note.parse("\n\n{}\n".format("\n".join(said.signatures)).encode())
    if signed.text != "\n":
        raise Malformed("a signature is one line")
    return Rotation(index, base64.decode(said.root), keys, signed.signatures)


def candidates(files: Files, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the entries that may be rotations, up to the first that can't be read. Nothing of them is verified."""
    try:
        for index, data in enumerate(reader.entries(files, size)):
            if is_candidate(data):
                yield index, data
    except LedgerError:
        return


def is_candidate(data: bytes) -> bool:
    """Return whether an entry may be a rotation, without parsing it. Canonical JSON has one spelling and place of its kind."""
    return data.find(_MARK, -_TAIL) >= 0


def follow(trusted: tuple[VerifierKey, ...], found: Iterable[tuple[int, bytes]]) -> Succession:
    """Return the keys that follow those that are trusted, by entries with their indices in order."""
    read: list[Rotation] = []
    problems: list[tuple[int, str]] = []
    for index, data in found:
        try:
            rotation = parse(data, index)
        except Malformed as error:
            problems.append((index, str(error)))
            continue
        if rotation is not None:
            read.append(rotation)
    # What is before the rotation to the trusted keys themselves is vouched for by these.
    own = [n for n, rotation in enumerate(read) if set(rotation.keys) == set(trusted)]
    current, followed = trusted, list[Rotation]()
    for rotation in read[own[-1] + 1 :] if own else read:
        problem = rotation.problem(current)
        if problem is None and rotation.keys[0].name != current[0].name:
            problem = "the keys of a log have one name: its origin"
        if problem is None:
            current = rotation.keys
            followed.append(rotation)
        else:
            problems.append((rotation.index, problem))
    return Succession(trusted, tuple(followed), tuple(problems))


def _text(size: int, root: bytes, origin: str, keys: Sequence[VerifierKey]) -> str:
    """Return what is signed: a text in the form of a checkpoint, since keys of type 6 sign nothing else."""
    said = {"origin": origin, "size": size, "root": base64.encode(root), "keys": [str(key) for key in keys]}
    return Checkpoint(_STATEMENT, size, sha256(entries.canonical(said)).digest()).text
