"""Who may change labels of record and governing labels, by the guards that the chart installs."""

from __future__ import annotations

import json

import pytest

from .world import (
    CLASS_REFUSED,
    DATA_CLASS,
    NODE,
    OPERATOR,
    SITE,
    SITE_REFUSED,
    TENANT,
    World,
    classify,
    label_node,
)


@pytest.mark.parametrize("options", [[], ["--subresource=status"]], ids=["nodes", "nodes/status"])
@pytest.mark.parametrize("value", ['"elsewhere"', "null"], ids=["changed", "removed"])
def test_a_user_without_certify_changes_no_label_of_record(world: World, options: list[str], value: str) -> None:
    assert SITE_REFUSED in world.refusal("mallory", *label_node(*options, value=value))
    assert world.get("node", NODE)["metadata"]["labels"][SITE] == "cyberjaya-1"


def test_a_user_without_certify_creates_no_node_with_a_label_of_record(world: World) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "rogue", "labels": {SITE: "cyberjaya-1"}}}
    assert SITE_REFUSED in world.refusal("mallory", "create", "-f", "-", stdin=json.dumps(node))


@pytest.mark.parametrize("options", [[], ["--subresource=status"]], ids=["nodes", "nodes/status"])
def test_a_user_with_certify_changes_labels_of_record(world: World, options: list[str]) -> None:
    world.kubectl("zoe").run(*label_node(*options, value='"cyberjaya-2"'))
    assert world.get("node", NODE)["metadata"]["labels"][SITE] == "cyberjaya-2"
    world.kubectl("zoe").run(*label_node(*options, value='"cyberjaya-1"'))


def test_the_operator_changes_labels_of_record(world: World) -> None:
    world.kubectl().run(*label_node("--dry-run=server", f"--as={OPERATOR}"))


@pytest.mark.parametrize("path", ["", "/status"], ids=["nodes", "nodes/status"])
def test_a_kubelet_changes_no_label_of_record_of_its_own_node(world: World, path: str) -> None:
    node = world.get("node", NODE)
    node["metadata"]["labels"][SITE] = "elsewhere"
    # kubectl's patch of a status reads it first, which kubelets may not.
    request = ["replace", "--raw", f"/api/v1/nodes/{NODE}{path}", "-f", "-"]
    said = world.refusal(f"system:node:{NODE}", *request, stdin=json.dumps(node), groups=["system:nodes"])
    assert SITE in said
    assert "not allowed to modify labels" in said or "MGD-02" in said


def test_a_heartbeat_passes(world: World) -> None:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z",
    }
    body = json.dumps({"status": {"conditions": [condition]}})
    world.kubectl("mallory").run("patch", "node", NODE, "--subresource=status", "--type=strategic", f"--patch={body}")


def test_other_labels_of_a_node_are_anybodys(world: World) -> None:
    world.kubectl("mallory").run("label", "node", NODE, "team=ml")
    world.kubectl("mallory").run("label", "node", NODE, "team-")


@pytest.mark.parametrize("options", [[], ["--subresource=status"]], ids=["namespaces", "namespaces/status"])
@pytest.mark.parametrize("value", ['"public"', "null"], ids=["changed", "removed"])
def test_a_user_without_govern_reclassifies_no_namespace(world: World, options: list[str], value: str) -> None:
    assert CLASS_REFUSED in world.refusal("mallory", *classify(*options, value=value))
    assert world.get("namespace", TENANT)["metadata"]["labels"][DATA_CLASS] == "confidential"


def test_finalizing_is_no_way_to_reclassify_a_namespace(world: World) -> None:
    namespace = world.get("namespace", TENANT)
    del namespace["metadata"]["labels"][DATA_CLASS]
    finalize = ["replace", "--raw", f"/api/v1/namespaces/{TENANT}/finalize", "-f", "-"]
    assert CLASS_REFUSED in world.refusal("mallory", *finalize, stdin=json.dumps(namespace))


def test_a_user_without_govern_creates_no_classified_namespace(world: World) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "rogue", "labels": {DATA_CLASS: "public"}},
    }
    assert CLASS_REFUSED in world.refusal("mallory", "create", "-f", "-", stdin=json.dumps(manifest))


def test_a_user_with_govern_reclassifies_a_namespace(world: World) -> None:
    world.kubectl("pam").run(*classify(value='"restricted"'))
    assert world.get("namespace", TENANT)["metadata"]["labels"][DATA_CLASS] == "restricted"
    world.kubectl("pam").run(*classify(value='"confidential"'))


def test_other_namespaces_come_and_go(world: World) -> None:
    world.kubectl("mallory").run("create", "namespace", "plain")
    world.kubectl("mallory").run("label", "namespace", "plain", "team=ml")
    # Waits until it is gone: the namespace controller finalizes it through the guard.
    world.kubectl().run("delete", "namespace", "plain")
