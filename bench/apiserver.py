"""A control plane with nothing on it but what is measured: no scheduler, no controllers, no fake nodes at work."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench import client
from bench.client import Client
from daulat.admission.policy import CompiledPolicy, compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from dev.cluster import EmbeddedCluster
from dev.cluster.components import APISERVER, CONTROLLERS, KWOK, SCHEDULER
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import kubectl, poll

Manifest = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
SCENARIO = ROOT / "dev" / "scenarios" / "demo.yaml"
POLICY = ROOT / "bench" / "rules" / "policy.yaml"
SCHEDULER_USER = "system:kube-scheduler"
RESTING_SHARE = 0.1
"""Of one processor."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def policy(name: str, off: Sequence[str] = ()) -> CompiledPolicy:
    """Compile the policy with every section set for the namespace of the same name, with some controls turned off."""
    spec: Manifest = yaml.safe_load(POLICY.read_text())["spec"]
    spec["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    spec["controls"] = dict.fromkeys(off, "Off")
    zones = {z["metadata"]["name"]: SovereignZoneSpec.model_validate(z["spec"]) for z in zone_manifests(load(SCENARIO))}
    return compile_policy(name, SovereigntyPolicySpec.model_validate(spec), accelerators.shipped(), zones=zones)


class Server:
    """The API server that is measured."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        """Take a cluster that is up."""
        self.cluster = cluster
        self._admin = kubectl(cluster)
        self.pid = next(c.pid for c in cluster.status().components if c.name == APISERVER and c.pid)

    def connect(self, user: str = "admin") -> Client:
        """Open a connection as the admin, or as a user with the rights that RBAC gives them."""
        return Client(self.cluster.kubeconfig(user, ("system:masters",) if user == "admin" else ()))

    def namespaces(self, names: Sequence[str]) -> None:
        """Create namespaces and wait for their ServiceAccounts, without which no pod is taken."""
        self._admin.apply(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {"bench": "1"}}}
                for n in names
            ]
        )

        def ready() -> bool:
            found = self._admin.run("get", "serviceaccounts", "-A", "-o", "custom-columns=:.metadata.namespace")
            return set(names) <= set(found.split())

        poll("the ServiceAccounts", ready, 60)

    def apply(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Apply manifests as a GitOps tool would."""
        self._admin.apply([dict(m) for m in manifests])

    def quiet(self) -> None:
        """Stop all that would do something with the pods."""
        for component in (SCHEDULER, CONTROLLERS, KWOK):
            self.cluster.stop(component)

    def cpu_seconds(self) -> float:
        """Return what the API server has used of all processors since it started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def settle(self) -> None:
        """Wait until the API server rests: after a change it compiles policies in the background."""

        def rests() -> bool:
            before = self.cpu_seconds()
            time.sleep(1)
            return self.cpu_seconds() - before < RESTING_SHARE

        poll("the API server to rest", rests, 180)

    def wait(self, what: str, question: Callable[[], bool]) -> None:
        """Ask until the answer is yes."""
        poll(what, question, 60)


@contextmanager
def server() -> Iterator[Server]:
    """Bring a control plane up for as long as the block lasts."""
    cluster = EmbeddedCluster(f"bench-{uuid.uuid4().hex[:6]}", say=lambda line: None)
    cluster.up(SCENARIO)
    try:
        yield Server(cluster)
    finally:
        cluster.down()


def create(host: str, namespace: str, body: Manifest, *, dry_run: bool = False, resource: str = "pods") -> bytes:
    """Return the bytes of a request that creates an object."""
    query = "?dryRun=All" if dry_run else ""
    return client.request(host, f"/api/v1/namespaces/{namespace}/{resource}{query}", body)
