"""The cluster on which pages are followed one after the other. Between two of them it is as before the first."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.kubernetes import versions
from dev.deployment import NAMESPACE, ROOT, WEIGHTS_IMAGE, OperatorProcess, helm, install, kubectl, poll

from .given import Given
from .page import Command, Page

SCENARIO = ROOT / "dev" / "scenarios" / "docs.yaml"
_OURS = (
    "sovereignmodels",
    "sovereigntyexemptions",
    "sovereigntypolicies",
    "acceleratorinventories",
    "nodeattestations",
    "sovereignzones",
    "acceleratorprofiles",
)
_OTHERS = ("namespaces", "clusterroles", "clusterrolebindings", "nodes")
Manifest = dict[str, Any]


class Stage:
    """A cluster with simulated nodes, with or without Daulat."""

    def __init__(self, folder: Path) -> None:
        """Take a folder for the operator's log. The cluster is brought up when a page needs it."""
        self._folder = folder
        self._cluster: EmbeddedCluster | None = None
        self._operator: OperatorProcess | None = None
        self._before: dict[str, Manifest] = {}
        self._installed = False
        self._left: Given | None = None
        self.fresh = True
        """Whether what the page is given has to be applied."""

    @property
    def context(self) -> str:
        """The name of the context in the administrator's kubeconfig."""
        return str(yaml.safe_load(self.kubeconfig("").read_text())["current-context"])

    def kubeconfig(self, user: str) -> Path:
        """Return the kubeconfig of a user; "" is the administrator."""
        return self._up().kubeconfig(*((user,) if user else ()))

    def prepared(self, page: Page, state: Given) -> Stage | None:
        """Return the cluster as a page expects it, with nothing of earlier pages; none for a page that needs none.

        It is left as it is between two pages that are given the same, of which the first changed nothing: then it isn't `fresh`.
        """
        if state.cluster == "none":
            return None
        self.fresh = state != self._left
        self._left = None if page.changes else state
        if not self.fresh:
            return self
        if self._cluster is None:
            self._raise()
        else:
            self._reset()
        if state.cluster == "empty" and self._installed:
            self._uninstall()
        if state.cluster == "installed":
            self._install()
        return self

    def follow(self, command: Command) -> None:
        """Start or stop the operator where a command does so: without a kubelet its Deployment runs nothing."""
        if re.match(r"helm (install|upgrade|uninstall)\b", command.bare):
            self._run_operator()
        elif re.match(r"kubectl scale deployment daulat --replicas=0\b", command.bare):
            self._stop()

    def lower(self) -> None:
        """Stop the operator and remove the cluster."""
        self._stop()
        if self._cluster is not None:
            self._cluster.down()

    def _raise(self) -> None:
        self._cluster = EmbeddedCluster(
            f"docs-{uuid.uuid4().hex[:6]}", say=lambda line: None, admission_plugins=versions.pinning_plugins("")
        )
        self._cluster.up(SCENARIO)
        self._before = self._objects()

    def _install(self) -> None:
        # Also where a page has changed the release: what a page sets is set for it alone.
        install(self._up())
        self._run_operator()

    def _run_operator(self) -> None:
        self._installed = '"daulat"' in helm(self._up().kubeconfig(), "list", "-o", "json")
        if self._installed and self._operator is None:
            self._operator = OperatorProcess(self._up(), self._folder, weights_image=WEIGHTS_IMAGE)
            self._operator.start()
        elif not self._installed:
            self._stop()
        elif self._operator is not None and not self._operator.pid:
            raise ClusterError(f"the operator ended between two pages. {self._operator.where_logged}")

    def _uninstall(self) -> None:
        self._stop()
        helm(self._up().kubeconfig(), "uninstall", "daulat")
        self._installed = False

    def _stop(self) -> None:
        if self._operator is not None:
            self._operator.stop()
            self._operator = None

    def _reset(self) -> None:
        """Delete what pages have created, and give nodes back what they had."""
        admin = kubectl(self._up())
        if self._installed:
            # The operator cleans up behind a policy while it runs, also where a page has stopped it.
            if self._operator is None:
                self._run_operator()
            self._delete(self._objects(*_OURS), keep=_managed)
        found = self._objects()
        self._delete({k: o for k, o in found.items() if k not in self._before}, keep=_is_needed)
        changed = [
            o for k, o in self._before.items() if k.startswith("Node/") and _facts(found.get(k, {})) != _facts(o)
        ]
        if changed:
            admin.run("delete", "nodes", *(o["metadata"]["name"] for o in changed), "--ignore-not-found")
            manifests = [_bare(o) for o in changed]
            admin.apply(manifests)
            admin.apply(manifests, "--subresource=status")
        poll("the operator to clean up", lambda: not self._policies())

    def _policies(self) -> list[str]:
        """Return the admission policies of SovereigntyPolicies that are left."""
        names = kubectl(self._up()).run("get", "validatingadmissionpolicies", "-o", "name").split()
        return [n for n in names if n.endswith(".pods.daulat.dev")]

    def _up(self) -> EmbeddedCluster:
        assert self._cluster is not None
        return self._cluster

    def _delete(self, objects: Mapping[str, Manifest], keep: Callable[[Manifest], bool]) -> None:
        gone = [o for o in objects.values() if not keep(o)]
        if gone:
            listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [_reference(o) for o in gone]})
            kubectl(self._up()).run("delete", "--ignore-not-found", "-f", "-", stdin=listed)

    def _objects(self, *kinds: str) -> dict[str, Manifest]:
        """Return the objects of some kinds, by kind, namespace and name."""
        text = kubectl(self._up()).run("get", ",".join(kinds or _OTHERS), "-A", "-o", "json")
        return {_key(o): o for o in json.loads(text)["items"]}


def _key(found: Manifest) -> str:
    metadata = found["metadata"]
    return f"{found['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def _managed(found: Manifest) -> bool:
    return "app.kubernetes.io/managed-by" in found["metadata"].get("labels", {})


def _is_needed(found: Manifest) -> bool:
    """Say whether an object is the installation's own."""
    return _managed(found) or found["metadata"]["name"] == NAMESPACE


def _reference(found: Manifest) -> Manifest:
    metadata = {k: v for k, v in found["metadata"].items() if k in {"name", "namespace"}}
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata}


def _facts(node: Manifest) -> object:
    """Return what pages may change of a node; what the operator and Kubernetes write there isn't."""
    if not node:
        return None
    labels = {k: v for k, v in node["metadata"].get("labels", {}).items() if v != "eligible"}
    spec, status = node["spec"], node["status"]
    return labels, spec.get("taints"), spec.get("unschedulable"), status.get("allocatable"), status.get("capacity")


def _bare(node: Manifest) -> Manifest:
    """Return a node as it was first created."""
    metadata = {k: v for k, v in node["metadata"].items() if k in {"name", "labels", "annotations"}}
    status = {k: v for k, v in node["status"].items() if k in {"allocatable", "capacity", "nodeInfo", "addresses"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status}
