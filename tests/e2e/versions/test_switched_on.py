"""What isn't on by default works where it is switched on: an in-tree admission plugin, and the features of each version."""

from __future__ import annotations

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll
from tests.e2e.world import Manifest, unique

from .server import Server
from .test_api_server import pod

ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
PINNING = "pin=v1beta1"


def test_a_namespaces_annotation_pins_its_pods(opted: Server) -> None:
    """PodNodeSelector merges it into a pod's own, and refuses what contradicts it."""
    namespace = opted.namespace({ANNOTATION: "example.my/rack=a"})

    def selector(**wanted: str) -> Manifest:
        made = opted.dry_run(pod(namespace, nodeSelector={f"example.my/{k}": v for k, v in wanted.items()}))
        return dict(made["spec"]["nodeSelector"])

    # The plugin learns of a namespace by a watch.
    poll("the pod to be pinned", lambda: opted.dry_run(pod(namespace))["spec"].get("nodeSelector") is not None)
    assert opted.dry_run(pod(namespace))["spec"]["nodeSelector"] == {"example.my/rack": "a"}
    assert selector(disk="ssd") == {"example.my/rack": "a", "example.my/disk": "ssd"}
    with pytest.raises(ClusterError, match="pod node label selector conflicts with its namespace node label selector"):
        selector(rack="b")
    assert "nodeSelector" not in opted.dry_run(pod(opted.namespace()))["spec"]


def test_what_is_switched_on_is_served(opted: Server) -> None:
    features = opted.version.features.values()
    expected = {*opted.version.serves, *(what for feature in features for what in feature.serves)}
    assert {what for what in expected if opted.serves(what)} == expected
    gates = [gate for feature in features for gate in feature.gates]
    assert [gate for gate in gates if not opted.gate(gate)] == []


def test_the_beta_of_a_mutating_policy_pins_a_pod(opted: Server) -> None:
    if PINNING not in opted.version.features:
        pytest.skip(f"Kubernetes {opted.version.minor} has no such beta")
    name, namespace = unique("pin"), opted.namespace()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    patch = '[JSONPatch{op: "add", path: "/spec/nodeSelector", value: {"example.my/rack": "a"}}]'
    head = {"apiVersion": "admissionregistration.k8s.io/v1beta1", "metadata": {"name": name}}
    policy = {
        **head,
        "kind": "MutatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {
                "resourceRules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            },
            "reinvocationPolicy": "Never",
            "failurePolicy": "Fail",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    }
    opted.admin.apply([policy, {**head, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": name}}])

    def pinned() -> bool:
        return dict(opted.dry_run(pod(namespace))["spec"]).get("nodeSelector") == {"example.my/rack": "a"}

    poll("the pod to be pinned", pinned)
