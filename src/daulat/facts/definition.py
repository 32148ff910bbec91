"""How the CustomResourceDefinition that the cluster has of a kind differs from that of this release.

Helm installs CustomResourceDefinitions and never upgrades them: an operator may be newer than they are, or older after a downgrade.
The API server refuses a status with a field that the definition doesn't declare, and drops such a field from a spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from daulat.api.crd import manifest
from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import VERSION

STEP = "apply the CRDs of the operator's release: helm show crds CHART | kubectl apply --server-side --force-conflicts -f -"
"""What ends a difference. Helm doesn't do it."""


@dataclass(frozen=True)
class Definition:
    """The definition of one of Daulat's own kinds in the cluster. Fields are paths such as ``status.history[].zone``."""

    uid: str = ""
    missing: frozenset[str] = frozenset()
    """Fields that this release has and the definition doesn't."""
    unknown: frozenset[str] = frozenset()
    """Fields that the definition has and this release doesn't, and values of fields as ``spec.enforcement.action=Deny``."""

    @property
    def missing_of_spec(self) -> list[str]:
        """The missing fields that users set: the API server drops them."""
        return sorted(path for path in self.missing if not path.startswith("status"))

    def writable(self, status: Manifest) -> Manifest:
        """Return a status without the fields that the API server would refuse."""
        found: Manifest = _without(status, "status", self.missing)
        return found


def parse_definition(kind: str, raw: Mapping[str, Any] | None) -> Definition:
    """Read a CustomResourceDefinition. One that can't be read differs in nothing: other checks find that."""
    meta, spec = (raw or {}).get("metadata") or {}, (raw or {}).get("spec") or {}
    uid = str(meta.get("uid") or "")
    versions = [v for v in spec.get("versions") or () if v.get("name") == VERSION]
    served = ((versions[0].get("schema") or {}).get("openAPIV3Schema") or {}) if versions else {}
    if not served:
        return Definition(uid)
    own = _schema(kind)
    return Definition(uid, frozenset(_beyond(own, served)), frozenset([*_beyond(served, own), *_values(served, own)]))


@cache
def _schema(kind: str) -> Manifest:
    (version,) = manifest(next(k for k in KINDS if k.kind == kind))["spec"]["versions"]
    schema: Manifest = version["schema"]["openAPIV3Schema"]
    return schema


def _beyond(one: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the fields of one schema that another doesn't declare, each only as deep as both go."""
    if other.get("x-kubernetes-preserve-unknown-fields"):
        return
    for name, field in (one.get("properties") or {}).items():
        where = f"{path}.{name}" if path else name
        declared = (other.get("properties") or {}).get(name)
        if declared is not None:
            yield from _beyond(field, declared, where)
        elif not other.get("additionalProperties"):
            yield where
    for part, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(one.get(part), Mapping) and isinstance(other.get(part), Mapping):
            yield from _beyond(one[part], other[part], path + step)


def _values(one: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the values of enumerations that one schema takes and another doesn't, as path=value."""
    for value in one.get("enum") or ():
        if "enum" in other and value not in other["enum"]:
            yield f"{path}={value}"
    for name, field in (one.get("properties") or {}).items():
        declared = (other.get("properties") or {}).get(name)
        if declared is not None:
            yield from _values(field, declared, f"{path}.{name}" if path else name)
    for part, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(one.get(part), Mapping) and isinstance(other.get(part), Mapping):
            yield from _values(one[part], other[part], path + step)


def _without(value: Any, path: str, missing: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        kept = {}
        for key, inner in value.items():
            if not {f"{path}.{key}", f"{path}.*"} & missing:
                # A path of a map has a star in the place of its keys.
                deeper = f"{path}.*" if any(m.startswith(f"{path}.*") for m in missing) else f"{path}.{key}"
                kept[key] = _without(inner, deeper, missing)
        return kept
    return [_without(v, f"{path}[]", missing) for v in value] if isinstance(value, list) else value
