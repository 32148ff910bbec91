"""Flux's source-controller and kustomize-controller as processes of this machine, on a development cluster."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dev.cluster.ports import HOST, choose
from dev.deployment import poll
from dev.gitops import build
from dev.gitops.engine import Engine
from dev.gitops.repository import BRANCH, Repository

NAMESPACE = "flux-system"
KUSTOMIZATION = "kustomizations.kustomize.toolkit.fluxcd.io"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
PASSING = ("Progressing", "ProgressingWithRetry", "DependencyNotReady")
Manifest = dict[str, Any]


class Flux(Engine):
    """The controllers of Flux that bring manifests from Git into a cluster."""

    def _bring_up(self) -> None:
        self._install_kinds([build.SOURCE_CONTROLLER, build.KUSTOMIZE_CONTROLLER], NAMESPACE, "ocirepo")
        at = choose(("artifacts", "source-health", "kustomize-health"), {})
        storage = self._directory / "artifacts"
        storage.mkdir(parents=True, exist_ok=True)
        address = f"{HOST}:{at['artifacts']}"
        self._controller(
            build.SOURCE_CONTROLLER,
            f"--storage-path={storage}",
            f"--storage-addr={address}",
            f"--storage-adv-addr={address}",
            f"--health-addr={HOST}:{at['source-health']}",
        )
        self._controller(
            build.KUSTOMIZE_CONTROLLER,
            f"--health-addr={HOST}:{at['kustomize-health']}",
            "--requeue-dependency=1s",
            "--interval-jitter-percentage=0",
        )

    def source(self, repository: Repository, name: str = "fleet") -> None:
        """Watch a repository."""
        self._admin.apply(
            [
                {
                    "apiVersion": "source.toolkit.fluxcd.io/v1",
                    "kind": "GitRepository",
                    "metadata": {"name": name, "namespace": NAMESPACE},
                    "spec": {"interval": "1m", "url": repository.url, "ref": {"branch": BRANCH}},
                }
            ]
        )

    def kustomization(self, name: str, path: str, **spec: Any) -> None:
        """Apply a folder of the repository and wait for what is in it, as the project's documentation has it."""
        body = {
            "interval": "1m",
            "retryInterval": "2s",
            "timeout": "30s",
            "prune": True,
            "wait": True,
            "path": path,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            **spec,
        }
        head = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
        self._admin.apply([{**head, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": body}])

    def fetch(self, name: str = "fleet") -> None:
        """Fetch the repository now; Kustomizations follow a new revision by themselves."""
        self._request(f"gitrepositories.source.toolkit.fluxcd.io/{name}")

    def reconcile(self, *names: str) -> None:
        """Apply Kustomizations once more, and wait until that is over."""
        for name, stamp in {name: self._request(f"{KUSTOMIZATION}/{name}") for name in names}.items():
            handled = partial(self._handled, name, stamp)
            poll(f"Kustomization {name} to be reconciled", handled, pause=1)

    def _handled(self, name: str, stamp: str) -> bool:
        handled = self.get(name).get("status", {}).get("lastHandledReconcileAt") == stamp
        # A request is handled from its beginning on, and waits again while what it depends on is reconciled.
        return handled and self.ready(name).get("reason") not in PASSING

    def get(self, name: str) -> Manifest:
        """Return a Kustomization."""
        return self._admin.get(KUSTOMIZATION, name, NAMESPACE)

    def ready(self, name: str) -> Mapping[str, str]:
        """Return a Kustomization's condition Ready; empty before it has one."""
        conditions: Sequence[Mapping[str, str]] = self.get(name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == "Ready"), {})

    def wait_applied(self, name: str, revision: str, seconds: float = 420) -> None:
        """Wait until a commit is applied and what is in it is ready."""

        def applied() -> bool:
            status = self.get(name).get("status", {})
            return (
                str(status.get("lastAppliedRevision", "")).endswith(revision) and self.ready(name)["status"] == "True"
            )

        try:
            poll(f"Kustomization {name} at {revision[:7]}", applied, seconds, pause=1)
        except Exception as error:
            raise AssertionError(f"{error}: {json.dumps(self.ready(name))}") from error

    def _request(self, what: str) -> str:
        stamp = uuid.uuid4().hex
        self._admin.run("annotate", "--overwrite", "-n", NAMESPACE, what, f"{REQUESTED}={stamp}")
        return stamp

    def _controller(self, engine: build.Engine, *arguments: str) -> None:
        environment = {"KUBECONFIG": str(self._cluster.kubeconfig()), "RUNTIME_NAMESPACE": NAMESPACE}
        shared = ["--metrics-addr=0", "--enable-leader-election=false", "--events-addr="]
        self._run(engine.name, [str(build.program(engine)), *shared, *arguments], environment)
