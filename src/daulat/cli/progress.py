"""How far a command is: one line on standard error, on a terminal alone, once the work takes longer than two seconds."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_FOR = 2.0
"""Seconds before anything is shown."""
Report = Callable[[int, str], None]
"""Says how much is done by now, and how far the work is in words."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Report]:
    """Show what is being done while the block runs, and take the line away at its end.

    ``total`` is how much there is to do. Nothing else may be written to the terminal within the block, but for warnings that are
    logged: they stand above the line.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, text: None
        return
    line = _Line(what, total)
    timer = threading.Timer(QUIET_FOR, line.show)
    timer.daemon = True
    timer.start()
    root, above = logging.getLogger(), _Above(line)
    if not root.handlers:
        root.addHandler(above)
    try:
        yield line.report
    finally:
        root.removeHandler(above)
        timer.cancel()
        timer.join()
        line.remove()


class _Line:
    """The line. It is shown by the timer's thread, while the work goes on in the other."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._done, self._text = 0, ""
        self._shown: Progress | None = None

    def report(self, done: int, text: str) -> None:
        self._done, self._text = done, text
        if self._shown is not None:
            self._update(self._shown)

    def show(self) -> None:
        # Most runs are done before there is anything to show, so only then is it imported.
        from rich import progress as bars  # noqa: PLC0415
        from rich.console import Console  # noqa: PLC0415

        columns: list[bars.ProgressColumn] = [bars.SpinnerColumn(), bars.TextColumn("{task.description}", markup=False)]
        if self._total is not None:
            columns += [bars.BarColumn(), bars.MofNCompleteColumn()]
        console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
        # The redirection would replace sys.stdout and sys.stderr, which other threads hold.
        shown = bars.Progress(
            *columns,
            bars.TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        shown.add_task(self._what, total=self._total)
        self._update(shown)
        shown.start()
        self._shown = shown

    def above(self, text: str) -> None:
        if self._shown is None:
            print(text, file=sys.stderr)
        else:
            self._shown.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def remove(self) -> None:
        if self._shown is not None:
            self._shown.stop()

    def _update(self, shown: Progress) -> None:
        text = f"{self._what}: {self._text}" if self._text else self._what
        shown.update(shown.task_ids[0], completed=self._done, description=text)


class _Above(logging.Handler):
    """Writes what is logged as Python does where no handler is configured, without the line in its way."""

    def __init__(self, line: _Line) -> None:
        super().__init__(logging.WARNING)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.above(self.format(record))
