"""The controllers and kubelets of others, as far as a model's Deployment needs them: its pods come to eligible nodes, are ready at
once, and make room for those of a newer template."""

from __future__ import annotations

from typing import Any

from daulat.api.names import REVISION_ANNOTATION
from daulat.kube.ref import Ref

from .server import FakeServer
from .virtual import later

Raw = dict[str, Any]

STEP = 0.2
"""Seconds after which a change is seen."""


class Deployments:
    """The controller of Deployments, and the scheduler and kubelets behind it."""

    def __init__(self, server: FakeServer) -> None:
        self._server, self._made, self._due = server, 0, False
        server.watches.append(self._hear)

    def _hear(self, kind: str, type_: str, raw: Raw) -> None:
        if kind in ("Deployment", "Pod", "Node") and not self._due:
            self._due = True
            later(STEP, self._look)

    def _look(self) -> None:
        self._due = False
        for one in [o for o in self._server.objects.values() if o["kind"] == "Deployment"]:
            self._reconcile(one)

    def _reconcile(self, one: Raw) -> None:
        meta, spec = one["metadata"], one["spec"]
        revision = spec["template"]["metadata"]["annotations"][REVISION_ANNOTATION]
        pods = [p for p in self._server.objects.values() if p["kind"] == "Pod" and _is_of(p, meta)]
        running = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
        new = [p for p in running if p["metadata"]["annotations"][REVISION_ANNOTATION] == revision]
        for old in [p for p in running if p not in new] + new[spec["replicas"] :]:
            self._server.remove(Ref.of("Pod", old), gently=True)
        if len(pods) < spec["replicas"]:
            self._place(one)
        counts = {"replicas": len(running), "updatedReplicas": len(new), "readyReplicas": len(running)}
        told = {**counts, "observedGeneration": meta["generation"]}
        self._server.edit(Ref.of("Deployment", one), "kube-controller-manager", status=told)

    def _place(self, one: Raw) -> None:
        template = one["spec"]["template"]
        wanted = template["spec"]["nodeSelector"].items()
        nodes = [o for o in self._server.objects.values() if o["kind"] == "Node"]
        fitting = [n for n in nodes if wanted <= n["metadata"]["labels"].items()]
        if not fitting:
            return
        self._made += 1
        name = f"{one['metadata']['name']}-{self._made}"
        owner = {"kind": "ReplicaSet", "name": f"{one['metadata']['name']}-r", "controller": True}
        where = {"name": name, "namespace": one["metadata"]["namespace"], "ownerReferences": [owner]}
        meta = {**template["metadata"], **where}
        spec = {**template["spec"], "nodeName": fitting[0]["metadata"]["name"]}
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self._server.put("Pod", {"metadata": meta, "spec": spec, "status": status}, "kubelet")


def _is_of(pod: Raw, deployment: Raw) -> bool:
    meta = pod["metadata"]
    return bool(meta["namespace"] == deployment["namespace"]) and meta["name"].startswith(f"{deployment['name']}-")
