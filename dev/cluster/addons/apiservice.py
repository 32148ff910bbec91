"""Puts a server of this machine under the API server's own address, as an aggregated API."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dev.cluster import build
from dev.cluster.cluster import announce
from dev.cluster.components import HOST
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kubectl

WAIT_SECONDS = 60
GroupVersion = tuple[str, str]


@dataclass(frozen=True)
class _Place:
    namespace: str
    name: str


# The API server resolves a Service of type ExternalName itself, with no endpoints and no proxy.
PLACE = _Place("kube-system", "daulat-dev-metrics")


def register(cluster: EmbeddedCluster, groups: Sequence[GroupVersion], port: int, authority: bytes) -> None:
    """Have the API server hand on requests for these groups, and wait until it found the server available."""
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": PLACE.namespace, "name": PLACE.name},
        "spec": {"type": "ExternalName", "externalName": HOST, "ports": [{"port": port}]},
    }
    kubectl = _kubectl(cluster)
    kubectl.apply([service])
    kubectl.apply([_apiservice(group, port, authority) for group in groups])
    # Every 30 s the API server looks again at one that it found unavailable; else at once.
    wanted = ("--for=condition=Available", f"--timeout={WAIT_SECONDS}s")
    kubectl.run("wait", *wanted, "apiservice", *map(_name, groups), timeout_seconds=WAIT_SECONDS + 5)


def unregister(cluster: EmbeddedCluster, groups: Sequence[GroupVersion]) -> None:
    """Undo `register`, and wait until the API server has forgotten the groups."""
    kubectl = _kubectl(cluster)
    kubectl.run("delete", "apiservice", *map(_name, groups), "--ignore-not-found")
    kubectl.run("delete", "service", PLACE.name, "-n", PLACE.namespace, "--ignore-not-found")
    deadline = time.monotonic() + WAIT_SECONDS
    while any(group in kubectl.run("get", "--raw", "/apis") for group, _ in groups):
        if time.monotonic() > deadline:
            raise ClusterError(f"after {WAIT_SECONDS} s the API server still has {', '.join(map(_name, groups))}")
        time.sleep(0.2)


def _apiservice(group_version: GroupVersion, port: int, authority: bytes) -> dict[str, Any]:
    group, version = group_version
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": _name(group_version)},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"namespace": PLACE.namespace, "name": PLACE.name, "port": port},
            "caBundle": base64.b64encode(authority).decode(),
        },
    }


def _name(group_version: GroupVersion) -> str:
    group, version = group_version
    return f"{version}.{group}"


def _kubectl(cluster: EmbeddedCluster) -> Kubectl:
    return Kubectl(build.ensure(announce)["kubectl"], cluster.kubeconfig())
