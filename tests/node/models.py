"""Models that are made here, and what tests ask about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from daulat.api.names import MODEL_LABEL
from dev.cluster.node.chat import Chat
from dev.cluster.node.model import Signer
from dev.cluster.node.serving import tiny
from dev.deployment import poll
from tests.e2e.world import Manifest, unique

from .world import GPU, NPU, RealWorld, client_pod

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

    real: RealWorld
    name: str
    namespace: str
    node: str
    pod: str

    @property
    def other(self) -> str:
        """The node where it isn't."""
        (found,) = {NPU, GPU} - {self.node}
        return found

    @cached_property
    def chat(self) -> Chat:
        """A client of it."""
        return chat(self.real, self.name, self.namespace)

    def wait_ready(self, seconds: float = 30) -> None:
        """Wait until it says that it is ready."""
        self.real.wait_condition("sovereignmodel", self.name, "Ready", "True", self.namespace, seconds)

    def wait_elsewhere(self) -> None:
        """Wait until the other node alone serves it."""
        poll("the model to serve elsewhere alone", lambda: where(self.real, self.namespace) == [self.other], 60)


def serve(real: RealWorld, uri: str, namespace: str, **spec: object) -> Served:
    """Apply a model of one replica, and return it once it serves."""
    name = unique("tiny")
    real.admin.apply([tiny(name, namespace, uri, **spec)])
    real.wait_condition("sovereignmodel", name, "Ready", "True", namespace, 90)
    (node,), (pod,) = where(real, namespace), pods_of(real, namespace)
    return Served(real, name, namespace, node, pod["metadata"]["name"])


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
