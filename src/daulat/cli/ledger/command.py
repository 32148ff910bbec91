"""The command line of ``daulat ledger``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daulat.ledger import checkpoint, keys, note, proof, reader
from daulat.ledger.errors import Inconsistent, LedgerError, Malformed, Untrusted
from daulat.ledger.keys import KeyType
from daulat.ledger.note import MAXIMUM_NOTE
from daulat.ledger.verification import verify as verify_log

from ..errors import fail, print_errors
from ..examples import examples
from ..keyfiles import read, write
from ..logplace import LogPlace, log_argument, s3_options
from ..progress import progress
from ..structured import echo, text_or_structured
from ..trusting import trust_of, trust_options
from .bundle import check_bundle
from .output import FORMATS, checked, entry_list, shown, verification
from .person import person
from .rotate import rotate

_LARGEST_PROOF = 1 << 21
"""Bytes: a checkpoint, 63 hashes and an entry."""
_TYPES = {"ed25519": KeyType.ED25519, "ml-dsa-44": KeyType.ML_DSA_44, "witness": KeyType.COSIGNATURE}
_FORMAT = click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
)


_EXAMPLES = examples(
    (
        "Whether a log is as signed and witnessed, and continues a kept checkpoint",
        "daulat ledger verify ./log --key log.vkey --witness w1.vkey --previous kept/checkpoint",
    ),
    ("One file that proves an entry", "daulat ledger proof ./log 17 --output-file 17.tlog-proof"),
    ("Its check, without the log", "daulat ledger check-proof 17.tlog-proof --key log.vkey"),
    ("The check of a report, without the log", "daulat ledger check-bundle january --key log.vkey"),
)


@click.group(epilog=_EXAMPLES)
def ledger() -> None:
    """Verify a log of what ran where, and prove its entries, from files alone."""


ledger.add_command(person)
ledger.add_command(check_bundle)
ledger.add_command(rotate)


@ledger.command(
    epilog=examples(
        (
            "Whether the log is as signed, and continues a checkpoint that was kept",
            "daulat ledger verify ./log --key log.vkey --previous kept/checkpoint",
        ),
        ("With a witness, for a program", "daulat ledger verify ./log --key log.vkey --witness w1.vkey -o json"),
    )
)
@log_argument
@trust_options
@click.option(
    "--previous",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A checkpoint of this log that was stored elsewhere. Repeatable. Without one, a truncated log can't be detected.",
)
@_FORMAT
@s3_options
def verify(
    log: LogPlace,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    previous: tuple[Path, ...],
    form: str,
) -> None:
    """Verify the log in LOG, a folder or s3://BUCKET/PREFIX: every entry, every tile and the checkpoint.

    Exit codes: 0 verified, 1 not verified, 2 wrong input or usage.
    """
    trust = trust_of(keys, witnesses, quorum)
    older = [(str(path), read(path, MAXIMUM_NOTE)) for path in previous]
    try:
        with progress("verifying the log"):
            found = verify_log(log.files(), trust, older)
    except OSError as error:
        log.unreadable(error)
    click.echo(verification(found, str(log), form), nl=False)
    sys.exit(1 if found.findings else 0)


@ledger.command(
    "proof",
    epilog=examples(("The proof of entry 17", "daulat ledger proof ./log 17 --output-file 17.tlog-proof")),
)
@log_argument
@click.argument("index", metavar="N", type=click.IntRange(min=0))
@click.option(
    "--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, such as 17.tlog-proof."
)
@s3_options
def proof_(log: LogPlace, index: int, output_file: Path | None) -> None:
    """Write the proof that the log in LOG has entry N: one file with the entry, its proof and the checkpoint.

    LOG is a folder or s3://BUCKET/PREFIX.

    Exit codes: 0 written, 1 the checkpoint doesn't cover the entry, 2 wrong input or usage.
    """
    try:
        made = bytes(proof.prove(log.files(), index))
        if output_file is not None:
            output_file.write_bytes(made)
        else:
            click.echo(made, nl=False)
    except Inconsistent as error:
        print_errors([f"{log}: {error}"])
        sys.exit(1)
    except (LedgerError, ValueError) as error:
        fail(f"{log}: {error}")
    except OSError as error:
        log.unreadable(error)


@ledger.command(
    "check-proof",
    epilog=examples(
        ("Without the log", "daulat ledger check-proof 17.tlog-proof --key log.vkey"),
        ("For a program", "daulat ledger check-proof 17.tlog-proof --key log.vkey -o json"),
    ),
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@trust_options
@click.option(
    "--entry",
    "entry_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The entry's bytes, where FILE doesn't have them.",
)
@_FORMAT
def check_proof(
    file: Path,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    entry_file: Path | None,
    form: str,
) -> None:
    """Check the proof in FILE without the log, and show the entry that it proves.

    Exit codes: 0 proved, 1 not proved, 2 wrong input or usage.
    """
    trust = trust_of(keys, witnesses, quorum)
    try:
        found = proof.parse(read(file, _LARGEST_PROOF))
    except Malformed as error:
        fail(f"{file}: {error}")
    entry = found.entry if entry_file is None else read(entry_file, _LARGEST_PROOF)
    if entry is None:
        fail(f"{file}: it doesn't have the entry itself; --entry FILE says it")
    try:
        examined = proof.verify(found, entry, trust)
    except Untrusted as error:
        print_errors([f"{file}: {error}"])
        sys.exit(1)
    click.echo(checked(examined, found.index, entry, form), nl=False)


@ledger.command(
    epilog=examples(
        ("Entries 0 and 17", "daulat ledger show ./log 0 17"),
        ("All, for a program", "daulat ledger show ./log -o json"),
    )
)
@log_argument
@click.argument("indices", metavar="[N...]", nargs=-1, type=click.IntRange(min=0))
@_FORMAT
@s3_options
def show(log: LogPlace, indices: tuple[int, ...], form: str) -> None:
    """Show entries of the log in LOG, all without N. They aren't verified.

    LOG is a folder or s3://BUCKET/PREFIX.

    Exit codes: 0 shown, 2 wrong input or usage.
    """
    files = log.files()
    try:
        signed = files.get(reader.CHECKPOINT)
        if signed is None:
            fail(f"{log}: has no checkpoint, so it isn't a log")
        size = checkpoint.parse(note.parse(signed).text).size
        if beyond := [n for n in indices if n >= size]:
            fail(f"{log}: the log has no entry {beyond[0]}: it has {size}, from 0")
        chosen = (
            ((n, reader.entry(files, n, size)) for n in indices) if indices else enumerate(reader.entries(files, size))
        )
        if form != "table":
            click.echo(entry_list(list(chosen), form), nl=False)
            return
        for index, entry in chosen:
            click.echo(shown(index, entry))
    except LedgerError as error:
        fail(f"{log}: {error}")
    except OSError as error:
        log.unreadable(error)


@ledger.command(
    epilog=examples(
        ("The key of a log", "daulat ledger keygen daulat.example.my/cluster-1 --output-file log.key > log.vkey"),
        ("The key of a witness", "daulat ledger keygen w1.example.my --type witness --output-file w1.key"),
    )
)
@click.argument("name")
@click.option(
    "--output-file",
    required=True,
    type=click.Path(path_type=Path),
    help="Write the private key to this file, which must not exist. Only its owner may read it.",
)
@click.option(
    "--type",
    "key_type",
    type=click.Choice(list(_TYPES)),
    default="ed25519",
    show_default=True,
    help="What signs with it.",
)
@text_or_structured
def keygen(name: str, output_file: Path, key_type: str, form: str) -> None:
    """Make a key, and print its verifier key.

    NAME is the log's origin, such as daulat.example.my/cluster-1, or the name of a witness.

    Exit codes: 0 made, 2 wrong input or usage.
    """
    try:
        made = keys.generate(name, _TYPES[key_type])
    except Malformed as error:
        fail(error)
    write(output_file, made)
    key = str(made.verifier())
    echo(form, key, {"apiVersion": "ledger.daulat.dev/v1", "kind": "Key", "name": name, "verifierKey": key})
