"""``daulat status``: one screen of policies, zones and models, with what needs attention first. Only reads."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import click
from rich.console import Console, Group
from rich.live import Live

from daulat.kube.kubeconfig import KubeconfigError, find_kubeconfig
from daulat.status.attention import Commands
from daulat.status.examine import examine
from daulat.status.view import View

from .. import cluster
from ..errors import fail
from ..examples import examples
from ..namespace import context_option, operator_namespace_option
from ..reading import Scope, read
from ..structured import WRITERS
from ..text import Page
from .output import structured
from .screen import MOST, console, rows_for, screen, written
from .watching import Appended, Redrawn, watch

_EXAMPLES = examples(
    ("Everything that you may read, in all namespaces", "daulat status"),
    ("The models of one namespace", "daulat status -n treasury"),
    ("Updated as the cluster changes", "daulat status --watch"),
    ("Every row, for a pager", "daulat status --all"),
    ("For a program: exit code 1 where something needs attention", "daulat status --exit-code -o json"),
)


@click.command(epilog=_EXAMPLES)
@context_option
@click.option("-n", "--namespace", metavar="NAMESPACE", help="Show the models of this namespace only.")
@click.option(
    "-A",
    "--all-namespaces",
    is_flag=True,
    help="Show the models of all namespaces, and of none where they can't be listed. Without -n and -A those of the context's "
    "namespace are shown then.",
)
@operator_namespace_option
@click.option("--all", "all_rows", is_flag=True, help="Show every row, and whole messages.")
@click.option(
    "-w",
    "--watch",
    "watched",
    is_flag=True,
    help="Read repeatedly: redraw on a terminal, else append a line for each read.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="The time between reads with --watch; four times as long as a read takes, if that is more.",
)
@click.option(
    "-o", "--output", type=click.Choice(["table", *WRITERS]), default="table", show_default=True, help="The format."
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something needs attention.")
def status(
    context: str | None,
    namespace: str | None,
    all_namespaces: bool,
    operator_namespace: str,
    all_rows: bool,
    watched: bool,
    interval: float,
    output: str,
    exit_code: bool,
) -> None:
    """Show policies, zones, models and exemptions of the cluster, with what needs attention first.

    Kinds that you may not list are named, and everything else is shown.

    Exit codes: 0, or 2 where the cluster can't be read or the usage is wrong. With --exit-code: 0 everything was read and is
    fine, 1 something needs attention, 2 nothing needs attention in what could be read, and something couldn't be read.
    """
    if namespace and all_namespaces:
        raise click.UsageError("-n and -A exclude each other")
    if watched and (output != "table" or exit_code or all_rows):
        raise click.UsageError("--watch excludes --all, -o json, -o yaml and --exit-code")
    fallback = "" if namespace or all_namespaces else _own_namespace(context)
    scope = Scope(namespace or "", fallback, operator_namespace)

    where = ("-n", namespace) if namespace else ("-A",) if all_namespaces else ()
    every = Commands(context or "").write("daulat", "status", "--all", *where)

    async def summary(reader: cluster.Reader) -> View:
        return examine(await read(reader, scope), context or "")

    try:
        if watched:
            _watch(context, summary, interval, every)
            return
        view = cluster.read(context, summary)
    except cluster.ClusterUnreadable as error:
        fail(error)
    if output == "table":
        _draw(view, every, all_rows=all_rows)
    else:
        click.echo(WRITERS[output](structured(view)), nl=False)
    sys.exit(view.exit_code if exit_code else 0)


def _own_namespace(context: str | None) -> str:
    try:
        return find_kubeconfig(context).namespace
    except KubeconfigError as error:
        fail(error)


def _draw(view: View, every: str, *, all_rows: bool) -> None:
    page, terminal = Page.for_output(), sys.stdout.isatty()
    most = None if all_rows else rows_for(shutil.get_terminal_size().lines) if terminal else MOST
    on = console(page.width, terminal=terminal, colour=page.colour)
    click.echo(written(screen(view, page.width, most, every), on), nl=False, color=terminal)


def _watch(
    context: str | None, summary: Callable[[cluster.Reader], Awaitable[View]], interval: float, every: str
) -> None:
    if not sys.stdout.isatty():
        _until_interrupted(context, lambda reader: watch(lambda: summary(reader), Appended(), interval))
        return

    def draw(view: View, on: Console) -> Group:
        return screen(view, on.width, rows_for(on.height), every)

    # The width is asked anew for each drawing: users resize terminals.
    on = console(None, terminal=True, colour=Page.for_output().colour)
    with Live(console=on, screen=True, auto_refresh=False) as live:
        _until_interrupted(context, lambda reader: watch(lambda: summary(reader), Redrawn(live, draw), interval))


def _until_interrupted(context: str | None, what: Callable[[cluster.Reader], Awaitable[None]]) -> None:
    with suppress(KeyboardInterrupt):
        cluster.read(context, what)
