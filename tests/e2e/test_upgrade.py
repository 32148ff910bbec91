"""An upgrade of the operator keeps what is enforced and what runs, whatever else was forgotten."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import partial
from typing import Any

from daulat.api import crd
from daulat.api.names import MODEL_LABEL, REVISION_ANNOTATION
from dev.deployment import poll

from .world import World, model_manifest


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
            told = world.wait_condition("sovereigntypolicy", policy, "SchemaCurrent", "False")
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
            )
        finally:
            _patch(world, name, replace, whole["spec"]["versions"][0]["schema"])
        poll("the status to be whole", lambda: not world.condition("sovereigntypolicy", policy, "SchemaCurrent"))
        assert world.get("sovereigntypolicy", policy)["status"]["revision"]


def test_models_are_upgraded_one_after_the_other_and_nobody_is_blamed(world: World) -> None:
    """The former release's templates are written as the operator writes them: other pods, under another revision."""
    names = ("first", "second")
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest(name, namespace, replicas=1) for name in names])
        for name in names:
            world.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
        revision = {
            name: world.get("deployment", name, namespace=namespace)["metadata"]["annotations"][REVISION_ANNOTATION]
            for name in names
        }
        world.operator.stop()
        older: list[dict[str, Any]] = [
            {"op": "replace", "path": f"{where}/metadata/annotations/daulat.dev~1revision", "value": "0123456789ab"}
            for where in ("", "/spec/template")
        ]
        # As of a release that noted no digest.
        older.append({"op": "remove", "path": "/metadata/annotations/daulat.dev~1inputs"})
        older.append({"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 61})
        write = ["--type=json", "--field-manager=daulat", f"--patch={json.dumps(older)}"]
        for name in names:
            world.admin.run("patch", "deployment", name, "-n", namespace, *write)
            world.admin.run("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=60s")
        world.operator.start()
        for name in names:
            poll(f"{name} to be upgraded", partial(_is_upgraded, world, name, namespace, revision[name]))
            template = world.get("deployment", name, namespace=namespace)["spec"]["template"]
            assert template["spec"]["terminationGracePeriodSeconds"] == 60
        one, other = sorted(_began_and_served(world, name, namespace) for name in names)
        assert other[0] >= one[1], "no pod of the second was made before the first served"
        told = {e["reason"] for e in world.get("events", "-n", namespace)["items"]}
        assert "Upgrading" in told
        assert "ChangedByOthers" not in told


def _is_upgraded(world: World, name: str, namespace: str, revision: str) -> bool:
    notes = world.get("deployment", name, namespace=namespace)["metadata"]["annotations"]
    ready = world.condition("sovereignmodel", name, "Ready", namespace)["status"] == "True"
    return bool(notes[REVISION_ANNOTATION] == revision and ready) and not world.condition(
        "sovereignmodel", name, "Upgraded", namespace
    )


def _began_and_served(world: World, name: str, namespace: str) -> tuple[str, str]:
    """Return when the model's pod was made, and when it was ready."""
    (pod,) = [
        p
        for p in world.pods(namespace)
        if p["metadata"]["labels"][MODEL_LABEL] == name and "deletionTimestamp" not in p["metadata"]
    ]
    ready = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return str(pod["metadata"]["creationTimestamp"]), str(ready["lastTransitionTime"])


def _patch(world: World, name: str, path: str, value: object) -> None:
    patch = json.dumps([{"op": "replace", "path": path, "value": value}])
    world.admin.run("patch", "crd", name, "--type=json", f"--patch={patch}")
