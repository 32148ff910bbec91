"""What the demo prints in the end: a table of what was tried, and how to look around."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dev.cluster import Cluster
from dev.cluster.build import ensure
from dev.cluster.cluster import announce

from .attempts import NAMESPACE
from .row import Row

COLOURS = {"placed": "green", "pinned": "green", "answered": "green", "refused": "yellow", "told why": "yellow"}


def table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table, in red what should have been otherwise."""
    found = Table(title="What was tried, and what the cluster answered", show_lines=True, expand=True)
    found.add_column("#", justify="right", no_wrap=True)
    found.add_column("attempt", ratio=3)
    found.add_column("by", no_wrap=True)
    found.add_column("outcome", no_wrap=True)
    found.add_column("answer", ratio=8, overflow="fold")
    for number, row in enumerate(rows, 1):
        colour = COLOURS[row.outcome] if row.outcome == row.expected else "bold red"
        found.add_row(str(number), Text(row.attempt), row.who, Text(row.outcome, style=colour), Text(row.answer))
    return found


def explain(console: Console, cluster: Cluster, where_logged: str, asking: Sequence[str], why_not: str) -> None:
    """Say how to look around; how to ask the model, or why none answers; and how to remove it all."""
    binaries = Path(ensure(announce)["kubectl"]).parent
    _print(
        console,
        "The cluster stays up. To look around:\n",
        f'  export KUBECONFIG={cluster.kubeconfig()} PATH="{binaries}:$PATH"',
        "  kubectl get daulat --all-namespaces",
        f"  kubectl describe smodel --namespace {NAMESPACE}",
        "  kubectl get nodes -L daulat.node-restriction.kubernetes.io/zone",
    )
    if asking:
        _print(console, "\nTo ask the model, which was made to say this one sentence:\n", *(f"  {c}" for c in asking))
    if why_not:
        _print(console, f"\nNo model answers here: {why_not}.")
    suffix = f" NAME={cluster.name}" if cluster.name != "demo" else ""
    _print(console, f"\n{where_logged}.", f"To remove it all: make demo-down{suffix}\n")


def _print(console: Console, *lines: str) -> None:
    # A command or a path that is broken into lines can't be copied.
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
