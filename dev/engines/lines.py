"""The command lines that are rendered for an engine: on the shipped profiles, for an example's models, and in manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION
from daulat.catalog import accelerators
from daulat.catalog.engines import engine
from daulat.check.modelpods import render
from daulat.workload.container import RANK

SIZES: tuple[dict[str, int], ...] = ({}, {"context": 32768}, {"concurrency": 64}, {"context": 32768, "concurrency": 64})
SHAPES = ((1, 1), (2, 1), (8, 1), (16, 2))
"""Devices of a replica, and its nodes; an engine that can't span nodes has no pods for the last one."""


@dataclass(frozen=True)
class Asked:
    """One command line, and what it is for."""

    profile: str
    count: int
    arguments: tuple[str, ...]


def rendered(name: str) -> list[Asked]:
    """Return the arguments of the engine on every shipped profile that runs it, for every size. Each is listed once."""
    found: dict[tuple[str, ...], Asked] = {}
    for profile, spec in accelerators.shipped().items():
        if spec.engine(name) is None:
            continue
        for (count, nodes), size in product(SHAPES, SIZES):
            for container in containers([_model(name, profile, count, nodes, size)]):
                # The kubelet writes the node's number in place of the variable.
                arguments = tuple(a.replace(f"$({RANK})", "1") for a in container["args"])
                found.setdefault(arguments, Asked(profile, count, arguments))
    return list(found.values())


def containers(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """Return the engines' containers of models, as they are rendered, and of Deployments. Profiles may be among the manifests."""
    every = list(manifests)
    own = {m["metadata"]["name"]: m["spec"] for m in every if m["kind"] == "AcceleratorProfile"}
    profiles = {**accelerators.shipped(), **{n: AcceleratorProfileSpec.model_validate(s) for n, s in own.items()}}
    for manifest in every:
        if manifest["kind"] == "SovereignModel":
            pods = [p.object["spec"] for p in render(manifest, "n", [], profiles).pods]
        elif manifest["kind"] == "Deployment":
            pods = [manifest["spec"]["template"]["spec"]]
        else:
            continue
        yield from (pod["containers"][0] for pod in pods)


def _model(name: str, profile: str, count: int, nodes: int, size: Mapping[str, int]) -> dict[str, Any]:
    model = {
        "name": "served",
        "uri": "oci://registry.example.my/m",
        "file": "model.gguf" if engine(name).one_file else None,
        "developer": "d",
        "originCountry": "MY",
        "license": "MIT",
    }
    spec = {
        "model": {key: value for key, value in model.items() if value},
        "engine": {"name": name, **size},
        "accelerators": [{"profile": profile, "count": count, "nodes": nodes, "image": "registry.example.my/engine"}],
    }
    return {"apiVersion": API_VERSION, "kind": "SovereignModel", "metadata": {"name": "m"}, "spec": spec}
