"""What tests on real nodes share: a cluster with two of them, images that nobody pulls, and a look at what runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.cluster import ClusterError
from dev.cluster.node import real, serving
from dev.cluster.node.cgroups import CGROUPS
from dev.cluster.node.serving import PROFILE, SLOT
from dev.deployment import ROOT, poll
from tests.e2e.world import Manifest, World, lower, namespace_manifest, raise_world, unique

SCENARIO = ROOT / "dev" / "scenarios" / "real-nodes.yaml"
NPU, GPU = "npu-host-1", "gpu-host-1"
ASCEND = "huawei.com/Ascend910"
SITE = "daulat.node-restriction.kubernetes.io/site"
APPROVED = {"profiles": [PROFILE, "huawei-ascend-910b", "nvidia-h20"]}
"""All that is on the real nodes: one that has anything else is no place for confidential work."""
ENGINE = "/app/llama-server"
"""The program that may run once the weights were checked."""


@dataclass
class RealWorld(World):
    """A cluster with real nodes, and the images that they have."""

    images: Mapping[str, str] = field(default_factory=dict)
    """By a short name, the reference with a digest."""
    _leaving: list[tuple[str, ...]] = field(default_factory=list)

    def remove(self, namespace: str, *policies: str) -> None:
        """Begin to remove a namespace. Pods take their time to end: who has the next one waits for them."""
        self.empty(namespace)
        self._leaving.append((namespace, *policies))

    def govern(self, namespace: str = "", **changes: Any) -> tuple[str, str]:
        """Govern a namespace of a test's own, with all devices free that earlier tests had."""
        found = super().govern(namespace, **changes)
        self.settle()
        return found

    def machine(self, name: str) -> real.Machine:
        """Return a node by its name."""
        return next(m for m in self.cluster.machines if m.name == name)

    def kill(self, node: str, part: str) -> None:
        """Kill a program of a node, as a crash does."""
        self.cluster.stop(self.machine(node).part(part), kill=True)

    def restart(self, node: str, part: str) -> None:
        """Kill a program of a node and start it anew."""
        self.kill(node, part)
        self.machine(node).start(part)

    def is_ready(self, node: str) -> bool:
        """Say whether the API server takes a node for ready."""
        return self.condition("node", node, "Ready").get("status") == "True"

    def events(self, name: str, namespace: str) -> list[Manifest]:
        """Return all Events about an object."""
        return list(self.get("events", f"--field-selector=involvedObject.name={name}", namespace=namespace)["items"])

    def reasons(self, name: str, namespace: str) -> set[str]:
        """Return the reasons of all Events about an object."""
        return {event["reason"] for event in self.events(name, namespace)}

    def inside(self, namespace: str, pod: str, *command: str, container: str = "") -> str:
        """Run a program in a container, as the admin, and return what it prints."""
        where = ("-c", container) if container else ()
        return self.admin.run("exec", "-n", namespace, pod, *where, "--", *command)

    def network_of(self, pod: str, namespace: str) -> int:
        """Return a descriptor of a pod's network namespace."""
        found = self.get("pod", pod, namespace=namespace)
        return self.machine(found["spec"]["nodeName"]).network_of(found["status"]["podIP"])

    def address_of(self, pod: str, namespace: str) -> str:
        """Return the address of a pod that runs."""
        return str(self.get("pod", pod, namespace=namespace)["status"]["podIP"])

    @contextlib.contextmanager
    def ungoverned(self) -> Iterator[str]:
        """Have a namespace that no policy governs, for as long as the block lasts."""
        name = unique("free")
        self.admin.apply([namespace_manifest(name)])
        poll("the default ServiceAccount", lambda: self.exists("serviceaccount", "default", name))
        self.settle()
        try:
            yield name
        finally:
            self.remove(name)

    def settle(self) -> None:
        """Wait until nothing is left of what earlier tests had."""
        while self._leaving:
            self.wait_empty(*self._leaving.pop())

    def pod_phase(self, name: str, namespace: str) -> tuple[str, str]:
        """Return the phase of a pod, and the reason for it."""
        status = self.get("pod", name, namespace=namespace).get("status", {})
        return status.get("phase", ""), status.get("reason", "")

    def wait_phase(self, name: str, namespace: str, phase: str) -> str:
        """Wait until a pod has a phase, and return the reason for it."""
        seen = ("", "")

        def so() -> bool:
            nonlocal seen
            seen = self.pod_phase(name, namespace)
            return seen[0] == phase

        try:
            poll(f"pod {name} to be {phase}", so)
        except ClusterError as error:
            raise ClusterError(f"{error}; it was {seen}") from error
        return seen[1]


def client_pod(world: RealWorld, name: str, namespace: str, **spec: Any) -> Manifest:
    """Return a pod that waits, with a shell and what belongs to it."""
    return serving.client(world.images["client"], name, namespace, **spec)


def hierarchy(controller: str) -> Path:
    """Return where the cgroups of a controller are: with version 2, where those of all are."""
    return CGROUPS / controller if controller and (CGROUPS / controller).is_dir() else CGROUPS


def pods_with_processes(machine: real.Machine) -> list[tuple[str, Path]]:
    """Return the uid and the cgroup of every pod on a node that has a process."""
    top = hierarchy("pids") / machine.place.cgroup.lstrip("/")
    return [(path.name.removeprefix("pod"), path) for path in _pods(top) if _has_processes(path)]


def _pods(top: Path) -> list[Path]:
    # A directory may go while it is read: os.walk goes on without it, where Path.glob raises.
    return [Path(here, name) for here, names, _ in os.walk(top) for name in names if name.startswith("pod")]


def _has_processes(path: Path) -> bool:
    for here, _, files in os.walk(path):
        # It may go while it is looked at.
        with contextlib.suppress(OSError):
            if "cgroup.procs" in files and Path(here, "cgroup.procs").read_text().strip():
                return True
    return False


def raise_real_world(name: str, directory: Path, folder: Path) -> RealWorld:
    """Bring up a cluster with real nodes, give them their images, install the chart, start the operator."""
    archives = serving.stock(folder, print)
    world = raise_world(name, directory, lambda _: None, scenario=SCENARIO, weights_image=archives["daulat"].reference)
    try:
        world.admin.apply([serving.profile(archives["engine"].reference)])
        serving.load(world.cluster.machines, archives.values())
    except BaseException:
        lower(world)
        raise
    references = {short: archive.reference for short, archive in archives.items()}
    return RealWorld(world.cluster, world.operator, world.admin, references)


__all__ = ["SLOT", "RealWorld", "client_pod", "raise_real_world"]
