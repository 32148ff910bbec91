"""What a process uses, as the kernel accounts for it: processor time in seconds, memory in MiB."""

from __future__ import annotations

import time
from pathlib import Path

_SCHEDULED = 2
"""CPUCLOCK_SCHED: a process's clock counts what all its threads ran, ended ones included, in nanoseconds."""


def processor_seconds(pid: int) -> float:
    """Return the processor time that the process has used since it started. OSError where it has ended."""
    # As clock_getcpuclockid(3) makes the id. /proc/PID/stat counts in ticks of 10 ms, too coarse for a single change.
    return time.clock_gettime((~pid << 3) | _SCHEDULED)


def resident_mib(pid: int) -> float:
    """Return the memory that the process holds now."""
    return _status(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """Return the most memory that the process has held so far."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
