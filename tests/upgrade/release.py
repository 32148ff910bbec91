"""Releases of Daulat as they were shipped, and what runs a release's hooks in a cluster without a kubelet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.deployment import CHART, NAMESPACE, PROGRAM, ROOT, kubectl, poll

SHIPPED = Path(__file__).parent
HOOKS_NODE = {"example.my/hooks": "here"}
"""A nodeSelector that no node has: pods of hooks wait for the test, which runs what they would run."""
VALUES = ("--set=replicas=0", "--set=nodeSelector.example\\.my/hooks=here")


@dataclass(frozen=True)
class Release:
    """One release: its chart, and a folder whose src/ has its program."""

    version: str
    chart: Path
    source: Path


HEAD = Release("HEAD", CHART, ROOT)


def shipped(version: str, directory: Path) -> Release:
    """Return a former release, with its wheel unpacked in a directory."""
    source = directory / f"v{version}"
    with zipfile.ZipFile(SHIPPED / f"v{version}" / f"daulat-{version}-py3-none-any.whl") as wheel:
        wheel.extractall(source / "src")
    return Release(version, SHIPPED / f"v{version}" / f"daulat-{version}.tgz", source)


@dataclass(frozen=True)
class Helm:
    """Helm for one cluster, with somebody who runs what the pods of its hooks would run."""

    cluster: EmbeddedCluster
    directory: Path

    def __call__(self, *arguments: str, hooks: Release = HEAD, seconds: float = 120) -> tuple[str, list[str]]:
        """Run helm and return what it prints, and what the pods of its hooks did. ClusterError where it fails."""
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig()), "HELM_NAMESPACE": NAMESPACE}
        log = self.directory / "helm.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [str(ensure(announce)["helm"]), *arguments], stdout=output, stderr=output, env=environment
            )
            said: list[str] = []
            deadline = time.monotonic() + seconds
            while process.poll() is None and time.monotonic() < deadline:
                said += self._run_hooks(hooks)
                time.sleep(0.2)
        process.kill()
        if process.wait() != 0:
            raise ClusterError(f"`helm {arguments[0]}` failed: {log.read_text()[-2000:]}; hooks: {said}")
        return log.read_text(), said

    def _run_hooks(self, release: Release) -> Iterator[str]:
        admin = kubectl(self.cluster)
        pods = json.loads(admin.run("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
        for pod in pods:
            component = pod["metadata"]["labels"].get("app.kubernetes.io/component")
            if component in ("crds", "smoke-test") and pod["status"]["phase"] == "Pending":
                yield self._run_pod(pod, release)

    def _run_pod(self, pod: dict[str, Any], release: Release) -> str:
        """Run the pod's container as a process with a token of the pod's account, and end the pod as the process ends."""
        admin, account = kubectl(self.cluster), pod["spec"]["serviceAccountName"]
        config = yaml.safe_load(self.cluster.kubeconfig().read_text())
        token = admin.run("create", "token", account, "-n", NAMESPACE).strip()
        config["users"] = [{"name": u["name"], "user": {"token": token}} for u in config["users"]]
        kubeconfig = self.directory / "hook.yaml"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(yaml.safe_dump(config))
        (container,) = pod["spec"]["containers"]
        done = subprocess.run(
            [sys.executable, "-m", PROGRAM, *container["args"]],
            check=False,
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "KUBECONFIG": str(kubeconfig),
                "PYTHONPATH": str(release.source / "src"),
                "DAULAT_NAMESPACE": NAMESPACE,
            },
        )
        phase = json.dumps({"status": {"phase": "Failed" if done.returncode else "Succeeded"}})
        name = pod["metadata"]["name"]
        admin.run("patch", "pod", name, "-n", NAMESPACE, "--subresource=status", "--type=merge", f"--patch={phase}")
        return f"{account} {' '.join(container['args'])}: {done.returncode}\n{done.stdout}{done.stderr}"


def uids(cluster: EmbeddedCluster, what: str, namespace: str = "") -> dict[str, str]:
    """Return the uid of every object of a kind that isn't being deleted, by name."""
    where = ("-n", namespace) if namespace else ()
    items = json.loads(kubectl(cluster).run("get", what, *where, "-o", "json"))["items"]
    return {i["metadata"]["name"]: i["metadata"]["uid"] for i in items if not i["metadata"].get("deletionTimestamp")}


@contextmanager
def settled(what: str, cluster: EmbeddedCluster, namespace: str, pods: dict[str, str]) -> Iterator[None]:
    """Say that a block neither ends nor makes a pod of a namespace, by name and uid."""
    yield
    poll(f"the pods after {what}", lambda: uids(cluster, "pods", namespace) == pods)
