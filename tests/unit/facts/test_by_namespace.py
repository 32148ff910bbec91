"""Which models a namespace has is followed as they come and go."""

from __future__ import annotations

from itertools import count

from daulat.facts.by_namespace import models_in
from daulat.facts.store import Store
from tests.unit.world import Raw, World, model


def test_models_that_come_and_go_are_followed() -> None:
    version = count(100)

    def numbered(raw: Raw) -> Raw:
        return {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(next(version))}}

    def names(store: Store, *namespaces: str) -> list[str]:
        found = models_in(namespaces, store.snapshot())
        assert found == sorted(ref for ref in store.snapshot().models if ref.namespace in namespaces)
        return [f"{ref.namespace}/{ref.name}" for ref in found]

    store = World(models=[model("b"), model("a"), model("c", namespace="lab")]).store()
    assert names(store, "treasury") == ["treasury/a", "treasury/b"]
    store.apply("SovereignModel", numbered(model("d", namespace="lab")))
    store.delete("SovereignModel", numbered(model("a")))
    assert names(store, "treasury", "lab", "other") == ["lab/c", "lab/d", "treasury/b"]
    # One that can't be read counts.
    store.apply("SovereignModel", numbered({**model("e"), "spec": {"replicas": "many"}}))
    assert names(store, "treasury") == ["treasury/b", "treasury/e"]
    for name in ("b", "e"):
        store.delete("SovereignModel", numbered(model(name)))
    assert names(store, "treasury") == []
