"""Brings real nodes up in a cluster: network, namespaces, the programs of a node, device plugin, labels."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import yaml

from dev.cluster.addons.site import Site
from dev.cluster.components import APISERVER
from dev.cluster.errors import ClusterError
from dev.cluster.identity import write_kubeconfig
from dev.cluster.node import addresses, build, cgroups, enforcer, fabric, netns, sandbox, settings
from dev.cluster.node.cgroups import END_SECONDS
from dev.cluster.node.devices import ALLOCATIONS, Allocation, Devices, allocations, offer, write
from dev.cluster.pki import write_private
from dev.cluster.processes import program
from dev.cluster.scenario import RealNode
from dev.image.oci import Archive

FABRIC = "fabric"
PLUGIN = "plugin"
ENFORCER = enforcer.NAME
PARTS = ("containerd", ENFORCER, "kubelet", "kube-proxy", PLUGIN)
"""In the order in which they start: policies are enforced before there is a pod."""
PATIENCE = ("--node-monitor-grace-period=20s", "--node-monitor-period=1s")
"""For which controllers wait for a node that says nothing; by default 50 s. KWOK speaks every 10 s for its own."""


EGRESS = "egress.yaml"


def reaches_nodes(directory: Path) -> bool:
    """Whether the API server of a cluster was told how to reach real nodes."""
    return (directory / EGRESS).exists()


def egress_file(directory: Path) -> Path:
    """Return the file that tells the API server how to reach nodes; it is written here."""
    path = directory / EGRESS
    path.write_text(yaml.safe_dump(fabric.egress_configuration(directory / fabric.SOCKET)))
    return path


@dataclass(frozen=True)
class Machine:
    """A node on this machine, in a cluster that is up."""

    site: Site
    pid_of: Callable[[str], int]
    """The process id of a part of the cluster by its name; 0 where it doesn't run."""
    index: int
    wanted: RealNode

    @property
    def name(self) -> str:
        """Its name, in the cluster and as its host name."""
        return self.wanted.name

    @property
    def directory(self) -> Path:
        """Where all of it lies that isn't in memory."""
        return self.site.directory / "nodes" / self.name

    @property
    def place(self) -> settings.Place:
        """Its addresses and cgroup."""
        pods = addresses.pods_of(self.index)
        return settings.Place(
            self.name, addresses.of_node(self.index), pods, f"{cgroups.of_cluster(self.site.name)}/{self.name}"
        )

    def part(self, name: str) -> str:
        """Return the name under which the cluster knows a part of the node."""
        return f"{self.name}-{name}"

    @property
    def pid(self) -> int:
        """The first process of its namespaces; 0 while there is none."""
        outer = self.pid_of(self.name)
        with contextlib.suppress(psutil.Error):
            return next((c.pid for c in psutil.Process(outer).children()), 0) if outer else 0
        return 0

    @cached_property
    def network(self) -> int:
        """A descriptor of its network namespace, for sockets as a program on the node would have them."""
        return netns.of(self.pid)

    def network_of(self, address: str) -> int:
        """Return a descriptor of the network namespace of the pod with this address, for sockets as in the pod."""
        for path in Path(f"/proc/{self.pid}/root/run/netns").iterdir():
            found = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            with netns.inside(found):
                if any(address == one.address for all_ in psutil.net_if_addrs().values() for one in all_):
                    return found
            os.close(found)
        raise ClusterError(f"{self.name} has no pod with the address {address}.")

    @cached_property
    def _binaries(self) -> Path:
        return build.ensure(self.site.say).directory

    def up(self) -> None:
        """Start what doesn't run yet."""
        self._write()
        if not self.site.runs(self.name):
            (self.directory / sandbox.READY).unlink(missing_ok=True)
            cgroups.make(self.place.cgroup)
            self.site.launch(self.name, sandbox.arguments(self.name, self.directory, self._binaries))
            self.site.wait(f"the namespaces of {self.name}", (self.directory / sandbox.READY).exists)
            self._connect()
            self._hold_back()
        for part in PARTS:
            if not self.site.runs(self.part(part)):
                self.start(part)

    def join(self) -> None:
        """Say where it stands, and wait until it is Ready with its devices."""
        self._mark_when_registered()
        self.site.wait(f"{self.name} to be Ready with its devices", self._is_ready)

    @property
    def devices(self) -> Devices:
        """Makes its fake devices fail and come back."""
        return Devices(self.directory / "devices.yaml")

    @property
    def allocations(self) -> list[Allocation]:
        """What the kubelet asked the device plugin for so far."""
        return allocations(self.directory / ALLOCATIONS)

    def start(self, part: str) -> None:
        """Start containerd, who enforces policies, the kubelet, kube-proxy or the device plugin."""
        home, programs = sandbox.HOME, sandbox.PROGRAMS
        if part == PLUGIN:
            # Outside: it needs this project's own Python, and a socket with a path is the same in each namespace.
            where = [f"--directory={self.directory}/device-plugins", f"--config={self.directory}/devices.yaml"]
            self.site.launch(self.part(part), [*program("dev.cluster.node.plugin"), *where])
            return
        command = {
            "containerd": [f"{programs}/containerd", f"--config={home}/containerd.toml"],
            "kubelet": [
                f"{programs}/kubelet",
                f"--config={home}/kubelet.yaml",
                f"--kubeconfig={home}/kubelet.kubeconfig",
                f"--hostname-override={self.name}",
                f"--node-ip={self.place.address}",
                "--cert-dir=/var/lib/kubelet/pki",
                "--root-dir=/var/lib/kubelet",
            ],
            "kube-proxy": [f"{programs}/kube-proxy", f"--config={home}/kube-proxy.yaml"],
            ENFORCER: enforcer.command(self.name),
        }[part]
        if part == ENFORCER:
            # One that was killed may take a moment to let go of the packets, and the next asks for them once.
            deadline = time.monotonic() + END_SECONDS
            while self.enforces and time.monotonic() < deadline:
                time.sleep(0.02)
        self.site.launch(self.part(part), sandbox.enter(self.pid, command))
        if part == "containerd":
            self.site.wait(f"containerd on {self.name}", lambda: self.run("ctr", "version").returncode == 0)
            self._introduce_enforcer()
        if part == ENFORCER:
            self.site.wait(f"policies to be enforced on {self.name}", lambda: self.enforces)

    def _introduce_enforcer(self) -> None:
        """Let who enforces policies, where it runs, hear of pods from this containerd: it never turns to a second one by itself."""
        if running := self.pid_of(self.part(ENFORCER)):
            process = psutil.Process(running)
            process.kill()
            process.wait(END_SECONDS)
            self.start(ENFORCER)

    @property
    def enforces(self) -> bool:
        """Whether NetworkPolicies are judged here. Where they aren't, no new connection is let through."""
        return enforcer.judges(self.run("cat", enforcer.WAITING).stdout.decode())

    def run(self, *command: str, seconds: float = 60.0) -> subprocess.CompletedProcess[bytes]:
        """Run a program inside the node, and return what became of it."""
        argv = sandbox.enter(self.pid, command)
        return subprocess.run(argv, check=False, capture_output=True, timeout=seconds)

    def load_image(self, archive: Archive) -> None:
        """Give containerd an image, as if it had pulled it."""
        inside = self.directory / "images"
        inside.mkdir(exist_ok=True)
        shutil.copy(archive.path, inside / archive.path.name)
        commands: list[tuple[str, ...]] = [("import", f"{sandbox.HOME}/images/{archive.path.name}")]
        if archive.imported_as:
            # The kubelet asks for what a pod names, letter by letter: an image under its tag isn't found by its digest.
            commands.append(("tag", "--force", archive.imported_as, archive.reference))
        for command in commands:
            done = self.run("ctr", "--namespace=k8s.io", "images", *command)
            if done.returncode != 0:
                said = done.stderr.decode()[-300:]
                raise ClusterError(f"{self.name} took no image from {archive.path.name}: {said}")
        (inside / archive.path.name).unlink()

    def disconnect(self, cut: bool = True) -> None:
        """Cut the node off from all others and from the API server; or join it again."""
        self._in_fabric("link", "set", self._link, "down" if cut else "up")

    def _write(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        pki, server = self.site.pki, f"https://{addresses.FABRIC}:{addresses.API_PORT}"
        users = {"kubelet": (f"system:node:{self.name}", ["system:nodes"]), "kube-proxy": ("system:kube-proxy", [])}
        for part, (user, groups) in users.items():
            path = self.directory / f"{part}.kubeconfig"
            if not path.exists():
                write_kubeconfig(path, pki, self.site.name, server, user, groups)
        shutil.copy(pki / "ca.crt", self.directory / "ca.crt")
        self._write_token()
        (self.directory / "cni").mkdir(exist_ok=True)
        (self.directory / "cni" / "10-pods.conflist").write_text(json.dumps(settings.network(self.place)))
        (self.directory / "containerd.toml").write_text(settings.containerd())
        (self.directory / "kubelet.yaml").write_text(yaml.safe_dump(settings.kubelet(self.place)))
        (self.directory / "kube-proxy.yaml").write_text(yaml.safe_dump(settings.kube_proxy(self.place)))
        (self.directory / "resolv.conf").write_text("")
        if not (self.directory / "devices.yaml").exists():
            offers = [offer(resource, count, self.name) for resource, count in self.wanted.devices.items()]
            write(self.directory / "devices.yaml", offers)

    def _write_token(self) -> None:
        path = self.directory / sandbox.SERVICE_ACCOUNT
        path.mkdir(exist_ok=True)
        shutil.copy(self.site.pki / "ca.crt", path / "ca.crt")
        if not (path / "token").exists():
            # No kubelet renews it. It ends with the cluster, whose key has signed it.
            asked = ["create", "token", enforcer.NAME, f"--namespace={enforcer.NAMESPACE}", "--duration=87600h"]
            write_private(path / "token", self.site.kubectl.run(*asked).strip().encode())

    @property
    def _link(self) -> str:
        return f"node{self.index}"

    def _connect(self) -> None:
        """Lay a cable to the others: addresses, and the ways to the pods of each."""
        self._in_fabric("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        self._in_fabric("link", "set", self._link, "master", fabric.BRIDGE, "up")
        self._in_fabric("route", "replace", str(self.place.pods), "via", self.place.address)
        for command in (
            f"address add {self.place.address}/{addresses.NODES.prefixlen} dev eth0",
            "link set eth0 up",
            # Pods of other nodes, too: the bridge's own address forwards between nodes.
            f"route replace default via {addresses.FABRIC}",
        ):
            _ip(self.pid, *command.split())

    def _hold_back(self) -> None:
        """Let no new connection pass unless policies allow it."""
        for command in enforcer.rules():
            done = self.run(*command)
            if done.returncode != 0:
                said = done.stderr.decode().strip()[-300:]
                raise ClusterError(f"{self.name} can't hand packets to who enforces policies: {said}")

    def _in_fabric(self, *command: str) -> None:
        _ip(self.pid_of(FABRIC), *command)

    def _is_ready(self) -> bool:
        node = self.site.kubectl.get("node", self.name)
        ready = any((c["type"], c["status"]) == ("Ready", "True") for c in node["status"].get("conditions", ()))
        return ready and self.wanted.devices.items() <= described(node).items()

    def _mark_when_registered(self) -> None:
        """Label it as the owner of the record would: a kubelet may not vouch for where it stands."""
        found = self.site.kubectl
        self.site.wait(
            f"{self.name} to register",
            lambda: bool(found.run("get", "node", self.name, "--ignore-not-found", "-o", "name")),
        )
        patch = {"metadata": {"labels": dict(self.wanted.labels), "annotations": dict(self.wanted.annotations)}}
        self.site.kubectl.run("patch", "node", self.name, "--type=merge", f"--patch={json.dumps(patch)}")


def bring_up(site: Site, pid_of: Callable[[str], int], wanted: Sequence[RealNode]) -> list[Machine]:
    """Bring these nodes up, and return them. ClusterError where this machine can't, in a sentence."""
    if why := sandbox.unsupported():
        raise ClusterError(f"{why}.")
    build.ensure(site.say)
    socket = site.directory / fabric.SOCKET
    if not site.runs(FABRIC):
        socket.unlink(missing_ok=True)
        argv = [*program("dev.cluster.node.fabric"), f"--api-port={site.port(APISERVER)}", f"--socket={socket}"]
        site.launch(FABRIC, argv)
        site.wait("the network of the nodes", socket.exists)
    site.kubectl.apply([*enforcer.permissions(), *addresses.api_service()])
    nodes = [Machine(site, pid_of, index, node) for index, node in enumerate(wanted)]
    for node in nodes:
        node.up()
    for node in nodes:
        node.join()
    return nodes


def _ip(pid: int, *command: str) -> None:
    argv = ["nsenter", f"--target={pid}", "--net", "ip", *command]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"`ip {' '.join(command)}` failed: {done.stderr.strip()}")


def described(node: Mapping[str, Any]) -> Mapping[str, int]:
    """Return the devices that a node offers, by resource."""
    found = node["status"].get("allocatable") or {}
    return {resource: int(count) for resource, count in found.items() if "/" in resource}
