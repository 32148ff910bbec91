"""Fake nodes on an API server that isn't ours: what kind and an existing cluster have in common.

We have no authority that such a cluster trusts, so other users are impersonated; that asks for an administrator.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from dev.cluster import build, fakenodes, kubeconfig, processes, state
from dev.cluster.cluster import ComponentStatus, Status, announce
from dev.cluster.components import KWOK
from dev.cluster.errors import ClusterError
from dev.cluster.kubeconfig import ADMIN
from dev.cluster.kubectl import Kubectl
from dev.cluster.locking import Say, exclusive, interrupts_deferred
from dev.cluster.pki import write_private
from dev.cluster.scenario import load, node_manifests


class BorrowedCluster(ABC):
    """A cluster that is reached by an administrator's kubeconfig; subclasses say where it comes from."""

    kind = ""

    def __init__(self, name: str, *, say: Say = announce) -> None:
        """Nothing happens before `up`."""
        self.name = name
        self._directory = state.directory(name)
        self._say = say

    @abstractmethod
    def acquire(self) -> bytes:
        """Make the cluster exist, and return an administrator's kubeconfig for it."""

    @abstractmethod
    def release(self) -> None:
        """Undo `acquire`."""

    def source(self) -> str:
        """Where the kubeconfig came from, if from a file that is to be read again."""
        return ""

    def up(self, scenario: Path | None = None) -> None:
        """Create what is missing of the scenario's nodes, and run KWOK for them."""
        plan = load(scenario) if scenario else None
        kwok = build.ensure(self._say)[KWOK]
        with self._locked():
            before = state.load_own(self._directory, self.kind)
            try:
                self._start(kwok, before)
                if plan:
                    fakenodes.create(self._kubectl(), self.name, node_manifests(plan))
                    fakenodes.wait_ready(self._kubectl(), self.name)
            except BaseException:
                if not before:
                    with interrupts_deferred():
                        self._undo()
                raise
        self._say(f"cluster {self.name} ({self.kind}) is ready")

    def down(self) -> None:
        """Remove the fake nodes and KWOK's role, stop KWOK, and let go of the cluster."""
        with self._locked(), interrupts_deferred():
            existed = self._directory.exists()
            self._undo()
        self._say(f"cluster {self.name} is gone" if existed else f"there is no cluster {self.name}")

    def status(self) -> Status:
        """KWOK's process, and whether the API server says it is ready."""
        record = state.load(self._directory)
        if record is None:
            return Status(self.name, self.kind, "", ready=False)
        started = record.process(KWOK)
        pid = started.pid if started and processes.find(started) else None
        memory = processes.memory_mib(started) if started and pid else None
        ready = pid is not None and self._answers()
        return Status(self.name, self.kind, record.server, ready, (ComponentStatus(KWOK, pid, None, memory),))

    def kubeconfig(self, user: str = ADMIN, groups: Sequence[str] = ()) -> Path:
        """The administrator's kubeconfig, or a copy of it that impersonates this user."""
        admin = self._directory / "kubeconfigs" / kubeconfig.file_name(ADMIN, ())
        if not admin.exists():
            raise ClusterError(f"there is no cluster {self.name}: bring it up first.")
        if user == ADMIN and not groups:
            return admin
        path = admin.with_name(kubeconfig.file_name(user, groups))
        write_private(path, kubeconfig.impersonating(kubeconfig.read(admin), user, groups))
        return path

    def _start(self, kwok: str, before: state.Record | None) -> None:
        record = before or state.Record(self.kind, source_kubeconfig=self.source())
        state.save(self._directory, record)
        admin = self._directory / "kubeconfigs" / kubeconfig.file_name(ADMIN, ())
        write_private(admin, self.acquire())
        record = replace(record, server=kubeconfig.server(kubeconfig.read(admin)))
        state.save(self._directory, record)
        self._kubectl().apply(fakenodes.permissions(self.name, self._kwok_user()))
        running = record.process(KWOK)
        if running is None or processes.find(running) is None:
            arguments = fakenodes.arguments(kwok, self.kubeconfig(self._kwok_user()))
            log = self._directory / "logs" / f"{KWOK}.log"
            with interrupts_deferred():
                started = processes.start(KWOK, arguments, log, fakenodes.environment(self._directory))
                state.save(self._directory, record.with_process(started))

    def _undo(self) -> None:
        record = state.load_own(self._directory, self.kind)
        if record:
            try:
                if record.server:
                    fakenodes.remove(self._kubectl(), self.name)
            except ClusterError as error:
                # A cluster that is gone or out of reach must not keep us from stopping KWOK.
                self._say(f"the fake nodes of {self.name} could not be removed: {error}")
            processes.stop(record.processes)
            self.release()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _kwok_user(self) -> str:
        return f"{fakenodes.USER}:{self.name}"

    def _kubectl(self) -> Kubectl:
        return Kubectl(build.ensure(self._say)["kubectl"], self.kubeconfig())

    def _answers(self) -> bool:
        try:
            return self._kubectl().run("get", "--raw", "/readyz", timeout_seconds=10.0).strip() == "ok"
        except ClusterError:
            return False

    def _locked(self) -> AbstractContextManager[None]:
        return exclusive(self._directory.with_suffix(".lock"), self._say, f"changes cluster {self.name}")
