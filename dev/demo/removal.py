"""Takes the demo away: what it started, what it made in a cluster that stays, and its own files."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import psutil

from daulat.api.names import MANAGED_BY
from dev.cluster import Cluster, connect
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.kubectl import Kubectl
from dev.cluster.paths import DEMO_SCENARIO, clusters_dir
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import CHART, NAMESPACE, helm, kubectl, operators

from . import attempts
from .attempts import POLICY
from .row import came

NAMESPACES = (attempts.NAMESPACE, attempts.OPEN_NAMESPACE)
CRD = "customresourcedefinition.apiextensions.k8s.io"


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
            # It runs nothing of its own any more. On a busy machine it takes a while until it is gone, which nothing here needs.
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(20)


def note_installed(cluster: Cluster) -> None:
    """Note, before Daulat is installed in the demo's cluster, that it is the demo's, and what of it isn't there yet."""
    names = [f"{CRD}/{path.stem}" for path in sorted((CHART / "crds").iterdir())]
    there = kubectl(cluster).run("get", "namespaces,customresourcedefinitions", "-o", "name").split()
    made = [what for what in (f"namespace/{NAMESPACE}", *names) if what not in there]
    directory(cluster.name).mkdir(parents=True, exist_ok=True)
    _installed(cluster.name).write_text("\n".join(made))


def taken(kubeconfig: Path) -> str:
    """Return what a cluster has that the demo would change and remove; empty where there is nothing."""
    if "daulat" in helm(kubeconfig, "list", "--all-namespaces", "--short").split():
        return "Daulat"
    kubectl = Kubectl(ensure(announce)["kubectl"], kubeconfig)
    return kubectl.run("get", "namespace", *NAMESPACES, "--ignore-not-found", "-o", "name").strip().replace("\n", ", ")


def _installed(name: str) -> Path:
    return directory(name) / "installed"


def _clear(cluster: Cluster) -> None:
    """Take the demo, and only the demo, out of a cluster that stays."""
    admin = kubectl(cluster)
    admin.run("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--wait=false")
    zones = [manifest["metadata"]["name"] for manifest in zone_manifests(load(DEMO_SCENARIO))]
    if "sovereignzones" in admin.run("api-resources", "--api-group=daulat.dev"):
        admin.run("delete", "sovereigntypolicies", POLICY, "--ignore-not-found")
        admin.run("delete", "sovereignzones", *zones, "--ignore-not-found")
    # Helm removes what it has made itself; these are the operator's.
    for kind in ("validatingadmissionpolicy", "mutatingadmissionpolicy"):
        for suffix in ("binding", ""):
            admin.run("delete", f"{kind}{suffix}", "-l", f"{MANAGED_BY}=daulat")
    for what in ("clusterrole", "clusterrolebinding"):
        admin.run("delete", what, "demo-node-ops", "demo-namespaces", "demo-scheduler", "--ignore-not-found")
    helm(cluster.kubeconfig(), "uninstall", "daulat", "--ignore-not-found", f"--namespace={NAMESPACE}")
    # Who plays the kubelets of its pods goes next, and without it they would stay for minutes.
    came("the demo's namespaces to go", lambda: not taken(cluster.kubeconfig()), 60)
    if made := _installed(cluster.name).read_text().split():
        admin.run("delete", *made, "--ignore-not-found")
