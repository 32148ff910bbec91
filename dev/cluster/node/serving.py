"""All it takes to let a model answer on real nodes: images that nobody pulls, a slot on CPUs, a model that is small enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dev.cluster.locking import Say
from dev.image import oci
from dev.image.oci import Archive

from . import images, programs
from .model import FILE, Signer, write_model
from .real import Machine

Manifest = dict[str, Any]
PROFILE, SLOT = "cpu-slot", "example.my/cpu-slot"
MODEL = "tiny"
"""By which name a client asks for it."""


def stock(folder: Path, say: Say) -> dict[str, Archive]:
    """Return the images `pause`, `client`, `engine` and `daulat` (the operator, and what checks a model), by these names; built if
    need be."""
    built = programs.ensure(say)
    made = {
        "pause": images.pause(built.node / "pause"),
        "client": images.client(built.busybox),
        "engine": images.engine(built.engine),
    }
    written = {short: oci.write(image, folder) for short, image in made.items()}
    return {**written, "daulat": images.daulat(folder / "daulat", say)}


def model(
    folder: Path, signer: Signer, tag: str, answer: str, change: Callable[[Path], None] = lambda _: None
) -> Archive:
    """Make and sign a model that answers so, change it after that, and return it as an image."""
    inside = folder / tag
    inside.mkdir()
    write_model(inside, answer)
    signer.sign(inside)
    change(inside)
    return oci.write(images.model(inside, MODEL, tag), folder)


def load(machines: Iterable[Machine], archives: Iterable[Archive]) -> None:
    """Give every node these images."""
    found = list(archives)

    def take(machine: Machine) -> None:
        for archive in found:
            machine.load_image(archive)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(take, machines):
            pass


def profile(image: str) -> Manifest:
    """Return what a slot for a model on CPUs is, with the engine's image."""
    spec = {
        "vendor": {"name": "Intel", "country": "US"},
        "family": "CPU",
        "model": "a share of this machine",
        "resources": [{"name": SLOT, "sharing": "Partition", "memoryGiB": 2}],
        "devicesPerNode": 2,
        "precisions": ["FP16"],
        "engines": [{"name": "llama.cpp", "image": image}],
    }
    return _daulat("AcceleratorProfile", {"name": PROFILE}, spec)


def tiny(name: str, namespace: str, uri: str, **spec: object) -> Manifest:
    """Return a model that is small enough to make, as a user would apply it, on one slot."""
    body = {
        "model": {
            "name": MODEL,
            "uri": uri,
            "file": FILE,
            "developer": "nobody",
            "originCountry": "MY",
            "license": "Apache-2.0",
        },
        "engine": {"name": "llama.cpp", "context": 512, "concurrency": 2, "args": ["--threads", "1"]},
        "accelerators": [{"profile": PROFILE, "count": 1}],
        "replicas": 1,
        **spec,
    }
    return _daulat("SovereignModel", {"name": name, "namespace": namespace}, body)


def client(image: str, name: str, namespace: str, **spec: Any) -> Manifest:
    """Return a pod that waits, with a shell and what belongs to it; `resources` and `env` are its container's."""
    main = {
        "name": "main",
        "image": image,
        "command": ["/bin/sleep", "1000000"],
        "resources": spec.pop("resources", {}),
        "env": spec.pop("env", []),
    }
    body: Manifest = {
        "containers": [main],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        **spec,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": body}


def _daulat(kind: str, metadata: Mapping[str, str], spec: Mapping[str, object]) -> Manifest:
    return {"apiVersion": "daulat.dev/v1alpha1", "kind": kind, "metadata": dict(metadata), "spec": dict(spec)}
