"""Admission is asked about a model once, and again as soon as anything that it reads has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daulat.catalog import accelerators
from daulat.cel import evaluator
from daulat.check.modelpods import render
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.reconcile.model import compliance as judged
from daulat.reconcile.model.reconciler import reconcile_model
from tests.unit.world import (
    ASCEND,
    OPERATOR_NAMESPACE,
    WEIGHTS_IMAGE,
    World,
    ascend,
    exemption,
    guards_of,
    model,
    policy,
    zone,
)

from .deployed import condition

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
LABELLED = {"metadata": {"name": "treasury", "labels": {"daulat.dev/data-class": "confidential", "x": "y"}}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    evaluate = evaluator.evaluate_all

    def counted(policies: Any, request: Any) -> Any:
        found.append(request.resource)
        return evaluate(policies, request)

    monkeypatch.setattr(judged, "evaluate_all", counted)
    return found


def cluster() -> tuple[Store, Callable[[str, dict[str, Any]], None]]:
    store, versions = Store(OPERATOR_NAMESPACE, WEIGHTS_IMAGE), iter(range(2, 1000))

    def put(kind: str, raw: dict[str, Any]) -> None:
        store.apply(kind, {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(next(versions))}})

    world = World()
    for raw in guards_of(world.policies[0]):
        put(raw["kind"], raw)
    kinds = {
        "Node": world.nodes,
        "SovereignZone": world.zones,
        "SovereigntyPolicy": world.policies,
        "Namespace": world.namespaces,
        "AcceleratorProfile": world.profiles,
        "SovereignModel": world.models,
    }
    for kind, raws in kinds.items():
        for raw in raws:
            put(kind, raw)
    return store, put


@pytest.mark.parametrize(
    ("kind", "raw", "again"),
    [
        ("SovereignModel", model(), set()),
        ("SovereignModel", model(model={"license": "Apache-2.0"}), {"sovereignmodels"}),
        ("SovereignModel", model(engine={"args": ["--seed=1"]}), {"sovereignmodels", "pods"}),
        (
            "Namespace",
            LABELLED,
            {"sovereignmodels", "pods"},
        ),
        ("SovereigntyPolicy", policy(models={"licenses": ["MIT"]}), {"sovereignmodels", "pods"}),
        ("SovereigntyExemption", exemption(controls=["USE-08"]), {"sovereignmodels", "pods"}),
        ("SovereigntyExemption", exemption(policy="another"), set()),
        ("SovereignZone", zone(maximumDataClass="restricted"), set()),
        ("SovereignZone", zone(regions=["my-central"]), {"sovereignmodels"}),
    ],
)
def test_admission_is_asked_again_only_where_what_it_reads_has_changed(
    asked: list[str], kind: str, raw: dict[str, Any], again: set[str]
) -> None:
    store, put = cluster()
    reconcile_model(REF, store.snapshot(), NOW)
    assert set(asked) == {"sovereignmodels", "pods"}
    asked.clear()
    reconcile_model(REF, store.snapshot(), NOW + 60)
    assert asked == []
    put(kind, raw)
    reconcile_model(REF, store.snapshot(), NOW + 60)
    assert set(asked) == again


def test_an_exemption_that_ends_is_no_excuse_any_more(asked: list[str]) -> None:
    store, put = cluster()
    put("SovereigntyPolicy", policy(models={"licenses": ["Apache-2.0"]}))
    put("SovereigntyExemption", exemption(controls=["SUP-04"], expiresAt="2027-01-15T08:00:10Z"))
    reconcile_model(REF, store.snapshot(), NOW)
    asked.clear()
    reconcile_model(REF, store.snapshot(), NOW + 3600)
    assert "sovereignmodels" in asked


def test_a_model_without_an_image_is_told_the_field_of_the_model_to_set_and_none_of_a_pod() -> None:
    bare = policy(images={"registries": ["registry.example.my/"], "requireDigest": True})
    asked = model(accelerators=[{"profile": ASCEND, "count": 1}], engine={"name": "sglang"})
    world = World(models=[asked], policies=[bare], nodes=[ascend("a1")])
    said = condition(reconcile_model(REF, world.snapshot(), NOW), "PolicyCompliant")
    assert 'spec.accelerators["huawei-ascend-910b"].image: there is none' in said["message"]
    assert "spec.containers" not in said["message"]
    rendered = render(asked, "treasury", ["confidential"], accelerators.shipped())
    assert rendered.pods == ()
    assert any("image: there is none" in r for r in rendered.refused)
