"""A controller of another project as a process of this machine, with a token of its ServiceAccount and its release's rights."""

from __future__ import annotations

import base64
import json
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dev.cluster import Cluster, processes
from dev.cluster.addons.lws import WEBHOOKS
from dev.cluster.errors import ClusterError
from dev.cluster.ports import HOST
from dev.deployment import kubectl, operator_kubeconfig, poll
from dev.neighbours import build

# Of a release, what means something without a kubelet: not its Deployment, Services, and what these mount.
CRD = "CustomResourceDefinition"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
Manifest = dict[str, Any]


class Controller(ABC):
    """A controller that runs outside the cluster. ``start`` returns when it works; ``stop`` leaves what it made."""

    neighbour: build.Neighbour
    namespace: str
    account: str

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        """Take the cluster that it runs on, and a directory for its log and its settings."""
        self._cluster, self._directory = cluster, directory
        self._admin = kubectl(cluster)
        self._process: processes.Started | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def user(self) -> str:
        """The name by which the API server knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"

    @property
    def log(self) -> Path:
        """Where its log goes."""
        return self._directory / f"{self.neighbour.name}.log"

    def start(self) -> None:
        """Install it, start it, and wait until it works."""
        objects = build.manifests(self.neighbour)
        try:
            self._bring_up(objects)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, and remove its webhooks, without which nothing that they are asked about could be written."""
        try:
            for hook in (o for o in build.manifests(self.neighbour) if o["kind"] in WEBHOOKS):
                self._admin.run("delete", hook["kind"], hook["metadata"]["name"], "--ignore-not-found")
        finally:
            if self._process is not None:
                processes.stop([self._process])
            self._process = None

    @abstractmethod
    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        """Install what its release has, and start it."""

    def _grant(self, objects: Sequence[Manifest]) -> None:
        self._admin.apply([o for o in objects if o["kind"] == "Namespace"], "--force-conflicts")
        for kind in RIGHTS:
            self._admin.apply([o for o in objects if o["kind"] == kind])

    def _establish(self, kinds: Sequence[Manifest]) -> None:
        """Create its kinds, and wait until the API server serves them."""
        self._admin.apply(kinds, "--force-conflicts", timeout_seconds=240)
        names = [kind["metadata"]["name"] for kind in kinds]
        poll(f"the kinds of {self.neighbour.name} to be established", lambda: self._are_established(names))

    def _are_established(self, names: Sequence[str]) -> bool:
        # `kubectl wait` fails on an object that has no conditions yet. Of one object it prints that, of more a list.
        found = json.loads(self._admin.run("get", "crd", *names, "-o", "json"))
        conditions = [
            {c["type"]: c["status"] for c in o.get("status", {}).get("conditions") or ()}
            for o in found.get("items", [found])
        ]
        return all(of_one.get("Established") == "True" for of_one in conditions)

    def _run(self, *arguments: str, wrapper: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        """Start the program, by the command of ``wrapper`` where there is one."""
        argv = [*wrapper, str(build.program(self.neighbour)), *arguments]
        variables = {"KUBECONFIG": str(self._kubeconfig()), **(environment or {})}
        self._process = processes.start(self.neighbour.name, argv, self.log, variables)

    def _await_ready(self, port: int) -> None:
        """Wait until it calls itself ready at a port of this machine. ClusterError where it ends before."""

        def ready() -> bool:
            self._check_runs()
            try:
                with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5) as response:
                    return bool(response.status == 200)
            except OSError:
                return False

        poll(f"{self.neighbour.name} to be ready", ready)

    def _kubeconfig(self) -> Path:
        name = f"{self.neighbour.name}-kubeconfig.yaml"
        return operator_kubeconfig(
            self._cluster, self._directory, account=self.account, name=name, namespace=self.namespace
        )

    def _await_log(self, text: str) -> None:
        """Wait until its log has a text. ClusterError where it ends before."""

        def said() -> bool:
            self._check_runs()
            return text in self.log.read_text()

        poll(f"{self.neighbour.name} to log {text!r}", said)

    def _check_runs(self) -> None:
        if self._process is None or processes.find(self._process) is None:
            raise ClusterError(f"{self.neighbour.name} has ended; its log is {self.log}")


def converted(kind: Manifest, address: str, authority: bytes) -> Manifest:
    """Return a kind whose versions are converted at an address instead of a Service."""
    conversion: dict[str, Any] = kind["spec"].get("conversion", {})
    if conversion.get("strategy") != "Webhook":
        return kind
    hook = conversion["webhook"]
    path = hook["clientConfig"]["service"]["path"]
    client = {"url": address + path, "caBundle": base64.b64encode(authority).decode()}
    changed = {**conversion, "webhook": {**hook, "clientConfig": client}}
    return {**kind, "spec": {**kind["spec"], "conversion": changed}}


def service_at(namespace: str, name: str, port: int) -> Manifest:
    """Return a Service that leads to a port of this machine.

    The API server resolves an ExternalName itself, with no endpoints and no proxy. The certificate there has the Service's name.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": HOST, "ports": [{"port": port}]},
    }


def on_port(hook: Manifest, port: int) -> Manifest:
    """Return a webhook configuration whose Service has another port. Its controller keeps the rest of it up to date."""

    def moved(webhook: Manifest) -> Manifest:
        service = {**webhook["clientConfig"]["service"], "port": port}
        return {**webhook, "clientConfig": {**webhook["clientConfig"], "service": service}}

    return {**hook, "webhooks": [moved(webhook) for webhook in hook["webhooks"]]}


def configuration(api_version: str, certificates: Path, at: Mapping[str, int]) -> Manifest:
    """Return the configuration of a manager that listens on this machine alone, at two ports, with a certificate of the tests."""
    return {
        "apiVersion": api_version,
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"{HOST}:{at['health']}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": HOST, "port": at["webhook"], "certDir": str(certificates)},
        # There is one, and an election would cost seconds at every start.
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }
