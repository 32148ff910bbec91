"""``daulat status`` on a real API server: what its operator wrote, the command for what fails, and a user with few rights."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from daulat.cli.main import main

from .world import World, model_manifest, unique


def run(kubeconfig: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments], env={"KUBECONFIG": str(kubeconfig)})


def status(world: World, *arguments: str) -> dict[str, Any]:
    done = run(world.cluster.kubeconfig(), "status", "-o", "json", *arguments)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_model_that_runs_is_ready_where_its_status_says(world: World) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        found = status(world, "-n", namespace)
        assert (found["operator"]["leading"], found["definitions"]["current"], found["unread"]) == (True, True, [])
        (row,) = found["models"]
        placement = world.get("sovereignmodel", "m", namespace=namespace)["status"]["placement"]
        assert (row["state"], row["readyReplicas"], row["replicas"]) == ("Ready", 1, 1)
        assert (row["zone"], row["accelerator"]) == (placement["zone"], placement["accelerator"])
        own = next(row for row in found["policies"] if row["name"] == policy)
        assert (own["state"], own["enforced"], own["governedNamespaces"]) == ("Ready", "True", [namespace])
        zone = next(row for row in found["zones"] if row["name"] == placement["zone"])
        free = {a["resource"]: (a["free"], a["devices"]) for a in zone["accelerators"]}[placement["resource"]]
        assert 0 <= free[0] < free[1]


def test_the_command_that_is_shown_for_a_model_without_a_place_explains_it(world: World) -> None:
    with world.namespace(zones={"countries": ["JP"]}) as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Placed", "False", namespace)
        done = run(world.cluster.kubeconfig(), "status", "-n", namespace, "--exit-code", "-o", "json")
        assert done.exit_code == 1, done.output
        found = json.loads(done.stdout)
        (row,) = found["models"]
        (finding,) = (f for f in found["attention"] if (f["kind"], f["namespace"]) == ("SovereignModel", namespace))
        assert (row["state"], finding["severity"], finding["reason"]) == ("Failed", "failure", row["reason"])
        program, *words = shlex.split(finding["command"])
        assert program == "daulat"
        explained = run(world.cluster.kubeconfig(), *words)
        assert explained.exit_code in (0, 1), explained.output
        assert row["reason"] in explained.stdout


def test_an_admin_of_a_namespace_sees_its_models_and_what_they_may_not_read(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        user = world.make_admin(unique("user"), namespace)
        done = run(user.kubeconfig, "status", "-n", namespace)
        assert done.exit_code == 0, done.output
        assert f"Models in namespace {namespace}  1 of 1 ready" in done.stdout
        assert "the policies: SovereigntyPolicy forbidden" in done.stdout
        done = run(user.kubeconfig, "status", "-n", namespace, "--exit-code")
        assert (done.exit_code, done.stderr) == (2, "")
