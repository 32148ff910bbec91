"""What keeps the labels of record, the governed namespaces and Daulat's own objects as they are."""

from __future__ import annotations

import json

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll

from .world import World, model_manifest, namespace_manifest, pod_manifest, unique

PREFIX = "daulat.node-restriction.kubernetes.io/"


def test_somebody_who_may_patch_nodes_can_not_change_a_label_of_record(world: World) -> None:
    mallory = world.grant(
        unique("mallory"), {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get", "patch"]}
    )
    before = world.get("node", "sg-gpu-1")["metadata"]["labels"]
    for key, value in (
        ("site", '"cyberjaya-1"'),
        ("zone", '"cyberjaya-1"'),
        ("confidential", '"eligible"'),
        ("site", "null"),
    ):
        patch = f'--patch={{"metadata": {{"labels": {{"{PREFIX}{key}": {value}}}}}}}'
        for options in ((), ("--subresource=status",)):
            with pytest.raises(ClusterError, match="MGD-02"):
                mallory.run("patch", "node", "sg-gpu-1", "--type=merge", patch, *options)
    assert world.get("node", "sg-gpu-1")["metadata"]["labels"] == before
    # It's the labels of record that are guarded, not nodes.
    mallory.run("patch", "node", "sg-gpu-1", "--type=merge", '--patch={"metadata": {"labels": {"team": "x"}}}')


def test_a_kubelet_can_not_change_a_label_of_record_of_its_own_node(world: World) -> None:
    kubelet = world.as_user("system:node:sg-gpu-1", "system:nodes")
    node = world.get("node", "sg-gpu-1")
    for key in ("site", "confidential"):
        labels = {**node["metadata"]["labels"], PREFIX + key: "cyberjaya-1"}
        changed = json.dumps({**node, "metadata": {**node["metadata"], "labels": labels}})
        for path in ("/api/v1/nodes/sg-gpu-1", "/api/v1/nodes/sg-gpu-1/status"):
            # NodeRestriction speaks first, where it is on.
            with pytest.raises(ClusterError, match=r"MGD-02|is not allowed to modify labels"):
                kubelet.run("replace", "--raw", path, "-f", "-", stdin=changed)
    # A heartbeat is none of anybody's business.
    patch = '--patch={"metadata": {"labels": {"node.kubernetes.io/instance-type": "x"}}}'
    kubelet.run("patch", "node", "sg-gpu-1", "--type=merge", patch)


def test_the_admin_of_a_namespace_can_not_take_it_out_of_its_policy(world: World) -> None:
    policy, namespace = world.govern()
    user = unique("tenant")
    tenant = world.make_admin(user, namespace)
    mover = world.grant(
        unique("mover"), {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch", "create"]}
    )
    for value in ("null", '"public"'):
        patch = f'--patch={{"metadata": {{"labels": {{"daulat.dev/data-class": {value}}}}}}}'
        with pytest.raises(ClusterError, match="MGD-13"):
            mover.run("patch", "namespace", namespace, "--type=merge", patch)
        # RBAC gives the admin of a namespace no right to it, and the guard wouldn't either.
        with pytest.raises(ClusterError, match=r"MGD-13|cannot patch"):
            tenant.run("patch", "namespace", namespace, "--type=merge", patch)
    assert world.get("namespace", namespace)["metadata"]["labels"]["daulat.dev/data-class"] == policy
    # Nor is a namespace of one's own brought under a policy by just anybody.
    assert "MGD-13" in world.refusal(namespace_manifest(unique("ns"), policy), kubectl=mover)
    mover.run("label", "namespace", namespace, "team=x")
    world.remove(namespace, policy)


def _there(world: World, kind: str, name: str, namespace: str = "", uid: str = "") -> None:
    """Wait until there is such an object, another one than that of the uid."""

    def again() -> bool:
        return (
            world.exists(kind, name, namespace) and world.get(kind, name, namespace=namespace)["metadata"]["uid"] != uid
        )

    poll(f"a new {kind} {name}", again)


def _repaired(world: World, kind: str, name: str, seconds: float = 20) -> None:
    """Wait until the object is there and its spec is what the operator made of it."""

    def whole() -> bool:
        if not world.exists(kind, name):
            return False
        spec = world.get(kind, name)["spec"]
        harmed = any(c["expression"] == "false" for c in spec.get("matchConditions", []))
        return not harmed and spec.get("validationActions", ["Deny"]) == ["Deny"]

    poll(f"{kind} {name} to be as it was", whole, seconds)


def test_what_a_policy_was_compiled_to_is_repaired_within_seconds(world: World) -> None:
    with world.governed() as (policy, namespace):
        name = f"{policy}.pods.daulat.dev"
        kinds = ("validatingadmissionpolicy", "validatingadmissionpolicybinding")
        bad = pod_manifest("p", namespace, nodeName="sg-gpu-1")

        def refuses() -> bool:
            return "USE-04 " in world.refusal(bad, "--dry-run=server")

        for kind in kinds:
            uid = world.get(kind, name)["metadata"]["uid"]
            world.admin.run("delete", kind, name)
            _there(world, kind, name, uid=uid)
            poll("the policy to refuse", refuses, 10)
        never = '[{"op": "add", "path": "/spec/matchConditions/-", "value": {"name": "never", "expression": "false"}}]'
        world.admin.run("patch", kinds[0], name, "--type=json", f"--patch={never}")
        _repaired(world, kinds[0], name)
        world.admin.run("patch", kinds[1], name, "--type=merge", '--patch={"spec": {"validationActions": ["Audit"]}}')
        _repaired(world, kinds[1], name)
        poll("the policy to refuse", refuses, 10)
        pin = f"{policy}.pin.daulat.dev"
        for kind in ("mutatingadmissionpolicy", "mutatingadmissionpolicybinding"):
            world.admin.run("delete", kind, pin)
            _there(world, kind, pin)

        def pinned() -> bool:
            return world.refusal(pod_manifest("p", namespace), "--dry-run=server") == ""

        poll("pods to be pinned again", pinned, 10)


def test_a_harmed_binding_of_bindings_is_repaired_too(world: World) -> None:
    with world.governed() as (policy, _):
        for guard in ("bindings", "models", "settings"):
            world.admin.run("delete", "validatingadmissionpolicybinding", f"{policy}.{guard}.daulat.dev")
            _there(world, "validatingadmissionpolicybinding", f"{policy}.{guard}.daulat.dev")


def test_what_a_model_was_rendered_to_is_repaired(world: World) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        pod = world.pods(namespace)[0]["metadata"]["uid"]
        for kind in ("service", "networkpolicy", "poddisruptionbudget", "serviceaccount"):
            if not world.exists(kind, "m", namespace):
                continue
            world.admin.run("delete", kind, "m", "-n", namespace)
            _there(world, kind, "m", namespace)
        world.admin.run(
            "patch", "networkpolicy", "m", "-n", namespace, "--type=merge", '--patch={"spec": {"egress": [{}]}}'
        )
        poll(
            "the NetworkPolicy to deny again",
            lambda: {} not in world.get("networkpolicy", "m", namespace=namespace)["spec"]["egress"],
        )
        selector = '--patch={"spec": {"selector": {"app": "mallory"}}}'
        world.admin.run("patch", "service", "m", "-n", namespace, "--type=merge", selector)
        poll(
            "the Service to lead to the model alone",
            lambda: "app" not in world.get("service", "m", namespace=namespace)["spec"]["selector"],
        )
        assert [p["metadata"]["uid"] for p in world.pods(namespace)] == [pod]


def test_somebody_elses_service_of_the_models_name_is_not_taken_over(world: World) -> None:
    with world.governed() as (_, namespace):
        spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
        theirs = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "m", "namespace": namespace},
            "spec": spec,
        }
        world.admin.run("create", "-f", "-", stdin=json.dumps(theirs))
        before = world.get("service", "m", namespace=namespace)
        world.admin.apply([model_manifest("m", namespace)])
        told = world.wait_condition("sovereignmodel", "m", "WorkloadReady", "False", namespace)
        poll(
            "the refusal to be told",
            lambda: world.condition("sovereignmodel", "m", "WorkloadReady", namespace)["reason"] == "ApplyFailed",
        )
        told = world.condition("sovereignmodel", "m", "WorkloadReady", namespace)
        assert "exists already and isn't Daulat's" in told["message"]
        assert world.get("service", "m", namespace=namespace) == before
        # Once it is out of the way, the model comes up by itself.
        world.admin.run("delete", "service", "m", "-n", namespace)
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
