"""Starts and stops processes that outlive us, and never takes another process for one of ours.

A pid alone says nothing after a reboot or a crash: a process is ours when its start time is the recorded one too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dev.cluster.paths import ROOT

# The kernel's boot time is in whole seconds, and rounded anew each time it is read.
START_TIME_TOLERANCE_SECONDS = 2.0

# Those that this very process started must be waited for, or they stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Started:
    """A process as it was started."""

    name: str
    pid: int
    start_time: float
    """Seconds after the machine's boot, which stay the same when the clock is set."""
    argv: tuple[str, ...]


def start(name: str, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Started:
    """Start `argv` in a session of its own: Ctrl-C in our terminal doesn't reach it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **(environment or {})},
        )
    _children[child.pid] = child
    return Started(name, child.pid, start_time(psutil.Process(child.pid)), tuple(argv))


def program(module: str) -> list[str]:
    """Return how a command line begins that runs one of our own modules, wherever it is started."""
    return ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", module]


def find(started: Started) -> psutil.Process | None:
    """The process, if it still runs and is the one that was started."""
    found = _look(started)
    return found if isinstance(found, psutil.Process) else None


def why_gone(started: Started) -> str:
    """Return why `find` doesn't find a process, for a message; empty if it does by now."""
    found = _look(started)
    return found if isinstance(found, str) else ""


def _look(started: Started) -> psutil.Process | str:
    """Return the process, or why it isn't there."""
    child = _children.get(started.pid)
    if child is not None and (status := child.poll()) is not None:
        return f"exit status {status}"
    try:
        process = psutil.Process(started.pid)
        apart = start_time(process) - started.start_time
        if abs(apart) > START_TIME_TOLERANCE_SECONDS:
            return f"process {started.pid} was started {apart:+.1f} s from the time on record"
        return "a zombie" if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error as error:
        return str(error)


def start_time(process: psutil.Process) -> float:
    """Return when a process was started, in seconds after the boot."""
    return process.create_time() - psutil.boot_time()


def stop(all_started: Iterable[Started], *, kill: bool = False, patience_seconds: float = 10.0) -> None:
    """Ask them all to end, wait, then end those that haven't; returns when none of them runs."""
    running = [process for started in all_started if (process := find(started))]
    for process in running:
        _signal(process, kill=kill)
    _gone, stubborn = psutil.wait_procs(running, timeout=patience_seconds)
    for process in stubborn:
        _signal(process, kill=True)
    psutil.wait_procs(stubborn, timeout=patience_seconds)
    for process in running:
        child = _children.pop(process.pid, None)
        if child is not None:
            child.poll()


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # It may have ended by itself in between.
        process.kill() if kill else process.terminate()


def memory_mib(started: Started) -> int | None:
    """Resident memory now, with what it started itself: a program in a node's namespaces has another process before it."""
    process = find(started)
    try:
        return round(sum(p.memory_info().rss for p in (process, *process.children())) / (1 << 20)) if process else None
    except psutil.Error:
        return None
