"""The options that say which keys a command trusts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from daulat.ledger.trust import Trust

from .errors import fail
from .keyfiles import verifier


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
    known = tuple(verifier("--witness", text) for text in witnesses)
    if quorum is None:
        quorum = len({witness.name for witness in known})
    try:
        return Trust(tuple(verifier("--key", text) for text in keys), known, quorum)
    except ValueError as error:
        fail(f"--key, --witness, --quorum: {error}")
