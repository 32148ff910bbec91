"""``daulat ledger check-bundle``: a report is checked without the log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from daulat import __version__
from daulat.evidence.report.bundle import REPORT
from daulat.evidence.report.check import Checked, check
from daulat.signing.keys import BadKey, public_key

from ..errors import fail
from ..examples import examples
from ..keyfiles import read
from ..progress import progress
from ..structured import echo, text_or_structured
from ..text import printable
from ..trusting import trust_of, trust_options

_LARGEST = 1 << 28
"""Bytes of one file of a bundle."""
_MOST = 200_000
"""Files of a bundle."""
_LARGEST_KEY = 1 << 16


@click.command(
    "check-bundle",
    epilog=examples(
        ("The proofs of a report", "daulat ledger check-bundle january --key log.vkey"),
        ("And who made it", "daulat ledger check-bundle january --key log.vkey --sign-key report.pub"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@trust_options
@click.option(
    "--sign-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The public key, as PEM, of who signed the report. Without it, who made the report isn't checked.",
)
@text_or_structured
def check_bundle(
    folder: Path,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    sign_key: Path | None,
    form: str,
) -> None:
    """Check the report in DIR without the log: signatures, digests, all proofs, and that each claim is what its entries say.

    Exit codes: 0 the report holds, 1 it doesn't, 2 wrong input or usage.
    """
    trust = trust_of(keys, witnesses, quorum)
    try:
        key = public_key(read(sign_key, _LARGEST_KEY).decode(errors="replace")) if sign_key is not None else None
    except BadKey as error:
        fail(f"--sign-key {sign_key}: {error}")
    try:
        files = {path.relative_to(folder).as_posix(): read(path, _LARGEST) for path in _files(folder)}
    except OSError as error:
        fail(f"{error.filename or folder}: {(error.strerror or str(error)).lower()}")
    if REPORT not in files:
        fail(f"{folder}: has no {REPORT}, so it isn't a report")
    with progress("checking the report"):
        done = check(files, trust, __version__, key)
    echo(form, _printed(done, folder), _structured(done, folder))
    sys.exit(1 if done.problems else 0)


def _files(folder: Path) -> Iterator[Path]:
    for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        if number >= _MOST:
            fail(f"{folder}: has more than {_MOST} files")
        yield path


def _structured(done: Checked, folder: Path) -> dict[str, Any]:
    found = done.checkpoint
    head = found.head if found is not None and not found.doubts else None
    return {
        "apiVersion": "ledger.daulat.dev/v1",
        "kind": "BundleReport",
        "holds": not done.problems,
        "folder": str(folder),
        "problems": [str(problem) for problem in done.problems],
        "checkpoint": {"origin": head.origin, "size": head.size} if head is not None else None,
        "witnesses": [w.name for w in found.witnessed] if found is not None and head is not None else [],
        "proofs": done.proofs,
        "claims": done.claims,
        "signed": done.signed,
        "notes": [str(note) for note in done.notes],
    }


def _printed(done: Checked, folder: Path) -> str:
    lines = [f"problem: {problem}" for problem in done.problems]
    found = done.checkpoint
    if found is not None and found.head is not None and not found.doubts:
        lines.append(f"checkpoint: {found.head.origin}, {found.head.size} entries, signed")
        lines += [f"witnessed: {w.name}" for w in found.witnessed] or ["not witnessed"]
    lines += [f"proofs: {done.proofs} lead to the checkpoint", f"claims: {done.claims} are what their entries say"]
    if done.signed:
        lines.append("files: all are as they were signed")
    lines += [f"note: {note}" for note in done.notes]
    count = len(done.problems)
    lines.append(f"{folder}: " + (f"doesn't hold, {count} problem{'s' if count > 1 else ''}" if count else "holds"))
    return "\n".join(map(printable, lines))
