"""``daulat reporter``: the process that keeps reports of what policies would refuse of what is already there."""

from __future__ import annotations

import asyncio
import sys

import click

from daulat.kube.client import Client
from daulat.logs import configure
from daulat.process.lifecycle import default_identity
from daulat.reporter.process import Options, Process
from daulat.reports.tally import LIMIT

from .examples import examples
from .processes import process_options

_EXAMPLES = examples(
    (
        "Report from outside of the cluster, every minute",
        "KUBECONFIG=reporter.yaml daulat reporter --interval 60",
    ),
)


@click.command(epilog=_EXAMPLES)
@process_options("reporter")
@click.option(
    "--interval",
    envvar="DAULAT_REPORT_INTERVAL",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds from the end of a pass to the next one.",
)
@click.option(
    "--rate",
    envvar="DAULAT_REPORT_RATE",
    type=click.FloatRange(min=1),
    default=100.0,
    show_default=True,
    metavar="N",
    help="Objects that are judged, and requests that are sent, a second at most.",
)
@click.option(
    "--limit",
    envvar="DAULAT_REPORT_LIMIT",
    type=click.IntRange(1, 1000),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Results that a report lists at most. Its summary counts all.",
)
def reporter(
    namespace: str,
    port: int,
    identity: str | None,
    log_level: str,
    log_format: str,
    interval: float,
    rate: float,
    limit: int,
) -> None:
    """Run the reporter, with KUBECONFIG or the pod's ServiceAccount. It writes reports and its Lease, and nothing else."""
    configure(log_level, log_format)
    options = Options(namespace, identity or default_identity(), port, interval, rate, limit)
    sys.exit(asyncio.run(_run(options)))


async def _run(options: Options) -> int:
    client = await Client.connect()
    try:
        return await Process(client, options).run()
    finally:
        await client.close()
