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
from ..examples import examples
from ..structured import echo, text_or_structured
from ..text import printable

_PERSON = {"apiVersion": "ledger.daulat.dev/v1", "kind": "Person"}
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


@person.command(epilog=examples(("The digest of a user", "daulat ledger person digest aisha --salts salts.sqlite")))
@click.argument("name")
@_STORE
@click.option("--address", metavar="IP", help="Print the digest of this source address of the person instead.")
@text_or_structured
def digest(name: str, path: Path, address: str | None, form: str) -> None:
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
    made = found.pseudonym if address is None else found.digest(Attribute.ADDRESS, address)
    of = {} if address is None else {"address": address}
    echo(form, made, {**_PERSON, "name": name, **of, "digest": made})


@person.command(
    epilog=examples(
        ("The user of a digest in the log", "daulat ledger person name hmac-sha256-128:5d1e... --salts salts.sqlite")
    )
)
@click.argument("digest")
@_STORE
@text_or_structured
def name(digest: str, path: Path, form: str) -> None:
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
    echo(form, printable(found.name), {**_PERSON, "name": found.name, "digest": digest})


@person.command(epilog=examples(("Forget a user", "daulat ledger person erase aisha --salts salts.sqlite")))
@click.argument("name")
@_STORE
@text_or_structured
def erase(name: str, path: Path, form: str) -> None:
    """Erase the salt of the user NAME, so that no digest in the log can be led back to the name.

    The log stays as it is, and verifies. What the user does from now on is recorded under another digest. Copies and backups of the
    store have to be erased too, and SovereigntyExemptions that name the user deleted.

    Exit codes: 0 erased, 1 no salt is kept for this name, 2 wrong input or usage.
    """
    with _opened(path) as salts:
        erased = salts.erase(name)
    if not erased:
        print_errors([f"{name}: no salt is kept"])
        sys.exit(1)
    echo(form, printable(f"{name}: erased"), {**_PERSON, "name": name, "erased": True})


@contextmanager
def _opened(path: Path) -> Iterator[Salts]:
    try:
        with Salts(path) as salts:
            yield salts
    except (NotSalts, sqlite3.Error) as error:
        fail(f"{path}: {error}")
