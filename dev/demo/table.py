"""What the demo prints: a table of what was tried, row by row, and how to look around."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from dev.cluster import Cluster
from dev.cluster.build import ensure
from dev.cluster.cluster import announce

from .attempts import NAMESPACE
from .commandline import command_line
from .row import Row

COLOURS = {"placed": "green", "pinned": "green", "answered": "green", "refused": "yellow", "not run": "yellow"}


LISTEN = "127.0.0.1:8765"
CONSOLE = f"http://{LISTEN}/"
"""Where the console of the demo's cluster is served."""
WIDTHS = {"#": 2, "attempt": 33, "by": 13, "outcome": 8}
NARROW = 100
"""A terminal with fewer columns gives the attempt fewer."""


class Rows:
    """A table that is printed row by row, each as soon as it is there; in red what should have been otherwise."""

    def __init__(self, console: Console, title: str, before: Sequence[Row] = ()) -> None:
        self._console, self._title = console, title
        self.all = list(before)
        """The rows so far, of this table and of those before it."""
        self._began, self._printed = len(self.all), 0

    @property
    def wrong(self) -> list[Row]:
        """Those that came out otherwise than they should."""
        return [row for row in self.all if row.outcome != row.expected]

    def continued(self, title: str) -> Rows:
        """Return a table whose numbers go on after those of this one."""
        return Rows(self._console, title, self.all)

    def add(self, row: Row) -> None:
        """Print a row."""
        self.all.append(row)
        lines = self._lines()[:-1]
        self._print(lines[self._printed :])
        self._printed = len(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._printed:
            self._print(self._lines()[-1:])

    def _lines(self) -> list[list[Segment]]:
        # Columns have fixed widths, so what was printed stays as it is when a row is added.
        options = self._console.options
        return self._console.render_lines(table(self.all, self._title, options.max_width, self._began), options)

    def _print(self, lines: Sequence[list[Segment]]) -> None:
        for line in lines:
            self._console.print(Segments([*line, Segment.line()]), end="")
        self._console.file.flush()


def table(rows: Sequence[Row], title: str, width: int, first: int = 0) -> Table:
    """Return the rows from number ``first`` on as a table of a width in columns of the terminal."""
    found = Table(title=title, show_lines=True, width=width)
    widths = dict(WIDTHS)
    if width < NARROW:
        widths["attempt"] = 18
    rest = max(width - sum(widths.values()) - 3 * (len(widths) + 1) - 1, 10)
    found.add_column("#", justify="right", no_wrap=True, width=widths["#"])
    found.add_column("attempt", width=widths["attempt"])
    found.add_column("by", no_wrap=True, width=widths["by"])
    found.add_column("outcome", width=widths["outcome"])
    found.add_column("answer", width=rest, overflow="fold")
    for number, row in enumerate(rows[first:], first + 1):
        colour = COLOURS[row.outcome] if row.outcome == row.expected else "bold red"
        found.add_row(str(number), Text(row.attempt), row.who, Text(row.outcome, style=colour), Text(row.answer))
    return found


def ran(console: Console, answer: str) -> None:
    """Print what ran where, as the recorder's log says."""
    _print(
        console,
        "\nWhat ran where, by the recorder's log, whose entries lead to its signed checkpoint:\n",
        answer.rstrip(),
    )


def explain(
    console: Console,
    cluster: Cluster,
    where_logged: str,
    asking: Sequence[str],
    why_not: str,
    checking: Sequence[str],
) -> None:
    """Say how to look around; how to ask the model, or why none answers; how to check the log; and how to remove it all."""
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
    _print(console, "\nTo ask the log, and to verify it, without the cluster:\n", *(f"  {c}" for c in checking))
    _print(
        console,
        "\nTo see the cluster in a browser, what a change would do included, until Ctrl-C:\n",
        f"  {console_command(cluster)}",
        f"\nThen open {CONSOLE}",
    )
    suffix = f" NAME={cluster.name}" if cluster.name != "demo" else ""
    _print(console, f"\n{where_logged}.", f"To remove it all: make demo-down{suffix}\n")


def console_command(cluster: Cluster) -> str:
    """Return the command that serves the console of the demo's cluster, whatever KUBECONFIG is set to."""
    return command_line("console", f"--listen={LISTEN}", KUBECONFIG=str(cluster.kubeconfig()))


def _print(console: Console, *lines: str) -> None:
    # A command or a path that is broken into lines can't be copied.
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
