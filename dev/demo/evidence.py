"""What the demo's recorder has logged: what ran where, by a log that anyone can check without the cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from dev.cluster import ClusterError
from dev.deployment import PROGRAM, RecorderProcess

from .commandline import command_line


def answer(recorder: RecorderProcess) -> str:
    """Return what ``daulat where-ran`` says. ClusterError where the log can't be verified."""
    done = subprocess.run(
        [sys.executable, "-m", PROGRAM, *_arguments(recorder, "where-ran")], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise ClusterError(f"`daulat where-ran` failed: {done.stderr.strip()}")
    return done.stdout


def commands(recorder: RecorderProcess) -> list[str]:
    """Return the commands by which a reader asks and checks the log."""
    return [command_line(*_arguments(recorder, *words)) for words in (("where-ran",), ("ledger", "verify"))]


def _arguments(recorder: RecorderProcess, *words: str) -> Sequence[str]:
    return (*words, str(recorder.ledger), "--key", str(recorder.verifier))
