"""A namespace's models have one NetworkPolicy in common, for as long as anything of them is there."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.kube.ref import Ref
from daulat.reconcile.model.default_deny import key
from daulat.reconcile.registry import everything, reconcile
from daulat.reconcile.result import Apply, Delete, Effect
from daulat.workload.network import DEFAULT_DENY, default_deny
from tests.unit.world import ASCEND_RESOURCE, Raw, World, child, model, namespace, pod

KEY = key("treasury")
REF = Ref("NetworkPolicy", "treasury", DEFAULT_DENY)
MODEL = Ref("SovereignModel", "treasury", "deepseek")
KEEPS: tuple[Effect, ...] = (Apply(default_deny("treasury")),)
ENDS: tuple[Effect, ...] = (Delete(REF, f"uid-NetworkPolicy-{DEFAULT_DENY}"),)


def there(**metadata: Any) -> dict[str, Any]:
    raw = child("NetworkPolicy", DEFAULT_DENY, "treasury")
    raw["metadata"] |= metadata
    return raw


def decided(world: World) -> tuple[Effect, ...]:
    return reconcile(KEY, world.snapshot(), 0.0).effects


def test_a_model_gets_it_before_anything_else() -> None:
    first = next(e for e in reconcile(MODEL, World().snapshot(), 0.0).effects if isinstance(e, Apply))
    assert first == KEEPS[0]
    assert "ownerReferences" not in first.manifest["metadata"], "it stays when its models go"


def test_a_model_that_gets_nothing_doesnt_get_it_either() -> None:
    effects = reconcile(MODEL, World(policies=[]).snapshot(), 0.0).effects
    assert not [e for e in effects if isinstance(e, Apply)]


POD = pod("p0", "a1", {ASCEND_RESOURCE: "8"}, "deepseek")
SERVICE = child("Service", "deepseek", "treasury", model="deepseek")


@pytest.mark.parametrize(
    "left",
    [
        World(),
        World(models=[model(accelerators="none")]),
        World(models=[], pods=[POD]),
        World(models=[], children=[SERVICE]),
    ],
    ids=["a model", "a model that can't be read", "a pod of a deleted model", "what nobody deleted with its model"],
)
def test_it_stays_while_anything_of_a_model_is_there(left: World) -> None:
    left.children = [*left.children, there()]
    assert decided(left) == KEEPS


def test_it_goes_with_the_last_of_it() -> None:
    elsewhere = model()
    elsewhere["metadata"]["namespace"] = "records"
    assert decided(World(models=[elsewhere], children=[there()])) == ENDS
    assert decided(World(models=[])) == ()
    assert decided(World(models=[], children=[there(deletionTimestamp="2026-11-26T00:00:00Z")])) == ()


def test_nothing_is_made_in_a_namespace_that_is_removed() -> None:
    space = namespace()
    space["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z"
    space["status"] = {"phase": "Terminating"}
    assert decided(World(namespaces=[space], children=[there()])) == ()
    assert decided(World(namespaces=[], children=[there()])) == ()


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("SovereignModel", model()),
        ("Pod", pod("p0", devices={ASCEND_RESOURCE: "1"}, model="deepseek")),
        ("Service", child("Service", "deepseek", "treasury", model="deepseek")),
        ("NetworkPolicy", there()),
    ],
    ids=["model", "pod", "service", "itself"],
)
def test_it_is_looked_at_when_something_is_gone(kind: str, gone: Raw) -> None:
    assert KEY in World(models=[], children=[there()]).woken(kind, gone, gone=True)


def test_it_is_looked_at_from_the_start() -> None:
    assert KEY in list(everything(World(models=[], children=[there()]).snapshot()))
    assert KEY in list(everything(World(children=[child("NetworkPolicy", "deepseek", "treasury")]).snapshot()))


def test_nobody_asks_for_it_where_it_isnt() -> None:
    gone = pod("p0", devices={ASCEND_RESOURCE: "1"}, model="deepseek")
    assert KEY not in World().woken("Pod", gone, gone=True)
    assert KEY not in World(children=[there()]).woken("SovereignModel", model(replicas=2)), "the model is there"
