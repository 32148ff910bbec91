"""Reads again and again, and shows each time what was found: redrawn on a terminal, as a line below the last one elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from daulat.kube.errors import RequestError
from daulat.status.view import View

from ..cluster import ClusterUnreadable, sentence
from ..text import printable
from .output import line, stamp

SHARE = 4
"""How many times as long as a read took the next one waits at least, so that a large cluster isn't read all the time."""
TICK = 1.0
"""Seconds between redraws, which show the age of the facts."""


class Shown(Protocol):
    """Where a summary appears."""

    def show(self, view: View | None, problem: str, due: float) -> None:
        """Show the last summary, and why there is none that is newer. ``due`` is in how many seconds the next read begins."""


def pause(interval: float, took: float) -> float:
    """Return the seconds until the next read, after one that took so many seconds."""
    return max(interval, SHARE * took)


class Appended:
    """Lines one below the other: one for each read."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._problem = ""

    def show(self, view: View | None, problem: str, due: float) -> None:
        """Write a line for a new summary or a new problem."""
        del due
        if problem and problem != self._problem:
            click.echo(printable(f"{stamp(time.time())} can't read: {problem}"))
        elif view is not None and view.at != self._last:
            click.echo(printable(line(view)))
            self._last = view.at
        self._problem = problem


class Redrawn:
    """The whole screen, drawn anew."""

    def __init__(self, live: Live, draw: Callable[[View, Console], Group]) -> None:
        self._live, self._draw = live, draw

    def show(self, view: View | None, problem: str, due: float) -> None:
        """Draw the summary with the age of its facts."""
        # Above the tables: what doesn't fit the terminal is cut at the end.
        drawn: list[Text | Group] = [] if view is None else [self._draw(view, self._live.console)]
        self._live.update(Group(age(view, problem, time.time(), due), *drawn), refresh=True)


def age(view: View | None, problem: str, now: float, due: float) -> Text:
    """Return the first lines: how old the facts are, why they aren't newer, when they are read again."""
    old = f"Facts of {stamp(view.at)}, {max(now - view.at, 0):.0f} s old" if view is not None else "No facts yet"
    text = Text(f"{old}; read again in {max(due, 0):.0f} s; Ctrl-C ends\n", "dim")
    return Text.assemble(text, (f"Can't read: {printable(problem)}\n", "red")) if problem else text


async def watch(summary: Callable[[], Awaitable[View]], shown: Shown, interval: float) -> None:
    """Read and show until cancelled. A read that fails leaves the last summary in place."""
    view: View | None = None
    while True:
        began, problem = time.monotonic(), ""
        try:
            view = await summary()
        except ClusterUnreadable as error:
            problem = str(error)
        except RequestError as error:
            problem = sentence(error)
        ended = time.monotonic()
        due = ended + pause(interval, ended - began)
        left = due - ended
        while left > 0:
            shown.show(view, problem, left)
            await asyncio.sleep(min(TICK, left))
            left = due - time.monotonic()
