"""A real control plane as processes of this user on this machine: no container, no root, ready in seconds.

Decides the order of start, when it is ready, and what a failed or interrupted start leaves: nothing but its logs.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.cluster import audit, build, components, fakenodes, identity, kubeconfig, ports, processes, state
from dev.cluster.addons import catalog, lws
from dev.cluster.addons.install import install
from dev.cluster.addons.site import Site
from dev.cluster.api import Endpoint
from dev.cluster.cluster import ComponentStatus, Status, announce
from dev.cluster.components import APISERVER, CONTROLLERS, ETCD, HOST, KWOK, SCHEDULER, Layout
from dev.cluster.errors import ClusterError, PortTaken
from dev.cluster.kubeconfig import ADMIN
from dev.cluster.kubectl import Kubectl
from dev.cluster.kubernetes import versions
from dev.cluster.kubernetes.choice import choose
from dev.cluster.locking import Say, exclusive, interrupts_deferred
from dev.cluster.node import cgroups, real
from dev.cluster.scenario import Scenario, load, node_manifests, real_nodes

# Each is ready within 5 s on 2 idle cores; this is for a machine that is busy with other things.
START_SECONDS = 180.0
POLL_SECONDS = 0.05
ATTEMPTS = 3


class EmbeddedCluster:
    """One control plane on loopback ports; several with different names live side by side."""

    kind = "embedded"

    def __init__(
        self,
        name: str,
        *,
        kubernetes: str = "",
        features: Sequence[str] = (),
        admission_plugins: Sequence[str] = (),
        api_only: bool = False,
        apiserver_args: Sequence[str] = (),
        controller_args: Sequence[str] = (),
        addons: Sequence[str] = (),
        fixed_ports: Mapping[str, int] | None = None,
        audit_policy: Mapping[str, Any] | None = None,
        node_leases: bool = True,
        real_nodes_later: bool = False,
        say: Say = announce,
    ) -> None:
        """`kubernetes` is a minor version of kubernetes/versions.yaml, by default versions.find()'s; `features` are its.

        `admission_plugins` are switched on beside the default ones. `api_only` starts components.API_ONLY alone.
        `apiserver_args` go to the API server last, `controller_args` to the controller manager.
        `up` installs `addons`, as `addon` does.
        `fixed_ports` maps names of components.PORTS to ports. With an audit policy, `audit_log` is written. Without
        `node_leases`, simulated nodes renew no Lease, and the node controller leaves them Ready for `components.UNWATCHED_HOURS`.
        With `real_nodes_later`, a second `up` may name a scenario with real nodes, and adds them.
        """
        self.name = name
        self._directory = state.directory(name)
        self._audit_policy = audit_policy
        self._node_leases = node_leases
        self._real_nodes_later = real_nodes_later
        self._choice = choose(kubernetes, features, admission_plugins, api_only=api_only)
        self._more_args = tuple(apiserver_args)
        self._controller_args = tuple(controller_args)
        self._addons = tuple(addons)
        for addon in self._addons:
            catalog.check(addon)
        self._fixed_ports = dict(fixed_ports or {})
        self._say = say
        self.machines: list[real.Machine] = []
        """The real nodes of the scenario that `up` was given."""

    @property
    def logs_dir(self) -> Path:
        """Where each component writes `<component>.log`."""
        return self._directory / "logs"

    @property
    def audit_log(self) -> Path:
        """Where the API server logs requests, one JSON object a line, if the cluster has an audit policy."""
        return self._directory / audit.LOG

    # --- up and down

    def up(self, scenario: Path | None = None) -> None:
        """Start everything and wait until it is usable; zones are left to the caller, who has the kinds installed."""
        began = time.monotonic()
        plan = load(scenario) if scenario else None
        self._choice.check(nodes=bool(plan or self._addons), real_nodes=self._has_real_nodes(plan))
        minor = self._choice.version.minor
        binaries = versions.ensure(minor, self._say, controllers=self._choice.controllers)
        with self._locked():
            record = state.load_own(self._directory, self.kind)
            if record and self._is_whole(record):
                self._join(record, plan)
                return
            if record:
                self._say(f"cluster {self.name} is not whole any more: starting it anew")
            self._remove(record)
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._start_all(binaries, plan)
                    break
                except PortTaken as error:
                    if attempt == ATTEMPTS or self._fixed_ports:
                        raise
                    self._say(f"{error} Trying others.")
        self._say(f"cluster {self.name}, Kubernetes {minor}, is ready after {time.monotonic() - began:.1f} s")

    def down(self) -> None:
        """Stop the processes that were recorded and remove the directory."""
        with self._locked():
            existed = self._directory.exists()
            with interrupts_deferred():
                self._remove(state.load_own(self._directory, self.kind))
        self._say(f"cluster {self.name} is gone" if existed else f"there is no cluster {self.name}")

    def _join(self, record: state.Record, plan: Scenario | None) -> None:
        self._choice.check_same(self.name, record)
        if self._apiserver_args and self._apiserver_args != record.apiserver_args:
            raise ClusterError(f"cluster {self.name} runs with other API server arguments: take it down first.")
        if plan and real_nodes(plan) and not real.reaches_nodes(self._directory):
            raise ClusterError(f"cluster {self.name} was brought up without real nodes: take it down first.")
        self._say(f"cluster {self.name} is up already at {record.server}")
        if plan:
            self._create_nodes(plan)
        for addon in self._addons:
            self._install(addon)

    def _start_all(self, binaries: build.Binaries, plan: Scenario | None) -> None:
        chosen = ports.choose(components.PORTS, self._fixed_ports)
        at = Layout(self._directory, binaries, chosen)
        record = state.Record(
            self.kind,
            at.server,
            chosen,
            self._apiserver_args,
            kubernetes=self._choice.version.minor,
            components=self._choice.components,
        )
        try:
            self._directory.mkdir(parents=True, mode=0o700, exist_ok=True)
            state.save(self._directory, record)
            identity.create(at.pki)
            if self._audit_policy is not None:
                audit.write(self._directory, self._audit_policy)
            for component, user in identity.COMPONENT_USERS.items():
                identity.write_kubeconfig(at.kubeconfig(component), at.pki, self.name, at.server, user, ())
            self.kubeconfig()
            self._bring_up(at, plan)
        except BaseException as error:
            with interrupts_deferred():
                self._stop_recorded()
                if not isinstance(error, ClusterError) or isinstance(error, PortTaken):
                    shutil.rmtree(self._directory, ignore_errors=True)
                (self._directory / state.FILE).unlink(missing_ok=True)
            raise

    def _bring_up(self, at: Layout, plan: Scenario | None) -> None:
        self._launch(ETCD, components.etcd(at))
        self._launch(APISERVER, components.apiserver(at, [*self._to_nodes(plan), *self._apiserver_args]))
        self._await_apiserver()
        if self._choice.controllers:
            self._bring_up_controllers(at, plan)

    def _bring_up_controllers(self, at: Layout, plan: Scenario | None) -> None:
        gates = self._choice.gates()
        # Not before: both end when the built-in roles, which the API server makes while it starts, aren't there yet.
        self._launch(CONTROLLERS, components.controllers(at, [*self._patience(plan), *gates, *self._controller_args]))
        self._launch(SCHEDULER, components.scheduler(at, gates))
        kubectl = self._kubectl()
        kubectl.apply(fakenodes.permissions(self.name, fakenodes.USER))
        self._launch(KWOK, fakenodes.arguments(at.binaries[KWOK], at.kubeconfig(KWOK), self._node_leases))
        if plan:
            self._create_nodes(plan)
        self._await_health(CONTROLLERS)
        self._await_health(SCHEDULER)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._await("the default ServiceAccount", lambda: self._api().answers(account))
        for addon in self._addons:
            self._install(addon)

    def _create_nodes(self, plan: Scenario) -> None:
        fakenodes.create(self._kubectl(), self.name, node_manifests(plan))
        fakenodes.wait_ready(self._kubectl(), self.name)
        if wanted := real_nodes(plan):
            self.machines = real.bring_up(self._site(), self._pid, wanted)

    def _patience(self, plan: Scenario | None) -> Sequence[str]:
        """Arguments that say how long the node controller waits for a heartbeat."""
        if not self._node_leases:
            return components.UNWATCHED
        return real.PATIENCE if self._has_real_nodes(plan) else ()

    def _has_real_nodes(self, plan: Scenario | None) -> bool:
        return self._real_nodes_later or bool(plan and real_nodes(plan))

    def _to_nodes(self, plan: Scenario | None) -> list[str]:
        """Arguments by which the API server reaches real nodes, where there are to be some."""
        if not self._has_real_nodes(plan):
            return []
        return [f"--egress-selector-config-file={real.egress_file(self._directory)}"]

    def _remove(self, record: state.Record | None) -> None:
        if record:
            processes.stop(
                record.processes, kill=True
            )  # All it holds is removed: nothing is to be ended in good order.
        cgroups.clean_up(self.name)
        shutil.rmtree(self._directory, ignore_errors=True)

    # --- add-ons

    def addon(self, name: str) -> None:
        """Install one of dev.cluster.addons, and wait until it works; fine where it is there already."""
        catalog.check(name)
        with self._locked():
            self._install(name)

    def _install(self, addon: str) -> None:
        before = {p.name for p in self._record().processes}
        try:
            install(addon, self._site())
        except BaseException:
            # A dead process among the recorded ones would make the cluster, which is fine without it, look broken.
            with interrupts_deferred():
                record = self._record()
                processes.stop(p for p in record.processes if p.name not in before)
                kept = tuple(p for p in record.processes if p.name in before)
                state.save(self._directory, replace(record, processes=kept))
            raise

    def _site(self) -> Site:
        record = self._record()
        return Site(
            name=self.name,
            directory=self._directory,
            server=record.server,
            api=self._api(),
            kubectl=self._kubectl(),
            say=self._say,
            binary=lambda name: build.program(name, self._say),
            port=lambda name: self._record().ports[name],
            choose_ports=self._choose_more_ports,
            runs=self._runs,
            launch=self._launch,
            wait=self._await,
        )

    def _choose_more_ports(self, names: Sequence[str]) -> dict[str, int]:
        record = self._record()
        chosen = ports.choose(names, {})
        state.save(self._directory, replace(record, ports={**record.ports, **chosen}))
        return chosen

    def _runs(self, component: str) -> bool:
        return bool(self._pid(component))

    def _pid(self, component: str) -> int:
        started = self._record().process(component)
        return started.pid if started is not None and processes.find(started) is not None else 0

    # --- one component

    def stop(self, component: str, *, kill: bool = False) -> None:
        """End one component (SIGTERM, or SIGKILL as in a crash) and wait until it has ended."""
        with self._locked():
            processes.stop([self._recorded(component)], kill=kill, patience_seconds=30.0)

    def start(self, component: str) -> None:
        """Start a component that was stopped, with the arguments it had; returns when it is ready again."""
        with self._locked():
            recorded = self._recorded(component)
            if processes.find(recorded) is None:
                self._launch(component, recorded.argv)
        # Others may be stopped as well, and stay so.
        if component == APISERVER:
            self._await_apiserver(component)
        elif component in {CONTROLLERS, SCHEDULER}:
            self._await_health(component, component)
        elif component == lws.MANAGER:
            lws.wait_ready(self._site())

    def restart_apiserver(self, *, kill: bool = False) -> None:
        """Stop the API server and start it again with the same arguments; returns when it is ready."""
        self.stop(APISERVER, kill=kill)
        self.start(APISERVER)

    def why_ended(self, component: str) -> str:
        """Return the end of the log of a component that has ended, with the reason that its runtime gave; empty where it runs."""
        if self._runs(component):
            return ""
        lines = (self.logs_dir / f"{component}.log").read_text(errors="replace").splitlines()
        reasons = [line for line in lines if line.startswith(("fatal error:", "panic:", "SIG"))]
        return "\n".join([f"{component} has ended; its log:", *reasons[:3], "...", *lines[-40:]])

    def upgrade(self, kubernetes: str, *, features: Sequence[str] = (), admission_plugins: Sequence[str] = ()) -> None:
        """Run a later version of Kubernetes on the same data: the API server first, then the controllers and the scheduler."""
        running = self._choice
        choice = choose(kubernetes, features, admission_plugins, api_only=not running.controllers)
        binaries = versions.ensure(choice.version.minor, self._say, controllers=choice.controllers)
        with self._locked():
            at = Layout(self._directory, binaries, dict(self._record().ports))
            self._choice = choice
            programs = {APISERVER: components.apiserver(at, self._apiserver_args)}
            if choice.controllers:
                arguments = [*self._patience(None), *choice.gates(), *self._controller_args]
                programs[CONTROLLERS] = components.controllers(at, arguments)
                programs[SCHEDULER] = components.scheduler(at, choice.gates())
            for component, argv in programs.items():
                processes.stop([self._recorded(component)], patience_seconds=30.0)
                self._launch(component, argv)
                if component == APISERVER:
                    self._await_apiserver(APISERVER)
                else:
                    self._await_health(component, component)
            state.save(
                self._directory,
                replace(self._record(), kubernetes=choice.version.minor, apiserver_args=self._apiserver_args),
            )

    @property
    def _apiserver_args(self) -> tuple[str, ...]:
        audited = audit.arguments(self._directory) if self._audit_policy is not None else ()
        return (*audited, *self._choice.apiserver_arguments(), *self._more_args)

    # --- what others read

    def status(self) -> Status:
        """The recorded processes, and whether the API server says it is ready."""
        record = state.load(self._directory)
        if record is None:
            return Status(self.name, self.kind, "", ready=False)
        parts = []
        for name in dict.fromkeys((*record.components, *(p.name for p in record.processes))):
            started = record.process(name)
            pid = started.pid if started and processes.find(started) else None
            memory = processes.memory_mib(started) if started and pid else None
            parts.append(ComponentStatus(name, pid, record.ports.get(name), memory))
        return Status(self.name, self.kind, record.server, self._is_whole(record), tuple(parts), record.kubernetes)

    def kubeconfig(self, user: str = ADMIN, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig with a client certificate for this user; made once, then the same file."""
        path = self._directory / "kubeconfigs" / kubeconfig.file_name(user, groups)
        if not path.exists():
            server = self._record().server
            identity.write_kubeconfig(path, self._directory / "pki", self.name, server, user, groups)
        return path

    # --- inside

    def _locked(self) -> AbstractContextManager[None]:
        return exclusive(self._directory.with_suffix(".lock"), self._say, f"changes cluster {self.name}")

    def _record(self) -> state.Record:
        record = state.load(self._directory)
        if record is None:
            raise ClusterError(f"there is no cluster {self.name}: bring it up first.")
        return record

    def _recorded(self, component: str) -> processes.Started:
        record = self._record()
        started = record.process(component)
        if started is None:
            known = ", ".join(p.name for p in record.processes)
            raise ClusterError(f"cluster {self.name} has no {component}: it has {known}.")
        return started

    def _launch(self, component: str, argv: Sequence[str]) -> None:
        with interrupts_deferred():
            log = self.logs_dir / f"{component}.log"
            started = processes.start(component, argv, log, fakenodes.environment(self._directory))
            state.save(self._directory, self._record().with_process(started))

    def _stop_recorded(self) -> None:
        if record := state.load(self._directory):
            # What it held is thrown away: there is nothing to end in good order.
            processes.stop(record.processes, kill=True)
            cgroups.clean_up(self.name)
            state.save(self._directory, replace(record, processes=()))

    def _is_whole(self, record: state.Record) -> bool:
        running = {p.name for p in record.processes if processes.find(p)}
        wanted = {*record.components, *(p.name for p in record.processes)}
        return running == wanted and self._api().answers("/readyz")

    def _api(self) -> Endpoint:
        pki = self._directory / "pki"
        port = self._record().ports[APISERVER]
        return Endpoint(HOST, port, pki / "ca.crt", pki / "admin.crt", pki / "admin.key")

    def _kubectl(self) -> Kubectl:
        return Kubectl(build.ensure(self._say)["kubectl"], self.kubeconfig())

    def _await_apiserver(self, *needed: str) -> None:
        api = self._api()
        self._await("the API server to be ready", lambda: api.answers("/readyz"), *needed)

    def _await_health(self, component: str, *needed: str) -> None:
        endpoint = Endpoint(HOST, self._record().ports[component], self._directory / "pki" / "ca.crt")
        self._await(f"{component} to be healthy", lambda: endpoint.answers("/healthz"), *needed)

    def _await(self, what: str, condition: Callable[[], bool], *needed: str) -> None:
        """Wait for a condition. ClusterError where one of the needed processes, by default all, has ended."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            for started in self._record().processes:
                if (not needed or started.name in needed) and processes.find(started) is None:
                    raise self._failure(started.name, processes.why_gone(started))
            if time.monotonic() > deadline:
                raise ClusterError(f"waited {START_SECONDS:.0f} s for {what}: the logs in {self.logs_dir} say more.")
            time.sleep(POLL_SECONDS)

    def _failure(self, component: str, why: str) -> ClusterError:
        log = self.logs_dir / f"{component}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        if any("address already in use" in line for line in lines[-50:]):
            return PortTaken(f"another process took a port that {component} was about to use.")
        said = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return ClusterError(
            f"{component} ended at once ({why or 'it is there now'}; {said[:300]}): its whole log is {log}."
        )
