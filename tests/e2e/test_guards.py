"""What keeps the labels of record, the governed namespaces and Daulat's own objects as they are."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import Any

import pytest

from daulat.workload.network import DEFAULT_DENY
from dev.cluster import ClusterError
from dev.cluster.kubectl import Kubectl
from dev.deployment import poll
from tests.unit.attestation.statements import attestation

from .world import (
    Manifest,
    World,
    model_manifest,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    unique,
    zone_manifest,
)

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
        patch = f'--patch={{"metadata": {{"labels": {{"daulat.dev/scope": {value}}}}}}}'
        with pytest.raises(ClusterError, match="MGD-13"):
            mover.run("patch", "namespace", namespace, "--type=merge", patch)
        # RBAC gives the admin of a namespace no right to it, and the guard wouldn't either.
        with pytest.raises(ClusterError, match=r"MGD-13|cannot patch"):
            tenant.run("patch", "namespace", namespace, "--type=merge", patch)
    assert world.get("namespace", namespace)["metadata"]["labels"]["daulat.dev/scope"] == policy
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


def _repaired(world: World, kind: str, name: str) -> None:
    """Wait until the object is there and its spec is what the operator made of it."""

    def whole() -> bool:
        if not world.exists(kind, name):
            return False
        spec = world.get(kind, name)["spec"]
        harmed = any(c["expression"] == "false" for c in spec.get("matchConditions", []))
        return not harmed and spec.get("validationActions", ["Deny"]) == ["Deny"]

    poll(f"{kind} {name} to be as it was", whole)


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
            poll("the policy to refuse", refuses)
        never = '[{"op": "add", "path": "/spec/matchConditions/-", "value": {"name": "never", "expression": "false"}}]'
        world.admin.run("patch", kinds[0], name, "--type=json", f"--patch={never}")
        _repaired(world, kinds[0], name)
        world.admin.run("patch", kinds[1], name, "--type=merge", '--patch={"spec": {"validationActions": ["Audit"]}}')
        _repaired(world, kinds[1], name)
        poll("the policy to refuse", refuses)
        pin = f"{policy}.pin.daulat.dev"
        for kind in ("mutatingadmissionpolicy", "mutatingadmissionpolicybinding"):
            world.admin.run("delete", kind, pin)
            _there(world, kind, pin)

        def pinned() -> bool:
            return world.refusal(pod_manifest("p", namespace), "--dry-run=server") == ""

        poll("pods to be pinned again", pinned)


def test_a_harmed_binding_of_bindings_is_repaired_too(world: World) -> None:
    with world.governed() as (policy, _):
        for guard in ("bindings", "models", "settings"):
            world.admin.run("delete", "validatingadmissionpolicybinding", f"{policy}.{guard}.daulat.dev")
            _there(world, "validatingadmissionpolicybinding", f"{policy}.{guard}.daulat.dev")


def test_what_a_model_was_rendered_to_is_repaired(world: World) -> None:
    with world.namespace() as namespace:
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
        world.admin.run("delete", "networkpolicy", DEFAULT_DENY, "-n", namespace)
        _there(world, "networkpolicy", DEFAULT_DENY, namespace)
        selector = '--patch={"spec": {"selector": {"app": "mallory"}}}'
        world.admin.run("patch", "service", "m", "-n", namespace, "--type=merge", selector)
        poll(
            "the Service to lead to the model alone",
            lambda: "app" not in world.get("service", "m", namespace=namespace)["spec"]["selector"],
        )
        assert [p["metadata"]["uid"] for p in world.pods(namespace)] == [pod]


def test_the_network_policy_of_all_models_goes_with_the_last_of_them(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest(name, namespace) for name in ("m", "n")])
        for name in ("m", "n"):
            world.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
        told = world.get("networkpolicy", DEFAULT_DENY, namespace=namespace)
        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace)
        poll("the pods of one to be gone", lambda: len(world.pods(namespace)) == 1)
        assert (
            world.get("networkpolicy", DEFAULT_DENY, namespace=namespace)["metadata"]["uid"] == told["metadata"]["uid"]
        )
        world.admin.run("delete", "sovereignmodel", "n", "-n", namespace)
        poll("it to go as well", lambda: not world.exists("networkpolicy", DEFAULT_DENY, namespace))
        assert not world.pods(namespace)


def test_what_others_wrote_into_the_network_policy_of_all_models_is_taken_out(world: World) -> None:
    with world.namespace() as namespace:
        labels = {"app.kubernetes.io/managed-by": "daulat", "app.kubernetes.io/part-of": "daulat"}
        opened = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": DEFAULT_DENY, "namespace": namespace, "labels": labels},
            "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "egress": [{}], "ingress": [{}]},
        }
        world.admin.create(opened)
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        closed = {
            "podSelector": {"matchExpressions": [{"key": "daulat.dev/model", "operator": "Exists"}]},
            "policyTypes": ["Egress", "Ingress"],
        }

        def spec() -> Manifest:
            found: Manifest = world.get("networkpolicy", DEFAULT_DENY, namespace=namespace)["spec"]
            return {key: value for key, value in found.items() if value}

        assert spec() == closed
        # One that isn't Daulat's is left alone, and the model has to wait.
        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace)
        poll("it to go as well", lambda: not world.exists("networkpolicy", DEFAULT_DENY, namespace))
        opened["metadata"] = {"name": DEFAULT_DENY, "namespace": namespace}
        world.admin.create(opened)
        world.admin.apply([model_manifest("m", namespace)])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", "ApplyFailed", namespace)
        assert told["message"].endswith(f"{DEFAULT_DENY} exists already and isn't Daulat's; remove it")
        assert not world.pods(namespace)
        world.admin.run("delete", "networkpolicy", DEFAULT_DENY, "-n", namespace)
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)


def test_somebody_elses_service_of_the_models_name_is_not_taken_over(world: World) -> None:
    with world.namespace() as namespace:
        spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
        theirs = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "m", "namespace": namespace},
            "spec": spec,
        }
        world.admin.create(theirs)
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


def _every_verb_but_ours(*resources: str, group: str = "daulat.dev") -> dict[str, list[str]]:
    return {
        "apiGroups": [group],
        "resources": list(resources),
        "verbs": ["get", "list", "create", "update", "patch", "delete"],
    }


def test_whoever_may_write_records_needs_the_verb_as_well(world: World) -> None:
    plurals = {
        "sovereigntypolicies": "govern",
        "sovereignzones": "certify",
        "acceleratorprofiles": "certify",
        "acceleratorinventories": "govern",
        "nodeattestations": "certify",
    }
    user = unique("mallory")
    mallory = world.grant(user, _every_verb_but_ours(*plurals))
    profile = {**world.get("accel", "nvidia-h20"), "metadata": {"name": unique("profile")}}
    profile.pop("status", None)
    made = {
        "sovereigntypolicies": policy_manifest(unique("records")),
        "sovereignzones": zone_manifest(unique("records")),
        "acceleratorprofiles": profile,
        "acceleratorinventories": {
            "apiVersion": "daulat.dev/v1alpha1",
            "kind": "AcceleratorInventory",
            "metadata": {"name": unique("inventory")},
            "spec": {"zones": ["z"], "deliveries": [{"name": "DN-1", "received": "2026-03-14", "chips": ["GPU-1"]}]},
        },
        "nodeattestations": attestation(unique("node")),
    }
    del made["nodeattestations"]["metadata"]["uid"]
    changes: dict[str, dict[str, Any]] = {
        "sovereigntypolicies": {"action": "Warn"},
        "sovereignzones": {"country": "SG"},
        "acceleratorprofiles": {"model": "X"},
        "acceleratorinventories": {"deliveries": []},
        "nodeattestations": attestation("another")["spec"],
    }
    for plural, verb in plurals.items():
        kind = made[plural]["kind"]
        said = world.refusal(made[plural], kubectl=mallory)
        assert f"only principals with the verb {verb} on {plural} may" in said
        assert f'MGD-07 metadata.name: user "{user}" created {kind}' in said
        world.admin.apply([made[plural]])
        name = made[plural]["metadata"]["name"]
        change = changes[plural]
        patch = ["patch", plural, name, "--type=merge", f"--patch={json.dumps({'spec': change})}"]
        for attempt in (patch, ["delete", plural, name], ["delete", plural, "--all"]):
            with pytest.raises(ClusterError, match="MGD-07"):
                mallory.run(*attempt)
        mallory.run("label", plural, name, "team=x")
    world.grant(
        user,
        _every_verb_but_ours(*plurals),
        *({"apiGroups": ["daulat.dev"], "resources": [p], "verbs": [v]} for p, v in plurals.items()),
    )
    for plural, manifest in made.items():
        poll(f"{plural} to be theirs", partial(_runs, mallory, "delete", plural, manifest["metadata"]["name"]))


def _is_refused(world: World, manifest: dict[str, Any], who: Kubectl, what: str) -> bool:
    return what in world.refusal(manifest, "--dry-run=server", kubectl=who)


def _runs(who: Kubectl, *arguments: str) -> bool:
    try:
        who.run(*arguments)
    except ClusterError:
        return False
    return True


def test_a_device_class_is_for_those_who_certify_accelerators(world: World) -> None:
    user = unique("mallory")
    mallory = world.grant(user, _every_verb_but_ours("deviceclasses", group="resource.k8s.io"))
    manifest = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": unique("class")},
        "spec": {"extendedResourceName": "nvidia.com/gpu"},
    }
    said = world.refusal(manifest, kubectl=mallory)
    assert "SUP-08 metadata.name" in said
    assert 'which represents the resource "nvidia.com/gpu"' in said
    # The same by an older version of the API.
    older = {**manifest, "apiVersion": "resource.k8s.io/v1beta1", "spec": {}}
    assert "SUP-08 " in world.refusal(older, kubectl=mallory) or "no matches for kind" in world.refusal(older)
    world.grant(
        user,
        _every_verb_but_ours("deviceclasses", group="resource.k8s.io"),
        {"apiGroups": ["daulat.dev"], "resources": ["acceleratorprofiles"], "verbs": ["certify"]},
    )
    poll("the class to be theirs", lambda: world.refusal(manifest, kubectl=mallory) == "")
    mallory.run("delete", "deviceclass", manifest["metadata"]["name"])  # type: ignore[index]


def test_only_its_own_kubelet_says_which_devices_a_node_has(world: World) -> None:
    status = {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get", "patch"]}
    daemon = world.grant(unique("vendor"), status)
    fake = '--patch={"status": {"capacity": {"example.my/npu": "8"}, "allocatable": {"example.my/npu": "8"}}}'
    gone = '--patch={"status": {"allocatable": {"nvidia.com/gpu": null}}}'
    on_node = ["patch", "node", "sg-gpu-1", "--subresource=status", "--type=merge"]
    for patch, resource in ((fake, "example.my/npu"), (gone, "nvidia.com/gpu")):
        with pytest.raises(ClusterError, match=f'MGD-14 status.allocatable."{resource}"'):
            daemon.run(*on_node, patch)
    daemon.run(*on_node, '--patch={"status": {"capacity": {"hugepages-2Mi": "0"}}}')
    other = world.as_user("system:node:sg-gpu-2", "system:nodes")
    node = world.get("node", "sg-gpu-1")
    node["status"]["capacity"]["example.my/npu"] = node["status"]["allocatable"]["example.my/npu"] = "8"
    path = "/api/v1/nodes/sg-gpu-1/status"
    with pytest.raises(ClusterError, match=r"MGD-14|is not allowed to modify node"):
        other.run("replace", "--raw", path, "-f", "-", stdin=json.dumps(node))
    # Its own kubelet reports what its device plugins tell it.
    own = world.as_user("system:node:sg-gpu-1", "system:nodes")
    own.run("replace", "--raw", path, "-f", "-", stdin=json.dumps(node))
    world.admin.run(
        *on_node, '--patch={"status": {"capacity": {"example.my/npu": null}, "allocatable": {"example.my/npu": null}}}'
    )


def test_a_node_does_not_move_by_itself(world: World) -> None:
    node = world.get("node", "sg-gpu-1")
    region = "topology.kubernetes.io/region"
    assert region in node["metadata"]["labels"]
    node["metadata"]["labels"][region] = "my-central"
    kubelet = world.as_user("system:node:sg-gpu-1", "system:nodes")
    for path in ("/api/v1/nodes/sg-gpu-1", "/api/v1/nodes/sg-gpu-1/status"):
        with pytest.raises(ClusterError, match=r"MGD-01 metadata.labels"):
            kubelet.run("replace", "--raw", path, "-f", "-", stdin=json.dumps(node))
    kubelet.run("label", "node", "sg-gpu-1", "example.my/batch=7")


def test_a_taint_of_record_is_for_zone_admins(world: World) -> None:
    mallory = world.grant(unique("mallory"), {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]})
    world.admin.run("taint", "node", "sg-gpu-1", "daulat.dev/held=yes:NoSchedule")
    try:
        with pytest.raises(ClusterError, match=r"MGD-02 spec.taints"):
            mallory.run("taint", "node", "sg-gpu-1", "daulat.dev/held-")
        mallory.run("taint", "node", "sg-gpu-1", "example.my/busy=yes:PreferNoSchedule")
        mallory.run("taint", "node", "sg-gpu-1", "example.my/busy-")
    finally:
        world.admin.run("taint", "node", "sg-gpu-1", "daulat.dev/held-")


def test_admin_access_to_devices_is_given_by_policy_admins(world: World) -> None:
    mover = world.grant(unique("mover"), {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch"]})
    name = unique("dra")
    world.admin.apply([namespace_manifest(name)])
    with pytest.raises(ClusterError, match=r'MGD-13 metadata.labels."resource.kubernetes.io/admin-access"'):
        mover.run("label", "namespace", name, "resource.kubernetes.io/admin-access=true")
    world.admin.run("delete", "namespace", name, "--wait=false")


def _feature_kinds() -> list[dict[str, Any]]:
    """Return stand-ins for the kinds of Node Feature Discovery, whose own schemas make no difference here."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    group, found = "nfd.k8s-sigs.io", []
    for kind, scope in (("NodeFeature", "Namespaced"), ("NodeFeatureRule", "Cluster")):
        plural = kind.lower() + "s"
        version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
        names = {"plural": plural, "singular": kind.lower(), "kind": kind}
        spec = {"group": group, "scope": scope, "names": names, "versions": [version]}
        head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        found.append({**head, "metadata": {"name": f"{plural}.{group}"}, "spec": spec})
    return found


def test_features_of_nodes_are_for_the_discovery(world: World) -> None:
    # The guard was there all the time, without the kinds: it harmed nobody.
    assert world.exists("validatingadmissionpolicy", "nodefeatures.cluster.daulat.dev")
    assert "nodefeatures" not in world.admin.run("api-resources", "--api-group=nfd.k8s-sigs.io")
    world.admin.apply(_feature_kinds())
    try:
        world.admin.run("wait", "--for=condition=Established", "crd", "nodefeatures.nfd.k8s-sigs.io")
        world.admin.run("wait", "--for=condition=Established", "crd", "nodefeaturerules.nfd.k8s-sigs.io")
        write = _every_verb_but_ours("nodefeatures", "nodefeaturerules", group="nfd.k8s-sigs.io")
        mallory = world.grant(unique("mallory"), write)
        certify = {"apiGroups": ["daulat.dev"], "resources": ["acceleratorprofiles"], "verbs": ["certify"]}
        discovery = world.grant("system:serviceaccount:nfd:worker", certify, write)
        feature = {
            "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
            "kind": "NodeFeature",
            "metadata": {"name": "sg-gpu-1", "namespace": "default"},
            "spec": {"labels": {"nvidia.com/gpu.product": "NVIDIA-H20"}},
        }
        rule = {**feature, "kind": "NodeFeatureRule", "metadata": {"name": "rule"}, "spec": {"rules": [{"name": "a"}]}}
        for manifest in (feature, rule):
            poll("the guard to see the new kind", partial(_is_refused, world, manifest, mallory, "MGD-15 "))
            assert world.refusal(manifest, "--dry-run=server", kubectl=discovery) == ""
        for labels in ({PREFIX + "site": "cyberjaya-1"}, {"daulat.dev/x": "y"}):
            assert "MGD-02 spec.labels" in world.refusal({**feature, "spec": {"labels": labels}}, kubectl=discovery)
    finally:
        world.admin.run("delete", "crd", "nodefeatures.nfd.k8s-sigs.io", "nodefeaturerules.nfd.k8s-sigs.io")


def test_a_namespace_with_a_class_stays_closed_until_a_policy_is_in_force(world: World) -> None:
    name = unique("class")
    labels = {"daulat.dev/data-class": "restricted", "daulat.dev/scope": name}
    namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    world.admin.apply([namespace])
    policy = policy_manifest(name, namespaceSelector={"matchLabels": labels})
    pod = pod_manifest("p", name)
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", name))
    # Before any policy selects it, from the first request on.
    said = world.refusal(pod)
    assert "GOV-01 metadata.namespace" in said
    assert "no policy in force selects it" in said
    # A model comes in with a warning and waits: nothing of it is made.
    done = subprocess.run(
        [world.admin.command, "--kubeconfig", str(world.admin.kubeconfig), "apply", "-f", "-"],
        input=json.dumps(model_manifest("m", name)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GOV-01 metadata.namespace" in done.stderr
    assert "the model waits until one does" in done.stderr
    told = world.wait_reason("sovereignmodel", "m", "PolicyCompliant", "WaitingForPolicy", name)
    assert (told["status"], "daulat.dev/data-class=restricted" in told["message"]) == ("Unknown", True)
    assert not world.exists("deployment", "m", name)
    assert "GOV-01 " in world.refusal(pod_manifest("p", name), kubectl=world.make_admin(unique("tenant"), name))
    world.admin.apply([policy])
    world.wait_condition("sovereigntypolicy", name, "Enforced", "True")
    # Enforced says that it is open as well, and that what the policy refuses is refused.
    assert world.refusal(pod) == ""
    assert "USE-04 " in world.refusal(pod_manifest("q", name, nodeName="x"))
    world.wait_condition("sovereignmodel", "m", "PolicyCompliant", "True", name)
    # A changed policy doesn't close it, not for a moment.
    world.admin.run(
        "patch", "sovereigntypolicy", name, "--type=merge", '--patch={"spec": {"controls": {"USE-18": "Warn"}}}'
    )
    for _ in range(30):
        assert "GOV-01 " not in world.refusal(pod_manifest("r", name), "--dry-run=server")
    world.admin.run("delete", "sovereigntypolicy", name)
    poll("the namespace to be closed again", lambda: "GOV-01 " in world.refusal(pod_manifest("r", name)))
    # What ran goes on, and can still be looked after.
    world.admin.run("label", "pod", "p", "-n", name, "team=x")
    world.remove(name)


def test_what_keeps_namespaces_closed_is_repaired_within_seconds(world: World) -> None:
    name = "ungoverned.cluster.daulat.dev"
    for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        uid = world.get(kind, name)["metadata"]["uid"]
        world.admin.run("delete", kind, name)
        _there(world, kind, name, uid=uid)
