"""Whoever applies a model hears at once that no eligible node has what it asks for, by facts that change slowly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.admission.advice import advice_name
from daulat.cel.evaluator import Request, evaluate
from daulat.kube.ref import Ref
from daulat.reconcile.policy.advice import key, reconcile_advice
from daulat.reconcile.registry import everything, reconcile
from daulat.reconcile.result import Apply, Delete
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    World,
    ascend,
    child,
    choice,
    h20,
    model,
    node,
    pod,
    policy,
    zone,
)

NAME = "confidential.advice.daulat.dev"
KINDS = ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy")


def made(world: World, name: str = "confidential") -> list[dict[str, Any]]:
    return [e.manifest for e in reconcile_advice(key(name), world.snapshot(), 0).effects if isinstance(e, Apply)]


def asked(world: World, *profiles: str, was: tuple[str, ...] | None = None) -> str:
    """Return the warning for a model that lists these profiles; empty where there is none."""
    bodies = [
        {**model(accelerators=[choice(p, 1) for p in listed]), "kind": "SovereignModel"}
        for listed in (profiles, was or profiles)
    ]
    request = Request(
        object=bodies[0],
        old_object=bodies[1] if was else None,
        operation="UPDATE" if was else "CREATE",
        resource="sovereignmodels",
        group="daulat.dev",
        version="v1alpha1",
        namespace="treasury",
    )
    found = evaluate(made(world)[1], request)
    assert not found.error
    return "" if found.allowed else found.message


def test_it_only_ever_warns() -> None:
    binding, admission = made(World())
    assert binding["spec"]["validationActions"] == ["Warn"]
    assert admission["spec"]["failurePolicy"] == "Ignore"
    assert [m["kind"] for m in (binding, admission)] == list(KINDS)
    assert {m["metadata"]["name"] for m in (binding, admission)} == {NAME}


def test_an_accelerator_that_an_eligible_node_has_is_no_reason_to_warn() -> None:
    assert asked(World(), ASCEND) == ""
    assert asked(World(), "nvidia-h100", H20) == ""


def test_accelerators_that_no_eligible_node_has_are_told_with_those_that_they_have() -> None:
    world = World(nodes=[h20("h1"), ascend("sg-1", "sg")], zones=[zone(), zone("sg", country="SG")])
    assert asked(world, ASCEND) == (
        "spec.accelerators: huawei-ascend-910b was requested; the nodes that are eligible under policy confidential "
        "have nvidia-h20 now. The model waits until an eligible node has that accelerator; list one that these nodes have."
    )


def test_nodes_without_an_approved_accelerator_and_no_nodes_at_all_are_told_apart() -> None:
    assert "no node that is eligible under policy confidential has an approved accelerator now" in asked(
        World(nodes=[node("plain")]), ASCEND
    )
    assert "no node is eligible under policy confidential now" in asked(World(nodes=[ascend("stray", "")]), ASCEND)


def test_a_model_that_the_policy_refuses_gets_no_advice_beside_the_refusal() -> None:
    """What never runs waits for nothing: "it waits until one has" beside "forbidden" sends people the wrong way."""
    world = World(nodes=[h20("h1")])
    assert asked(world, ASCEND) != ""
    assert asked(world, "nvidia-h100") == ""
    world.policies = [policy(models={"licenses": ["Apache-2.0"]})]
    assert asked(world, ASCEND) == ""
    world.policies = [policy(models={"licenses": ["Apache-2.0"]}, action="Warn")]
    assert asked(world, ASCEND) != ""


def test_an_update_warns_only_where_the_accelerators_change() -> None:
    world = World(nodes=[h20("h1")])
    assert asked(world, ASCEND, was=(ASCEND,)) == ""
    assert asked(world, ASCEND, was=(H20,)) != ""
    assert asked(world, H20, was=(ASCEND,)) == ""


def test_the_namespaces_are_the_policys_without_those_that_none_may_govern() -> None:
    (selector,) = {json.dumps(made(World())[0]["spec"]["matchResources"]["namespaceSelector"])}
    assert json.loads(selector)["matchLabels"] == {"daulat.dev/data-class": "confidential"}
    assert "kube-system" in selector
    assert "daulat-system" in selector


def changed(name: str, **status: Any) -> dict[str, Any]:
    raw = ascend(name)
    raw["status"].update(status)
    return raw


DOWN = ascend("a1", ready=False)
CORDONED = {**ascend("a1"), "spec": {"unschedulable": True, "taints": [{"key": "x", "effect": "NoExecute"}]}}
BROKEN = changed("a1", allocatable={ASCEND_RESOURCE: "0"}, capacity={ASCEND_RESOURCE: "8"})
FULL = [pod("p", "a1", {ASCEND_RESOURCE: "8"})]


@pytest.mark.parametrize(
    "world",
    [World(nodes=[DOWN]), World(nodes=[CORDONED]), World(nodes=[BROKEN]), World(nodes=[ascend("a1")], pods=FULL)],
    ids=["down", "cordoned and tainted", "all devices broken", "all devices in use"],
)
def test_what_changes_from_minute_to_minute_changes_nothing(world: World) -> None:
    assert json.dumps(made(world)) == json.dumps(made(World(nodes=[ascend("a1"), ascend("a2")])))


def test_the_same_facts_in_another_order_make_the_same_bytes() -> None:
    nodes = [ascend("a1"), h20("h1")]
    other = policy(accelerators={"profiles": [H20, ASCEND]})
    assert json.dumps(made(World(nodes=nodes))) == json.dumps(
        made(World(nodes=list(reversed(nodes)), policies=[other]))
    )


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_a_policy_on_trial_warns_as_well_since_it_places_models_all_the_same(action: str) -> None:
    assert "nvidia-h20" in asked(World(nodes=[h20("h1")], policies=[policy(action=action)]), ASCEND)


def test_a_policy_with_a_gitops_source_has_its_warning_from_the_operator() -> None:
    assert made(World(policies=[policy(enforcement={"source": "GitOps"})]))


def advice(**more: Any) -> list[dict[str, Any]]:
    return [child(kind, NAME, **more) for kind in KINDS]


def test_the_warning_of_a_policy_that_is_gone_goes_its_binding_first() -> None:
    snapshot = World(policies=[], children=advice()).snapshot()
    gone = [e.ref.kind for e in reconcile(key("confidential"), snapshot, 0).effects if isinstance(e, Delete)]
    assert gone == list(KINDS)
    assert key("confidential") in list(everything(snapshot))
    assert key("confidential") not in list(everything(World(children=advice()).snapshot()))


def test_the_warning_of_a_policy_that_cant_be_read_stays_as_it_was() -> None:
    assert reconcile_advice(key("confidential"), World(policies=[policy(zones="x")]).snapshot(), 0).effects == ()


def test_a_policy_asks_for_its_warning_when_it_is_there_and_when_it_is_gone() -> None:
    ref = Ref("SovereigntyPolicy", "", "confidential")
    for world in (World(), World(policies=[], children=advice())):
        assert key("confidential") in reconcile(ref, world.snapshot(), 0).enqueue


def test_a_warning_that_somebody_changes_or_takes_away_comes_back() -> None:
    kind, mine = "ValidatingAdmissionPolicy", child("ValidatingAdmissionPolicy", advice_name("confidential"))
    changed = {**mine, "metadata": {**mine["metadata"], "generation": 2}}
    assert key("confidential") in World(children=[mine]).woken(kind, changed)
    assert key("confidential") in World().woken(kind, mine, gone=True)
