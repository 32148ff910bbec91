"""The images that real nodes run: small, made from files that are here, and named as if a registry had them."""

from __future__ import annotations

from pathlib import Path

from dev.cluster.locking import Say
from dev.cluster.machine import architecture
from dev.image import build
from dev.image.archive import Release
from dev.image.debian import Dropped
from dev.image.oci import Archive, Image, Link, tree
from dev.image.refresh import refresh

from .settings import PAUSE

REGISTRY = "registry.example.my"
DAULAT = f"{REGISTRY}/daulat/daulat"
"""The operator's image, as if somebody had copied it to their own registry."""


def pause(binary: Path) -> Image:
    """Return the image that holds a pod's namespaces."""
    return Image(PAUSE, {"/pause": binary}, ["/pause"], user="65535:65535")


def engine(binary: Path) -> Image:
    """Return llama.cpp's server from a static binary, where its makers' own image for CPUs has it."""
    reference = f"{REGISTRY}/ggml-org/llama.cpp:server"
    return Image(reference, {"/app/llama-server": binary}, ["/app/llama-server"], directory="/app")


def daulat(folder: Path, say: Say) -> Archive:
    """Return the operator's own image, for this machine's architecture.

    A release needs the versions of the lock. Tests go on with those of today where Debian has dropped one of these.
    """
    release, architectures = Release(build.version(), repository=DAULAT), [architecture()]
    try:
        return build.build(folder, say, release, architectures).archive
    except Dropped as error:
        say(f"{error} Here, Debian's versions of today are used instead.")
        lock = folder / "debian.txt"
        refresh(say, lock, architectures)
        return build.build(folder, say, release, architectures, lock).archive


def model(folder: Path, name: str, tag: str = "1") -> Image:
    """Return the weights in a folder, with their signature, as an image volume has them."""
    return Image(f"{REGISTRY}/models/{name}:{tag}", tree(folder, "/"))


def client(busybox: Path) -> Image:
    """Return a shell and wget, for pods that ask others."""
    tools = {f"/bin/{tool}": Link("busybox") for tool in ("sh", "sleep", "wget", "nc", "cat", "id", "env")}
    return Image(f"{REGISTRY}/library/busybox:1", {"/bin/busybox": busybox, **tools}, ["/bin/sh"], user="65534:65534")
