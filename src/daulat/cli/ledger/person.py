"""``daulat ledger person``: the pseudonym of a person, the person of a pseudonym, and erasure."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from daulat.evidence.personal import PREFIX, Attribute, is_person, named
from daulat.recorder.salts import NotSalts, Salts

from ..errors import fail, print_errors
from ..text import printable

_STORE = click.option(
    "--salts",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The recorder's store of salts.",
)


@click.group()
def person() -> None:
    """Find the users behind the digests in a log, and erase them."""


@person.command()
@click.argument("name")
@_STORE
@click.option("--address", metavar="IP", help="Print the digest of this source address of the person instead.")
def digest(name: str, path: Path, address: str | None) -> None:
    """Print the digest by which the log names the user NAME.

    Exit codes: 0 printed, 1 no salt is kept for this name, 2 wrong input or usage.
    """
    if not is_person(name) and address is None:
        fail(f"{name}: users under system: are no natural persons, and the log has their names")
    with _opened(path) as salts:
        found = salts.find(name)
    if found is None:
        print_errors([f"{name}: no salt is kept: the log doesn't name this user, or the user was erased"])
        sys.exit(1)
    click.echo(found.pseudonym if address is None else found.digest(Attribute.ADDRESS, address))


@person.command()
@click.argument("digest")
@_STORE
def name(digest: str, path: Path) -> None:
    """Print the name of the user behind a DIGEST in the log.

    Exit codes: 0 printed, 1 no kept salt makes this digest, 2 wrong input or usage.
    """
    if not digest.startswith(PREFIX):
        fail(f"{digest}: isn't a digest of a person: these begin with {PREFIX}")
    with _opened(path) as salts:
        found = named(digest, salts.people())
    if found is None:
        print_errors([f"{digest}: no kept salt makes it: it is another log's, an address, or the user was erased"])
        sys.exit(1)
    click.echo(printable(found.name))


@person.command()
@click.argument("name")
@_STORE
def erase(name: str, path: Path) -> None:
    """Erase the salt of the user NAME, so that no digest in the log can be led back to the name.

    The log stays as it is, and verifies. What the user does from now on is recorded under another digest. Copies and backups of the
    store have to be erased too. First delete the SovereigntyExemptions that name the user, whose next entries would
    link both digests.

    Exit codes: 0 erased, 1 no salt is kept for this name, 2 wrong input or usage.
    """
    with _opened(path) as salts:
        erased = salts.erase(name)
    if not erased:
        print_errors([f"{name}: no salt is kept"])
        sys.exit(1)
    click.echo(printable(f"{name}: erased"))


@contextmanager
def _opened(path: Path) -> Iterator[Salts]:
    try:
        with Salts(path) as salts:
            yield salts
    except (NotSalts, sqlite3.Error) as error:
        fail(f"{path}: {error}")
