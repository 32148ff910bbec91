"""``daulat operator``: the process that puts policies in force and places models."""

from __future__ import annotations

import asyncio
import sys

import click

from daulat.operator.logs import configure
from daulat.operator.process import Options, default_identity, run


@click.command()
@click.option(
    "--namespace",
    envvar="DAULAT_NAMESPACE",
    default="daulat-system",
    show_default=True,
    help="Where the operator's Lease is.",
)
@click.option(
    "--port", envvar="DAULAT_PORT", default=8080, show_default=True, help="For /metrics, /healthz and /readyz."
)
@click.option("--identity", envvar="POD_NAME", default=None, help="This replica's name; the pod's by default.")
@click.option(
    "--weights-image",
    envvar="DAULAT_WEIGHTS_IMAGE",
    default="",
    help="The image with which pods fetch and check weights: Daulat's own, from a registry that policies allow.",
)
@click.option(
    "--log-level",
    envvar="DAULAT_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def operator(namespace: str, port: int, identity: str | None, weights_image: str, log_level: str) -> None:
    """Run the operator, with KUBECONFIG or the pod's ServiceAccount."""
    configure(log_level)
    sys.exit(asyncio.run(run(Options(namespace, identity or default_identity(), port, weights_image))))
