"""`daulat explain --cluster` says of a real cluster what its API server and its operator do."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from daulat.api.policy import ControlInForce
from daulat.cli.explain.command import explain
from daulat.reconcile.policy.actions import by_action

from .world import World, model_manifest, pod_manifest


def explained(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    environment = {"KUBECONFIG": str(world.cluster.kubeconfig())}
    done = CliRunner().invoke(explain, [*arguments, "--cluster", "-o", "json"], env=environment)
    assert done.exit_code in (0, 1), done.output
    return done.exit_code, json.loads(done.stdout)


def test_a_policy_of_the_cluster_has_the_revision_that_the_operator_applied(world: World) -> None:
    with world.governed() as (policy, namespace):
        _, told = explained(world, policy)
        status = world.get("sovereigntypolicy", policy)["status"]
        assert told["revision"] == status["revision"]
        assert told["namespaces"] == [namespace]
        assert status["governedNamespaces"] == [namespace]
        in_force = [ControlInForce.model_validate(c) for c in told["controls"]["inForce"]]
        assert by_action(in_force).model_dump(exclude_none=True) == status["controlsByAction"]


def test_a_placed_model_stays_where_it_is_and_others_are_told_as_in_its_status(world: World) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        placement = world.get("sovereignmodel", "m", namespace=namespace)["status"]["placement"]
        code, told = explained(world, f"smodel/{namespace}/m")
        assert code == 0
        (place,) = told["placements"]
        assert (place["zone"], place["accelerator"]) == (placement["zone"], placement["accelerator"])
        reasons = {group["reason"]: group["count"] for group in place["rejected"]}
        assert reasons == {group["reason"]: group["count"] for group in placement["rejected"]}
        code, told = explained(world, f"deployment/{namespace}/m")
        assert (code, told["result"]) == (0, "allowed")


def test_a_running_pod_is_explained_as_it_was_asked_for(world: World) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([pod_manifest("p", namespace)])
        code, told = explained(world, f"pod/{namespace}/p")
        assert (code, told["policies"]) == (0, [policy])
        eligible = world.get("sovereigntypolicy", policy)["status"]["eligibleNodes"]
        assert 0 < len(told["placements"][0]["nodes"]) <= eligible
