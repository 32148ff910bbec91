"""What runs of a model goes with it, whatever others did to its owner references and finalizers."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.kube.ref import Ref
from daulat.reconcile.model.controllers import MODELS
from daulat.reconcile.result import Apply, Delete, Result
from tests.unit.world import World, child, model, namespace, policy

from .test_reconciler import REF, condition, deployed, run

DEPLOYMENT = Ref("Deployment", "treasury", "deepseek")
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
REFUSING: dict[str, Any] = {"zones": {"countries": ["SG"]}}
OWNER = {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereignModel", "name": "deepseek"}


def deletions(result: Result) -> list[Delete]:
    return [e for e in result.effects if isinstance(e, Delete)]


def refs(result: Result) -> list[Ref]:
    return [e.ref for e in deletions(result)]


def owned_by(world: World, *owners: dict[str, Any]) -> World:
    """Return the world where the workload has these owners instead of the model."""
    world.children[0]["metadata"]["ownerReferences"] = list(owners)
    return world


def gone(world: World) -> World:
    world.models = []
    return world


def test_a_model_that_is_being_deleted_loses_its_workload_and_says_so() -> None:
    world = deployed(World())
    route = child("HTTPRoute", "deepseek", "treasury", model="deepseek")
    closed = child("NetworkPolicy", "deepseek", "treasury", model="deepseek")
    world.children += [closed, route]
    world.models[0]["metadata"] |= DELETED
    result = run(world)
    assert refs(result) == [DEPLOYMENT, Ref("HTTPRoute", "treasury", "deepseek")]
    assert [e for e in result.effects if isinstance(e, Apply)] == []
    assert all(e.grace is None and not e.foreground for e in deletions(result))
    assert condition(result, "Ready") == ("False", "Deleting")


@pytest.mark.parametrize(
    "owners", [(), ({"kind": "ConfigMap", "name": "mine", "uid": "mine"},)], ids=["none", "another"]
)
@pytest.mark.parametrize("stage", ["refused", "being deleted", "gone"])
def test_an_owner_that_others_took_away_keeps_no_workload(stage: str, owners: tuple[dict[str, Any], ...]) -> None:
    world = owned_by(deployed(World(policies=[policy(**REFUSING if stage == "refused" else {})])), *owners)
    if stage == "being deleted":
        world.models[0]["metadata"] |= DELETED
    result = run(gone(world) if stage == "gone" else world)
    assert DEPLOYMENT in refs(result)


def test_a_workload_that_another_model_owns_goes_with_the_model_of_its_label() -> None:
    world = deployed(World(models=[model(), model("other")]))
    other = {**OWNER, "name": "other", "uid": "uid-treasury-other"}
    owned_by(world, other)
    world.models = world.models[1:]
    assert refs(run(world)) == [DEPLOYMENT]


def test_what_a_gone_model_owned_is_left_to_the_garbage_collector() -> None:
    assert run(gone(owned_by(deployed(World()), {**OWNER, "uid": "uid-treasury-deepseek"}))) == Result()


def test_a_workload_without_owner_stays_where_no_policy_governs_or_models_could_not_be_listed() -> None:
    assert refs(run(gone(owned_by(deployed(World()))))) == [DEPLOYMENT]
    world = gone(owned_by(deployed(World())))
    world.namespaces = [namespace(other="1")]
    assert refs(run(world)) == []
    world = gone(owned_by(deployed(World())))
    world.unlisted = ("SovereignModel",)
    assert refs(run(world)) == []


def test_a_model_that_runs_takes_its_workload_back() -> None:
    result = run(owned_by(deployed(World())))
    assert refs(result) == []
    assert "Deployment" in [e.manifest["kind"] for e in result.effects if isinstance(e, Apply)]


def test_a_workload_of_another_owner_is_no_running_models() -> None:
    result = run(owned_by(deployed(World()), {"kind": "ConfigMap", "name": "mine", "uid": "mine"}))
    assert refs(result) == [DEPLOYMENT]
    assert deletions(result)[0].charged_to == ("confidential",)


def test_a_workload_that_a_finalizer_keeps_is_deleted_with_its_pods() -> None:
    """Kubernetes' controllers leave one alone that is being deleted, and the garbage collector its pods while it is there."""
    world = deployed(World(policies=[policy(**REFUSING)]))
    world.children[0]["metadata"] |= {**DELETED, "finalizers": ["example.my/stay"]}
    (delete,) = deletions(run(world))
    assert (delete.ref, delete.foreground) == (DEPLOYMENT, True)
    world.children[0]["metadata"]["finalizers"].append("foregroundDeletion")
    assert refs(run(world)) == []


def test_what_a_gone_model_left_is_looked_at_after_a_start() -> None:
    assert list(MODELS.keys(gone(owned_by(deployed(World()))).snapshot())) == [REF]
