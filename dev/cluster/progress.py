"""Shows how far a build is: a bar on a terminal, a plain line every 20 seconds elsewhere (CI logs)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dev.cluster.locking import Say

PLAIN_INTERVAL_SECONDS = 20.0


Meter = Callable[[int], None]
"""Takes how many are done."""


@contextmanager
def meter(say: Say, title: str, total: int | None, unit: str) -> Iterator[Meter]:
    """A meter for one step; `total` None when it isn't known beforehand."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain(say, title, total, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}" + (f" of {total}" if total else "") + f" {unit}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)

        def show(done: int) -> None:
            progress.update(task, completed=done)

        yield show


def _plain(say: Say, title: str, total: int | None, unit: str) -> Meter:
    began = time.monotonic()
    last = began

    def show(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL_SECONDS:
            last = now
            amount = f"{done} of {total}" if total else str(done)
            say(f"{title}: {amount} {unit} after {now - began:.0f} s")

    return show
