"""``daulat recorder``: the process that logs what ran where, and under which rules."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from daulat.evidence.personal import Pseudonyms
from daulat.kube.client import Client
from daulat.ledger.store import Store
from daulat.ledger.writer import no_witnesses
from daulat.logs import configure
from daulat.process.lifecycle import default_identity
from daulat.recorder import metrics
from daulat.recorder.audit.webhook import WebhookOptions
from daulat.recorder.auditing import AuditOptions
from daulat.recorder.keeper import Place
from daulat.recorder.process import Options, Process
from daulat.recorder.salts import NotSalts, Salts
from daulat.witness.client import Witnesses, parse_witnesses
from daulat.witness.standing import Outcome

from .errors import fail
from .examples import examples
from .keyfiles import signer
from .logplace import place, s3_options
from .processes import process_options

OPERATOR_ACCOUNT = "daulat"
"""The operator's ServiceAccount."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

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
    "where",
    envvar="DAULAT_LOG",
    required=True,
    metavar="DIR|s3://BUCKET/PREFIX",
    help="Where the log is kept: a folder, which is made where it isn't there, or a bucket (needs daulat[s3]).",
)
@s3_options
@click.option(
    "--key",
    "keys",
    envvar="DAULAT_LOG_KEY",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A private key of the log, as created by `daulat ledger keygen`. Repeatable: ed25519, and additionally ml-dsa-44.",
)
@click.option(
    "--former-key",
    "former",
    envvar="DAULAT_LOG_FORMER_KEY",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="A private key of the log until now: it hands the log over to --key by an entry, once. Repeatable.",
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
    help="The file of the log's index, so that a restart needn't rebuild it. By default the index is kept in memory.",
)
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar='"VKEY URL"',
    help="A witness that cosigns checkpoints: its verifier key and its URL. Repeatable.",
)
@click.option(
    "--quorum",
    envvar="DAULAT_QUORUM",
    type=click.IntRange(min=0),
    metavar="N",
    help="Witnesses that should cosign; all of them by default. With fewer, the log is written and the metrics report it.",
)
@click.option(
    "--audit-webhook",
    envvar="DAULAT_AUDIT_WEBHOOK",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Take the API server's audit events on this port, over TLS.",
)
@click.option(
    "--audit-certificate", envvar="DAULAT_AUDIT_CERTIFICATE", type=_FILE, help="The webhook's certificate, as PEM."
)
@click.option("--audit-key", envvar="DAULAT_AUDIT_KEY", type=_FILE, help="Its private key, as PEM.")
@click.option(
    "--audit-client-ca",
    envvar="DAULAT_AUDIT_CLIENT_CA",
    type=_FILE,
    help="The CA of the API server's client certificate, as PEM.",
)
@click.option(
    "--audit-client-name",
    "audit_client_names",
    envvar="DAULAT_AUDIT_CLIENT_NAMES",
    multiple=True,
    metavar="CN",
    help="The common name of a client certificate that may send events. Repeatable; any that the CA signed by default.",
)
@click.option(
    "--audit-token",
    envvar="DAULAT_AUDIT_TOKEN",
    type=_FILE,
    help="A file with the bearer token that the API server sends.",
)
@click.option(
    "--audit-file",
    envvar="DAULAT_AUDIT_FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Follow the API server's audit log in this file.",
)
@click.option(
    "--audit-position",
    envvar="DAULAT_AUDIT_POSITION",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the place in that file is kept.",
)
def recorder(
    namespace: str,
    port: int,
    identity: str | None,
    log_level: str,
    log_format: str,
    where: str,
    s3_endpoint: str | None,
    s3_region: str,
    keys: tuple[Path, ...],
    former: tuple[Path, ...],
    salts: Path,
    index: Path | None,
    witnesses: tuple[str, ...],
    quorum: int | None,
    audit_file: Path | None,
    audit_position: Path | None,
    **webhook: Any,
) -> None:
    """Run the recorder, with KUBECONFIG or the pod's ServiceAccount. It reads the cluster, and writes its log and its Lease."""
    configure(log_level, log_format)
    if (audit_file is None) is not (audit_position is None):
        raise click.UsageError("--audit-file and --audit-position need each other")
    name = identity or default_identity()
    audit = AuditOptions(
        _webhook(**webhook), audit_file, audit_position, f"system:serviceaccount:{namespace}:{OPERATOR_ACCOUNT}"
    )
    signers = [signer("--key", path) for path in keys]
    before = [signer("--former-key", path) for path in former]
    asked = _witnesses(witnesses, quorum)
    try:
        opened = Salts(salts, create=True)
    except (OSError, NotSalts) as error:
        fail(f"{salts}: {error}")
    with opened:
        try:
            store = _store(where, name, s3_endpoint, s3_region)
            options = Options(
                namespace,
                name,
                Place(store, signers, before, index, asked or no_witnesses),
                Pseudonyms(opened.salt, opened.has),
                port,
                audit,
                (lambda: asked.standings) if asked is not None else lambda: None,
            )
            sys.exit(asyncio.run(_run(options)))
        finally:
            if asked is not None:
                asked.close()


async def _run(options: Options) -> int:
    client = await Client.connect()
    try:
        return await Process(client, options).run()
    finally:
        await client.close()


def _store(where: str, owner: str, endpoint: str | None, region: str) -> Store:
    try:
        found = place(where, endpoint, region)
    except ValueError as error:
        raise click.UsageError(f"--log {where}: {error}") from error
    # Others are excluded by the Lease. The bucket's own conditions keep a writer from forking the log that lost it unnoticed.
    return found.store(owner, takeover=True)


def _witnesses(texts: tuple[str, ...], quorum: int | None) -> Witnesses | None:
    if not texts:
        return None
    try:
        found = parse_witnesses(texts)
        return Witnesses(found, len(found) if quorum is None else quorum, _observed)
    except ValueError as error:
        raise click.UsageError(f"--witness, --quorum: {error}") from error


def _observed(name: str, outcome: Outcome) -> None:
    metrics.COSIGNED.labels(name, str(outcome)).inc()


def _webhook(
    audit_webhook: int | None,
    audit_certificate: Path | None,
    audit_key: Path | None,
    audit_client_ca: Path | None,
    audit_client_names: tuple[str, ...],
    audit_token: Path | None,
) -> WebhookOptions | None:
    given = (audit_certificate, audit_key, audit_client_ca, audit_token)
    if audit_webhook is None:
        if any(given) or audit_client_names:
            raise click.UsageError("--audit-webhook is required by the other --audit options")
        return None
    if audit_certificate is None or audit_key is None:
        raise click.UsageError("--audit-webhook requires --audit-certificate and --audit-key")
    if audit_client_ca is None and audit_token is None:
        raise click.UsageError(
            "--audit-webhook requires --audit-client-ca or --audit-token: a stranger's events would be evidence"
        )
    return WebhookOptions(
        audit_certificate,
        audit_key,
        audit_client_ca,
        frozenset(audit_client_names),
        audit_token,
        port=audit_webhook,
    )
