"""Other field managers change what the operator made: server-side apply leaves their entries in place, and the operator doesn't."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dev.deployment import poll

from .world import Manifest, World, model_manifest

OTHERS = "--field-manager=somebody-else"


@pytest.mark.parametrize("actions", [["Warn"], ["Audit"], ["Warn", "Audit"]], ids="+".join)
def test_a_binding_that_others_weaken_refuses_again(world: World, actions: list[str]) -> None:
    with world.governed() as (policy, _):
        name = f"{policy}.pods.daulat.dev"
        before = world.get("validatingadmissionpolicybinding", name)["spec"]
        patch = json.dumps({"spec": {"validationActions": actions}})
        world.admin.run("patch", "validatingadmissionpolicybinding", name, "--type=merge", f"--patch={patch}", OTHERS)
        poll("the binding as compiled", lambda: world.get("validatingadmissionpolicybinding", name)["spec"] == before)
        world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")


def _pod_selector(spec: Manifest) -> None:
    spec["podSelector"]["matchLabels"]["test/none"] = "matches"


def _container(spec: Manifest) -> None:
    spec["template"]["spec"]["containers"].append({"name": "more", "image": "registry.example.my/more"})


def _environment(spec: Manifest) -> None:
    spec["template"]["spec"]["containers"][0].setdefault("env", []).append({"name": "MORE", "value": "1"})


@pytest.mark.parametrize(
    ("kind", "change"),
    [("networkpolicy", _pod_selector), ("deployment", _container), ("deployment", _environment)],
    ids=["label of a podSelector", "container", "variable"],
)
def test_what_others_add_to_a_models_objects_is_taken_away(
    world: World, kind: str, change: Callable[[Manifest], None]
) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        before = world.get(kind, "m", namespace=namespace)
        changed = json.loads(json.dumps(before["spec"]))
        change(changed)
        patch = json.dumps({"spec": changed})
        world.admin.run("patch", kind, "m", "-n", namespace, "--type=merge", f"--patch={patch}", OTHERS)
        assert world.get(kind, "m", namespace=namespace)["metadata"]["generation"] > before["metadata"]["generation"]
        poll("the object as applied", lambda: world.get(kind, "m", namespace=namespace)["spec"] == before["spec"])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace, 60)
        # Both changes of a template roll the pods out: of the replicas of neither, or of two, there may be some for a while.
        poll("only pods as applied", lambda: _as_applied(world.pods(namespace)))


def _as_applied(pods: list[Manifest]) -> bool:
    running = [p for p in pods if "deletionTimestamp" not in p["metadata"]]
    assert {p["metadata"]["labels"]["daulat.dev/model"] for p in running} <= {"m"}
    names = [[c["name"] for c in p["spec"]["containers"]] for p in running]
    variables = [[v["name"] for c in p["spec"]["containers"] for v in c.get("env", [])] for p in running]
    return bool(running) and all(len(n) == 1 for n in names) and not any("MORE" in v for v in variables)
