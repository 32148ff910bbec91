"""Server-side apply as the API server does it: sets and maps are merged by field managers, everything else is one value.

The lists below are those of Kubernetes' own OpenAPI document (1.37: ``x-kubernetes-list-type``), as far as Daulat writes them. A
label selector is atomic there, and so are a NetworkPolicy's rules: who applies them last has them alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Raw = dict[str, Any]
Path = tuple[str, ...]
"""The steps to a field: ``f:name``, ``k:{...}`` for an entry of a list by its keys, ``v:...`` for an entry of a set."""

_CONTAINERS = {
    (): ("name",),
    ("env",): ("name",),
    ("ports",): ("containerPort", "protocol"),
    ("volumeMounts",): ("mountPath",),
}
_POD = ("spec", "template", "spec")
_LISTS: dict[str, dict[Path, tuple[str, ...]]] = {
    "": {("metadata", "ownerReferences"): ("uid",), ("status", "conditions"): ("type",)},
    "Deployment": {
        **{(*_POD, of, *path): keys for of in ("containers", "initContainers") for path, keys in _CONTAINERS.items()},
        (*_POD, "volumes"): ("name",),
        (*_POD, "imagePullSecrets"): ("name",),
        (*_POD, "resourceClaims"): ("name",),
    },
    "Service": {("spec", "ports"): ("port", "protocol")},
    "ValidatingAdmissionPolicy": {("spec", "variables"): ("name",), ("spec", "matchConditions"): ("name",)},
    "MutatingAdmissionPolicy": {("spec", "matchConditions"): ("name",)},
    "Workload": {("status", "admissionChecks"): ("name",)},
}
"""By kind ("" for all): the lists that are maps, with their keys."""
_SETS = {("metadata", "finalizers"), ("spec", "validationActions")}
_ATOMIC = {
    *(("spec", name) for name in ("podSelector", "selector", "matchConstraints", "matchResources", "paramRef")),
    (*_POD, "nodeSelector"),
}
"""Objects that are one value."""
_SYSTEM = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


@dataclass
class Managed:
    """What one manager owns by one kind of operation."""

    manager: str
    operation: str
    subresource: str = ""
    fields: set[Path] = field(default_factory=set)

    def manifest(self) -> Raw:
        """Return the entry of metadata.managedFields."""
        tree: Raw = {}
        for path in sorted(self.fields):
            at = tree
            for step in path:
                at = at.setdefault(step, {})
        told = {"manager": self.manager, "operation": self.operation, "fieldsType": "FieldsV1", "fieldsV1": tree}
        return told | ({"subresource": self.subresource} if self.subresource else {})


def apply(kind: str, live: Raw, wanted: Raw, manager: str, managed: list[Managed], subresource: str = "") -> Raw:
    """Return the object after a forced apply by a manager, and keep account of who owns what."""
    own = _own(managed, manager, "Apply", subresource)
    fields = dict(_fields(kind, _without_system(wanted)))
    before = dict(_fields(kind, _without_system(live)))
    for other in managed:
        if other is not own:
            lost = {p for p in other.fields & fields.keys() if before.get(p) != fields[p]}
            other.fields -= lost
    given_up = own.fields - fields.keys()
    own.fields = set(fields)
    merged = deepcopy(live)
    for path in sorted(given_up):
        if not any(path == p[: len(path)] for other in managed for p in other.fields):
            _drop(kind, merged, path)
    return _merge(kind, merged, _without_system(wanted), ())  # type: ignore[no-any-return]


def update(kind: str, before: Raw, after: Raw, manager: str, managed: list[Managed], subresource: str = "") -> None:
    """Keep account of a write that isn't an apply: what it changes is the manager's, and what it removes is nobody's."""
    old, new = (dict(_fields(kind, _without_system(side))) for side in (before, after))
    changed = {p for p, value in new.items() if p not in old or old[p] != value}
    for one in managed:
        one.fields -= (old.keys() - new.keys()) | changed
    if changed:
        _own(managed, manager, "Update", subresource).fields |= changed
    managed[:] = [one for one in managed if one.fields]


def _own(managed: list[Managed], manager: str, operation: str, subresource: str) -> Managed:
    for one in managed:
        if (one.manager, one.operation, one.subresource) == (manager, operation, subresource):
            return one
    managed.append(Managed(manager, operation, subresource))
    return managed[-1]


def _without_system(raw: Raw) -> Raw:
    meta = {k: v for k, v in (raw.get("metadata") or {}).items() if k not in _SYSTEM}
    return {**{k: v for k, v in raw.items() if k not in ("apiVersion", "kind")}, "metadata": meta}


def _keys(kind: str, path: Path) -> tuple[str, ...] | None:
    """Return the keys of a list that is a map, by the names on the way to it; None where it isn't one."""
    return _LISTS.get(kind, {}).get(path) or _LISTS[""].get(path)


def _key(item: Raw, keys: tuple[str, ...]) -> str:
    return "k:" + json.dumps({key: item.get(key, "TCP") for key in keys}, sort_keys=True)


def _fields(kind: str, value: Any, names: Path = (), steps: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every field that has one value, with that; entries of lists and of sets count as fields, too."""
    if isinstance(value, dict) and value and names not in _ATOMIC:
        for key, one in value.items():
            yield from _fields(kind, one, (*names, key), (*steps, f"f:{key}"))
    elif isinstance(value, list) and names in _SETS:
        yield from (((*steps, f"v:{json.dumps(one)}"), one) for one in value)
    elif isinstance(value, list) and (keys := _keys(kind, names)):
        for item in value:
            at = (*steps, _key(item, keys))
            yield (*at, "."), None
            yield from _fields(kind, item, names, at)
    elif steps != ("f:metadata",):
        yield steps, value


def _merge(kind: str, live: Any, wanted: Any, names: Path) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict) and names not in _ATOMIC:
        merged = dict(live)
        for key, value in wanted.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merge(kind, live.get(key), value, (*names, key))
        return merged
    if isinstance(live, list) and isinstance(wanted, list) and names in _SETS:
        return [*wanted, *(one for one in live if one not in wanted)]
    if isinstance(live, list) and isinstance(wanted, list) and (keys := _keys(kind, names)):
        there = {_key(item, keys): item for item in live}
        asked = {_key(item, keys): item for item in wanted}
        others = [item for key, item in there.items() if key not in asked]
        return [*(_merge(kind, there.get(k), item, names) for k, item in asked.items()), *others]
    if isinstance(wanted, dict):
        return {k: v if names in _ATOMIC else _merge(kind, None, v, names) for k, v in wanted.items() if v is not None}
    return deepcopy(wanted)


def _drop(kind: str, raw: Any, path: Path, names: Path = ()) -> None:
    """Take away a field that nobody owns any more."""
    step, *rest = path
    if step.startswith("f:"):
        name = step.removeprefix("f:")
        if not isinstance(raw, dict) or name not in raw:
            return
        if not rest:
            del raw[name]
        else:
            if isinstance(raw[name], list):
                _drop_entry(kind, raw[name], tuple(rest), (*names, name))
            else:
                _drop(kind, raw[name], tuple(rest), (*names, name))
            if raw[name] in ([], {}):
                del raw[name]


def _drop_entry(kind: str, items: list[Any], path: Path, names: Path) -> None:
    step, *rest = path
    if step.startswith("v:"):
        items[:] = [one for one in items if json.dumps(one) != step.removeprefix("v:")]
        return
    keys = _keys(kind, names) or ()
    for item in [one for one in items if _key(one, keys) == step]:
        if rest == ["."]:
            items.remove(item)
        elif rest:
            _drop(kind, item, tuple(rest), names)
