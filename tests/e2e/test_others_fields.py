"""Other field managers change what the operator made: server-side apply leaves their entries in place, and the operator doesn't."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dev.deployment import poll

from .world import IMAGE, Manifest, World, model_manifest

OTHERS = "--field-manager=somebody-else"
OURS = "--field-manager=daulat"
"""Anybody may call themselves so."""


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
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        before = world.get(kind, "m", namespace=namespace)
        changed = json.loads(json.dumps(before["spec"]))
        change(changed)
        patch = json.dumps({"spec": changed})
        world.admin.run("patch", kind, "m", "-n", namespace, "--type=merge", f"--patch={patch}", OTHERS)
        assert world.get(kind, "m", namespace=namespace)["metadata"]["generation"] > before["metadata"]["generation"]
        poll("the object as applied", lambda: world.get(kind, "m", namespace=namespace)["spec"] == before["spec"])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        # Both changes of a template roll the pods out: of the replicas of neither, or of two, there may be some for a while.
        poll("only pods as applied", lambda: _as_applied(world.pods(namespace)))


def _not_ready(spec: Manifest) -> None:
    spec["publishNotReadyAddresses"] = True


def _session(spec: Manifest) -> None:
    spec["sessionAffinity"] = "ClientIP"


def _budget(spec: Manifest) -> None:
    spec["minAvailable"] = 0
    spec["maxUnavailable"] = None


def _init_container(spec: Manifest) -> None:
    spec["template"]["spec"]["initContainers"] = [{"name": "weights", "image": IMAGE, "command": ["true"]}]


def _hosts(spec: Manifest) -> None:
    spec["template"]["spec"]["hostAliases"] = [{"ip": "203.0.113.7", "hostnames": ["registry.example.my"]}]


def _egress(spec: Manifest) -> None:
    spec["egress"].append({})


CHANGES: list[tuple[str, Callable[[Manifest], None]]] = [
    ("service", _not_ready),
    ("service", _session),
    ("poddisruptionbudget", _budget),
    ("networkpolicy", _egress),
    ("deployment", _init_container),
    ("deployment", _hosts),
]


def _change(world: World, kind: str, namespace: str, change: Callable[[Manifest], None]) -> None:
    changed = json.loads(json.dumps(world.get(kind, "m", namespace=namespace)["spec"]))
    change(changed)
    patch = json.dumps({"spec": changed})
    world.admin.run("patch", kind, "m", "-n", namespace, "--type=merge", f"--patch={patch}", OURS)


def test_what_is_changed_in_the_operators_own_name_is_brought_back(world: World) -> None:
    """Field managers don't tell who it was, and a Service has no generation."""
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        for kind, change in CHANGES:
            before = world.get(kind, "m", namespace=namespace)["spec"]
            _change(world, kind, namespace, change)
            poll(f"the {kind} as made", lambda: world.get(kind, "m", namespace=namespace)["spec"] == before)  # noqa: B023
        owned = world.get("deployment", "m", namespace=namespace)["metadata"]
        for lost in ("ownerReferences", "labels"):
            # The whole field, since a null of one label says which.
            patch = json.dumps({"metadata": {lost: None}})
            world.admin.run("patch", "deployment", "m", "-n", namespace, "--type=merge", f"--patch={patch}", OURS)

            def back() -> bool:
                live = world.get("deployment", "m", namespace=namespace)["metadata"]
                return bool(live.get(lost) == owned[lost] and live["uid"] == owned["uid"])  # noqa: B023

            poll(f"its {lost} to be back", back)
        world.wait_condition("sovereignmodel", "m", "WorkloadReady", "True", namespace)


def test_what_is_changed_again_after_two_repairs_is_told(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        before = world.get("service", "m", namespace=namespace)["spec"]
        for _ in range(2):
            _change(world, "service", namespace, _not_ready)
            poll("the Service as made", lambda: world.get("service", "m", namespace=namespace)["spec"] == before)
        _change(world, "service", namespace, _not_ready)
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "ChangedByOthers", namespace)
        assert "Service/" in told["message"]
        assert "publishNotReadyAddresses" in told["message"]
        _change(world, "service", namespace, lambda spec: spec.update(publishNotReadyAddresses=None))
        world.wait_condition("sovereignmodel", "m", "WorkloadReady", "True", namespace)


def test_a_model_that_a_finalizer_holds_runs_no_more(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        hold = json.dumps({"metadata": {"finalizers": ["example.my/hold"]}})
        world.admin.run("patch", "sovereignmodel", "m", "-n", namespace, "--type=merge", f"--patch={hold}")
        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace, "--wait=false")
        poll("its pods to go", lambda: not world.pods(namespace))
        assert world.condition("sovereignmodel", "m", "Ready", namespace)["reason"] == "Deleting"
        free = json.dumps({"metadata": {"finalizers": None}})
        world.admin.run("patch", "sovereignmodel", "m", "-n", namespace, "--type=merge", f"--patch={free}")


def test_a_deployment_that_a_finalizer_holds_keeps_no_pods_of_a_deleted_model(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        hold = json.dumps({"metadata": {"finalizers": ["example.my/hold"]}})
        for kind in ("deployment", "sovereignmodel"):
            world.admin.run("patch", kind, "m", "-n", namespace, "--type=merge", f"--patch={hold}")
        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace, "--wait=false")
        poll("its pods to go", lambda: not world.pods(namespace))
        free = json.dumps({"metadata": {"finalizers": None}})
        for kind in ("deployment", "sovereignmodel"):
            world.admin.run("patch", kind, "m", "-n", namespace, "--type=merge", f"--patch={free}")


def test_a_deployment_without_owner_outlives_no_model(world: World) -> None:
    """As `kubectl delete --cascade=orphan` leaves it, by somebody who may."""
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace, "--cascade=orphan")
        poll("its pods to go", lambda: not world.pods(namespace))
        assert not world.exists("deployment", "m", namespace)


def _as_applied(pods: list[Manifest]) -> bool:
    running = [p for p in pods if "deletionTimestamp" not in p["metadata"]]
    assert {p["metadata"]["labels"]["daulat.dev/model"] for p in running} <= {"m"}
    names = [[c["name"] for c in p["spec"]["containers"]] for p in running]
    variables = [[v["name"] for c in p["spec"]["containers"] for v in c.get("env", [])] for p in running]
    return bool(running) and all(len(n) == 1 for n in names) and not any("MORE" in v for v in variables)
