"""Finds mistakes in an AcceleratorProfile that its schema can't express, and settings that are allowed but hardly meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from daulat.api.accelerator import AcceleratorProfileSpec, DeviceResource
from daulat.api.resources import fits
from daulat.manifest.paths import Path

Remark = tuple[Path, str]
"""A field, and what is wrong with it."""


def mistakes(spec: AcceleratorProfileSpec) -> Iterator[Remark]:
    """Yield mistakes. The API server refuses some of them; the others would only be noticed where the profile is used."""
    yield from _duplicates(spec)
    if spec.resources[0].unit == "Companion":
        yield (
            ("resources", 0, "unit"),
            "must not be Companion: a SovereignModel requests the first resource, so put a device first",
        )
    for n, resource in enumerate(spec.resources):
        if resource.unit == "Companion" and resource.memory_gi_b is not None:
            yield ("resources", n, "memoryGiB"), "must not be set on a Companion: memory belongs to a device"
        if resource.unit == "Companion" and resource.allocatable_memory_mi_b is not None:
            yield ("resources", n, "allocatableMemoryMiB"), "must not be set on a Companion: memory belongs to a device"
        if (resource.allocatable_memory_mi_b or 0) > (nominal := resource.memory_gi_b or 4096) * 1024:
            yield (
                ("resources", n, "allocatableMemoryMiB"),
                f"must be at most memoryGiB ({nominal * 1024} MiB), not {resource.allocatable_memory_mi_b}",
            )
    per_node, package, joined = spec.devices_per_node, spec.devices_per_package, spec.interconnect
    if per_node is not None and per_node % package:
        yield ("devicesPerNode",), f"must be a multiple of devicesPerPackage ({package}), not {per_node}"
    if joined is not None and (joined.scope == "Domain") != (joined.node_label is not None):
        yield ("interconnect",), "nodeLabel is required if scope is Domain, and must not be set otherwise"
    if joined is not None and joined.devices is not None and joined.devices < (per_node or 0):
        yield (
            ("interconnect", "devices"),
            f"must be at least devicesPerNode ({per_node}), not {joined.devices}",
        )
    selected = spec.node_selector.label_keys() if spec.node_selector else frozenset()
    for n, label in enumerate(spec.labels):
        if label.key not in selected:
            yield ("labels", n, "key"), f'must be a key of nodeSelector: "{label.key}" is not'
    for n, flag in enumerate(spec.risk_flags):
        if not _is_date(flag.as_of):
            yield ("riskFlags", n, "asOf"), f'invalid date "{flag.as_of}"'


def doubts(name: str, spec: AcceleratorProfileSpec, known: Mapping[str, AcceleratorProfileSpec]) -> Iterator[Remark]:
    """Yield what is allowed but hardly meant."""
    for other, profile in sorted(known.items()):
        shared = [r.name for r in spec.resources if r.unit == "Device" and _names(profile, r.name)]
        if other != name and shared and profile.node_selector == spec.node_selector:
            message = f"AcceleratorProfile {other} names {shared[0]} for the same nodes, so their devices can't be distinguished"
            yield ("nodeSelector",), message
    device = spec.resources[0]
    missing = [
        *(["resources[0].memoryGiB"] if device.allocatable_gib is None else []),
        *(["devicesPerNode"] if spec.devices_per_node is None else []),
        *(["precisions"] if not spec.precisions else []),
    ]
    if missing and spec.engines:
        yield (
            ("engines",),
            f"models must set count on this accelerator: it can't be computed without {', '.join(missing)}",
        )


def _names(profile: AcceleratorProfileSpec, name: str) -> bool:
    own = profile.resource(name)
    return isinstance(own, DeviceResource) and own.unit == "Device"


def _duplicates(spec: AcceleratorProfileSpec) -> Iterator[Remark]:
    lists: dict[str, tuple[str, list[str]]] = {
        "resources": ("name", [r.name for r in spec.resources]),
        "resourceFamilies": ("pattern", [f.pattern for f in spec.resource_families]),
        "labels": ("key", [label.key for label in spec.labels]),
        "riskFlags": ("regime", [f.regime for f in spec.risk_flags]),
        "engines": ("name", [e.name for e in spec.engines]),
    }
    for field, (key, values) in lists.items():
        for n, value in enumerate(values):
            if value in values[:n]:
                yield (field, n, key), f'duplicate value "{value}"'
    for n, family in enumerate(spec.resource_families):
        for resource in spec.resources:
            if fits(family.pattern, resource.name) and resource.unit != family.unit:
                yield (
                    ("resourceFamilies", n, "unit"),
                    f"{family.pattern} matches {resource.name} too, which is a {resource.unit}",
                )


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
