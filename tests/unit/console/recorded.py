"""A log of where models ran, and what the console reads of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from daulat.console.log import Log, read_log
from daulat.console.runs import AtCheckpoint, find
from daulat.evidence.index import Index
from daulat.ledger.store import Files
from daulat.ledger.trust import Trust
from tests.unit.evidence.test_index import entry, run, time, written
from tests.unit.ledger.logs import TRUST, Memory
from tests.unit.world import Raw

QWEN, LLAMA = ("audit", "qwen"), ("treasury", "llama")


def at(n: int) -> str:
    """Return the time of so many seconds on the day of the facts."""
    return time(n).replace("2027-01-15", "2026-06-01")


def today(*entries: bytes) -> list[bytes]:
    """Return entries as of the day of the facts."""
    return [entry.replace(b"2027-01-15", b"2026-06-01") for entry in entries]


def model_recorded(n: int, model: Raw) -> bytes:
    """Return the entry about a SovereignModel."""
    meta = model["metadata"]
    return entry(n, "ModelRecorded", namespace=meta["namespace"], name=meta["name"], uid=meta["uid"], generation=1)


def run_of(n: int, model: Raw, recorded: int, uid: str, **data: object) -> bytes:
    """Return the entry about the start of a pod of a model, which entry number ``recorded`` is about."""
    meta = model["metadata"]
    own = {
        "namespace": meta["namespace"],
        "model": meta["name"],
        "modelEntry": recorded,
        "node": "j-1",
        "zone": "johor-1",
    }
    return run(n, uid, **{**own, **data})


def runs(qwen: Raw, llama: Raw) -> Memory:
    """Return a log in which a pod of qwen has ended and another goes on after a change, and llama ran and ended."""
    moved = {"zone": "singapore-1", "country": "SG", "node": "s-1", "started": time(40)}
    changed = run_of(60, qwen, 0, "q2", **moved)
    return written(
        today(
            model_recorded(0, qwen),
            model_recorded(0, llama),
            run_of(10, qwen, 0, "q1"),
            run_of(20, llama, 1, "l1"),
            entry(30, "RunEnded", uid="q1", reason="Completed", ended=time(29)),
            run_of(40, qwen, 0, "q2"),
            entry(50, "RunEnded", uid="l1", reason="Evicted", ended=time(49)),
            changed.replace(b'"RunStarted"', b'"RunChanged"'),
        )
    )


def read(
    files: Files,
    models: Iterable[tuple[str, str]] = (QWEN, LLAMA),
    trust: Trust = TRUST,
    index: Index | None = None,
    most: int = 1000,
) -> Log:
    """Return the log with the last runs of models, as the console reads it."""
    log = read_log(files, trust)
    assert log.head is not None
    fixed = AtCheckpoint(files, log.signed)
    return replace(log, runs=find(index or Index(), fixed, trust, log.head, models, most))
