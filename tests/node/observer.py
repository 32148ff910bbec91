"""Watches what runs by the machine's own cgroups and process table, whatever the API server says."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
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
    """Its name; where nobody knows it, what its cgroup says."""
    program: str


Question = Callable[[Seen], bool]


@dataclass
class Observer:
    """Looks ten times a second for as long as the block lasts at what runs of a namespace, or may be of it."""

    real: RealWorld
    namespace: str
    failures: list[str] = field(default_factory=list)
    _forbidden: list[tuple[Question, float]] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    """Of pods seen so far, by uid, as namespace/name: a node may forget a pod whose processes are still there."""
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

    def forbid(self, what: Question, seconds: float = 0.0) -> None:
        """Say what may not run any more once so many seconds are over."""
        self._forbidden.append((what, time.monotonic() + seconds))

    def close(self, node: str, seconds: float = 0.0) -> None:
        """Say that nothing may run on a node once so many seconds are over."""
        self.forbid(lambda seen: seen.node == node, seconds)

    def now(self, node: str) -> set[str]:
        """Return the pods that have a process on a node."""
        return {seen.pod for seen in self.look() if seen.node == node}

    def look(self) -> Iterator[Seen]:
        """Return the programs that run now. A pod of which no node knows the name counts, for it may be one of these."""
        for machine in self.real.cluster.machines:
            running = pods_with_processes(machine)
            # Names after processes: a node writes the name down before the first process is there.
            names = {**self._names, **_names(machine.pid)}
            self._names = names
            for uid, cgroup in running:
                namespace, _, name = names.get(uid, "").rpartition("/")
                if namespace in ("", self.namespace):
                    for program in _programs(cgroup):
                        yield Seen(machine.name, name or f"a pod of uid {uid}", program)

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            try:
                self._judge()
            except Exception as error:  # noqa: BLE001 - a look that fails must not pass for one that found nothing
                self.failures.append(repr(error))

    def _judge(self) -> None:
        for seen in self.look():
            for rule in list(self._forbidden):
                what, since = rule
                late = time.monotonic() - since
                if late > 0 and what(seen):
                    self.failures.append(f"{seen.program} of {seen.pod} ran on {seen.node}, {late:.1f} s too late")
                    self._forbidden.remove(rule)  # once is enough


def _names(pid: int) -> dict[str, str]:
    """Return the names of a node's pods by uid, from where it keeps their logs."""
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
