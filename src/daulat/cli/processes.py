"""The options that the commands of long-running processes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def added(options: Sequence[Decorator]) -> Decorator:
    """Return what adds these options to a command, in their order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def port_option(name: str, lead: str = "The") -> Decorator:
    """Return the option for the port of the probes and the metrics; ``lead`` begins its help."""
    return click.option(
        name,
        envvar="DAULAT_PORT",
        default=8080,
        show_default=True,
        help=f"{lead} port of /metrics, /healthz and /readyz.",
    )


def log_options(lead: str = "The") -> tuple[Decorator, Decorator]:
    """Return ``--log-level`` and ``--log-format``; ``lead`` begins their help."""
    return (
        click.option(
            "--log-level",
            envvar="DAULAT_LOG_LEVEL",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            show_default=True,
            help=f"{lead} least severe messages that are logged.",
        ),
        click.option(
            "--log-format",
            envvar="DAULAT_LOG_FORMAT",
            type=click.Choice(["json", "text"]),
            default="json",
            show_default=True,
            help=f"{lead} way a log line is written: as one JSON object, or for reading.",
        ),
    )


def process_options(of: str) -> Decorator:
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
        port_option("--port"),
        click.option(
            "--identity",
            envvar="POD_NAME",
            default=None,
            help="The name of this replica in the Lease; the pod's by default.",
        ),
        *log_options(),
    )
    return added(options)
