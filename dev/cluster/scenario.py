"""Reads a scenario file: kinds of hardware, zones, and the nodes that stand in them; and writes their manifests.

A site label stands for what a data officer vouches for; the hardware's labels are what vendors' components would set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from dev.cluster.errors import ClusterError

SITE_LABEL = "daulat.node-restriction.kubernetes.io/site"


def _text(value: object) -> object:
    # YAML reads 8 as a number, and a label or a quantity is a string; `true` must be quoted, as in a label.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: names of nodes, zones and sites, all of which end up in label values too."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hardware(_Part):
    """One kind of node. `allocatable` holds cpu, memory, and so on, next to extended resources."""

    allocatable: Mapping[str, Text]
    labels: Mapping[str, Text] = {}
    annotations: Mapping[str, Text] = {}


class Zone(_Part):
    """A SovereignZone: its spec is passed on as it is."""

    name: Name
    spec: Mapping[str, Any]


class NodeGroup(_Part):
    """`count` nodes, `<name>-1` and on; no site means that nobody vouches for where they stand."""

    name: Name
    count: int = Field(default=1, ge=1, le=10_000, strict=True)
    hardware: str
    kind: Literal["simulated", "real"] = "simulated"
    """Real nodes have a kubelet, and the processor and memory of this machine. Of their hardware they have labels and devices."""
    site: Name | None = None
    region: Name | None = None
    zone: Name | None = None


class _File(_Part):
    """What one file says."""

    base: str | None = None
    """The path, from beside this file, of another on which it builds."""
    hardware: Mapping[str, Hardware]
    zones: tuple[Zone, ...] = ()
    nodes: tuple[NodeGroup, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A whole scenario, whose groups name only hardware and zones that it has."""

    hardware: Mapping[str, Hardware] = field(default_factory=dict)
    zones: tuple[Zone, ...] = ()
    nodes: tuple[NodeGroup, ...] = ()


def load(path: Path) -> Scenario:
    """The scenario in a file, with what it builds on; a ClusterError names the file and the field that is wrong."""
    return _load(path, ())


def _load(path: Path, above: tuple[Path, ...]) -> Scenario:
    if path.resolve() in [p.resolve() for p in above]:
        raise ClusterError(f"the scenario {path} builds on itself: {' on '.join(str(p) for p in (*above, path))}.")
    file = _read(path, f", on which {above[-1]} builds," if above else "")
    base = _load(path.parent / file.base, (*above, path)) if file.base else Scenario()
    try:
        return _upon(base, file)
    except ValueError as error:
        raise ClusterError(f"{path}: {error}") from error


def _read(path: Path, on: str) -> _File:
    try:
        return _File.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ClusterError(f"the scenario {path}{on} can't be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClusterError(f"the scenario {path} is not YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        found = "; ".join(f"{_place(e['loc'])}{e['msg']}" for e in error.errors())
        raise ClusterError(f"{path}: {found}") from error


def _upon(base: Scenario, file: _File) -> Scenario:
    """What a file says, under what it builds on. ValueError where that doesn't fit together."""
    _unique("hardware", [*base.hardware, *file.hardware])
    hardware, zones = {**base.hardware, **file.hardware}, (*base.zones, *file.zones)
    sites = {zone.name for zone in zones}
    for index, group in enumerate(file.nodes):
        if group.hardware not in hardware:
            known = ", ".join(sorted(hardware))
            raise ValueError(f"nodes[{index}].hardware is {group.hardware!r}; the file has {known}")
        if group.site is not None and group.site not in sites:
            known = ", ".join(sorted(sites))
            raise ValueError(f"nodes[{index}].site is {group.site!r}; the file has {known}")
    nodes = (*base.nodes, *file.nodes)
    _unique("nodes", [name for group in nodes for name in _names(group)])
    _unique("zones", [zone.name for zone in zones])
    return Scenario(hardware, zones, nodes)


def _place(location: Sequence[int | str]) -> str:
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    return f"{place.lstrip('.')}: " if place else ""


def _unique(field: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{field}: {name!r} occurs twice; give each its own name")
        seen.add(name)


def _names(group: NodeGroup) -> list[str]:
    return [f"{group.name}-{number}" for number in range(1, group.count + 1)]


@dataclass(frozen=True)
class RealNode:
    """A node with a kubelet: its name, what marks it, and how many devices of each resource its plugin offers."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, int] = field(default_factory=dict)


def real_nodes(scenario: Scenario) -> list[RealNode]:
    """The nodes that are to have a kubelet."""
    found = []
    for group, hardware, name in _each(scenario, "real"):
        devices = {resource: int(count) for resource, count in hardware.allocatable.items() if "/" in resource}
        found.append(RealNode(name, {**hardware.labels, **_places(group)}, hardware.annotations, devices))
    return found


def node_manifests(scenario: Scenario) -> list[dict[str, Any]]:
    """A Node for each simulated node, played by KWOK."""
    return [_node(name, hardware, group) for group, hardware, name in _each(scenario, "simulated")]


def _each(scenario: Scenario, kind: str) -> list[tuple[NodeGroup, Hardware, str]]:
    groups = [group for group in scenario.nodes if group.kind == kind]
    return [(group, scenario.hardware[group.hardware], name) for group in groups for name in _names(group)]


def _places(group: NodeGroup) -> dict[str, str]:
    places = {
        SITE_LABEL: group.site,
        "topology.kubernetes.io/region": group.region,
        "topology.kubernetes.io/zone": group.zone,
    }
    return {key: value for key, value in places.items() if value is not None}


def _node(name: str, hardware: Hardware, group: NodeGroup) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **hardware.labels,
        **_places(group),
    }
    allocatable = {"pods": "110", **hardware.allocatable}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {**hardware.annotations, "kwok.x-k8s.io/node": "fake"},
        },
        "status": {"allocatable": allocatable, "capacity": dict(allocatable)},
    }


def zone_manifests(scenario: Scenario) -> list[dict[str, Any]]:
    """A SovereignZone for each zone; they can be applied once its kind is installed."""
    return [
        {
            "apiVersion": "daulat.dev/v1alpha1",
            "kind": "SovereignZone",
            "metadata": {"name": zone.name},
            "spec": dict(zone.spec),
        }
        for zone in scenario.zones
    ]
