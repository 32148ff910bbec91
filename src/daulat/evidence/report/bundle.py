"""A bundle: all files of a report, which an auditor checks with the log's public key alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from daulat.ledger.reader import CHECKPOINT
from daulat.signing import dsse
from daulat.signing.keys import PrivateKey

from .oscal import assessment_results
from .page import page
from .proofs import Proved, facts_path, proof_path

REPORT = "report.json"
PAGE = "report.html"
OSCAL = "oscal-assessment-results.json"
ENVELOPE = "report.dsse.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://daulat.dev/attestations/evidence-report/v1"


def bundle(
    report: Mapping[str, Any], proved: Proved, checkpoint: bytes, key: PrivateKey | None = None
) -> dict[str, bytes]:
    """Return the files by their paths; with a key also the signed statement of their digests."""
    files = {
        REPORT: encoded(report),
        PAGE: page(report).encode(),
        OSCAL: encoded(assessment_results(report)),
        CHECKPOINT: checkpoint,
    }
    files |= {proof_path(n): data for n, data in sorted(proved.proofs.items())}
    files |= {facts_path(digest): data for digest, data in sorted(proved.kept.items())}
    if key is not None:
        files[ENVELOPE] = dsse.signed(_statement(report, files), dsse.IN_TOTO, key)
    return files


def encoded(value: Mapping[str, Any]) -> bytes:
    """Return a document as a file has it."""
    return to_json(value, indent=2) + b"\n"


def subjects(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file that a statement covers."""
    return {path: sha256(data).hexdigest() for path, data in sorted(files.items()) if path != ENVELOPE}


def _statement(report: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": path, "digest": {"sha256": digest}} for path, digest in subjects(files).items()],
        "predicateType": PREDICATE,
        "predicate": {"made": report["made"], "period": report["period"], "log": report["log"]},
    }
    return json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()
