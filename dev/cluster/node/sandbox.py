"""The namespaces that a real node lives in: what is mounted there, how it begins, and how a program is started inside.

Everything of a node ends with the first process of its process namespace, and with it go mounts, network and containers:
so nothing stays on the machine, however it ends. What the kubelet and containerd would write to fixed places of the machine
goes to the node's own directory, or to memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import cgroups

HOME = Path("/run/daulat/node")
"""The node's own directory, as it is seen inside."""
PROGRAMS = Path("/run/daulat/bin")
READY = "ready"
DISK = "64m"
"""For what the kubelet keeps, emptyDirs among it. It takes as much memory as is in it."""
SERVICE_ACCOUNT = "service-account"
"""In the node's directory: a token with its CA, which is seen inside where a pod would have its own."""
_SPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
TOOLS = ("ip", "mount", "nsenter", "setpriv", "unshare")

# Else the kubelet sets them, and they are the machine's.
SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

_TRIAL = "mount -t proc proc /proc; ip link add one type veth peer name other; ip link add joined type bridge"
_SETUP = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p {home} {programs} /run/lock /run/secrets/kubernetes.io
ln -s {home}/{account} /run/secrets/kubernetes.io/serviceaccount
mount --bind {outside} {home}
mount --bind {binaries} {programs}
mount -o remount,bind,ro {programs}
for place in /var/lib /var/log /opt; do mount -t tmpfs -o mode=755 tmpfs $place; done
mkdir -p /var/lib/kubelet /var/lib/containerd /var/log/pods /var/log/containers /var/lib/cni
mkdir -p {home}/containerd {home}/device-plugins
mount --bind {home}/containerd /var/lib/containerd
# A disk of the kubelet's own, so that a test can fill it: the machine's isn't a test's to fill.
mount -t tmpfs -o mode=755,size={disk} tmpfs /var/lib/kubelet
mount --make-shared /var/lib/kubelet
mkdir /var/lib/kubelet/device-plugins
mount --bind {home}/device-plugins /var/lib/kubelet/device-plugins
{sysctls}
# Who asks for a name is told at once that there is none, and doesn't wait for servers that can't be reached.
if [ -f /etc/resolv.conf ]; then mount --bind {home}/resolv.conf /etc/resolv.conf; fi
hostname {name}
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
touch {home}/{ready}
exec {programs}/pause
"""


def unsupported() -> str:
    """Return why this machine can't have real nodes, in a sentence; empty where it can."""
    if os.geteuid() != 0:
        return "real nodes need root: containers have cgroups and devices of their own"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"real nodes need {', '.join(missing)}, which isn't installed here"
    if closed := [str(path) for path in cgroups.hierarchies() if not os.access(path, os.W_OK)]:
        return f"real nodes need cgroups of their own, and {closed[0]} can't be written to"
    trial = ["unshare", *_SPACES, "--fork", "sh", "-ec", _TRIAL]
    tried = subprocess.run(trial, check=False, capture_output=True, text=True)
    if tried.returncode != 0:
        return (
            "real nodes need namespaces of their own, with mounts and a network, which this machine doesn't allow: "
            f"{' '.join(tried.stderr.split())[:200]}"
        )
    return ""


def arguments(name: str, outside: Path, binaries: Path) -> list[str]:
    """Return the command line that begins a node; it is there once ``ready`` is in its directory."""
    sysctls = []
    for key, value in SYSCTLS.items():
        (outside / "sysctl").mkdir(parents=True, exist_ok=True)
        (outside / "sysctl" / key.replace("/", ".")).write_text(f"{value}\n")
        sysctls.append(f"mount --bind {HOME}/sysctl/{key.replace('/', '.')} /proc/sys/{key}")
    text = _SETUP.format(
        home=HOME,
        programs=PROGRAMS,
        outside=outside,
        binaries=binaries,
        sysctls="\n".join(sysctls),
        name=name,
        disk=DISK,
        ready=READY,
        account=SERVICE_ACCOUNT,
    )
    (outside / "setup.sh").write_text(text)
    return ["unshare", *_SPACES, "--fork", "--kill-child", "/bin/sh", str(outside / "setup.sh")]


def enter(pid: int, command: Sequence[str]) -> list[str]:
    """Return the command line that runs a program in the node of this first process, and ends it when it ends itself."""
    path = f"PATH={PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin"
    return ["nsenter", f"--target={pid}", *_SPACES, "--", "setpriv", "--pdeathsig=KILL", "env", path, *command]
