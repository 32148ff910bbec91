"""A model that doesn't run says why: each answer on a real API server, scheduler, quota and node controller."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from daulat.api import reasons
from daulat.cli.explain.command import explain
from dev.deployment import poll

from .test_weights import SOURCES, of
from .world import World, model_manifest, node_manifest, pod_manifest, unique, zone_manifest

ASCEND, RESOURCE = "huawei-ascend-910b", "huawei.com/Ascend910"
URI = "oci://registry.example.my/models/r1"
HOLD = "example.com/hold"


def explained(world: World, *arguments: str) -> dict[str, Any]:
    environment = {"KUBECONFIG": str(world.cluster.kubeconfig())}
    done = CliRunner().invoke(explain, [*arguments, "--cluster", "-o", "json"], env=environment)
    assert done.exit_code in (0, 1), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def changes(world: World, namespace: str, name: str = "m") -> list[str]:
    (place,) = explained(world, "model", name, "-n", namespace)["placements"]
    found: list[str] = place["changes"]
    return found


def warned(world: World, manifest: Mapping[str, Any]) -> str:
    """Apply a manifest as a user does, and return what kubectl says beside it."""
    done = subprocess.run(
        [world.admin.command, "--kubeconfig", str(world.admin.kubeconfig), "apply", "-f", "-"],
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.fixture
def place(world: World) -> Iterator[tuple[str, list[str]]]:
    """A zone of the test's own with two nodes of eight Ascend devices each."""
    zone = unique("zone")
    nodes = [f"{zone}-{n}" for n in range(2)]
    world.admin.apply([zone_manifest(zone)])
    for node in nodes:
        manifest = node_manifest(node, zone)
        world.admin.apply([manifest])
        world.admin.apply([manifest], "--subresource=status")
    yield zone, nodes
    world.admin.run("delete", "nodes", *nodes, "--ignore-not-found")
    world.admin.run("delete", "sovereignzone", zone)


def ready(world: World, *nodes: str) -> None:
    def all_ready() -> bool:
        found = [world.get("node", node)["status"].get("conditions", []) for node in nodes]
        return all(any((c["type"], c["status"]) == ("Ready", "True") for c in each) for each in found)

    poll("the nodes to be ready", all_ready)


def ascend_model(name: str, namespace: str, count: int, **spec: Any) -> dict[str, Any]:
    manifest = model_manifest(name, namespace, **spec)
    manifest["spec"]["accelerators"] = [
        {**a, "count": count} for a in manifest["spec"]["accelerators"] if a["profile"] == ASCEND
    ]
    return manifest


def test_no_eligible_node_is_told_and_warned_of_when_the_model_is_applied(world: World) -> None:
    with world.governed(zones={"names": ["nowhere"]}) as (policy, namespace):
        poll("the warning", lambda: world.exists("validatingadmissionpolicybinding", f"{policy}.advice.daulat.dev"))
        poll(
            "the warning to be given",
            lambda: (
                f"no node is eligible under policy {policy} now"
                in warned(
                    world, {**model_manifest("m", namespace), "metadata": {"name": unique("m"), "namespace": namespace}}
                )
            ),
        )
        world.admin.apply([model_manifest("m", namespace)])
        told = world.wait_reason("sovereignmodel", "m", "Placed", "NoEligibleNode", namespace)
        assert told["message"].startswith(f"no node is eligible under policy {policy}: ")
        assert "is none of nowhere" in told["message"]
        assert any(f"policy {policy} doesn't accept their zone" in s for s in changes(world, namespace))


def test_an_accelerator_that_no_eligible_node_has_is_told_and_warned_of(
    world: World, place: tuple[str, list[str]]
) -> None:
    zone, nodes = place
    ready(world, *nodes)
    with world.governed(zones={"names": [zone]}) as (policy, namespace):
        world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
        manifest = model_manifest("m", namespace)
        manifest["spec"]["accelerators"] = [a for a in manifest["spec"]["accelerators"] if a["profile"] != ASCEND]
        words = (
            f"the nodes that are eligible under policy {policy} have {ASCEND} now. The model waits until an eligible"
            " node has that accelerator"
        )

        def once() -> bool:
            trial = {**manifest, "metadata": {"name": unique("m"), "namespace": namespace}}
            return f"spec.accelerators: nvidia-h20 was requested; {words}" in warned(world, trial)

        poll("the warning", once)
        assert "Warning" not in warned(world, model_manifest("fine", namespace)), "it lists what they have as well"
        world.admin.apply([manifest])
        told = world.wait_reason("sovereignmodel", "m", "Placed", "NoMatchingAccelerator", namespace)
        assert f"none of the 2 eligible nodes has nvidia-h20; they have {ASCEND}" in told["message"]
        assert f"list {ASCEND} in spec.accelerators: eligible nodes have it" in changes(world, namespace)
        name = f"{policy}.advice.daulat.dev"
        generation = world.get("validatingadmissionpolicy", name)["metadata"]["generation"]
        world.admin.run("cordon", nodes[0])
        told = world.wait_reason("sovereignmodel", "m", "Placed", "NoMatchingAccelerator", namespace)
        assert world.get("validatingadmissionpolicy", name)["metadata"]["generation"] == generation
    poll("the warning to go with its policy", lambda: not world.exists("validatingadmissionpolicy", name))
    assert not world.exists("validatingadmissionpolicybinding", name)


def test_who_holds_the_devices_is_told_and_what_would_change_it(world: World, place: tuple[str, list[str]]) -> None:
    zone, (node, spare) = place
    ready(world, node, spare)
    world.admin.run("delete", "node", spare)
    with world.namespace(zones={"names": [zone]}) as namespace:
        world.admin.apply([ascend_model("holder", namespace, 4)])
        world.wait_condition("sovereignmodel", "holder", "Ready", "True", namespace)
        limits = {"resources": {"limits": {RESOURCE: "4"}}}
        trainer = pod_manifest("trainer-0", namespace)
        trainer["spec"]["containers"][0] |= limits
        world.admin.apply([trainer])
        poll(
            "the trainer on the node",
            lambda: world.get("pod", "trainer-0", namespace=namespace)["spec"].get("nodeName") == node,
        )
        world.admin.apply([ascend_model("m", namespace, 8)])
        told = world.wait_reason("sovereignmodel", "m", "Placed", "InsufficientDevices", namespace)
        held = f"8 of 8 {RESOURCE} are held: 4 by model {namespace}/holder, 4 by pod {namespace}/trainer-0"
        poll("the holders", lambda: held in world.condition("sovereignmodel", "m", "Placed", namespace)["message"])
        assert told["message"].startswith(f"no room for 1 replica: {ASCEND} in zone {zone} has room for 0")
        assert changes(world, namespace)[0] == (
            f"{ASCEND} in zone {zone}: 8 more free {RESOURCE} on node {node}: "
            f"wait for or remove model {namespace}/holder (4) or pod {namespace}/trainer-0 (4)"
        )
        world.admin.run("cordon", node)
        told = world.wait_reason("sovereignmodel", "m", "Placed", "NoSchedulableNode", namespace)
        assert f"{node} is cordoned" in told["message"]
        assert any(f"kubectl uncordon {node}" in s for s in changes(world, namespace))


def test_a_quota_is_told_in_the_api_servers_words(world: World) -> None:
    with world.namespace() as namespace:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": namespace}}
        world.admin.apply([{**quota, "spec": {"hard": {"pods": "0"}}}])
        poll(
            "the quota to be counted",
            lambda: "hard" in world.get("quota", "none", namespace=namespace).get("status", {}),
        )
        world.admin.apply([model_manifest("m", namespace)])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "QuotaExceeded", namespace)
        assert "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0" in told["message"]
        assert world.condition("sovereignmodel", "m", "Ready", namespace)["reason"] == "QuotaExceeded"
        assert changes(world, namespace) == [reasons.QUOTA_EXCEEDED.remedy]
        events = world.admin.run("describe", "sovereignmodel", "m", "-n", namespace).partition("Events:")[2]
        assert "exceeded quota" in events


def test_the_scheduler_is_told_in_its_own_words(world: World) -> None:
    with world.namespace() as namespace:
        limits = {"limits": [{"type": "Container", "defaultRequest": {"cpu": "900"}, "default": {"cpu": "900"}}]}
        meta = {"name": "much", "namespace": namespace}
        world.admin.apply([{"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": limits}])
        world.admin.apply([model_manifest("m", namespace)])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "Unschedulable", namespace)
        assert "the scheduler says: 0/" in told["message"]
        assert "Insufficient cpu" in told["message"]


def test_a_claim_that_isnt_there_is_told(world: World) -> None:
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, "pvc://missing/r1")])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "VolumePending", namespace)
        assert 'persistentvolumeclaim "missing" not found' in told["message"]


@pytest.fixture
def gate(world: World) -> Iterator[str]:
    """A label of namespaces whose pods somebody else keeps from the scheduler."""
    name = unique("gate")
    body = {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {
                    "expression": f'Object{{spec: Object.spec{{schedulingGates: [Object.spec.schedulingGates{{name: "{HOLD}"}}]}}}}'
                },
            }
        ],
    }
    selector = {"namespaceSelector": {"matchLabels": {"test.daulat.dev/gate": name}}}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    world.admin.apply(
        [
            {**head, "kind": "MutatingAdmissionPolicy", "spec": body},
            {
                **head,
                "kind": "MutatingAdmissionPolicyBinding",
                "spec": {"policyName": name, "matchResources": selector},
            },
        ]
    )
    yield name
    world.admin.run("delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", name)


def test_what_keeps_a_pod_from_the_scheduler_is_named(world: World, gate: str) -> None:
    with world.namespace() as namespace:
        world.admin.run("label", "namespace", namespace, f"test.daulat.dev/gate={gate}")
        trial = pod_manifest("trial", namespace)
        create = ["create", "--dry-run=server", "-o", "json", "-f", "-"]
        poll("pods to be gated", lambda: HOLD in world.admin.run(*create, stdin=json.dumps(trial)))
        world.admin.apply([model_manifest("m", namespace)])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "SchedulingGated", namespace)
        assert told["message"].endswith(f"it isn't scheduled until the scheduling gate {HOLD} is removed")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            "start",
            "ended with exit code 1 before it served: the device ran out of memory when 2.00 GiB more were requested",
        ),
        ("serving", "ended with exit code 1 after it had served"),
    ],
)
def test_what_an_engine_failed_of_is_told_without_a_line_of_its_log(world: World, fault: str, words: str) -> None:
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, URI, env={"FAULT": fault})])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "EngineCrashed", namespace)
        assert words in told["message"]
        (pod,) = world.pods(namespace)
        (engine,) = pod["spec"]["containers"]
        assert engine["terminationMessagePolicy"] == "FallbackToLogsOnError"
        whole = world.admin.run("get", "sovereignmodel", "m", "-n", namespace, "-o", "json")
        whole += world.admin.run("get", "events", "-n", namespace, "-o", "json")
        assert "a line that nobody else may see" in json.dumps(pod) or fault == "serving"
        assert "a line that nobody else may see" not in whole
    assert "a line that nobody else may see" not in world.operator.log.read_text()


def test_a_node_that_is_lost_is_told(world: World, place: tuple[str, list[str]]) -> None:
    zone, nodes = place
    ready(world, *nodes)
    with world.namespace(zones={"names": [zone]}) as namespace:
        world.admin.apply([ascend_model("m", namespace, 4)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = world.pods(namespace)
        node = pod["spec"]["nodeName"]
        # KWOK lets the node's status alone from here on. It goes on renewing the lease, so what the node controller would write
        # of a node whose lease ran out is written here: to the node, and to the pod on it.
        world.admin.run("annotate", "node", node, "kwok.x-k8s.io/node-")
        lost = json.dumps(
            {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeStatusUnknown"}]}}
        )
        patch = ["--subresource=status", "--type=strategic", f"--patch={lost}"]
        world.admin.run("patch", "node", node, *patch)
        world.admin.run("patch", "pod", pod["metadata"]["name"], "-n", namespace, *patch)
        found = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "NodeNotReady", namespace)
        assert f"its node {node} isn't ready" in found["message"]
        assert reasons.NODE_NOT_READY.remedy in changes(world, namespace)
