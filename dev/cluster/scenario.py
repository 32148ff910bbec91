"""Reads a scenario file: kinds of hardware, zones, and the nodes that stand in them; and writes their manifests.

A site label stands for what a data officer vouches for; the hardware's labels are what vendors' components would set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.errors import ClusterError
from dev.cluster.fields import Fields

SITE_LABEL = "daulat.node-restriction.kubernetes.io/site"


@dataclass(frozen=True)
class Hardware:
    """One kind of node. `allocatable` holds cpu, memory, and so on, next to extended resources."""

    name: str
    allocatable: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Zone:
    """A SovereignZone: its spec is passed on as it is."""

    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class NodeGroup:
    """`count` nodes, `<prefix>-1` and on; no site means that nobody vouches for where they stand."""

    prefix: str
    count: int
    hardware: str
    site: str | None
    region: str | None
    zone: str | None


@dataclass(frozen=True)
class Scenario:
    """A whole scenario, whose groups name only hardware and zones that it has."""

    hardware: Mapping[str, Hardware]
    zones: tuple[Zone, ...]
    groups: tuple[NodeGroup, ...]


def load(path: Path) -> Scenario:
    """The scenario in a file; a ClusterError names the file and the field that is wrong."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ClusterError(f"the scenario {path} can't be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClusterError(f"the scenario {path} is not YAML: {' '.join(str(error).split())}.") from error
    top = Fields(content, path)
    hardware = {name: _hardware(name, top_fields) for name, top_fields in top.mapping_of_fields("hardware").items()}
    zones = tuple(_zone(item) for item in top.items("zones"))
    groups = tuple(_group(item, hardware, {zone.name for zone in zones}) for item in top.items("nodes"))
    top.finish()
    _unique("nodes", path, [name for group in groups for name in _names(group)])
    _unique("zones", path, [zone.name for zone in zones])
    return Scenario(hardware, zones, groups)


def _hardware(name: str, fields: Fields) -> Hardware:
    hardware = Hardware(name, fields.strings("allocatable"), fields.strings("labels"), fields.strings("annotations"))
    fields.finish()
    return hardware


def _zone(fields: Fields) -> Zone:
    zone = Zone(fields.name("name"), fields.mapping("spec"))
    fields.finish()
    return zone


def _group(fields: Fields, hardware: Mapping[str, Hardware], zones: set[str]) -> NodeGroup:
    group = NodeGroup(
        prefix=fields.name("name"),
        count=fields.count("count"),
        hardware=fields.one_of("hardware", hardware),
        site=fields.one_of("site", zones) if fields.has("site") else None,
        region=fields.optional_name("region"),
        zone=fields.optional_name("zone"),
    )
    fields.finish()
    return group


def _unique(field: str, path: Path, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ClusterError(f"{path}: {field}: {name!r} occurs twice; give each its own name.")
        seen.add(name)


def _names(group: NodeGroup) -> list[str]:
    return [f"{group.prefix}-{number}" for number in range(1, group.count + 1)]


def node_manifests(scenario: Scenario) -> list[dict[str, Any]]:
    """A Node for each node, played by KWOK."""
    return [
        _node(name, scenario.hardware[group.hardware], group) for group in scenario.groups for name in _names(group)
    ]


def _node(name: str, hardware: Hardware, group: NodeGroup) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **hardware.labels,
    }
    places = {
        SITE_LABEL: group.site,
        "topology.kubernetes.io/region": group.region,
        "topology.kubernetes.io/zone": group.zone,
    }
    labels |= {key: value for key, value in places.items() if value is not None}
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
