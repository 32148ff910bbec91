"""The programs of a real node, built once from their own go.mod, as the control plane is from its."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.cluster import build
from dev.cluster.build import Binaries, Step, Suite
from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say

from . import debian
from .enforcer import NAME as ENFORCER
from .tools import lacking

MODULE = Path(__file__).resolve().parent
CONTAINERD = "github.com/containerd/containerd/v2"
TOOLS = {"a C compiler": ("cc", "gcc"), "pkg-config": ("pkg-config",)}
PLUGINS = "github.com/containernetworking/plugins/plugins"
PLACES = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a node finds the machine's own programs."""


def _for_runc(say: Say) -> Mapping[str, str]:
    """C, and libseccomp: without it runc refuses every pod that has a profile, and so every pod of a model."""
    if lack := lacking(TOOLS):
        raise ClusterError(f"real nodes need {lack[0]}, with which runc is built: install it.")
    found = subprocess.run(["pkg-config", "--exists", "libseccomp"], check=False)
    if found.returncode == 0:
        return {"CGO_ENABLED": "1"}
    root = debian.unpacked(debian.SECCOMP, "real nodes need libseccomp's headers, with which runc is built", say)
    (library,) = {path.parent for path in root.rglob("libseccomp.a")}
    return {
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"-I{root / 'usr' / 'include'}",
        "CGO_LDFLAGS": f"-L{library}",
        "PKG_CONFIG_PATH": str(library / "pkgconfig"),
    }


def _add_netfilter(directory: Path, say: Say) -> None:
    """What kube-proxy writes its rules with, and what hands packets to the enforcer, where the machine has none."""
    if not shutil.which("nft", path=PLACES):
        why = "real nodes need nft, with which kube-proxy writes its rules"
        _add_program(directory, debian.unpacked(debian.NFT, why, say), "nft", "nft")
    if not shutil.which("iptables", path=PLACES):
        why = "real nodes need iptables, which hands packets to who enforces NetworkPolicies"
        _add_program(directory, debian.unpacked(debian.IPTABLES, why, say), "iptables", "xtables-nft-multi")


def _add_program(directory: Path, root: Path, name: str, real: str) -> None:
    """Put an unpacked program under a name, beside its libraries and its extensions, and start it with these."""
    for folder in ("lib", "lib/xtables"):
        (directory / folder).mkdir(exist_ok=True)
    for path in root.rglob("*.so*"):
        extension = path.parent.name == "xtables"
        shutil.copy(path, directory / "lib" / ("xtables" if extension else "") / path.name)
    (program,) = root.rglob(f"sbin/{real}")
    shutil.copy(program, directory / "lib" / name)
    # Debian's iptables tells by the name under which it is started which of its tools is meant.
    script = (
        '#!/bin/sh\nhere=$(dirname "$0")/lib\n'
        f'exec env LD_LIBRARY_PATH="$here" XTABLES_LIBDIR="$here/xtables" "$here/{name}" "$@"\n'
    )
    (directory / name).write_text(script)
    (directory / name).chmod(0o755)


NODE = Suite(
    title="real nodes",
    module=MODULE,
    names=(
        *("kubelet", "kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "runc"),
        *("ptp", "host-local", "loopback", "pause", ENFORCER),
    ),
    steps=(
        Step(
            (
                *("k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes/cmd/kube-proxy"),
                *(f"{CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
                *(f"{PLUGINS}/{name}" for name in ("main/ptp", "main/loopback", "ipam/host-local")),
                "sigs.k8s.io/kube-network-policies/cmd",
                "./pause",
            ),
            ("-tags=no_btrfs,no_devmapper,no_zfs,no_aufs",),
        ),
        Step(
            ("github.com/opencontainers/runc",),
            ("-tags=seccomp,netgo,osusergo", "-ldflags=-s -w -extldflags=-static"),
            _for_runc,
        ),
    ),
    lasts="about 6 minutes on 2 cores after the control plane's",
    renamed={"cmd": ENFORCER},
    add=_add_netfilter,
)


def lacks() -> list[str]:
    """Return which programs are missing, with which a node's are built; none where these are there."""
    return [] if build.directory(NODE).is_dir() else lacking(TOOLS)


def ensure(say: Say) -> Binaries:
    """Return a node's programs, built first when they aren't there. ClusterError where this machine can't build them."""
    return build.ensure(say, NODE)
