"""What Helm does with the chart on a real API server."""

from __future__ import annotations

import json

from daulat.catalog import accelerators
from dev.deployment import poll
from tests.rights import PLURALS

from .world import (
    CHART,
    GUARDS,
    NAMESPACE,
    SITE,
    World,
    as_operator,
    operator_pods,
    zone,
)


def test_the_operators_pod_meets_the_restricted_standard(world: World) -> None:
    template = world.get("-n", NAMESPACE, "deployment", "daulat")["spec"]["template"]
    trial = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial", **template["metadata"]}}
    manifest = json.dumps({**trial, "spec": template["spec"]})
    world.kubectl().run("create", "-n", NAMESPACE, "--dry-run=server", "-f", "-", stdin=manifest)


def test_every_object_of_the_release_is_labelled_as_helms(world: World) -> None:
    for resource, names in (("validatingadmissionpolicies", GUARDS), ("accel", set(accelerators.shipped()))):
        labels = {i["metadata"]["name"]: i["metadata"]["labels"] for i in world.get(resource)["items"]}
        assert set(labels) == names
        for each in labels.values():
            assert each["app.kubernetes.io/managed-by"] == "Helm"
            assert each["app.kubernetes.io/part-of"] == "daulat"


def test_the_api_server_finds_no_fault_in_the_guards_expressions(world: World) -> None:
    def checked() -> bool:
        statuses = [i.get("status", {}) for i in world.get("validatingadmissionpolicies")["items"]]
        return all("typeChecking" in s for s in statuses)

    poll("the guards are type checked", checked)
    statuses = [i["status"]["typeChecking"] for i in world.get("validatingadmissionpolicies")["items"]]
    assert [s for s in statuses if s.get("expressionWarnings")] == []


def test_the_crds_upgrade_by_the_documented_command(world: World) -> None:
    before = world.uids("crd")
    crds = world.helm("show", "crds", str(CHART))
    world.kubectl().run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=crds)
    assert world.uids("crd") == before


def test_an_upgrade_changes_what_changed_and_replaces_nothing(world: World) -> None:
    kept = ("accel", "validatingadmissionpolicies", "validatingadmissionpolicybindings")
    before = {resource: world.uids(resource) for resource in kept}
    world.helm("upgrade", "daulat", str(CHART), "--namespace", NAMESPACE, "--set", "replicas=3")
    assert world.get("-n", NAMESPACE, "deployment", "daulat")["spec"]["replicas"] == 3
    assert {resource: world.uids(resource) for resource in kept} == before


def test_an_upgrade_to_another_image_gets_through(world: World) -> None:
    """Helm changes the Deployment before the guard that knows the image: pods that come too early are requested again."""
    before = world.get("-n", NAMESPACE, "deployment", "daulat")["spec"]["template"]["spec"]["containers"][0]["image"]
    values = ["--set", "replicas=2", "--set", "image.tag=9.9.9"]
    world.helm("upgrade", "daulat", str(CHART), "--namespace", NAMESPACE, *values)

    def images() -> set[str]:
        return {p["spec"]["containers"][0]["image"].rpartition(":")[2] for p in operator_pods(world)}

    # The first of the new pods is enough: no kubelet here makes it ready, so the old ones stay.
    poll("a pod runs the new image", lambda: "9.9.9" in images())
    said = world.refusal("admin", "create", "--dry-run=server", "-f", "-", stdin=as_operator("x", before))
    assert "MGD-08 " in said
    world.helm("rollback", "daulat", "--namespace", NAMESPACE)
    trial = ["create", "--dry-run=server", "-f", "-"]
    poll("the old image may run again", lambda: world.refusal("admin", *trial, stdin=as_operator("x", before)) == "")


def test_an_uninstall_leaves_the_kinds_and_what_users_made(world: World) -> None:
    world.kubectl().apply([zone("mine", {"matchLabels": {SITE: "cyberjaya-1"}})])
    made = world.get("szone", "mine")["metadata"]["uid"]
    try:
        world.helm("uninstall", "daulat", "--namespace", NAMESPACE)
        assert set(world.uids("crd")) == {f"{plural}.daulat.dev" for plural in PLURALS}
        assert world.get("szone", "mine")["metadata"]["uid"] == made
        assert world.uids("accel") == {}
        assert world.uids("validatingadmissionpolicies") == {}
        assert world.uids("validatingadmissionpolicybindings") == {}
        assert world.get("clusterroles", "-l", "app.kubernetes.io/instance=daulat")["items"] == []
    finally:
        # Installing beside CRDs that are there already is what every reinstall does.
        world.install()
    assert world.get("szone", "mine")["metadata"]["uid"] == made
