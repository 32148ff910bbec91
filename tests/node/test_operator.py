"""The operator where it belongs: two pods of the image that `make image` builds, under what the chart gives them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from dev.cluster import ClusterError
from dev.cluster.components import SERVICE_ADDRESS
from dev.cluster.node import images
from dev.cluster.node.serving import tiny
from dev.cluster.paths import cache_dir
from dev.deployment import NAMESPACE, SERVICE_ACCOUNT, install, poll
from dev.incluster import LABELS, install_in_cluster, operator_pods
from tests.e2e.world import Manifest, unique

from .conftest import opened
from .container import Container
from .models import FIRST, Weights, chat, pods_of
from .reach import Way, listening, open_ways
from .world import GPU, NPU, SITE, RealWorld, client_pod

MEMORY = 512 * 2**20
"""The chart's limit, in bytes."""
PORT = 9000
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Operator:
    """The operator's pods."""

    real: RealWorld

    @property
    def pods(self) -> list[Manifest]:
        """Those that aren't ending."""
        found = operator_pods(self.real.cluster)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    @property
    def leader(self) -> str:
        """The name of the pod that holds the Lease."""
        return str(self.real.get("lease", "daulat-operator", namespace=NAMESPACE)["spec"].get("holderIdentity") or "")

    @property
    def ready(self) -> set[str]:
        """The names of the pods that are ready."""
        return {
            pod["metadata"]["name"]
            for pod in self.pods
            if any((c["type"], c["status"]) == ("Ready", "True") for c in pod["status"].get("conditions", ()))
        }

    def container(self, pod: str) -> Container:
        """Return the container of a pod."""
        return Container.of(self.real, pod, NAMESPACE, "operator")

    def log(self, pod: str) -> list[dict[str, object]]:
        """Return a pod's log; a line that isn't JSON is an error."""
        return [json.loads(line) for line in self.real.admin.run("logs", pod, "-n", NAMESPACE).splitlines()]

    def await_other(self, than: str) -> str:
        """Wait until another pod leads and two are ready, and return its name."""
        poll("another leader", lambda: self.leader not in ("", than) and self.leader in self.ready)
        poll("two ready replicas", lambda: len(self.ready) == 2)
        return self.leader


@pytest.fixture(scope="module")
def operator(real: RealWorld) -> Iterator[Operator]:
    """The operator in the cluster instead of the process beside it."""
    real.operator.stop()
    try:
        install_in_cluster(real.cluster, real.images["daulat"], SITE, "cyberjaya-1")
        yield Operator(real)
    finally:
        install(real.cluster)
        poll("its pods to go", lambda: not operator_pods(real.cluster))
        real.operator.start()


def test_two_replicas_run_with_what_the_chart_gives_them(real: RealWorld, operator: Operator) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in operator.pods}
    assert operator.ready == set(pods)
    assert {pod["spec"]["nodeName"] for pod in pods.values()} == {NPU, GPU}
    assert {pod["spec"]["serviceAccountName"] for pod in pods.values()} == {SERVICE_ACCOUNT}
    poll("a leader", lambda: operator.leader in pods)
    assert real.get("pdb", "daulat", namespace=NAMESPACE)["status"]["disruptionsAllowed"] == 1
    for name in pods:
        container = operator.container(name)
        identity = container.identity
        assert (identity["Uid"].split(), identity["Gid"].split()) == (["65532"] * 4, ["65532"] * 4)
        assert {identity[kind] for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (identity["NoNewPrivs"], identity["Seccomp"]) == ("1", "2")
        assert "ro" in container.mounts["/"].options
        assert container.written("/", "/usr/bin", "/opt/daulat/src", "/tmp") == {
            "/": "EROFS",
            "/usr/bin": "EROFS",
            "/opt/daulat/src": "EROFS",
            "/tmp": "",
        }
        assert container.environment["PYTHONSAFEPATH"] == "1"
        assert container.limits.memory == MEMORY
        with pytest.raises(ClusterError, match="no such file or directory"):
            real.admin.run("exec", name, "-n", NAMESPACE, "--", "/bin/sh", "-c", "true")
        version = real.admin.run("exec", name, "-n", NAMESPACE, "--", "daulat", "--version")
        assert version.startswith("daulat, version ")


IMPORT_ALL = """
import importlib, pkgutil, ssl, daulat
for module in pkgutil.walk_packages(daulat.__path__, "daulat."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
# What weights are fetched and checked with is imported once it is needed.
for name in ("huggingface_hub", "hf_xet", "modelscope_hub", "model_signing.verifying", "obstore", "oras.client", "OpenSSL"):
    importlib.import_module(name)
print(len(ssl.create_default_context().get_ca_certs()))
"""


def test_all_that_the_image_has_to_import_is_in_it_and_so_are_certificates(real: RealWorld, operator: Operator) -> None:
    where = ("-n", NAMESPACE, operator.leader, "--", "python", "-c", IMPORT_ALL)
    assert int(real.admin.run("exec", *where, timeout_seconds=60).splitlines()[-1]) > 100


def paths_in(archive: Path) -> Iterator[str]:
    """Yield the paths in all layers of an image."""
    with tarfile.open(archive) as outer:
        for member in outer:
            stream = outer.extractfile(member)
            if stream is not None and stream.read(2) == GZIP:
                stream.seek(0)
                with tarfile.open(fileobj=stream) as layer:
                    yield from layer.getnames()


def test_a_second_build_is_the_same_image_and_has_no_shell(
    real: RealWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "daulat" / "image"
    cache.mkdir(parents=True)
    (cache / "layers").mkdir()
    (cache / "debian").symlink_to(cache_dir() / "image" / "debian")
    # To compress the wheels takes most of a build, by the code that compresses the rest.
    for layer in (cache_dir() / "image" / "layers").glob("packages-*"):
        (cache / "layers" / layer.name).symlink_to(layer)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    again = images.daulat(tmp_path / "again", print)
    assert again.reference == real.images["daulat"]
    programs = {path for path in map(PurePosixPath, paths_in(again.path)) if path.parent.name in ("bin", "sbin")}
    assert {path for path in programs if path.suffix != ".py"} == {
        PurePosixPath("usr/bin/python3.13"),
        PurePosixPath("opt/daulat/bin/python"),
        PurePosixPath("opt/daulat/bin/daulat"),
    }


def test_its_network_policy_opens_the_api_server_and_its_metrics_alone(real: RealWorld, operator: Operator) -> None:
    name = operator.leader
    own, address = real.network_of(name, NAMESPACE), real.address_of(name, NAMESPACE)
    with real.ungoverned() as namespace:
        real.admin.apply([client_pod(real, "other", namespace, nodeSelector={"kubernetes.io/hostname": NPU})])
        real.wait_phase("other", namespace, "Running")
        other, target = real.network_of("other", namespace), real.address_of("other", namespace)
        with listening(other, PORT), listening(own, PORT):
            ways = {
                "the API server": Way(own, SERVICE_ADDRESS, 443),
                "another pod": Way(own, target, PORT),
                "its metrics": Way(other, address, 8080),
                "another port of it": Way(other, address, PORT),
            }
            assert open_ways(ways) == {"the API server", "its metrics"}


def test_it_enforces_serves_and_goes_on_when_its_leader_is_drained_or_deleted(
    real: RealWorld, weights: Weights, operator: Operator
) -> None:
    with opened(real, weights) as namespace:
        name = unique("tiny")
        real.admin.apply([tiny(name, namespace, weights.uris["first"])])
        real.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
        assert chat(real, name, namespace).answer() == FIRST
        (pod,) = pods_of(real, namespace, name)
        assert [c["image"] for c in pod["spec"]["initContainers"]] == [real.images["daulat"]]

        first = operator.leader
        node = operator.real.get("pod", first, namespace=NAMESPACE)["spec"]["nodeName"]
        try:
            real.admin.run("drain", node, f"--pod-selector={LABELS}", "--delete-emptydir-data", timeout_seconds=120)
            second = operator.await_other(first)
        finally:
            real.admin.run("uncordon", node)
        real.admin.run("scale", "sovereignmodel", name, "-n", namespace, "--replicas=2")
        poll("the next leader to scale the model", lambda: len(pods_of(real, namespace, name)) == 2)

        # Without a moment to give the Lease back. A container that is killed has its pod's name again, and so the Lease.
        real.admin.run("delete", "pod", second, "-n", NAMESPACE, "--grace-period=0", "--force")
        third = operator.await_other(second)
        real.admin.run("scale", "sovereignmodel", name, "-n", namespace, "--replicas=1")
        poll("the leader after it to scale the model", lambda: len(pods_of(real, namespace, name)) == 1)

        for one in operator.ready:
            lines = operator.log(one)
            assert lines
            assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
            assert [line for line in lines if line["level"] in ("ERROR", "CRITICAL")] == []
        # What files are cached is part of it, and is given back before anything is killed.
        assert operator.container(third).peak_memory <= MEMORY
        states = [status for pod in operator.pods for status in pod["status"]["containerStatuses"]]
        assert [s for s in states if s.get("lastState", {}).get("terminated", {}).get("reason") == "OOMKilled"] == []
