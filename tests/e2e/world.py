"""What end-to-end tests share: a cluster with Daulat on it, and namespaces and policies of a test's own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.kubectl import Kubectl
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import NAMESPACE, ROOT, OperatorProcess, install, kubectl, poll

SCENARIO = ROOT / "dev" / "scenarios" / "demo.yaml"
IMAGE = "registry.example.my/vllm@sha256:" + "2b" * 32
Manifest = dict[str, Any]


def unique(prefix: str) -> str:
    """Return a name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:6]}"


def policy_manifest(name: str, **changes: Any) -> Manifest:
    """Return the example policy under a name of its own, which governs namespaces labelled with that name."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "policy.yaml").read_text())
    manifest["metadata"]["name"] = name
    manifest["spec"]["namespaceSelector"] = {"matchLabels": {"daulat.dev/data-class": name}}
    manifest["spec"].update(changes)
    return manifest


def pod_manifest(name: str, namespace: str, **spec: Any) -> Manifest:
    """Return a plain pod that breaks no control."""
    body: Manifest = {"containers": [{"name": "main", "image": IMAGE}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": body}


def model_manifest(name: str, namespace: str, **spec: Any) -> Manifest:
    """Return the example model under a name and in a namespace of its own, with one replica on one device."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "deepseek-r1.yaml").read_text())
    manifest["metadata"] = {"name": name, "namespace": namespace}
    manifest["spec"]["replicas"] = 1
    for choice in manifest["spec"]["accelerators"]:
        choice["count"] = 1
    manifest["spec"].update(spec)
    return manifest


@dataclass
class World:
    """A cluster with the chart installed and the operator running."""

    cluster: EmbeddedCluster
    operator: OperatorProcess
    admin: Kubectl

    def as_user(self, user: str, *groups: str) -> Kubectl:
        """Return kubectl as an ordinary user, with the rights that RBAC gives them."""
        return kubectl(self.cluster, user, tuple(groups))

    def get(self, *what: str, namespace: str = "") -> Manifest:
        """Return an object as the API server has it."""
        where = ("--namespace", namespace) if namespace else ()
        found: Manifest = json.loads(self.admin.run("get", *what, *where, "-o", "json"))
        return found

    def condition(self, kind: str, name: str, type_: str, namespace: str = "") -> Mapping[str, str]:
        """Return one condition of an object; empty where it has none of that type."""
        conditions = self.get(kind, name, namespace=namespace).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def wait_condition(
        self, kind: str, name: str, type_: str, status: str, namespace: str = "", seconds: float = 30
    ) -> Mapping[str, str]:
        """Wait until a condition has a status, and return it."""
        seen: Mapping[str, str] = {}

        def so() -> bool:
            nonlocal seen
            seen = self.condition(kind, name, type_, namespace)
            return seen.get("status") == status

        try:
            poll(f"{kind} {name} to have {type_}={status}", so, seconds)
        except ClusterError as error:
            raise ClusterError(f"{error}; it was {dict(seen)}") from error
        return seen

    def govern(self, namespace: str = "", **changes: Any) -> tuple[str, str]:
        """Make a policy and a namespace of a test's own, wait until it is enforced, and return both names."""
        name = unique("pol")
        namespace = namespace or unique("ns")
        self.admin.apply([policy_manifest(name, **changes), namespace_manifest(namespace, name)])
        self.wait_condition("sovereigntypolicy", name, "Enforced", "True")
        poll("the default ServiceAccount", lambda: self.exists("serviceaccount", "default", namespace))
        return name, namespace

    def exists(self, kind: str, name: str, namespace: str = "") -> bool:
        """Say whether there is such an object."""
        where = ("--namespace", namespace) if namespace else ()
        return bool(self.admin.run("get", kind, name, *where, "--ignore-not-found", "-o", "name").strip())

    def refusal(self, manifest: Manifest, *options: str, kubectl: Kubectl | None = None, verb: str = "create") -> str:
        """Send a manifest and return why the API server refuses it; empty where it is taken."""
        try:
            (kubectl or self.admin).run(verb, *options, "-f", "-", stdin=json.dumps(manifest))
        except ClusterError as error:
            return str(error)
        return ""


def namespace_manifest(name: str, data_class: str = "", **labels: str) -> Manifest:
    """Return a namespace, governed where a data class is given."""
    governed = {"daulat.dev/data-class": data_class} if data_class else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**governed, **labels}}}


def raise_world(name: str, directory: Path, say: Callable[[str], None], **options: Any) -> World:
    """Bring up a cluster with the demo's nodes and zones, install the chart, start the operator."""
    cluster = EmbeddedCluster(name, say=say, **options)
    cluster.up(SCENARIO)
    try:
        install(cluster)
        admin = kubectl(cluster)
        admin.apply(zone_manifests(load(SCENARIO)))
        operator = OperatorProcess(cluster, directory)
        operator.start()
    except BaseException:
        cluster.down()
        raise
    return World(cluster, operator, admin)


def lower(world: World) -> None:
    """Stop the operator and remove the cluster."""
    world.operator.stop()
    world.cluster.down()


__all__ = ["NAMESPACE", "World", "lower", "raise_world"]
