"""``daulat witness``: the process that cosigns other parties' logs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from daulat.ledger.errors import LedgerError
from daulat.ledger.folder import Folder
from daulat.logs import configure
from daulat.witness.cosigner import Cosigner
from daulat.witness.server import serve

from .errors import fail
from .examples import examples
from .keyfiles import signer, verifier

_EXAMPLES = examples(
    (
        "Cosign one log, on loopback",
        "daulat witness --key w1.key --state /var/lib/witness --log log.vkey",
    ),
)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--listen",
    envvar="DAULAT_LISTEN",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where to serve, by HTTP. TLS is for a proxy in front.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The private key of the witness, of keygen's type witness or ml-dsa-44. Repeatable: each cosigns.",
)
@click.option(
    "--state",
    required=True,
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    metavar="DIR",
    help="Where the checkpoint that was accepted last is kept, for each log. It must never be set back to an older copy.",
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    required=True,
    metavar="VKEY",
    help="A verifier key of a log that is cosigned, or a file with one. Repeatable.",
)
@click.option(
    "--log-level",
    envvar="DAULAT_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least severe messages that are logged.",
)
@click.option(
    "--log-format",
    envvar="DAULAT_LOG_FORMAT",
    type=click.Choice(["json", "text"]),
    default="json",
    show_default=True,
    help="How a log line is written: as one JSON object, or for reading.",
)
def witness(
    listen: str, keys: tuple[Path, ...], state: Path, logs: tuple[str, ...], log_level: str, log_format: str
) -> None:
    """Cosign the checkpoints of logs that grow by appending only (C2SP tlog-witness), and refuse all others.

    Exit codes: 0 stopped by a signal, 2 wrong input or usage.
    """
    host, port = _address(listen)
    signers = [signer("--key", path) for path in keys]
    known = [verifier("--log", text) for text in logs]
    configure(log_level, log_format)
    try:
        cosigner = Cosigner(signers, known, Folder(state))
    except ValueError as error:
        fail(f"--key, --log: {error}")
    except LedgerError as error:
        fail(f"--state: {error}")
    except OSError as error:
        fail(f"--state {state}: {(error.strerror or str(error)).lower()}")
    try:
        asyncio.run(serve(cosigner, host, port))
    except OSError as error:
        fail(f"--listen {listen}: {(error.strerror or str(error)).lower()}")
    finally:
        cosigner.close()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise click.UsageError(f"--listen: {text!r} isn't ADDRESS:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)
