"""The options by which a command is told whom to trust, and the files that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from daulat.ledger.errors import Malformed
from daulat.ledger.keys import VerifierKey, parse_verifier
from daulat.ledger.trust import Trust

from .errors import fail

_LONGEST = 4096
"""Characters: a verifier key of ML-DSA-44 has 1,800."""


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--key``, ``--witness`` and ``--quorum``."""
    options = (
        click.option(
            "--key",
            "keys",
            multiple=True,
            required=True,
            metavar="VKEY",
            help="A verifier key of the log, or a file with one. Repeatable: each has to have signed.",
        ),
        click.option(
            "--witness",
            "witnesses",
            multiple=True,
            metavar="VKEY",
            help="A verifier key of a witness, or a file with one. Repeatable.",
        ),
        click.option(
            "--quorum",
            type=click.IntRange(min=0),
            metavar="N",
            help="Witnesses that have to have cosigned, counted by name; all of them by default.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def trust_of(keys: tuple[str, ...], witnesses: tuple[str, ...], quorum: int | None) -> Trust:
    """Return what the options say. Exits with 2 if a key can't be read or the quorum can't be met."""
    known = tuple(_key("--witness", text) for text in witnesses)
    if quorum is None:
        quorum = len({witness.name for witness in known})
    try:
        return Trust(tuple(_key("--key", text) for text in keys), known, quorum)
    except ValueError as error:
        fail(f"--key, --witness, --quorum: {error}")


def read(path: Path, limit: int) -> bytes:
    """Return a file's bytes. Exits with 2 if it can't be read or has more than ``limit``."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        fail(f"{path}: {(error.strerror or str(error)).lower()}")
    if len(data) > limit:
        fail(f"{path}: is larger than {limit} bytes")
    return data


def _key(option: str, text: str) -> VerifierKey:
    try:
        return parse_verifier(text.strip())
    except Malformed as error:
        path = Path(text)
        try:
            if not path.is_file():
                fail(f"{option}: {error}")
        except OSError:
            # Text that is too long for a file's name.
            fail(f"{option}: {error}")
    try:
        return parse_verifier(read(path, _LONGEST).decode().strip())
    except (Malformed, UnicodeDecodeError) as error:
        fail(f"{option} {text}: {error}")
