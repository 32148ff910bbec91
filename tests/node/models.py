"""Models that are made here, and what tests ask about them."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.names import MODEL_LABEL
from dev.cluster.node.chat import Chat
from dev.cluster.node.model import Signer
from tests.e2e.world import Manifest

from .world import RealWorld, client_pod

CLIENT = "client"
"""The pod that asks a model, in each namespace that has one."""
FIRST, SECOND = "Terang bulan di kuala", "Cyberjaya on a real node"


@dataclass(frozen=True)
class Weights:
    """What policies trust, and models that were made here: by a name, the URI with its digest."""

    signer: Signer
    uris: dict[str, str]


@dataclass(frozen=True)
class Served:
    """A model that answers, with one pod."""

    name: str
    namespace: str
    node: str
    pod: str
    chat: Chat


def chat(real: RealWorld, name: str, namespace: str) -> Chat:
    """Return a client of a model: a pod of its namespace, for others are kept out."""
    if not real.exists("pod", CLIENT, namespace):
        real.admin.apply([client_pod(real, CLIENT, namespace)])
    real.wait_phase(CLIENT, namespace, "Running")
    return Chat.between(CLIENT, name, namespace, real.admin, real.cluster.machines)


def pods_of(real: RealWorld, namespace: str) -> list[Manifest]:
    """Return the pods of the models in a namespace."""
    return [p for p in real.pods(namespace) if MODEL_LABEL in p["metadata"].get("labels", {})]


def where(real: RealWorld, namespace: str) -> list[str]:
    """Return the nodes of the models' pods that are ready."""
    pods = [p for p in pods_of(real, namespace) if not p["metadata"].get("deletionTimestamp")]
    ready = [
        p for p in pods if any((c["type"], c["status"]) == ("Ready", "True") for c in p["status"].get("conditions", ()))
    ]
    return sorted(p["spec"]["nodeName"] for p in ready)
