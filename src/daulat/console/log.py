"""A log's last checkpoint, and whether it is to be trusted: by its signatures, and by the tiles that its root is made of.

Only the tiles at the tree's edge are read, a few files in a log of any size. ``daulat ledger verify`` reads every entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from daulat.ledger import checkpoint, note, reader, tree
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.errors import LedgerError, Malformed
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.store import Files
from daulat.ledger.trust import Trust, Witnessed
from daulat.ledger.verification import current

from .runs import AtCheckpoint, Runs


@dataclass(frozen=True)
class Log:
    """A log's last checkpoint."""

    signed: bytes = b""
    """The checkpoint as it was read, a signed note; empty where there is none."""
    head: Checkpoint | None = None
    """What it says; None where it can't be read."""
    root: str = ""
    """The root hash in base64, as the checkpoint has it."""
    trusted: bool = False
    """Whether a key was given to verify it with. Without one, nothing is known of its signatures."""
    signers: tuple[str, ...] = ()
    """Who signed it, as the note says."""
    witnessed: tuple[Witnessed, ...] = ()
    """The known witnesses whose cosignatures are valid."""
    problems: tuple[str, ...] = ()
    """Why it isn't to be trusted, a sentence each."""
    runs: Runs | None = None
    """The last runs of models; None where they weren't looked for, as in a log that isn't verified."""

    @property
    def verified(self) -> bool:
        """Whether the log's keys signed it and its root follows from the tiles at the tree's edge."""
        return self.trusted and self.head is not None and not self.problems


def read_log(files: Files, trust: Trust | None) -> Log:
    """Return the last checkpoint of a log. What can't be read, or doesn't hold, is a problem of it and no error."""
    try:
        return _read(files, trust)
    except OSError as error:
        return Log(trusted=trust is not None, problems=(f"the log can't be read: {error.strerror or error}",))
    except LedgerError as error:
        return Log(trusted=trust is not None, problems=(str(error),))


def _read(files: Files, trust: Trust | None) -> Log:
    signed = files.get(CHECKPOINT)
    if signed is None:
        return Log(trusted=trust is not None, problems=("there is no checkpoint",))
    try:
        parsed = note.parse(signed)
        head = checkpoint.parse(parsed.text)
    except Malformed as error:
        return Log(signed, trusted=trust is not None, problems=(str(error),))
    problems = list(_tiles(files, head))
    witnessed: tuple[Witnessed, ...] = ()
    if trust is not None:
        examined, findings = current(AtCheckpoint(files, signed), trust)
        witnessed = examined.witnessed
        problems += [finding.message for finding in findings]
    return Log(
        signed=signed,
        head=head,
        root=head.text.split("\n")[2],
        trusted=trust is not None,
        signers=tuple(dict.fromkeys(signature.name for signature in parsed.signatures)),
        witnessed=witnessed,
        problems=tuple(problems),
    )


def _tiles(files: Files, head: Checkpoint) -> tuple[str, ...]:
    """Return why the root doesn't follow from the tiles; nothing where it does."""
    try:
        found = tree.root(head.size, reader.nodes(files, head.size))
    except LedgerError as error:
        return (str(error),)
    return () if found == head.root else ("the root that the checkpoint signs doesn't follow from the tiles",)
