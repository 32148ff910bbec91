"""One cluster with real nodes for all tests here. Where the machine can't have them, a sentence says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.cluster.node import requirements, serving
from dev.cluster.node.model import Signer, tamper
from tests.e2e.world import lower, unique

from .models import FIRST, SECOND, Model, Served, Weights, serve
from .world import APPROVED, RealWorld, raise_real_world


@pytest.fixture(scope="package")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorld]:
    """A cluster with two real nodes and Daulat on it. What a test breaks, it mends."""
    if why := requirements.missing():
        pytest.skip(why)
    raised = raise_real_world(unique("node"), tmp_path_factory.mktemp("operator"), tmp_path_factory.mktemp("images"))
    yield raised
    lower(raised)


@pytest.fixture(scope="package")
def weights(real: RealWorld, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A model in two versions and one that somebody changed after it was signed, on every node."""
    signer, folder = Signer.new(), tmp_path_factory.mktemp("models")
    made = {
        "first": serving.model(folder, signer, "first", FIRST),
        "second": serving.model(folder, signer, "second", SECOND),
        "tampered": serving.model(folder, signer, "tampered", FIRST, tamper),
    }
    serving.load(real.cluster.machines, made.values())
    return Weights(signer, {tag: f"oci://{archive.reference}" for tag, archive in made.items()})


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


@pytest.fixture(scope="package")
def model(real: RealWorld, weights: Weights) -> Iterator[Model]:
    """A model that answers. Who breaks what is under it mends that again."""
    # Many tests evict it within ten minutes, some of them only if it is on the node that they take away.
    with opened(real, weights, drift={"limit": "100%"}) as namespace:
        yield serve(real, weights.uris["first"], namespace)


@pytest.fixture
def served(model: Model) -> Served:
    """That model, where it is now."""
    return model.now()
