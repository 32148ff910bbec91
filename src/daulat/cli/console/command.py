"""``daulat console``: the cluster as pages for a browser. Only reads."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from daulat.console.outlines import Outlines, OutlinesError, parse, shipped
from daulat.console.site import Site
from daulat.kube.kubeconfig import KubeconfigError, find_kubeconfig

from .. import cluster
from ..errors import fail
from ..examples import examples
from ..namespace import context_option, operator_namespace_option
from ..reading import Scope, read
from ..trusting import trust_of
from . import address, folder, server
from .further import Source

_EXAMPLES = examples(
    ("Pages of the cluster on this machine, until Ctrl-C", "daulat console"),
    ("A static site, whose index.html a browser opens from the disk", "daulat console --output-dir site/"),
    ("With the last checkpoint of the log", "daulat console --log ledger/ --log-key log.vkey"),
    ("With borders of your own", "daulat console --output-dir site/ --outlines borders.geojson"),
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
    help="Read the cluster anew for a page when the facts are older; or than four times as long as a read takes, if that is more.",
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
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIRECTORY",
    help="Show the last checkpoint of the log in this folder, as the recorder or a mirror of its bucket writes it.",
)
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
def console(
    context: str | None,
    namespace: str | None,
    operator_namespace: str,
    output_dir: Path | None,
    listen: str,
    refresh: float,
    outlines_file: Path | None,
    log: Path | None,
    log_keys: tuple[str, ...],
    log_witnesses: tuple[str, ...],
) -> None:
    """Show the cluster in a browser: what needs attention, zones on a map, models, policies, exemptions, drift, chips,
    what weakens enforcement, and the log.

    The pages show what you may read; kinds that you may not list are named on each page. Nothing is written to the cluster, and
    no page loads anything from elsewhere. The server listens on a loopback address only: as with kubectl proxy, every user of this
    machine can read it.

    Exit codes: 0, or 2 where the cluster can't be read or the usage is wrong.
    """
    outlines = _outlines(outlines_file)
    try:
        at = address.parse(listen)
    except address.AddressError as error:
        raise click.UsageError(f"--listen: {error}") from error
    if (log_keys or log_witnesses) and not (log and log_keys):
        raise click.UsageError("--log-key requires --log, and --log-witness requires both")
    further = Source(operator_namespace, log, trust_of(log_keys, log_witnesses, None) if log_keys else None)
    scope = Scope(namespace or "", "" if namespace else _own_namespace(context), operator_namespace)

    async def site(reader: cluster.Reader) -> Site:
        facts = await read(reader, scope)
        return Site(facts, outlines, context or "", await further.read(reader))

    async def serve(reader: cluster.Reader) -> None:
        latest = server.Latest(lambda: site(reader), refresh)
        found, problem = await latest.get()
        if found is None:
            raise cluster.ClusterUnreadable(problem)
        await server.serve(latest, at.host, at.port, at.hosts, lambda port: click.echo(f"{at.url(port)} (Ctrl-C ends)"))

    try:
        if output_dir is not None:
            count = folder.write(cluster.read(context, site), output_dir)
            click.echo(f"{count} pages: open {output_dir / 'index.html'}")
            return
        with suppress(KeyboardInterrupt):
            cluster.read(context, serve)
    except (cluster.ClusterUnreadable, folder.FolderError) as error:
        fail(error)
    except OSError as error:
        fail(f"can't listen on {listen}: {error.strerror or error}")


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
