"""Reports for tests: of the example's log, or of one that a test makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daulat import __version__
from daulat.evidence.index import Index
from daulat.evidence.report.bundle import bundle
from daulat.evidence.report.check import Checked, check
from daulat.evidence.report.collect import Collected, collect
from daulat.evidence.report.document import document
from daulat.evidence.report.scope import Scope
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.trust import Trust, examine
from daulat.signing.keys import PublicKey
from dev.evidence.example import MADE, SCOPE
from dev.evidence.site import LOG, SIGNER, WITNESS, Memory, Site
from dev.evidence.story import log

TRUST = Trust((LOG.verifier(),), (WITNESS.verifier(),), 1)


def site(record: Callable[[Site], None]) -> Memory:
    """Return a log of what is recorded."""
    store = Memory()
    made = Site(store)
    record(made)
    made.close()
    return store


def report(store: Memory, scope: Scope = SCOPE, trust: Trust = TRUST) -> tuple[dict[str, Any], Collected]:
    """Return the report of a log."""
    examined = examine(store.files[CHECKPOINT], trust)
    assert examined.head is not None
    index = Index()
    index.update(store, examined.head)
    found = collect(index, store, examined.head.size, scope)
    return document(found, scope, examined, trust, MADE, __version__), found


def files(store: Memory | None = None, scope: Scope = SCOPE, *, signed: bool = True) -> dict[str, bytes]:
    """Return the files of a bundle."""
    store = store or log()
    made, found = report(store, scope)
    return bundle(made, found.proved, store.files[CHECKPOINT], SIGNER if signed else None)


def checked(there: dict[str, bytes], key: PublicKey | None = None, trust: Trust = TRUST) -> Checked:
    """Return what the check of a bundle comes to."""
    return check(there, trust, __version__, key)


def section(made: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a section of a report."""
    (found,) = [s for s in made["sections"] if s["name"] == name]
    return dict(found)
