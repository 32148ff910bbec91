"""Makes of manifests the snapshot that the operator would have of a cluster with these objects in it."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.admission.policy import PROTECTED_NAMESPACES
from daulat.api.kinds import Manifest
from daulat.api.names import GROUP
from daulat.catalog import accelerators
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.check.governance import NAME_LABEL
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import DEVICE_KINDS, OWN_KINDS, Store

_CORE = ("Namespace", "Node", "Pod")


def snapshot_of(
    objects: Iterable[Manifest],
    operator_namespace: str,
    default_namespace: str = "default",
    cluster: Capabilities = DEFAULT,
    now: float = 0.0,
) -> Snapshot:
    """Return what is known of a cluster with these objects, and with the shipped profiles where no other has the name."""
    store = Store(operator_namespace)
    store.record_capabilities(cluster)
    store.advance(now)
    # Every cluster has the namespaces that no policy may govern.
    protected = (_namespace(name) for name in (*PROTECTED_NAMESPACES, operator_namespace))
    for manifest in [*accelerators.manifests(), *protected, *objects]:
        group, kind = str(manifest.get("apiVersion") or "").rpartition("/")[0], str(manifest.get("kind") or "")
        if group == GROUP and kind in OWN_KINDS:
            store.apply(kind, _placed(manifest, default_namespace) if kind == "SovereignModel" else _unplaced(manifest))
        elif group == "" and kind in _CORE:
            store.apply(kind, _placed(manifest, default_namespace) if kind == "Pod" else _unplaced(manifest))
        elif group == "resource.k8s.io" and kind in DEVICE_KINDS:
            store.apply(kind, _placed(manifest, default_namespace) if kind == "ResourceClaim" else _unplaced(manifest))
    return store.snapshot()


def _namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {NAME_LABEL: name}}}


def _placed(manifest: Manifest, namespace: str) -> Manifest:
    meta = manifest.get("metadata") or {}
    return _versionless(manifest, {**meta, "namespace": meta.get("namespace") or namespace})


def _unplaced(manifest: Manifest) -> Manifest:
    # The API server ignores nothing here, but people do write a namespace onto kinds that have none.
    return _versionless(manifest, {**(manifest.get("metadata") or {}), "namespace": ""})


def _versionless(manifest: Manifest, meta: Manifest) -> Manifest:
    """Leave out the version: of two objects of a name the later one in the input counts, not the one that a cluster made later."""
    return {**manifest, "metadata": {k: v for k, v in meta.items() if k != "resourceVersion"}}
