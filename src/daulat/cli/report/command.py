"""The command line of ``daulat report``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from daulat import __version__
from daulat.api.timestamps import stamp
from daulat.catalog.presets import PresetError
from daulat.evidence.index import Index
from daulat.evidence.report.bundle import bundle
from daulat.evidence.report.collect import NoSuchPolicy, collect
from daulat.evidence.report.document import document
from daulat.evidence.report.scope import MOST, Scope
from daulat.ledger.errors import LedgerError
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.verification import verify
from daulat.signing.keys import BadKey, private_key

from ..errors import fail
from ..examples import examples
from ..keyfiles import read
from ..logplace import LogPlace, log_argument, s3_options
from ..progress import progress
from ..text import printable
from ..times import Time
from ..trusting import trust_of, trust_options
from .output import summary, write

_LARGEST_KEY = 1 << 16
"""Bytes of a PEM file."""
_EXAMPLES = examples(
    (
        "What a month's log shows, signed",
        "daulat report ./log --key log.vkey --from 2027-01-01 --to 2027-02-01 --sign-key report.pem --output-dir january",
    ),
    (
        "Only namespaces of one policy, with a preset's rules",
        "daulat report ./log --key log.vkey --policy a --preset my-nccp --from 2027-01-01 --to 2027-02-01 --output-dir a",
    ),
)


@click.command(epilog=_EXAMPLES)
@log_argument
@trust_options
@click.option("--from", "since", type=Time(), required=True, metavar="TIME", help="The beginning of the period.")
@click.option("--to", "until", type=Time(), required=True, metavar="TIME", help="Its end, which isn't part of it.")
@click.option("--policy", default="", metavar="NAME", help="Only this SovereigntyPolicy and what it governed.")
@click.option(
    "--preset", default="", metavar="NAME", help="Add the rules of this preset and their sources to the report."
)
@click.option(
    "--most",
    type=click.IntRange(1, 10_000),
    default=MOST,
    show_default=True,
    metavar="N",
    help="Claims that a section lists at most. Totals count all.",
)
@click.option(
    "--sign-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A private key as PEM (Ed25519, or ECDSA on P-256) that signs the digests of all files.",
)
@click.option(
    "--index",
    "kept",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the index of the log is kept; never one that came with the log. By default it is made in memory each time.",
)
@click.option(
    "--output-dir",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder to write, which must be empty or not exist.",
)
@s3_options
def report(
    log: LogPlace,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    since: str,
    until: str,
    policy: str,
    preset: str,
    most: int,
    sign_key: Path | None,
    kept: Path | None,
    output_dir: Path,
) -> None:
    """Write what the log in LOG shows of a period: as a page, as JSON and OSCAL, with a proof of each entry that it names.

    LOG is a folder or s3://BUCKET/PREFIX. The whole log is verified first.

    The report has the tier of each fact (declared, observed or attested), and its limits.

    Exit codes: 0 written, 1 the log isn't as it was signed, 2 wrong input or usage.
    """
    if since >= until:
        raise click.UsageError("--from has to be before --to")
    trust = trust_of(keys, witnesses, quorum)
    scope = Scope(since, until, policy, preset, most)
    files = log.files()
    try:
        signer = private_key(read(sign_key, _LARGEST_KEY)) if sign_key is not None else None
    except BadKey as error:
        fail(f"--sign-key {sign_key}: {error}")
    try:
        if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
            fail(f"--output-dir {output_dir}: is no empty folder")
        with progress("verifying the log"):
            verified = verify(files, trust)
        if verified.findings or verified.checkpoint is None or verified.checkpoint.head is None:
            click.echo("".join(f"{printable(str(f))}\n" for f in verified.findings), err=True, nl=False)
            sys.exit(1)
        head = verified.checkpoint.head
        with progress("writing the report") as say:
            say(0, "reading the log's entries")
            index = Index(log.own_index(kept))
            index.update(files, head)
            found = collect(index, files, head.size, scope)
            index.close()
            say(0, "proving what it says")
            made = document(found, scope, verified.checkpoint, trust, _now(), __version__)
            write(output_dir, bundle(made, found.proved, files.get(CHECKPOINT) or b"", signer))
    except (NoSuchPolicy, PresetError) as error:
        fail(error)
    except LedgerError as error:
        click.echo(printable(f"{log}: {error}. `daulat ledger verify` names what was changed"), err=True)
        sys.exit(1)
    except OSError as error:
        log.unreadable(error)
    click.echo(summary(made, found, output_dir, signer is not None), nl=False)


def _now() -> str:
    return stamp(datetime.now(UTC).timestamp())
