"""The files of examples/evidence: the log, a report of it, and the public keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daulat import __version__
from daulat.evidence.index import Index
from daulat.evidence.report.bundle import bundle
from daulat.evidence.report.collect import collect
from daulat.evidence.report.document import document
from daulat.evidence.report.scope import Scope
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.trust import Trust, examine
from dev.evidence.site import LOG, SIGNER, WITNESS
from dev.evidence.story import log

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("examples/evidence")
SCOPE = Scope("2027-01-15T00:00:00.000Z", "2027-01-17T00:00:00.000Z", preset="my-nccp")
MADE = "2027-01-17T09:00:00Z"


def render() -> dict[Path, bytes]:
    """Return every file of the example by its path in the repository."""
    store = log()
    trust = Trust((LOG.verifier(),), (WITNESS.verifier(),), 1)
    examined = examine(store.files[CHECKPOINT], trust)
    assert examined.head is not None
    index = Index()
    index.update(store, examined.head)
    found = collect(index, store, examined.head.size, SCOPE)
    report = document(found, SCOPE, examined, trust, MADE, __version__)
    public = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    files = {
        "log.vkey": f"{LOG.verifier()}\n".encode(),
        "witness.vkey": f"{WITNESS.verifier()}\n".encode(),
        "report.pub": public,
    }
    # Only the newest partial tiles: those of before are for readers of an older checkpoint.
    kept = (".p/" + str(examined.head.size), "checkpoint")
    files |= {f"log/{p}": d for p, d in store.files.items() if p.endswith(kept) or p.startswith("facts/")}
    made = bundle(report, found.proved, store.files[CHECKPOINT], SIGNER)
    files |= {f"report/{path}": data for path, data in made.items()}
    return {FOLDER / path: data for path, data in files.items()}


def drift(root: Path, files: Mapping[Path, bytes]) -> list[str]:
    """Return a sentence for each file that is missing, differs or is left over."""
    there = {p.relative_to(root) for p in (root / FOLDER).rglob("*") if p.is_file()}
    found = [f"{p} is missing" for p in sorted(files.keys() - there)]
    found += [f"{p} is left over" for p in sorted(there - files.keys())]
    return found + [f"{p} differs" for p in sorted(files.keys() & there) if (root / p).read_bytes() != files[p]]
