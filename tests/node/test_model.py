"""A model answers on a real node: placed, checked, served, scaled, rolled, drained, and gone without a trace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.cluster.node import images, oci
from dev.cluster.node.model import FILE, Signer, tamper, write_model
from dev.deployment import poll
from tests.e2e.world import Manifest, unique

from .chat import Chat, Steady
from .world import APPROVED, GPU, NPU, PROFILE, Observer, RealWorld

FIRST, SECOND = "Terang bulan di kuala", "Cyberjaya on a real node"


@dataclass(frozen=True)
class Weights:
    """What policies trust, and models that were made here: by a name, the URI with its digest."""

    signer: Signer
    uris: dict[str, str]


@pytest.fixture(scope="module")
def weights(real: RealWorld, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A model in two versions and one that somebody changed after it was signed, on every node."""
    signer, uris = Signer.new(), {}
    changes: dict[str, tuple[str, Callable[[Path], None]]] = {
        "first": (FIRST, lambda _: None),
        "second": (SECOND, lambda _: None),
        "tampered": (FIRST, tamper),
    }
    for tag, (answer, change) in changes.items():
        folder = tmp_path_factory.mktemp(tag)
        write_model(folder, answer)
        signer.sign(folder)
        change(folder)
        archive = oci.write(images.model(folder, "tiny", tag), tmp_path_factory.mktemp("archive"))
        for machine in real.cluster.machines:
            machine.load_image(archive.path)
        uris[tag] = f"oci://{archive.reference}"
    return Weights(signer, uris)


def tiny(name: str, namespace: str, uri: str, **spec: object) -> Manifest:
    """Return a model that is small enough to make."""
    body = {
        "model": {
            "name": "tiny",
            "uri": uri,
            "file": FILE,
            "developer": "nobody",
            "originCountry": "MY",
            "license": "Apache-2.0",
        },
        "engine": {"name": "llama.cpp", "context": 512, "concurrency": 2, "args": ["--threads", "1"]},
        "accelerators": [{"profile": PROFILE, "count": 1}],
        "replicas": 1,
        **spec,
    }
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignModel",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


@pytest.fixture
def place(real: RealWorld, weights: Weights) -> Iterator[str]:
    """A namespace under a policy that asks for signatures."""
    models = {
        "sources": ["oci://registry.example.my/"],
        "requireDigest": True,
        "originCountries": ["MY"],
        "signatures": {"keys": [weights.signer.public]},
    }
    with real.governed(accelerators=APPROVED, models=models) as (_, namespace):
        yield namespace


def chat(real: RealWorld, name: str, namespace: str) -> Chat:
    """Return a client of a model, on the node that it isn't necessarily on."""
    url = real.get("sovereignmodel", name, namespace=namespace)["status"]["url"]
    address = real.get("service", name, namespace=namespace)["spec"]["clusterIP"]
    return Chat.of(real.machine(NPU), url, address, "tiny")


def where(real: RealWorld, namespace: str) -> list[str]:
    """Return the nodes of the pods that are ready."""
    pods = [p for p in real.pods(namespace) if not p["metadata"].get("deletionTimestamp")]
    ready = [
        p for p in pods if any((c["type"], c["status"]) == ("Ready", "True") for c in p["status"].get("conditions", ()))
    ]
    return sorted(p["spec"]["nodeName"] for p in ready)


def test_a_model_answers_and_lives_its_whole_life_without_an_error(
    real: RealWorld, weights: Weights, place: str
) -> None:
    name = f"tiny-{uuid.uuid4().hex[:4]}"
    with Observer(real) as observer:
        real.admin.apply([tiny(name, place, weights.uris["first"])])
        real.wait_condition("sovereignmodel", name, "Ready", "True", place, 90)
        client = chat(real, name, place)
        assert client.answer() == FIRST
        parts = client.stream()
        assert "".join(parts) == FIRST
        assert len(parts) > 1
        assert "llamacpp:" in client.get("/metrics")
        status = real.get("sovereignmodel", name, namespace=place)["status"]
        assert status["placement"]["zone"] == "cyberjaya-1"
        assert set(where(real, place)) <= {NPU, GPU}

        # Scaled to two, rolled to another version, and a node drained: a client that asks all along sees no error.
        with Steady(client) as steady:
            real.admin.run("scale", "sovereignmodel", name, "-n", place, "--replicas=2")
            poll("two replicas", lambda: len(where(real, place)) == 2, 60)
            real.admin.apply([tiny(name, place, weights.uris["second"], replicas=2)])
            poll("the second version alone", lambda: set(_last(steady, 10)) == {SECOND}, 120)
            real.wait_condition("sovereignmodel", name, "RolledOut", "True", place, 60)
            left = where(real, place)[0]
            real.admin.run("cordon", left)
            real.admin.run(
                "drain", left, "--ignore-daemonsets", "--delete-emptydir-data", "--force", timeout_seconds=120
            )
            poll("both replicas elsewhere", lambda: len(where(real, place)) == 2 and left not in where(real, place), 60)
        real.admin.run("uncordon", left)
        assert steady.errors == []
        assert set(steady.answers) == {FIRST, SECOND}

        real.admin.run("delete", "sovereignmodel", name, "-n", place)
        poll("its pods to be gone", lambda: not real.pods(place), 60)
        poll("its processes to be gone", lambda: not observer.now(), 30)
    for kind in ("deployments", "services", "networkpolicies", "serviceaccounts", "poddisruptionbudgets"):
        owned = [o for o in real.get(kind, namespace=place)["items"] if o["metadata"]["name"] != "default"]
        assert owned == [], kind
    for machine in real.cluster.machines:
        listed = machine.run("ctr", "--namespace=k8s.io", "tasks", "ls", "--quiet").stdout
        assert listed.split() == []


def _last(steady: Steady, number: int) -> list[str]:
    return steady.answers[-number:] if len(steady.answers) >= number else []


def test_weights_that_somebody_changed_are_never_served(real: RealWorld, weights: Weights, place: str) -> None:
    name = unique("bad")
    real.admin.apply([tiny(name, place, weights.uris["tampered"])])
    told = real.wait_reason("sovereignmodel", name, "Ready", "SignatureRefused", place)
    assert "doesn't trust these weights" in told["message"]
    for pod in real.pods(place):
        assert not any(c.get("state", {}).get("running") for c in pod["status"].get("containerStatuses", ()))
