"""A namespace: the labels that policies select it by, and the annotations by which an admission plugin pins its pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daulat.admission.node_selector import pins_in
from daulat.api.frozen import FrozenDict
from daulat.catalog.kubernetes import PIN_ANNOTATIONS


@dataclass(frozen=True)
class Namespace:
    """A namespace, by the labels that policies select it by."""

    name: str
    labels: FrozenDict[str, str]
    terminating: bool = False
    uid: str = ""
    pins: FrozenDict[str, frozenset[str]] = field(default_factory=FrozenDict)
    """The labels of eligibility that an annotation adds to the nodeSelector of its pods, by annotation."""


def parse_namespace(metadata: Mapping[str, Any]) -> Namespace:
    """Read a namespace's metadata."""
    annotations = metadata.get("annotations") or {}
    pins = {key: found for key in sorted(PIN_ANNOTATIONS) if (found := pins_in(str(annotations.get(key) or "")))}
    return Namespace(
        name=str(metadata.get("name")),
        labels=FrozenDict[str, str](metadata.get("labels") or {}),
        terminating=bool(metadata.get("deletionTimestamp")),
        uid=str(metadata.get("uid") or ""),
        pins=FrozenDict(pins),
    )
