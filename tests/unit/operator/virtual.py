"""An event loop whose clock stands still while there is work, and jumps to the next timer where there is none: minutes of waiting
take no time, and no test waits for luck."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from daulat.api.timestamps import stamp

T = TypeVar("T")

START = 1_800_000_000.0
"""Seconds since the epoch at which the clock of a test starts."""


class _NoWaiting(selectors.SelectSelector):
    """Passes the time that the loop would wait."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "every task waits for another one"
        self.passed += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self._virtual = _NoWaiting()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._virtual.passed


class VirtualTime:
    """Stands in for the module ``time`` where the operator reads the clock."""

    @staticmethod
    def time() -> float:
        """Return the seconds since the epoch."""
        return START + asyncio.get_running_loop().time()

    monotonic = time


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a test on such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)


def later(seconds: float, function: Callable[[], object]) -> None:
    """Call a function after so many seconds."""
    asyncio.get_running_loop().call_later(seconds, function)


def ends_at(seconds: float) -> str:
    """Return the time in so many seconds, as the API writes it."""
    return stamp(VirtualTime.time() + seconds)
