"""What tests of the control plane itself share: a cluster without Daulat, with two racks of two nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import EmbeddedCluster
from dev.cluster.kubectl import Kubectl
from dev.deployment import kubectl, poll

from .world import Manifest, namespace_manifest, unique

RACK = "example.my/rack"


@dataclass(frozen=True)
class Racks:
    """A cluster whose nodes are rack-a-1, rack-a-2, rack-b-1 and rack-b-2."""

    cluster: EmbeddedCluster
    admin: Kubectl

    def objects(self, kind: str, namespace: str = "") -> dict[str, Manifest]:
        """Return all objects of a kind, by name."""
        where = ("-n", namespace) if namespace else ()
        found = json.loads(self.admin.run("get", kind, *where, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in found}

    def rack_of(self, pod: Manifest) -> str:
        """Return the rack of the node that a pod is on."""
        return str(self.objects("nodes")[pod["spec"]["nodeName"]]["metadata"]["labels"][RACK])

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """Make a namespace in which pods can be made, and remove it with all that holds pods."""
        name = unique("ns")
        self.admin.apply([namespace_manifest(name)])
        poll("the default ServiceAccount", lambda: bool(self.objects("serviceaccounts", name)))
        try:
            yield name
        finally:
            self.admin.run("delete", "deployments,pods", "--all", "-n", name, "--wait=false")
            self.admin.run("delete", "namespace", name, "--wait=false")
            poll(f"the pods in {name} to go", lambda: not self.objects("pods", name))


def raise_racks(directory: Path, addons: Sequence[str] = (), **options: Any) -> Racks:
    """Bring up a cluster of the caller's own, who takes it down."""
    hardware = {rack: {"allocatable": {"cpu": 4, "memory": "8Gi"}, "labels": {RACK: rack}} for rack in ("a", "b")}
    nodes = [{"name": f"rack-{rack}", "count": 2, "hardware": rack} for rack in hardware]
    scenario = directory / "racks.yaml"
    scenario.write_text(yaml.safe_dump({"hardware": hardware, "nodes": nodes}))
    cluster = EmbeddedCluster(unique("racks"), addons=addons, say=lambda line: None, **options)
    cluster.up(scenario)
    return Racks(cluster, kubectl(cluster))


def ready(pod: Manifest) -> bool:
    """Say whether a pod is Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def unschedulable(pod: Manifest) -> bool:
    """Say whether the scheduler found no place for a pod."""
    return any(c.get("reason") == "Unschedulable" for c in pod["status"].get("conditions", []))
