"""``daulat``: the operator, and the tools beside it."""

from __future__ import annotations

import sys

import click

from daulat import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="daulat")
def main() -> None:
    """Keep AI models on the nodes, accelerators and artefacts that a policy approves, and show why."""


@main.command()
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
    "--log-level",
    envvar="DAULAT_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def operator(namespace: str, port: int, identity: str | None, log_level: str) -> None:
    """Run the operator, with KUBECONFIG or the pod's ServiceAccount."""
    import asyncio  # noqa: PLC0415 - the other commands start faster without it

    from daulat.operator.logs import configure  # noqa: PLC0415
    from daulat.operator.process import Options, default_identity, run  # noqa: PLC0415

    configure(log_level)
    sys.exit(asyncio.run(run(Options(namespace, identity or default_identity(), port))))


if __name__ == "__main__":
    main()
