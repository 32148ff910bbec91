"""Takes the demo away: what it started, what it made in a cluster that stays, and its own files."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import psutil

from daulat.api.names import POLICY_LABEL
from dev.cluster import Cluster, connect
from dev.cluster.paths import DEMO_SCENARIO, clusters_dir
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import NAMESPACE, helm, kubectl, operators

from .attempts import NAMESPACE as TENANT_NAMESPACE
from .attempts import OPEN_NAMESPACE, POLICY


def directory(name: str) -> Path:
    """Return where the demo of this name keeps its files."""
    return clusters_dir().parent / "operators" / name


def remove(name: str) -> None:
    """Remove all that the demo of this name has made, however it ended; fine where there is nothing."""
    found = directory(name)
    for operator in operators(found):
        _end(operator)
    cluster = connect(name=name)
    if cluster.kind == "existing" and _installed(name).exists():
        _clear(cluster)
    cluster.down()
    shutil.rmtree(found, ignore_errors=True)


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(20)


def note_installed(name: str) -> None:
    """Note that Daulat in the demo's cluster is the demo's, before it is installed."""
    directory(name).mkdir(parents=True, exist_ok=True)
    _installed(name).touch()


def _installed(name: str) -> Path:
    return directory(name) / "installed"


def _clear(cluster: Cluster) -> None:
    """Take the demo, and only the demo, out of a cluster that stays."""
    admin = kubectl(cluster)
    admin.run("delete", "namespace", TENANT_NAMESPACE, OPEN_NAMESPACE, "--ignore-not-found", "--wait=false")
    zones = [manifest["metadata"]["name"] for manifest in zone_manifests(load(DEMO_SCENARIO))]
    if "sovereignzones" in admin.run("api-resources", "--api-group=daulat.dev"):
        admin.run("delete", "sovereigntypolicies", POLICY, "--ignore-not-found")
        admin.run("delete", "sovereignzones", *zones, "--ignore-not-found")
    for kind in ("validatingadmissionpolicy", "mutatingadmissionpolicy"):
        for suffix in ("binding", ""):
            admin.run("delete", f"{kind}{suffix}", "-l", f"{POLICY_LABEL}={POLICY}")
    for what in ("clusterrole", "clusterrolebinding"):
        admin.run("delete", what, "demo-node-ops", "demo-namespaces", "demo-scheduler", "--ignore-not-found")
    helm(cluster.kubeconfig(), "uninstall", "daulat", "--ignore-not-found", f"--namespace={NAMESPACE}")
