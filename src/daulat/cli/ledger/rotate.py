"""``daulat ledger rotate``: another key signs a log that no process writes to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.errors import LedgerError, Locked, Rotated, Untrusted
from daulat.ledger.keys import KeyType, SignerKey, generate
from daulat.ledger.store import Store
from daulat.ledger.writer import Writer
from daulat.process.lifecycle import default_identity

from ..errors import fail
from ..examples import examples
from ..keyfiles import signer, write
from ..logplace import LogPlace, log_argument, s3_options
from ..structured import echo, text_or_structured
from ..text import printable


@click.command(
    epilog=examples(
        (
            "To a new key; the verifier key is printed",
            "daulat ledger rotate ./log --former-key log.key --output-file log-2.key",
        ),
        (
            "After an interruption, or to keys that exist",
            "daulat ledger rotate ./log --former-key log.key --key log-2.key",
        ),
    )
)
@log_argument
@click.option(
    "--former-key",
    "former",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A private key that signs the log now. Repeatable: all of them are required.",
)
@click.option(
    "--output-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Make a new ed25519 key, and write it to this file, which must not exist. Only its owner may read it.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A private key that signs from now on, instead of or in addition to a new one. Repeatable.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Take the lock of a bucket from a writer that was killed. No process may write to the log.",
)
@text_or_structured
@s3_options
def rotate(
    log: LogPlace,
    former: tuple[Path, ...],
    output_file: Path | None,
    keys: tuple[Path, ...],
    take_over: bool,
    form: str,
) -> None:
    """Replace the keys of the log in LOG, by an entry that the former keys sign.

    LOG is a folder or s3://BUCKET/PREFIX. The recorder must not run; with --former-key it rotates the keys itself. Printed are
    the verifier keys that sign from now on. If the command is interrupted, repeat it with --key: it completes the rotation.

    Exit codes: 0 the keys sign the log, 2 nothing was rotated, wrong input or usage.
    """
    if output_file is None and not keys:
        raise click.UsageError("--output-file or --key is required")
    before = [signer("--former-key", path) for path in former]
    after = [signer("--key", path) for path in keys]
    store = log.store(default_identity(), takeover=take_over)
    now = int(time.time())
    try:
        if output_file is None:
            head = _succeeded(store, after, before, now)
        else:
            head, made = _rotated(store, after, before, now, output_file)
            after = [made, *after]
    except Locked as error:
        fail(f"{log}: {error}. Stop the recorder first")
    except (LedgerError, ValueError) as error:
        fail(f"{log}: {error}")
    except OSError as error:
        log.unreadable(error)
    verifiers = [str(key.verifier()) for key in after]
    echo(
        form,
        printable("\n".join(verifiers)),
        {
            "apiVersion": "ledger.daulat.dev/v1",
            "kind": "KeyRotation",
            "log": str(log),
            "origin": head.origin,
            "size": head.size,
            "verifierKeys": verifiers,
        },
    )


def _succeeded(store: Store, keys: Sequence[SignerKey], former: Sequence[SignerKey], now: int) -> Checkpoint:
    """Hand over to keys that exist, or complete that."""
    with Writer.succeed(store, keys, former, now) as writer:
        return writer.head


def _rotated(
    store: Store, keys: Sequence[SignerKey], former: Sequence[SignerKey], now: int, path: Path
) -> tuple[Checkpoint, SignerKey]:
    """Hand over to a new key, which is in its file before anything is signed with it, and to ``keys``."""
    try:
        writer = Writer.open(store, former, now)
    except (Rotated, Untrusted) as error:
        raise ValueError(f"{error}. After an interrupted rotation, repeat it with --key") from error
    with writer:
        made = generate(former[0].name, KeyType.ED25519)
        write(path, made)
        try:
            return writer.rotate([made, *keys], now), made
        except (LedgerError, OSError, ValueError) as error:
            raise ValueError(f"{error}. The new key is in {path}: repeat the command with --key {path}") from error
