"""Compiles the guards of the whole cluster, which no policy owns: labels of record on nodes and namespaces."""

from __future__ import annotations

from daulat.api.kinds import Manifest
from daulat.controls import library

from . import validating
from .policy import ADMISSION


def compile_cluster_guards() -> list[Manifest]:
    """Return the manifests, the same bytes each time. The chart ships them."""
    manifests: list[Manifest] = []
    for guard in library.guards().values():
        if guard.scope != "cluster":
            continue
        controls = [c for c in library.controls() if c.guard == guard.guard]
        name = f"{guard.guard}.cluster.daulat.dev"
        body = validating.spec(guard, controls, {}, namespace_selector={})
        manifests.append(_manifest("ValidatingAdmissionPolicy", name, body))
        manifests.append(_manifest("ValidatingAdmissionPolicyBinding", name, validating.binding_spec(name, "Enforce")))
    return manifests


def _manifest(kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": ADMISSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "daulat"}},
        "spec": spec,
    }
