"""Collects facts from raw objects as they come, and tells which objects' facts really changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from daulat.api.frozen import FrozenDict
from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import MANAGED_BY
from daulat.kube.ref import Ref
from daulat.kube.resources import CHILDREN, kinds

from .child import parse_child
from .declared import parse_declared
from .devices import parse_claim, parse_slice
from .gateway import parse_gateway
from .node import parse_node
from .platform import Platform
from .pod import parse_pod
from .snapshot import Canary, Namespace, Snapshot
from .tally import Tally

OWN_KINDS = {
    "SovereignZone": "zones",
    "AcceleratorProfile": "profiles",
    "SovereigntyPolicy": "policies",
    "SovereigntyExemption": "exemptions",
    "SovereignModel": "models",
}
CHILD_KINDS = kinds(*CHILDREN)
DEVICE_KINDS = {"ResourceSlice": "slices", "ResourceClaim": "allocations"}
_MEMO_KINDS = frozenset({"Node", "ResourceSlice", "SovereignZone", "AcceleratorProfile", "SovereigntyPolicy"})
assert {k.kind for k in KINDS} == set(OWN_KINDS)  # noqa: S101


class Store:
    """The facts as they are now. An object older than what is already known of it is ignored."""

    def __init__(self, operator_namespace: str, weights_image: str = "", platform: Platform | None = None) -> None:
        self._operator_namespace, self._weights_image = operator_namespace, weights_image
        self._platform = platform or Platform()
        self._facts: dict[str, dict[Any, Any]] = {
            name: {}
            for name in (
                "nodes",
                "namespaces",
                "pods",
                "children",
                "gateways",
                *DEVICE_KINDS.values(),
                *OWN_KINDS.values(),
            )
        }
        self._versions: dict[Ref, int] = {}
        self._gone: dict[Ref, int] = {}
        self._canaries: dict[str, Canary] = {}
        self._obstacles: dict[Ref, str] = {}
        self._unserved: set[str] = set()
        self._promises: dict[Ref, Manifest] = {}
        self._tally = Tally()
        self._snapshot: Snapshot | None = None
        self._views: dict[str, Any] = {}
        self._memo: dict[Any, Any] = {}

    def apply(self, kind: str, raw: Mapping[str, Any]) -> Ref | None:
        """Take an object in. Return its reference where a fact about it changed."""
        raw = dict(raw)
        ref, version = Ref.of(kind, raw), _version(raw)
        if version < self._versions.get(ref, 0) or version <= self._gone.get(ref, -1):
            return None
        self._versions[ref] = version
        self._gone.pop(ref, None)
        return ref if self._put(ref, self._parse(kind, raw)) else None

    def delete(self, kind: str, raw: Mapping[str, Any]) -> Ref | None:
        """Forget an object. Return its reference where something was known about it."""
        ref, version = Ref.of(kind, dict(raw)), _version(raw)
        if version < self._versions.get(ref, 0):
            return None
        return self._forget(ref, version)

    def replace(self, kind: str, items: Iterable[Mapping[str, Any]], version: int) -> list[Ref]:
        """Take in a full list of a kind, made at that resource version, and forget what isn't in it any more."""
        listed, changed = set(), []
        for item in items:
            listed.add(Ref.of(kind, dict(item)))
            if (ref := self.apply(kind, item)) is not None:
                changed.append(ref)
        for ref, seen in list(self._versions.items()):
            if ref.kind == kind and ref not in listed and seen <= version and (gone := self._forget(ref, version)):
                changed.append(gone)
        self._gone = {ref: at for ref, at in self._gone.items() if ref.kind != kind or at > version}
        return changed

    def record_served(self, kind: str, *, served: bool) -> None:
        """Take in whether the API server knows a kind that clusters do without. What isn't served isn't there."""
        if served == (kind not in self._unserved):
            return
        if served:
            self._unserved.discard(kind)
        else:
            self._unserved.add(kind)
            for ref, version in list(self._versions.items()):
                if ref.kind == kind:
                    self._forget(ref, version)
        self._snapshot = None

    def record_canary(self, policy: str, canary: Canary) -> None:
        """Take in what came of a canary."""
        self._canaries[policy] = canary
        self._snapshot = None

    def record_obstacle(self, ref: Ref, message: str | None) -> bool:
        """Take in what the API server refused, or that it refuses nothing any more. Return whether that is news."""
        if self._obstacles.get(ref) == message:
            return False
        if message is None:
            del self._obstacles[ref]
        else:
            self._obstacles[ref] = message
        self._snapshot = None
        return True

    def promise(self, ref: Ref, status: Manifest | None) -> None:
        """Count on this status of a model, decided and perhaps not written yet, or on what is known alone.

        The next decision sees it, however long the write takes and whether or not its answer comes.
        """
        if self._promises.get(ref) is not status:
            self._snapshot = None
            if status is None:
                del self._promises[ref]
            else:
                self._promises[ref] = status

    def snapshot(self) -> Snapshot:
        """Return everything known now."""
        if self._snapshot is None:
            # Only what changed is copied: a snapshot is taken for every pass, and there may be tens of thousands of pods.
            for name in self._facts.keys() - self._views.keys():
                self._views[name] = MappingProxyType(dict(self._facts[name]))
            self._snapshot = Snapshot(
                **self._views,
                **self._tally.views(),
                memo=self._memo,
                canaries=dict(self._canaries),
                obstacles=dict(self._obstacles),
                promises=dict(self._promises),
                unserved=frozenset(self._unserved),
                operator_namespace=self._operator_namespace,
                weights_image=self._weights_image,
                platform=self._platform,
            )
        return self._snapshot

    def _parse(self, kind: str, raw: dict[str, Any]) -> Any:
        meta = raw.get("metadata") or {}
        if kind in OWN_KINDS:
            return parse_declared(kind, raw)
        if kind in CHILD_KINDS:
            return parse_child(kind, raw) if (meta.get("labels") or {}).get(MANAGED_BY) == "daulat" else None
        if kind == "Node":
            return parse_node(raw)
        if kind == "Pod":
            return parse_pod(raw)
        if kind == "Gateway":
            return parse_gateway(raw)
        if kind == "ResourceSlice":
            return parse_slice(raw)
        if kind == "ResourceClaim":
            return parse_claim(raw)
        if kind == "Namespace":
            labels = FrozenDict[str, str](meta.get("labels") or {})
            return Namespace(str(meta.get("name")), labels, bool(meta.get("deletionTimestamp")))
        raise KeyError(kind)

    def _put(self, ref: Ref, fact: Any) -> bool:
        facts, key = self._place(ref)
        old = facts.get(key)
        if old == fact and ref.kind not in OWN_KINDS:
            return False  # A heartbeat, for instance. Only Daulat's own kinds have a status beside what is compared.
        self._changed(ref, really=old != fact)
        self._count(ref, old, fact)
        if fact is None:
            facts.pop(key, None)
        else:
            facts[key] = fact
        return bool(old != fact)

    def _forget(self, ref: Ref, version: int) -> Ref | None:
        self._versions.pop(ref, None)
        self._gone[ref] = version
        facts, key = self._place(ref)
        self._changed(ref, really=key in facts)
        self._promises.pop(ref, None)
        old = facts.pop(key, None)
        self._count(ref, old, None)
        return ref if old is not None else None

    def _count(self, ref: Ref, old: Any, new: Any) -> None:
        if ref.kind == "Pod" or ref.kind in CHILD_KINDS:
            self._tally.change(old, new)

    def _changed(self, ref: Ref, *, really: bool) -> None:
        """Drop what was kept of the state before. A status alone is no change of a fact, but must be seen."""
        self._snapshot = None
        self._views.pop(_shelf(ref), None)
        if really and ref.kind in _MEMO_KINDS:
            self._memo = {}

    def _place(self, ref: Ref) -> tuple[dict[Any, Any], Any]:
        namespaced = ref.kind in CHILD_KINDS or ref.kind in ("Pod", "Gateway", "ResourceClaim", "SovereignModel")
        return self._facts[_shelf(ref)], ref if namespaced else ref.name


def _shelf(ref: Ref) -> str:
    if ref.kind in CHILD_KINDS:
        return "children"
    others = {"Pod": "pods", "Node": "nodes", "Namespace": "namespaces", "Gateway": "gateways", **DEVICE_KINDS}
    return OWN_KINDS.get(ref.kind) or others[ref.kind]


def _version(raw: Mapping[str, Any]) -> int:
    """Return the object's resource version, which is comparable since Kubernetes 1.35; 0 where it isn't a number."""
    text = str((raw.get("metadata") or {}).get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0
