"""The labels, names and owner of everything that is made for a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION, GROUP_LABEL, MANAGED_BY, MODEL_LABEL, ROLE_LABEL
from daulat.facts.snapshot import Model


@dataclass(frozen=True)
class Member:
    """A pod's part in a replica of several nodes."""

    group: int
    """The replica's number."""
    leader: bool
    nodes: int
    address: str
    """Where the nodes meet: the leader's name in DNS."""
    rank_label: str
    """The pod label that holds the node's number."""
    domain: tuple[str, str] | None = None
    """The node label of the interconnect domain, and its value."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that tell the pod's part."""
        return {GROUP_LABEL: str(self.group), ROLE_LABEL: "leader" if self.leader else "worker"}


def selector(model: Model) -> dict[str, str]:
    """Return the labels that find the model's pods."""
    return {"app.kubernetes.io/name": "sovereignmodel", MODEL_LABEL: model.name}


def answering(model: Model, *, grouped: bool) -> dict[str, str]:
    """Return the labels that find the pods which answer requests: one of each replica."""
    return {**selector(model), **({ROLE_LABEL: "leader"} if grouped else {})}


def labels(model: Model) -> dict[str, str]:
    """Return the labels of an object that is made for the model."""
    return {**selector(model), MANAGED_BY: "daulat", "app.kubernetes.io/part-of": "daulat"}


QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue's own webhooks take it on to the pods of these kinds, where Kueue is installed; elsewhere nobody reads it."""
QUEUED = frozenset({"Deployment", "StatefulSet", "LeaderWorkerSet"})


def owned(model: Model, api_version: str, kind: str, body: dict[str, Any], name: str = "") -> Manifest:
    """Return a manifest that is deleted with the model, under the model's name unless it has one of its own."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name or model.name,
            "namespace": model.namespace,
            "labels": {**labels(model), **_queue(model, kind)},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "SovereignModel",
                    "name": model.name,
                    "uid": model.uid,
                    "controller": True,
                }
            ],
        },
        **body,
    }


def _queue(model: Model, kind: str) -> dict[str, str]:
    return {QUEUE_LABEL: model.spec.queue_name} if model.spec.queue_name and kind in QUEUED else {}
