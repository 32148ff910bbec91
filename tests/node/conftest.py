"""One cluster with real nodes for all tests here. Where the machine can't have them, a sentence says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.cluster.node import images, oci, requirements
from dev.cluster.node.model import Signer, tamper, write_model
from tests.e2e.world import lower, unique

from .models import FIRST, SECOND, Served, Weights, chat, pods_of, tiny, where
from .world import APPROVED, RealWorld, raise_real_world


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorld]:
    """A cluster with two real nodes and Daulat on it. What a test breaks, it mends."""
    if why := requirements.missing():
        pytest.skip(why)
    raised = raise_real_world(unique("node"), tmp_path_factory.mktemp("operator"), tmp_path_factory.mktemp("images"))
    yield raised
    lower(raised)


@pytest.fixture(scope="session")
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


@contextmanager
def opened(real: RealWorld, weights: Weights, **spec: object) -> Iterator[str]:
    """A namespace under a policy that asks for signatures, for as long as the block lasts."""
    models = {
        "sources": ["oci://registry.example.my/"],
        "requireDigest": True,
        "originCountries": ["MY"],
        "signatures": {"keys": [weights.signer.public]},
    }
    with real.governed(accelerators=APPROVED, models=models, **spec) as (_, namespace):
        yield namespace


@pytest.fixture
def place(real: RealWorld, weights: Weights) -> Iterator[str]:
    """A namespace of the test's own under a policy that asks for signatures."""
    with opened(real, weights) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def served(real: RealWorld, weights: Weights) -> Iterator[Served]:
    """A model that answers, for tests that break what is under it and mend it again."""
    with opened(real, weights) as namespace:
        name = unique("tiny")
        real.admin.apply([tiny(name, namespace, weights.uris["first"])])
        real.wait_condition("sovereignmodel", name, "Ready", "True", namespace, 90)
        (node,), (pod,) = where(real, namespace), pods_of(real, namespace)
        yield Served(name, namespace, node, pod["metadata"]["name"], chat(real, name, namespace))
