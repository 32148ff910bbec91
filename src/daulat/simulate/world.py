"""The copy of a cluster's objects that a simulation changes, with the facts that the reconcilers read of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from daulat.api.kinds import Manifest
from daulat.api.timestamps import stamp
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.facts.change import Change
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import OWN_KINDS, Store
from daulat.kube.ref import Ref
from daulat.kube.resources import BY_KIND, Use, kinds

WEIGHTS_IMAGE = "daulat.invalid/weights@sha256:" + "0" * 64
"""Stands for the operator's image, which no object of the cluster names: the image alone rolls no pod."""
_NAME_LABEL = "kubernetes.io/metadata.name"
_WITH_GENERATION = frozenset(OWN_KINDS) | kinds(Use.WORKLOAD)


@dataclass(frozen=True)
class Cluster:
    """What a simulation starts from."""

    objects: tuple[Manifest, ...]
    """Each with apiVersion and kind."""
    now: float
    """When they were read, in seconds since the epoch."""
    capabilities: Capabilities = DEFAULT
    unserved: frozenset[str] = frozenset()
    """Optional kinds that the API server doesn't serve."""
    operator_namespace: str = "daulat-system"


@dataclass
class World:
    """The objects by reference, and the store that the reconcilers read."""

    store: Store
    now: float
    """The virtual time, in seconds since the epoch."""
    objects: dict[Ref, Manifest] = field(default_factory=dict)
    sink: Callable[[Change], None] = lambda change: None
    """Takes every change of a fact."""
    touched: Callable[[str], None] = lambda kind: None
    """Is told the kind of each object that is written, whether or not a fact of it differs."""
    _version: int = 0
    _uids: int = 0
    _refs: dict[str, set[Ref]] = field(default_factory=dict)

    @classmethod
    def of(cls, cluster: Cluster) -> World:
        """Return a copy of a cluster."""
        store = Store(cluster.operator_namespace, WEIGHTS_IMAGE)
        store.record_capabilities(cluster.capabilities)
        for kind in sorted(cluster.unserved):
            store.record_served(kind, served=False)
        # Statuses have times in whole seconds, so a fraction would shift every grace period a little.
        world = cls(store, float(int(cluster.now)))
        world.wait(world.now)
        for manifest in cluster.objects:
            if (kind := str(manifest.get("kind"))) in BY_KIND:
                world.put(kind, manifest)
        return world

    @property
    def snapshot(self) -> Snapshot:
        """The facts now."""
        return self.store.snapshot()

    def wait(self, until: float) -> None:
        """Let virtual time pass. Statements about nodes begin and end with it."""
        self.now = max(self.now, until)
        for change in self.store.advance(self.now):
            self.sink(change)

    def put(self, kind: str, manifest: Manifest) -> Manifest:
        """Create or replace an object, with the metadata that the API server would write."""
        ref, meta = Ref.of(kind, manifest), dict(manifest["metadata"])
        live = self.objects.get(ref)
        before = live["metadata"] if live is not None else {}
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        if not meta.get("uid"):
            self._uids += 1
            meta["uid"] = before.get("uid") or f"simulated-{self._uids}"
        meta["creationTimestamp"] = before.get("creationTimestamp") or meta.get("creationTimestamp") or stamp(self.now)
        if kind in _WITH_GENERATION:
            known = int(before.get("generation") or meta.get("generation") or 1)
            meta["generation"] = known + (live is not None and live.get("spec") != manifest.get("spec"))
        if kind == "Namespace":
            meta["labels"] = {**(meta.get("labels") or {}), _NAME_LABEL: meta["name"]}
        return self._write(kind, ref, {**manifest, "kind": kind, "metadata": meta})

    def apply(self, kind: str, manifest: Manifest) -> Manifest:
        """Apply an object as its user or the operator does: what others wrote into its metadata and its status stays."""
        live = self.objects.get(Ref.of(kind, manifest))
        if live is None:
            return self.put(kind, manifest)
        meta = {**live["metadata"], **{k: v for k, v in manifest["metadata"].items() if k not in ("uid", "generation")}}
        for key in ("labels", "annotations"):
            if kind not in OWN_KINDS and (found := live["metadata"].get(key)):
                meta[key] = {**found, **(manifest["metadata"].get(key) or {})}
        changed = {**live, **manifest, "metadata": meta, "status": live.get("status") or {}}
        if kind == "Node":
            # The kubelet writes a node's status. A manifest that has one means it.
            changed["status"] = manifest.get("status") or changed["status"]
        if _alike(changed, live):
            return live
        return self.put(kind, changed)

    def edit(self, ref: Ref, **parts: Manifest) -> None:
        """Replace parts of an object that is there, such as its status."""
        live = self.objects.get(ref)
        if live is not None and any(live.get(key) != value for key, value in parts.items()):
            self.put(ref.kind, {**live, **parts})

    def remove(self, ref: Ref) -> None:
        """Take an object away."""
        live = self.objects.pop(ref, None)
        if live is None:
            return
        self._refs[ref.kind].discard(ref)
        self._version += 1
        gone = {**live, "metadata": {**live["metadata"], "resourceVersion": str(self._version)}}
        change = self.store.delete(ref.kind, gone)
        self.touched(ref.kind)
        if change is not None:
            self.sink(change)

    def of_kind(self, kind: str) -> Iterable[tuple[Ref, Manifest]]:
        """Return the objects of a kind, in the order of their names."""
        return [(ref, self.objects[ref]) for ref in sorted(self._refs.get(kind, ()))]

    def _write(self, kind: str, ref: Ref, manifest: Manifest) -> Manifest:
        self.objects[ref] = manifest
        self._refs.setdefault(kind, set()).add(ref)
        change = self.store.apply(kind, manifest)
        self.touched(kind)
        if change is not None:
            self.sink(change)
        return manifest


_SERVERS = ("resourceVersion", "generation", "managedFields")


def _alike(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return _without(one) == _without(other)


def _without(manifest: Mapping[str, object]) -> Manifest:
    meta = manifest.get("metadata")
    kept = {k: v for k, v in meta.items() if k not in _SERVERS} if isinstance(meta, dict) else {}
    return {**{k: v for k, v in manifest.items() if k not in ("apiVersion", "kind")}, "metadata": kept}
