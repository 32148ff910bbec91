"""``daulat recorder``: the process that logs what ran where, and under which rules."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from daulat.evidence.personal import Pseudonyms
from daulat.kube.client import Client
from daulat.ledger.errors import Malformed
from daulat.ledger.folder import Folder
from daulat.ledger.keys import SignerKey, VerifierKey, parse_signer, parse_verifier
from daulat.logs import configure
from daulat.process.lifecycle import default_identity
from daulat.recorder.keeper import Place
from daulat.recorder.process import Options, Process
from daulat.recorder.salts import NotSalts, Salts

from .errors import fail
from .examples import examples
from .processes import process_options

_EXAMPLES = examples(
    (
        "Record to a folder, signed by a key that `daulat ledger keygen` made",
        "daulat recorder --log /var/lib/daulat/log --key /etc/daulat/log.key --salts /var/lib/daulat/salts.sqlite",
    ),
)


@click.command(epilog=_EXAMPLES)
@process_options("recorder")
@click.option(
    "--log",
    "folder",
    envvar="DAULAT_LOG",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The log's folder. It is made where it isn't there.",
)
@click.option(
    "--key",
    "keys",
    envvar="DAULAT_LOG_KEY",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A private key of the log, as `daulat ledger keygen` makes it. Repeatable: ed25519, and ml-dsa-44 beside it.",
)
@click.option(
    "--former",
    envvar="DAULAT_LOG_FORMER_KEYS",
    multiple=True,
    metavar="VKEY",
    help="A verifier key that signed the log before the present one. Repeatable.",
)
@click.option(
    "--salts",
    envvar="DAULAT_SALTS",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The store of the salts behind the pseudonyms of persons, apart from the log. It is made where it isn't there.",
)
@click.option(
    "--index",
    envvar="DAULAT_LOG_INDEX",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the log's index is kept, so that a restart needn't make it anew. By default it is kept in memory.",
)
def recorder(
    namespace: str,
    port: int,
    identity: str | None,
    log_level: str,
    log_format: str,
    folder: Path,
    keys: tuple[Path, ...],
    former: tuple[str, ...],
    salts: Path,
    index: Path | None,
) -> None:
    """Run the recorder, with KUBECONFIG or the pod's ServiceAccount. It reads the cluster, and writes its log and its Lease."""
    configure(log_level, log_format)
    try:
        place = Place(Folder(folder), _signers(keys), [_verifier(text) for text in former], index)
        opened = Salts(salts, create=True)
    except (OSError, NotSalts) as error:
        fail(f"{salts}: {error}")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with opened:
        options = Options(namespace, identity or default_identity(), place, Pseudonyms(opened.salt).user, port)
        sys.exit(asyncio.run(_run(options)))


async def _run(options: Options) -> int:
    client = await Client.connect()
    try:
        return await Process(client, options).run()
    finally:
        await client.close()


def _signers(files: tuple[Path, ...]) -> list[SignerKey]:
    """Return the keys. Malformed with the file's name; its content is a secret."""
    found = []
    for file in files:
        try:
            found.append(parse_signer(file.read_text(encoding="utf-8").strip()))
        except (Malformed, UnicodeDecodeError) as error:
            raise Malformed(f"{file}: {'not text' if isinstance(error, UnicodeDecodeError) else error}") from error
    return found


def _verifier(text: str) -> VerifierKey:
    return parse_verifier(text.strip())
