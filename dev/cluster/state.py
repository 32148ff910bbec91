"""What is known of a cluster between two commands: cluster.json in its directory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dev.cluster.components import ORDER
from dev.cluster.errors import ClusterError
from dev.cluster.paths import clusters_dir
from dev.cluster.pki import write_private
from dev.cluster.processes import Started

FILE = "cluster.json"


@dataclass(frozen=True)
class Record:
    """One cluster as it was brought up."""

    kind: str
    server: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    apiserver_args: tuple[str, ...] = ()
    source_kubeconfig: str = ""
    processes: tuple[Started, ...] = ()
    kubernetes: str = ""
    """The minor version of an embedded cluster."""
    components: tuple[str, ...] = ORDER
    """What an embedded cluster consists of."""

    def process(self, name: str) -> Started | None:
        """The component of that name."""
        return next((p for p in self.processes if p.name == name), None)

    def with_process(self, started: Started) -> Record:
        """The record with this process, in place of an earlier one of the same name."""
        return replace(self, processes=(*(p for p in self.processes if p.name != started.name), started))


def directory(name: str) -> Path:
    """The directory of a cluster; the name is part of paths, labels and file names."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise ClusterError(f"{name!r} is no cluster name: use at most 40 lower-case letters, digits and dashes.")
    return clusters_dir() / name


def names() -> list[str]:
    """Every cluster that has a directory, whether it runs or not."""
    root = clusters_dir()
    return sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []


def save(path: Path, record: Record) -> None:
    """Replace cluster.json in one step: it is read while others write."""
    write_private(path / FILE, json.dumps(asdict(record), indent=2).encode())


def load_own(path: Path, kind: str) -> Record | None:
    """The record, which must be of this kind: each kind undoes other things."""
    record = load(path)
    if record and record.kind != kind:
        raise ClusterError(f"cluster {path.name} is of kind {record.kind}, not {kind}: take it down first.")
    return record


def load(path: Path) -> Record | None:
    """The record; None where there is none, or only a damaged one, which then describes no process we may touch."""
    try:
        content = json.loads((path / FILE).read_text())
        processes = tuple(Started(**{**p, "argv": tuple(p["argv"])}) for p in content.pop("processes"))
        lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
        return Record(**{**content, **lists}, processes=processes)
    except (OSError, ValueError, TypeError, KeyError):
        return None
