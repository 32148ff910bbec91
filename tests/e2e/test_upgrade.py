"""An upgrade of the operator keeps what is enforced and what runs, whatever else was forgotten."""

from __future__ import annotations

import json
from copy import deepcopy

from daulat.api import crd
from dev.deployment import poll

from .world import World


def test_an_operator_that_is_newer_than_its_definitions_goes_on_and_says_so(world: World) -> None:
    """Helm never upgrades CRDs: the API server answers 500 to a status with a field that they don't declare."""
    name = "sovereigntypolicies.daulat.dev"
    (whole,) = [m for m in crd.manifests() if m["metadata"]["name"] == name]
    older = deepcopy(whole)
    for field in ("revision", "controls"):
        older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"].pop(field)
    replace = "/spec/versions/0/schema"
    with world.governed() as (policy, _):
        try:
            _patch(world, name, replace, older["spec"]["versions"][0]["schema"])
            world.operator.stop()
            world.operator.start()
            told = world.wait_condition("sovereigntypolicy", policy, "SchemaCurrent", "False", seconds=60)
            assert "lacks status.controls, status.revision" in told["message"]
            # A pass comes to its end: a change of the policy is put in force and proved.
            generation = json.loads(
                world.admin.run(
                    "patch",
                    "sovereigntypolicy",
                    policy,
                    "--type=merge",
                    '--patch={"spec": {"controls": {"USE-18": "Warn"}}}',
                    "-o",
                    "json",
                )
            )["metadata"]["generation"]
            poll(
                "the policy to be proved",
                lambda: (
                    world.condition("sovereigntypolicy", policy, "Enforced").get("observedGeneration") == generation
                    and world.condition("sovereigntypolicy", policy, "Enforced")["status"] == "True"
                ),
                30,
            )
        finally:
            _patch(world, name, replace, whole["spec"]["versions"][0]["schema"])
        poll("the status to be whole", lambda: not world.condition("sovereigntypolicy", policy, "SchemaCurrent"), 30)
        assert world.get("sovereigntypolicy", policy)["status"]["revision"]


def _patch(world: World, name: str, path: str, value: object) -> None:
    patch = json.dumps([{"op": "replace", "path": path, "value": value}])
    world.admin.run("patch", "crd", name, "--type=json", f"--patch={patch}")
