"""``daulat console``: the cluster as pages for a browser. Only reads."""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from daulat.console.outlines import Outlines, OutlinesError, parse, shipped
from daulat.console.site import Site
from daulat.console.whatif import Answer, Choices, State, WhatIf, first
from daulat.kube.client import Client
from daulat.kube.kubeconfig import KubeconfigError, find_kubeconfig
from daulat.logs import configure
from daulat.simulate.edits import snapshot_of

from .. import cluster
from ..errors import fail
from ..examples import examples
from ..logplace import existing, s3_options
from ..namespace import context_option, operator_namespace_option
from ..progress import progress
from ..reading import Scope, read
from ..simulation import Incomplete
from ..trusting import trust_of
from . import address, folder, server
from .further import LogSource, Source
from .latest import Latest
from .users.options import UserOptions, user_options
from .users.process import Options, run
from .whatif import LIMIT, Simulations, facts, in_advance

_EXAMPLES = examples(
    ("Pages of the cluster on this machine, until Ctrl-C", "daulat console"),
    ("A static site, whose index.html a browser opens from the disk", "daulat console --output-dir site/"),
    ("With the log, and proofs of where models ran last", "daulat console --log ledger/ --log-key log.vkey"),
    (
        "A static site with the outcomes of more changes",
        "daulat console --output-dir site/ --what-if 100",
    ),
    ("With borders of your own", "daulat console --output-dir site/ --outlines borders.geojson"),
    (
        "For users who sign in with a token of the cluster",
        "daulat console --authenticate --listen 0.0.0.0:8443 --tls-certificate tls.crt --tls-key tls.key",
    ),
)


@click.command(epilog=_EXAMPLES)
@context_option
@click.option("-n", "--namespace", metavar="NAMESPACE", help="Show the models of this namespace only.")
@operator_namespace_option
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Write the pages to this folder and end, in place of serving them.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8765",
    show_default=True,
    metavar="HOST:PORT",
    help="The loopback address to serve at. Port 0 takes a free one.",
)
@click.option(
    "--refresh",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help=(
        "Read the cluster again for a page if the facts are older than this, or than four times the duration of a"
        " read, if that is longer."
    ),
)
@click.option(
    "--outlines",
    "outlines_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Draw the map from this GeoJSON FeatureCollection, in place of the outlines that Daulat ships.",
)
@click.option(
    "--log",
    "log",
    metavar="DIR|s3://BUCKET/PREFIX",
    help="Show the last checkpoint of the log there, and with --log-key where each model ran last, with proofs.",
)
@s3_options
@click.option(
    "--log-key",
    "log_keys",
    multiple=True,
    metavar="VKEY",
    help="A verifier key of the log, or a file with one. Repeatable: each has to have signed. Without it no signature is verified.",
)
@click.option(
    "--log-witness",
    "log_witnesses",
    multiple=True,
    metavar="VKEY",
    help="A verifier key of a witness, or a file with one. Repeatable: each has to have cosigned.",
)
@click.option(
    "--log-index",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the index of the log is kept; never one that came with the log. By default it is made in memory each time.",
)
@click.option(
    "--what-if",
    "simulated",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="NUMBER",
    help=(
        "With --output-dir: simulate so many changes at most, each zone revoked and each approved accelerator profile"
        f" banned, for up to {LIMIT:.0f} s each. Without it, a change is simulated when its page is opened."
    ),
)
@user_options
def console(
    context: str | None,
    namespace: str | None,
    operator_namespace: str,
    output_dir: Path | None,
    listen: str,
    refresh: float,
    outlines_file: Path | None,
    log: str | None,
    s3_endpoint: str | None,
    s3_region: str,
    log_keys: tuple[str, ...],
    log_witnesses: tuple[str, ...],
    log_index: Path | None,
    simulated: int,
    given: UserOptions,
) -> None:
    """Show the cluster in a browser: what needs attention, zones on a map, models, policies, exemptions, drift, chips,
    what weakens enforcement, the log, and what a change would do.

    The pages show what you may read; kinds that you may not list are named on each page. Nothing is written to the cluster, and
    no page loads anything from elsewhere. The server listens on a loopback address only: as with kubectl proxy, every user of this
    machine can read it. With --authenticate, users sign in with a token of the cluster, and each sees what they may list there.

    Exit codes: 0, or 2 where the cluster can't be read or the usage is wrong.
    """
    outlines = _outlines(outlines_file)
    try:
        at = address.parse(listen, anywhere=given.tls is not None)
    except address.AddressError as error:
        raise click.UsageError(f"--listen: {error}") from error
    if (log_keys or log_witnesses or log_index) and not (log and log_keys):
        raise click.UsageError("--log-key requires --log, and --log-witness and --log-index require both")
    trust = trust_of(log_keys, log_witnesses, None) if log_keys else None
    log_source: LogSource | None = None
    if log is not None:
        log_source = LogSource(existing("--log", log, s3_endpoint, s3_region).files(), trust, log_index)
    if given.authenticate:
        if namespace or output_dir:
            raise click.UsageError(
                "--authenticate shows each user what they may list: it takes no --namespace and no --output-dir"
            )
        _serve_users(context, at, refresh, outlines, operator_namespace, log_source, given)
    further = Source(operator_namespace, log_source)
    scope = Scope(namespace or "", "" if namespace else _own_namespace(context), operator_namespace)

    async def site(reader: cluster.Reader, whatif: WhatIf) -> Site:
        shared = cluster.Shared(reader)
        found = await read(shared, scope)
        return Site(found, outlines, context or "", await further.read(shared, found, whatif))

    async def copy(reader: cluster.Reader) -> Site:
        return await site(reader, await _in_advance(reader, operator_namespace, simulated))

    async def serve(reader: cluster.Reader) -> None:
        latest = Latest[Site](lambda: site(reader, WhatIf(live=True)), refresh)
        simulations = Simulations(lambda: facts(reader, operator_namespace), refresh)
        found, problem = await latest.get()
        if found is None:
            raise cluster.ClusterUnreadable(problem)
        await server.serve(
            latest, simulations, at.host, at.port, at.hosts, lambda port: click.echo(f"{at.url(port)} (Ctrl-C ends)")
        )

    try:
        if output_dir is not None:
            count = folder.write(cluster.read(context, copy), output_dir)
            click.echo(f"{count} pages: open {output_dir / 'index.html'}")
            return
        with suppress(KeyboardInterrupt):
            cluster.read(context, serve)
    except (cluster.ClusterUnreadable, folder.FolderError) as error:
        fail(error)
    except OSError as error:
        fail(f"can't listen on {listen}: {error.strerror or error}")


async def _in_advance(reader: cluster.Reader, operator_namespace: str, most: int) -> WhatIf:
    """Return what changes do, for pages that are kept."""
    if not most:
        return WhatIf()
    try:
        found = await facts(reader, operator_namespace)
    except cluster.ClusterUnreadable as error:
        # The other pages show what there is of Daulat.
        return WhatIf(refused=Answer(State.UNREADABLE, why=str(error)))
    choices = () if isinstance(found, Incomplete) else first(Choices(snapshot_of(found)), most)
    with progress("simulating", len(choices)) as report:
        return await asyncio.to_thread(in_advance, choices, found, report)


def _serve_users(
    context: str | None,
    at: address.Address,
    refresh: float,
    outlines: Outlines,
    operator_namespace: str,
    log_source: LogSource | None,
    given: UserOptions,
) -> NoReturn:
    configure(given.log_level, given.log_format)
    options = Options(
        at.host,
        at.port,
        operator_namespace,
        refresh,
        outlines,
        given.title or context or "",
        frozenset(given.host_names),
        given.tls,
        given.proxy_names,
        given.health_port,
        given.review_ttl,
        log_source,
    )
    scheme = "https" if given.tls else "http"

    async def serve() -> int:
        client = await Client.from_kubeconfig(context)
        try:
            return await run(client, options, lambda port: click.echo(f"{at.url(port, scheme)} (Ctrl-C ends)"))
        finally:
            await client.close()

    try:
        sys.exit(asyncio.run(serve()))
    except KubeconfigError as error:
        fail(error)
    except ssl.SSLError as error:
        fail(f"the certificate can't be used: {error.reason or error}")
    except OSError as error:
        fail(
            f"can't listen on {at.host}:{at.port}, or read a certificate: {error.filename or ''} {error.strerror or error}"
        )


def _outlines(file: Path | None) -> Outlines:
    if file is None:
        return shipped()
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, OutlinesError) as error:
        fail(f"{file}: {error}")


def _own_namespace(context: str | None) -> str:
    try:
        return find_kubeconfig(context).namespace
    except KubeconfigError as error:
        fail(error)
