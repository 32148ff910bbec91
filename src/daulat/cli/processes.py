"""The options that the commands of long-running processes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def process_options(of: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--namespace``, ``--port``, ``--identity``, ``--log-level`` and ``--log-format``; ``of`` names the process."""
    options = (
        click.option(
            "--namespace",
            envvar="DAULAT_NAMESPACE",
            default="daulat-system",
            show_default=True,
            metavar="NAMESPACE",
            help=f"The namespace of the {of} and of its Lease.",
        ),
        click.option(
            "--port",
            envvar="DAULAT_PORT",
            default=8080,
            show_default=True,
            help="The port of /metrics, /healthz and /readyz.",
        ),
        click.option(
            "--identity",
            envvar="POD_NAME",
            default=None,
            help="The name of this replica in the Lease; the pod's by default.",
        ),
        click.option(
            "--log-level",
            envvar="DAULAT_LOG_LEVEL",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            show_default=True,
            help="The least severe messages that are logged.",
        ),
        click.option(
            "--log-format",
            envvar="DAULAT_LOG_FORMAT",
            type=click.Choice(["json", "text"]),
            default="json",
            show_default=True,
            help="How a log line is written: as one JSON object, or for reading.",
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add
