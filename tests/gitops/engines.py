"""One way to drive both engines, so that a test is written once and run with each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import yaml

from daulat.api.names import API_VERSION
from dev.cluster import Cluster
from dev.deployment import NAMESPACE as OPERATOR_NAMESPACE
from dev.deployment import ROOT, kubectl
from dev.gitops import argocd, flux, healthfiles
from dev.gitops.argocd import ArgoCD
from dev.gitops.flux import Flux
from dev.gitops.repository import Repository

from . import account, estate


class Engine(Protocol):
    """A GitOps engine on a cluster, with the repository of an estate."""

    name: str
    user: str
    """Who applies manifests, as the API server knows the account."""
    sovereignty: str
    """What applies policies, zones and the rest."""
    models: str
    """What applies models, after that."""
    manager: str
    """Its field manager."""

    def bring(self, repository: Repository) -> None:
        """Declare the estate to the engine: the chart, then Daulat's kinds, in order."""

    def fetch(self) -> None:
        """Read the repository now."""

    def settled(self, revision: str) -> None:
        """Wait until everything of a commit is applied and healthy."""

    def reconcile(self) -> None:
        """Reconcile everything once more, and wait until that is over."""

    def healthy(self, name: str) -> bool:
        """Say whether all that one of its two parts applies is healthy."""

    def message(self, name: str) -> str:
        """Return what its status says of the last try."""

    def stop(self) -> None:
        """End it."""


class ByFlux:
    """Flux: a Kustomization for each part, which depend on each other."""

    name, sovereignty, models, manager = "flux", "sovereignty", "models", "kustomize-controller"
    user = account.user(flux.NAMESPACE)

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.flux = Flux(cluster, directory)
        self.flux.start()
        account.create(kubectl(cluster), flux.NAMESPACE)

    def bring(self, repository: Repository) -> None:
        shipped = yaml.safe_load((ROOT / healthfiles.FLUX).read_text())["spec"]
        self.flux.source(repository)
        acts = {"serviceAccountName": account.ACCOUNT}
        self.flux.kustomization("daulat", estate.RENDERED, **acts)
        after = {"dependsOn": [{"name": "daulat"}], **acts, **shipped}
        forced = "- {op: add, path: /metadata/annotations/kustomize.toolkit.fluxcd.io~1force, value: enabled}"
        bindings = {"target": {"kind": "ValidatingAdmissionPolicyBinding"}, "patch": forced}
        self.flux.kustomization("compiled", estate.COMPILED, **after, patches=[bindings])
        self.flux.kustomization(self.sovereignty, estate.SOVEREIGNTY, **after)
        after["dependsOn"] = [{"name": self.sovereignty}]
        # An exemption waits for a person, so the Kustomization waits for the model alone.
        checks = [
            {"apiVersion": API_VERSION, "kind": "SovereignModel", "name": estate.MODEL, "namespace": estate.TREASURY}
        ]
        self.flux.kustomization(self.models, estate.MODELS, **{**after, "wait": False, "healthChecks": checks})

    def fetch(self) -> None:
        self.flux.fetch()

    def settled(self, revision: str) -> None:
        self.fetch()
        for name in ("daulat", "compiled", self.sovereignty, self.models):
            self.flux.wait_applied(name, revision)

    def reconcile(self) -> None:
        self.flux.reconcile("daulat", "compiled", self.sovereignty, self.models)

    def healthy(self, name: str) -> bool:
        return self.flux.ready(name).get("status") == "True"

    def message(self, name: str) -> str:
        return self.flux.ready(name).get("message", "")

    def stop(self) -> None:
        self.flux.stop()


class ByArgoCD:
    """Argo CD: an Application for the chart, and one for the estate in waves."""

    name, sovereignty, models, manager = "argocd", "estate", "estate", "argocd"
    user = account.user(argocd.NAMESPACE)

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.argocd, admin = ArgoCD(cluster, directory), kubectl(cluster)
        self.argocd.start()
        account.create(admin, argocd.NAMESPACE)
        self.argocd.add_cluster("production", *account.access(cluster, argocd.NAMESPACE))

    def bring(self, repository: Repository) -> None:
        chart = {"helm": {"valueFiles": ["values-site.yaml"], "releaseName": "daulat", "skipTests": True}}
        options = ["CreateNamespace=true"]
        self.argocd.application(
            "daulat", repository, "chart", "production", OPERATOR_NAMESPACE, source=chart, syncOptions=options
        )
        self.argocd.client_side_application("compiled", repository, estate.COMPILED, "production")
        folder = {"directory": {"recurse": True}}
        self.argocd.application("estate", repository, estate.ESTATE, "production", source=folder)

    def fetch(self) -> None:
        self.argocd.reconcile("daulat", "compiled", "estate")

    def settled(self, revision: str) -> None:
        self.fetch()
        for name in ("daulat", "compiled", "estate"):
            self.argocd.wait_healthy(name, revision)

    def reconcile(self) -> None:
        self.fetch()

    def healthy(self, name: str) -> bool:
        return self.argocd.state(name) == ("Synced", "Healthy")

    def message(self, name: str) -> str:
        return self.argocd.message(name)

    def stop(self) -> None:
        self.argocd.stop()


ENGINES: Mapping[str, type[ByFlux] | type[ByArgoCD]] = {ByFlux.name: ByFlux, ByArgoCD.name: ByArgoCD}
