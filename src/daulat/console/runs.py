"""The last run of each model as a log has it, with a proof of each of its entries.

An index finds the entries. What a page shows is read from the entries that are proved, so an index that says something else shows
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from daulat.evidence.index import Index
from daulat.evidence.records import RunChanged, RunEnded, RunStarted
from daulat.ledger import entry, proof
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.entry import Entry
from daulat.ledger.errors import LedgerError, Malformed
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.store import Files
from daulat.ledger.trust import Trust

from .paths import part

SUFFIX = ".tlog-proof"
MOST = 1_000_000
"""Entries that are taken into the index at a time, some minutes' work. Larger logs need an index that another command has made."""


@dataclass(frozen=True)
class AtCheckpoint:
    """A log's files with the checkpoint that was read first: the recorder may write the next one meanwhile."""

    files: Files
    signed: bytes

    def get(self, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is none. OSError where it can't be read."""
        return self.signed if path == CHECKPOINT else self.files.get(path)


class Located(NamedTuple):
    """Where a log has the entries of a run."""

    started: int
    """The RunStarted."""
    latest: int
    """The RunStarted, or the last RunChanged."""
    ended: int | None
    """The RunEnded; None while the run goes on."""


@dataclass(frozen=True)
class Proved:
    """An entry with its proof, which was verified."""

    number: int
    entry: Entry
    proof: bytes
    """As ``daulat ledger proof`` writes it."""
    path: str
    """The path of the proof's file, below the site's root."""


@dataclass(frozen=True)
class LastRun:
    """The run of a model that the log has last."""

    where: RunStarted
    """The run as its latest entry has it."""
    ended: RunEnded | None
    entries: tuple[Proved, ...]
    """The entries that say so, in the order of the log."""

    @property
    def until(self) -> str:
        """When it ended: as the kubelet reports it, or else when it was seen to have. Empty while it goes on."""
        return "" if self.ended is None else self.ended.ended or self.entries[-1].entry.time


class NotProved(Exception):
    """The log can't prove the last run. The text is the sentence for the user."""


@dataclass(frozen=True)
class Runs:
    """The last runs in a log, by namespace and model."""

    files: Files
    """The log, whose checkpoint stays as it was read."""
    trust: Trust
    located: Mapping[tuple[str, str], Located]
    problem: str = ""
    """Why the runs aren't known; empty where they are."""
    visible: Callable[[str], bool] = lambda _: True
    """Says of a namespace whether the reader may see its runs."""

    def within(self, visible: Callable[[str], bool]) -> Runs:
        """Return the runs for a reader who may see those of some namespaces alone."""
        return replace(self, visible=visible)

    def last(self, namespace: str, model: str, uid: str) -> LastRun | None:
        """Return a model's last run; None where the log has none, or the reader may not see it. Raises NotProved.

        An earlier model of the same name has another uid: its runs aren't this one's.
        """
        found = self.located.get((namespace, model)) if self.visible(namespace) else None
        if found is None:
            return None
        try:
            return self._last(namespace, model, uid, found)
        except (LedgerError, ValueError) as error:
            raise NotProved(str(error)) from error
        except OSError as error:
            raise NotProved(f"the log can't be read: {error.strerror or error}") from error

    def _last(self, namespace: str, model: str, uid: str, at: Located) -> LastRun | None:
        numbers = sorted({at.started, at.latest, *(() if at.ended is None else (at.ended,))})
        proved = {number: self._proved(namespace, model, number) for number in numbers}
        started, latest = proved[at.started].entry, proved[at.latest].entry
        if started.kind != RunStarted.kind or latest.kind not in (RunStarted.kind, RunChanged.kind):
            raise Malformed(f"entries {at.started} and {at.latest} aren't those of a run")
        where = RunStarted.model_validate(latest.data)
        ended = None
        if at.ended is not None:
            if proved[at.ended].entry.kind != RunEnded.kind:
                raise Malformed(f"entry {at.ended} isn't the end of a run")
            ended = RunEnded.model_validate(proved[at.ended].entry.data)
        uids = {started.data.get("uid"), where.uid, where.uid if ended is None else ended.uid}
        if len(uids) > 1 or (where.namespace, where.model) != (namespace, model):
            raise Malformed(f"entries {', '.join(map(str, numbers))} aren't those of one run of this model")
        if where.model_entry is None:
            return None
        recorded = self._proved(namespace, model, where.model_entry).entry.data
        if (recorded.get("namespace"), recorded.get("name"), recorded.get("uid")) != (namespace, model, uid):
            return None
        return LastRun(where, ended, tuple(proved[number] for number in numbers))

    def _proved(self, namespace: str, model: str, number: int) -> Proved:
        made = bytes(proof.prove(self.files, number))
        read = proof.parse(made)
        if read.entry is None:
            raise Malformed(f"entry {number}: its proof doesn't have it")
        proof.verify(read, read.entry, self.trust)
        return Proved(number, entry.parse(read.entry), made, _path(namespace, model, number))


def find(
    index: Index,
    files: AtCheckpoint,
    trust: Trust,
    head: Checkpoint,
    models: Iterable[tuple[str, str]],
    most: int = MOST,
) -> Runs:
    """Return the last runs of models, by namespace and name, in a log whose checkpoint is trusted.

    The index takes in what it lacks. Where that is more than ``most`` entries, or they don't lead to the checkpoint's root, this is
    the problem of the runs.
    """
    try:
        lacking = index.lacking(files, head)
        if lacking > most:
            return Runs(
                files,
                trust,
                {},
                f"{lacking:,} entries of the log aren't indexed, and the console indexes at most {most:,}; make an index with "
                "daulat where-ran --index, and give it with --log-index",
            )
        index.update(files, head)
        found = {model: index.last(*model) for model in models}
    except LedgerError as error:
        return Runs(files, trust, {}, str(error))
    except OSError as error:
        return Runs(files, trust, {}, error.strerror or str(error))
    located = {model: Located(run.first, run.entry, run.ended) for model, run in found.items() if run is not None}
    return Runs(files, trust, located)


def proofs(namespace: str, model: str) -> str:
    """Return how the paths of the proofs of a model's runs begin, up to the last underscore."""
    return f"model/{part(namespace)}/{part(model)}"


def _path(namespace: str, model: str, number: int) -> str:
    return f"{proofs(namespace, model)}_{number}{SUFFIX}"
