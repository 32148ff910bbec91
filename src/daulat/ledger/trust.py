"""Which keys a reader trusts, how many witnesses it requires, and what it doubts about a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from . import checkpoint, note
from .checkpoint import Checkpoint
from .errors import Malformed, Untrusted
from .keys import VerifierKey
from .note import Note


class Doubt(StrEnum):
    """Why a checkpoint isn't trusted."""

    MALFORMED = "MalformedCheckpoint"
    FORGED = "ForgedCheckpoint"
    UNSIGNED = "UnsignedCheckpoint"
    UNWITNESSED = "UnwitnessedCheckpoint"


@dataclass(frozen=True)
class Trust:
    """Every key of the log must have signed, and of the witnesses at least ``quorum``, counted by name."""

    keys: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        names = {key.name for key in self.keys}
        if len(names) != 1:
            raise ValueError("the keys of a log have one name: its origin")
        if any(not witness.type.is_timed for witness in self.witnesses):
            raise ValueError("the key of a witness is of type 4 (Ed25519 cosignature) or 6 (ML-DSA-44)")
        every = [*self.keys, *self.witnesses]
        if len({(key.type, key.public) for key in every}) != len(every):
            raise ValueError("the same public key is given twice")
        if names & {witness.name for witness in self.witnesses}:
            raise ValueError("the log can't be its own witness")
        if not 0 <= self.quorum <= len({witness.name for witness in self.witnesses}):
            raise ValueError(f"a quorum of {self.quorum} among {len({w.name for w in self.witnesses})} witnesses")

    @property
    def origin(self) -> str:
        """The origin that checkpoints of the log have."""
        return self.keys[0].name


@dataclass(frozen=True)
class Witnessed:
    """A witness's valid cosignature."""

    name: str
    time: int
    """POSIX seconds."""


@dataclass(frozen=True)
class Examined:
    """A checkpoint and what is doubtful about it. ``head`` is None if its text can't be read."""

    note: Note | None
    head: Checkpoint | None
    witnessed: tuple[Witnessed, ...]
    doubts: tuple[tuple[Doubt, str], ...]
    is_signed: bool = False
    """Whether the log itself signed it, by every key."""


def examine(data: bytes, trust: Trust) -> Examined:
    """Return what a checkpoint says and what is doubtful about it. Signatures by keys that aren't trusted are ignored."""
    try:
        signed = note.parse(data)
        head = checkpoint.parse(signed.text)
    except Malformed as error:
        return Examined(None, None, (), ((Doubt.MALFORMED, str(error)),))
    doubts: list[tuple[Doubt, str]] = []
    if head.origin != trust.origin:
        doubts.append((Doubt.FORGED, f"its origin is {head.origin}; the key is that of {trust.origin}"))
    if head.extensions:
        # They are outside what ML-DSA-44 cosignatures sign, and Daulat writes none.
        doubts.append((Doubt.FORGED, "it has extension lines, which Daulat doesn't write"))
    valid: dict[VerifierKey, int | None] = {}
    for key in (*trust.keys, *trust.witnesses):
        for signature in filter(key.made, signed.signatures):
            if key.verifies(signed, signature):
                valid[key] = key.time(signature)
            else:
                doubts.append((Doubt.FORGED, f"the signature by {key.name} ({_id(key)}) isn't valid"))
    doubts += [
        (Doubt.UNSIGNED, f"it isn't signed by {key.name} ({_id(key)})")
        for key in trust.keys
        if not any(map(key.made, signed.signatures))
    ]
    witnessed = _witnessed(trust.witnesses, valid)
    if len(witnessed) < trust.quorum:
        doubts.append((Doubt.UNWITNESSED, f"{len(witnessed)} known witnesses cosigned it; {trust.quorum} are required"))
    is_signed = head.origin == trust.origin and all(key in valid for key in trust.keys)
    return Examined(signed, head, witnessed, tuple(doubts), is_signed)


def trusted(data: bytes, trust: Trust) -> Checkpoint:
    """Return the checkpoint. Untrusted if there is any doubt."""
    found = examine(data, trust)
    if found.doubts or found.head is None:
        raise Untrusted("; ".join(f"checkpoint: {message}" for _, message in found.doubts))
    return found.head


def _witnessed(witnesses: Sequence[VerifierKey], valid: dict[VerifierKey, int | None]) -> tuple[Witnessed, ...]:
    times: dict[str, int] = {}
    for witness in witnesses:
        if (time := valid.get(witness)) is not None:
            times[witness.name] = max(time, times.get(witness.name, 0))
    return tuple(Witnessed(name, time) for name, time in times.items())


def _id(key: VerifierKey) -> str:
    return f"key {key.key_id.hex()}"
