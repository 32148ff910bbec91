"""The one writer of a log. A crash at any write loses nothing that was accepted, and never makes the log sign two histories.

The order of its writes is the protocol: entries and tiles, the head that is about to be signed (``.pending``), the checkpoint.
A head that is pending is completed when the log is opened next: a witness may have seen its signature already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from . import checkpoint, note, reader, rotation, tree
from .checkpoint import Checkpoint
from .cosigning import Submission
from .errors import Closed, Inconsistent, LedgerError, Malformed, Rotated, Untrusted
from .growth import Edge, read_edge
from .keys import KeyType, SignerKey, VerifierKey
from .note import Note, Signature
from .reader import CHECKPOINT, PENDING, nodes
from .store import Store
from .tiles import MAXIMUM_ENTRY, Tile
from .trust import Trust, trusted

Cosign = Callable[[Submission], Sequence[Signature]]
"""Submits a checkpoint to witnesses and returns their cosignatures, none if they can't be reached. It must not raise for a witness
that fails: the checkpoint is published with the cosignatures that there are."""


def no_witnesses(_submission: Submission) -> Sequence[Signature]:
    """Return no cosignature."""
    return ()


class Writer:
    """Appends entries to a log. Not safe for use by several threads."""

    def __init__(self, store: Store, keys: Sequence[SignerKey], head: Checkpoint, edge: Edge, cosign: Cosign) -> None:
        """Use ``create`` or ``open``."""
        self._store, self._keys, self._cosign = store, tuple(keys), cosign
        self._head, self._edge = head, edge
        self._filled: list[Tile] = []
        self._usable = True

    @classmethod
    def create(cls, store: Store, keys: Sequence[SignerKey], now: int, cosign: Cosign = no_witnesses) -> Self:
        """Begin a log with a checkpoint of no entries. Inconsistent if there is one; ``now`` is in POSIX seconds."""
        _check(keys)
        return cls._locked(store, lambda: cls._created(store, keys, now, cosign))

    @classmethod
    def open(
        cls,
        store: Store,
        keys: Sequence[SignerKey],
        now: int,
        cosign: Cosign = no_witnesses,
        former: Sequence[VerifierKey] = (),
    ) -> Self:
        """Continue a log. Inconsistent if its files disagree with its checkpoint, Untrusted if other keys signed that.

        ``former`` are keys that were rotated out, any of which may have signed the checkpoint instead. Rotated if the log's last
        entry hands over to other keys.
        """
        _check(keys)
        return cls._locked(store, lambda: cls._opened(store, keys, now, cosign, former))

    @classmethod
    def succeed(
        cls,
        store: Store,
        keys: Sequence[SignerKey],
        former: Sequence[SignerKey],
        now: int,
        cosign: Cosign = no_witnesses,
    ) -> Self:
        """Continue a log with ``keys``, to which the former ones hand over first if they haven't yet.

        It may be called at each start for as long as the former keys are at hand. Errors are those of ``open``.
        """
        try:
            return cls.open(store, keys, now, cosign)
        except Untrusted:
            if not former:
                raise
        try:
            writer = cls.open(store, former, now, cosign)
        except Rotated:
            # The process has ended between the rotation and the first checkpoint by the new keys.
            return cls.open(store, keys, now, cosign, [key.verifier() for key in former])
        writer.rotate(keys, now)
        return writer

    @classmethod
    def _locked(cls, store: Store, make: Callable[[], Self]) -> Self:
        store.lock()
        try:
            return make()
        except BaseException:
            store.unlock()
            raise

    @classmethod
    def _created(cls, store: Store, keys: Sequence[SignerKey], now: int, cosign: Cosign) -> Self:
        if store.get(CHECKPOINT) is not None:
            raise Inconsistent("there is a log here already")
        # The first write of a log is its checkpoint, so this can't be what a crash has left.
        if store.get(PENDING) is not None:
            raise Inconsistent("there is a log here whose checkpoint is missing")
        empty = Edge()
        writer = cls(store, keys, Checkpoint(keys[0].name, 0, empty.root), empty, cosign)
        writer._publish(0, writer._head, now)
        return writer

    @classmethod
    def _opened(
        cls, store: Store, keys: Sequence[SignerKey], now: int, cosign: Cosign, former: Sequence[VerifierKey]
    ) -> Self:
        data = store.get(CHECKPOINT)
        if data is None:
            raise Inconsistent("there is no checkpoint")
        head = _signed_by(data, keys, former)
        pending = _pending(store, head)
        if pending is None:
            writer = cls(store, keys, head, read_edge(store, head), cosign)
            _check_in_force(store, head, keys)
            if any(key.verifier().made(s) for key in keys for s in note.parse(data).signatures):
                # A rename that was seen may not have reached the disk before a crash.
                store.put(CHECKPOINT, data)
            else:
                writer._publish(head.size, head, now, writer._cosignatures())
            return writer
        read_edge(store, head)
        writer = cls(store, keys, pending, read_edge(store, pending), cosign)
        proof = tree.consistency_proof(head.size, pending.size, nodes(store, pending.size))
        if not tree.is_consistent(head.size, head.root, pending.size, pending.root, proof):
            # It isn't signed, so it may be from anywhere.
            raise Inconsistent(f"{PENDING} doesn't continue the checkpoint")
        _check_in_force(store, pending, keys)
        writer._publish(head.size, pending, now)
        return writer

    @property
    def head(self) -> Checkpoint:
        """The head of the log's tree, as its checkpoint has it."""
        return self._head

    def append(self, entries: Sequence[bytes], now: int) -> Checkpoint:
        """Append entries and return the checkpoint that covers them: they are accepted once it returns.

        ``now`` is in POSIX seconds. Malformed, and nothing appended, if an entry is too long. Where a write fails its error is
        raised and the writer closes itself: what was written is known when the log is opened again.
        """
        if not self._usable:
            raise Closed("the log has to be opened again")
        for entry in entries:
            if len(entry) > MAXIMUM_ENTRY:
                raise Malformed(f"an entry of {len(entry)} bytes; at most {MAXIMUM_ENTRY} fit")
        if not entries:
            return self._head
        try:
            return self._appended(entries, now)
        except BaseException:
            self.close()
            raise

    def _appended(self, entries: Sequence[bytes], now: int) -> Checkpoint:
        while self._filled:
            tile = self._filled[-1]
            self._store.remove_partial(tile.path)
            if tile.level == 0:
                self._store.remove_partial(tile.bundle_path)
            self._filled.pop()
        grown, files, filled = self._edge.grown(entries)
        for file in files:
            self._store.put(file.path, file.data)
        head = Checkpoint(self._head.origin, grown.size, grown.root)
        self._store.put(PENDING, head.text.encode())
        self._publish(self._head.size, head, now)
        self._edge, self._head, self._filled = grown, head, filled
        return head

    def cosign(self, now: int) -> None:
        """Submit the checkpoint to the witnesses again, for a log that is idle after witnesses couldn't be reached.

        Cosignatures that it has stay. ``now`` is in POSIX seconds. Errors are those of ``append``.
        """
        if not self._usable:
            raise Closed("the log has to be opened again")
        try:
            self._publish(self._head.size, self._head, now, self._cosignatures())
        except BaseException:
            self.close()
            raise

    def rotate(self, keys: Sequence[SignerKey], now: int) -> Checkpoint:
        """Hand the log over to other keys, which sign from now on, and return the checkpoint. ``now`` is in POSIX seconds.

        Errors are those of ``append``; after one the log is opened by ``succeed``. ValueError for keys that can't be this log's.
        """
        _check(keys)
        if keys[0].name != self._head.origin or {k.verifier() for k in keys} == {k.verifier() for k in self._keys}:
            raise ValueError("the keys of a log are rotated to other keys with the same name")
        data = self._store.get(CHECKPOINT)
        for signature in () if data is None else note.parse(data).signatures:
            # Readers require that all keys of the log hand over.
            if signature.name == self._head.origin and not any(k.verifier().made(signature) for k in self._keys):
                raise ValueError(f"key {signature.key_id.hex()} signs the log as well, and has to be rotated too")
        self.append([rotation.rotate(self._keys, keys, self._head, now)], now)
        self._keys = tuple(keys)
        self.cosign(now)
        return self._head

    def _publish(self, old: int, head: Checkpoint, now: int, cosignatures: Sequence[Signature] = ()) -> None:
        own = tuple(key.sign(head.text, now) for key in self._keys)
        node = nodes(self._store, head.size)
        submission = Submission(
            Note(head.text, own), head, old, lambda size: tree.consistency_proof(size, head.size, node)
        )
        signed = Note(head.text, (*own, *cosignatures))
        self._store.put(CHECKPOINT, bytes(signed.signed_by(self._cosign(submission))))

    def _cosignatures(self) -> list[Signature]:
        """Return those that the checkpoint has. Inconsistent if it isn't of this writer's head any more."""
        data = self._store.get(CHECKPOINT)
        published = None if data is None else note.parse(data)
        if published is None or published.text != self._head.text:
            raise Inconsistent("the checkpoint was changed by something else than this writer")
        return [s for s in published.signatures if s.name != self._head.origin]

    def close(self) -> None:
        """Release the lock. The log can't be written to by this writer any more."""
        self._usable = False
        self._store.unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check(keys: Sequence[SignerKey]) -> None:
    if KeyType.ED25519 not in {key.type for key in keys} or KeyType.COSIGNATURE in {key.type for key in keys}:
        raise ValueError("a log signs by a key of type 1 (Ed25519), and may sign by one of type 6 (ML-DSA-44) as well")
    if len({key.name for key in keys}) != 1:
        raise ValueError("the keys of a log have one name: its origin")


def _check_in_force(store: Store, head: Checkpoint, keys: Sequence[SignerKey]) -> None:
    """Raise Rotated if the last entry hands over to other keys: a checkpoint of more entries by these would not be valid."""
    try:
        last = rotation.parse(reader.entry(store, head.size - 1, head.size), head.size - 1) if head.size else None
    except Malformed:
        return
    if last is not None and set(last.keys) != {key.verifier() for key in keys}:
        raise Rotated(f"entry {last.index} hands the log over to key {last.keys[0].key_id.hex()}")


def _signed_by(data: bytes, keys: Sequence[SignerKey], former: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint. Signatures by former keys count only where not every own key has signed."""
    try:
        # A key added by a rotation hasn't signed yet; Ed25519 has in every checkpoint.
        return trusted(data, Trust(tuple(key.verifier() for key in keys if key.type is KeyType.ED25519)))
    except Untrusted:
        for key in former:
            try:
                return trusted(data, Trust((key,)))
            except Untrusted:
                continue
        raise


def _pending(store: Store, head: Checkpoint) -> Checkpoint | None:
    """Return the head that was about to be signed. None if it was, or if there was none."""
    data = store.get(PENDING)
    if data is None:
        return None
    try:
        found = checkpoint.parse(data.decode())
    except (LedgerError, UnicodeDecodeError) as error:
        raise Inconsistent(f"{PENDING} can't be read: {error}") from error
    if found.origin != head.origin:
        raise Inconsistent(f"{PENDING} is of the log {found.origin}")
    if found.size == head.size and found.root != head.root:
        raise Inconsistent(f"{PENDING} and the checkpoint have different roots of {head.size} entries")
    if found.size < head.size:
        raise Inconsistent(f"{PENDING} has {found.size} entries, the checkpoint {head.size}")
    return found if found.size > head.size else None
