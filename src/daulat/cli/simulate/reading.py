"""Writes and reads the folder of a snapshot, from which a simulation can start in place of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daulat.api.frozen import FrozenDict
from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities, CapabilityError, Minor, Pin
from daulat.kube.resources import BY_KIND, Resource
from daulat.simulate.redact import KINDS
from daulat.simulate.world import Cluster

ABOUT = "snapshot.json"
FORM = 1
"""The form of a snapshot's folder. One of a later form isn't read."""


class SnapshotError(Exception):
    """A folder isn't a snapshot that can be read. The text is the sentence for the user."""


def write_snapshot(cluster: Cluster, folder: Path) -> int:
    """Write a snapshot: a file about it, and one with an object a line for each kind. Return the number of objects.

    Raises OSError, also where the folder has files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} isn't empty")
    by_kind: dict[str, list[str]] = {}
    for manifest in cluster.objects:
        by_kind.setdefault(manifest["kind"], []).append(json.dumps(manifest, sort_keys=True, ensure_ascii=False))
    for kind, lines in by_kind.items():
        (folder / f"{BY_KIND[kind].plural}.jsonl").write_text("".join(f"{line}\n" for line in sorted(lines)), "utf-8")
    offers = cluster.capabilities
    about = {
        "form": FORM,
        "readAt": cluster.now,
        "kubernetes": str(offers.version),
        "pin": str(offers.pin),
        "served": dict(offers.served),
        "unserved": sorted(cluster.unserved),
        "operatorNamespace": cluster.operator_namespace,
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", "utf-8")
    return len(cluster.objects)


def read_snapshot(folder: Path) -> Cluster:
    """Return the facts of a snapshot. Raises SnapshotError."""
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        if about["form"] != FORM:
            raise SnapshotError(f"{folder}: its form is {about['form']}, and this release reads form {FORM}")
        offers = Capabilities(Minor.of(about["kubernetes"]), Pin(about["pin"]), FrozenDict(about["served"]))
        objects = tuple(_objects(folder))
        return Cluster(
            objects, float(about["readAt"]), offers, frozenset(about["unserved"]), about["operatorNamespace"]
        )
    except (OSError, KeyError, TypeError, ValueError, CapabilityError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else f"isn't a snapshot: {error!r}"
        raise SnapshotError(f"{folder}: {why}") from error


def _objects(folder: Path) -> Iterator[Manifest]:
    for resource in KINDS:
        path = folder / f"{resource.plural}.jsonl"
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                yield from (_object(json.loads(line), resource) for line in lines)


def _object(value: Any, resource: Resource) -> Manifest:
    if not isinstance(value, dict) or value.get("kind") != resource.kind or not isinstance(value.get("metadata"), dict):
        raise ValueError(f"a line of {resource.plural}.jsonl is no {resource.kind}")
    return value
