"""Models that are made here, and what tests ask about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
ENDED = ("Failed", "Succeeded")
"""The phases of a pod that runs no more."""
FIRST, SECOND = "Terang bulan di kuala", "Cyberjaya on a real node"


@dataclass(frozen=True)
class Weights:
    """What policies trust, and models that were made here: by a name, the URI with its digest."""

    signer: Signer
    uris: dict[str, str]


@dataclass(frozen=True)
class Model:
    """A model of one replica that a test was given. It may move, and what serves it may be another pod later."""

    real: RealWorld
    name: str
    namespace: str

    def now(self) -> Served:
        """Wait until one pod serves it and no other is left, and return where it is."""
        found: list[Manifest] = []

        def alone() -> bool:
            found[:] = pods_of(self.real, self.namespace, self.name)
            return len(found) == 1 and is_ready(found[0])

        self.real.wait_condition("sovereignmodel", self.name, "Ready", "True", self.namespace)
        poll(f"one pod to serve {self.name}", alone)
        (pod,) = found
        return Served(self.real, self.name, self.namespace, pod["spec"]["nodeName"], pod["metadata"]["name"])


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

    @property
    def policy(self) -> str:
        """The policy that governs it."""
        labels = self.real.get("namespace", self.namespace)["metadata"]["labels"]
        return str(labels["daulat.dev/scope"])

    @contextmanager
    def under(self, **spec: object) -> Iterator[None]:
        """Let its policy say something else for as long as the block lasts."""
        before = self.real.get("sovereigntypolicy", self.policy)["spec"]
        self._replace(spec)
        try:
            yield
        finally:
            self._replace({section: before.get(section) for section in spec})

    def _replace(self, sections: Mapping[str, object]) -> None:
        """Replace whole sections of its policy; None removes one."""
        patch = [
            {"op": "remove", "path": f"/spec/{name}"}
            if value is None
            else {"op": "add", "path": f"/spec/{name}", "value": value}
            for name, value in sections.items()
        ]
        self.real.admin.run("patch", "sovereigntypolicy", self.policy, "--type=json", f"--patch={json.dumps(patch)}")

    def without_client(self) -> None:
        """Let no pod be in its namespace but its own."""
        self.real.admin.run("delete", "pod", CLIENT, "-n", self.namespace, "--now", "--ignore-not-found")

    @cached_property
    def chat(self) -> Chat:
        """A client of it."""
        return chat(self.real, self.name, self.namespace)

    def wait_ready(self) -> None:
        """Wait until it says that it is ready."""
        self.real.wait_condition("sovereignmodel", self.name, "Ready", "True", self.namespace)

    def wait_elsewhere(self) -> None:
        """Wait until the other node alone serves it."""
        poll("the model to serve elsewhere alone", lambda: where(self.real, self.namespace) == [self.other])


def serve(real: RealWorld, uri: str, namespace: str, **spec: object) -> Model:
    """Apply a model of one replica, and return it."""
    name = unique("tiny")
    real.admin.apply([tiny(name, namespace, uri, **spec)])
    return Model(real, name, namespace)


def chat(real: RealWorld, name: str, namespace: str) -> Chat:
    """Return a client of a model: a pod of its namespace, for others are kept out."""
    if real.exists("pod", CLIENT, namespace) and real.pod_phase(CLIENT, namespace)[0] in ENDED:
        # It was on a node that ended all that was there.
        real.admin.run("delete", "pod", CLIENT, "-n", namespace, "--now")
    if not real.exists("pod", CLIENT, namespace):
        real.admin.apply([client_pod(real, CLIENT, namespace)])
    real.wait_phase(CLIENT, namespace, "Running")
    # A model tells it for as long as one of its pods is ready, which a kubelet that was started anew may say a moment late.
    poll("its address", lambda: "url" in real.get("sovereignmodel", name, namespace=namespace)["status"])
    return Chat.between(CLIENT, name, namespace, real.admin, real.cluster.machines)


def pods_of(real: RealWorld, namespace: str, model: str = "") -> list[Manifest]:
    """Return the pods of one model in a namespace, or of all. What a kubelet has ended stays as an object, and isn't meant."""
    going = [p for p in real.pods(namespace) if p["status"]["phase"] not in ENDED]
    labelled = [(p["metadata"].get("labels", {}).get(MODEL_LABEL), p) for p in going]
    return [pod for name, pod in labelled if name and model in ("", name)]


def is_ready(pod: Manifest) -> bool:
    """Say whether a pod serves."""
    return any((c["type"], c["status"]) == ("Ready", "True") for c in pod["status"].get("conditions", ()))


def where(real: RealWorld, namespace: str) -> list[str]:
    """Return the nodes of the models' pods that are ready."""
    pods = [p for p in pods_of(real, namespace) if not p["metadata"].get("deletionTimestamp")]
    return sorted(p["spec"]["nodeName"] for p in pods if is_ready(p))
