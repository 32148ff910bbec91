"""Watches what runs by the machine's own cgroups and process table, whatever the API server says."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from .world import RealWorld, pods_with_processes

INTERVAL = 0.1


@dataclass(frozen=True)
class Seen:
    """A program of a pod on a node."""

    node: str
    pod: str
    """As namespace/name."""
    program: str


@dataclass
class Observer:
    """Looks ten times a second for as long as the block lasts. A node that is closed may have no process of the namespace."""

    real: RealWorld
    namespace: str
    failures: list[str] = field(default_factory=list)
    _closed: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if error is None:
            assert self.failures == []

    def close(self, node: str, seconds: float) -> None:
        """Say that nothing of the namespace may run on a node once so many seconds are over."""
        self._closed[node] = time.monotonic() + seconds

    def now(self, node: str) -> set[str]:
        """Return the pods of the namespace that have a process on a node."""
        return {s.pod for s in look(self.real) if s.node == node and s.pod.startswith(f"{self.namespace}/")}

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a look that fails must not pass for one that found nothing
                self.failures.append(repr(error))

    def _look(self) -> None:
        for seen in look(self.real):
            if not seen.pod.startswith(f"{self.namespace}/"):
                continue
            now = time.monotonic()
            limit = self._closed.get(seen.node)
            if limit is not None and now > limit:
                self.failures.append(f"{seen.program} of {seen.pod} runs on {seen.node}, {now - limit:.1f} s too long")
                self._closed.pop(seen.node)  # once is enough


def look(real: RealWorld) -> Iterator[Seen]:
    """Return all programs of pods. A pod's name comes from where its node keeps its logs, and its uid from its cgroup."""
    for machine in real.cluster.machines:
        names = _names(machine.pid)
        for uid, cgroup in pods_with_processes(machine):
            for program in _programs(cgroup):
                yield Seen(machine.name, names.get(uid, f"?/{uid}"), program)


def _names(pid: int) -> dict[str, str]:
    found = {}
    with contextlib.suppress(OSError):
        for entry in os.listdir(f"/proc/{pid}/root/var/log/pods"):
            namespace, name, uid = entry.rsplit("_", 2)
            found[uid] = f"{namespace}/{name}"
    return found


def _programs(cgroup: Path) -> set[str]:
    found = set()
    for here, _, files in os.walk(cgroup):
        # It may go while it is looked at.
        with contextlib.suppress(OSError):
            if "cgroup.procs" in files:
                for pid in Path(here, "cgroup.procs").read_text().split():
                    found.add(Path("/proc", pid, "cmdline").read_bytes().split(b"\0")[0].decode())
    return found - {""}
