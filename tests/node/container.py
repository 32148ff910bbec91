"""A container as its node sees it, by its first process: an engine's image has no shell that could tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.node.cgroups import CGROUPS
from tests.e2e.world import Manifest

from . import inside
from .world import RealWorld, hierarchy

UNLIMITED = 1 << 62
"""What a cgroup of version 1 says instead of no limit is about twice as much."""


@dataclass(frozen=True)
class Limits:
    """What the cgroup of a container lets it have; None where it has no limit."""

    memory: int | None
    """In bytes."""
    cpus: float | None
    processes: int | None


@dataclass(frozen=True)
class Mount:
    """Something that is mounted in a container."""

    type: str
    options: frozenset[str]


@dataclass(frozen=True)
class Container:
    """A container that runs, with its pod as the API server has it."""

    pod: Manifest
    spec: Manifest
    status: Manifest
    pid: int
    """Its first process, as this machine counts."""

    @classmethod
    def of(cls, real: RealWorld, pod: str, namespace: str, name: str = "engine") -> Container:
        """Find it by its cgroup, which bears its id."""
        found = real.get("pod", pod, namespace=namespace)
        spec = next(c for c in found["spec"]["containers"] if c["name"] == name)
        status = next(c for c in found["status"]["containerStatuses"] if c["name"] == name)
        own = status["containerID"].rpartition("/")[2]
        top = hierarchy("pids") / real.machine(found["spec"]["nodeName"]).place.cgroup.lstrip("/")
        here = next(Path(place, own) for place, names, _ in os.walk(top) if own in names)
        return cls(found, spec, status, int((here / "cgroup.procs").read_text().split()[0]))

    @property
    def root(self) -> Path:
        """Its root, as seen from here. What is an absolute link in it leads elsewhere."""
        return self._proc / "root"

    @property
    def runs(self) -> bool:
        """Whether its first process is there."""
        return self._proc.exists()

    @property
    def identity(self) -> Mapping[str, str]:
        """What the kernel says of its user, groups and rights."""
        lines = (self._proc / "status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it was started with."""
        lines = (self._proc / "environ").read_text().split("\0")
        return {key: value for key, _, value in (line.partition("=") for line in lines if line)}

    @property
    def command(self) -> list[str]:
        """The command line that it was started with."""
        return (self._proc / "cmdline").read_text().split("\0")[:-1]

    @property
    def mounts(self) -> Mapping[str, Mount]:
        """All that is mounted there, by its place."""
        lines = [line.split() for line in (self._proc / "mounts").read_text().splitlines()]
        return {place: Mount(kind, frozenset(options.split(","))) for _, place, kind, options, *_ in lines}

    def namespace(self, kind: str) -> int:
        """Return the number of one of its namespaces."""
        return (self._proc / "ns" / kind).stat().st_ino

    def files(self) -> Iterator[Path]:
        """All ordinary files there, but for what the kernel makes up."""
        for here, folders, names in os.walk(self.root):
            if Path(here) == self.root:
                folders[:] = [name for name in folders if name not in ("proc", "sys")]
            yield from (path for name in names if (path := Path(here, name)).is_file() and not path.is_symlink())

    def written(self, *folders: str, user: int | None = None) -> dict[str, str]:
        """Try to write to folders as a program in there would, and return how each try ended: empty where it could."""
        identity = self.identity
        uid = int(identity["Uid"].split()[0]) if user is None else user
        question = {"pid": self.pid, "uid": uid, "gids": identity["Groups"].split(), "folders": folders}
        argv = [sys.executable, inside.__file__, json.dumps(question)]
        answer: dict[str, str] = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        return answer

    def signal(self, number: signal.Signals) -> None:
        """Send its first process a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End its first process, unless it has just ended by itself."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)

    @property
    def limits(self) -> Limits:
        """What its cgroup lets it have."""
        if (CGROUPS / "cgroup.controllers").exists():
            quota, period = self._cgroup("", "cpu.max").split()
            memory = self._cgroup("", "memory.max")
        else:
            quota, period = self._cgroup("cpu", "cpu.cfs_quota_us"), self._cgroup("cpu", "cpu.cfs_period_us")
            memory = self._cgroup("memory", "memory.limit_in_bytes")
        processes = self._cgroup("pids", "pids.max")
        return Limits(
            memory=None if memory == "max" or int(memory) > UNLIMITED else int(memory),
            cpus=None if quota in ("max", "-1") else int(quota) / int(period),
            processes=None if processes == "max" else int(processes),
        )

    @property
    def peak_memory(self) -> int:
        """The most bytes that its cgroup has had at a time, with what is cached of files."""
        version_2 = (CGROUPS / "cgroup.controllers").exists()
        return int(
            self._cgroup("", "memory.peak") if version_2 else self._cgroup("memory", "memory.max_usage_in_bytes")
        )

    def _cgroup(self, controller: str, file: str) -> str:
        # Lines are number:controllers:path; version 2 has one, with number 0 and no controllers.
        lines = [line.split(":", 2) for line in (self._proc / "cgroup").read_text().splitlines()]
        places = {one: path for _, controllers, path in lines for one in controllers.split(",")}
        path = places[controller] if controller in places else places[""]
        return (hierarchy(controller) / path.lstrip("/") / file).read_text().strip()

    @property
    def _proc(self) -> Path:
        return Path("/proc", str(self.pid))
