"""Each API server as its version is by default: what it serves, and that kinds, RBAC, tokens and policies work on it."""

from __future__ import annotations

import json

import pytest
import yaml

from dev.cluster import ClusterError
from dev.cluster.kubernetes import versions
from dev.deployment import ROOT, poll
from tests.e2e.world import Manifest, unique

from .server import Server

SITE = "daulat.node-restriction.kubernetes.io/site"


def test_it_is_of_the_version_that_was_chosen(server: Server) -> None:
    found = json.loads(server.admin.run("get", "--raw", "/version"))
    assert f"{found['major']}.{found['minor']}" == server.version.minor
    assert found["gitVersion"].startswith(f"v{server.version.minor}.")
    status = server.cluster.status()
    assert (status.ready, status.kubernetes) == (True, server.version.minor)
    assert [part.name for part in status.components] == ["etcd", "kube-apiserver"]


def test_it_serves_what_the_table_says_and_no_more(server: Server) -> None:
    """Of what is served by default on some versions, or can be switched on on one."""
    everywhere = {what for version in versions.TABLE.values() for what in version.serves}
    everywhere |= {what for v in versions.TABLE.values() for feature in v.features.values() for what in feature.serves}
    assert {what for what in everywhere if server.serves(what)} == set(server.version.serves)


def test_what_can_be_switched_on_is_off(server: Server) -> None:
    gates = [gate for feature in server.version.features.values() for gate in feature.gates]
    assert [gate for gate in gates if server.gate(gate)] == []


@pytest.fixture(scope="module")
def installed(server: Server) -> Server:
    """The API server with our kinds."""
    server.admin.run("apply", "--server-side", "-f", str(ROOT / "crds"))
    server.admin.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return server


def ours() -> list[Manifest]:
    """Return all examples of our kinds."""
    documents = [
        document
        for path in sorted((ROOT / "examples").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    return [document for document in documents if document["apiVersion"].startswith("daulat.dev/")]


def test_our_kinds_take_every_example(installed: Server) -> None:
    kinds = set()
    for manifest in ours():
        namespace = manifest["metadata"].pop("namespace", "")
        if manifest["kind"] == "SovereignModel":
            manifest["metadata"]["namespace"] = "default"
        assert installed.dry_run(manifest)["spec"], namespace
        kinds.add(manifest["kind"])
    assert len(kinds) == len(list((ROOT / "crds").iterdir()))


def test_the_rules_of_our_kinds_are_evaluated(installed: Server) -> None:
    """One in plain CEL, one with optionals, and one with a macro."""
    policy = next(m for m in ours() if m["kind"] == "SovereigntyPolicy")
    for change, message in (
        ({"zones": None}, "zones is required unless a preset sets it"),
        ({"namespaceSelector": {}}, "the selector must name at least one label"),
        ({"egress": {"allow": [{}]}}, "each entry needs either ipBlock or selectors"),
    ):
        spec = {k: v for k, v in {**policy["spec"], **change}.items() if v is not None}
        with pytest.raises(ClusterError, match=message):
            installed.dry_run({**policy, "spec": spec})


def test_a_user_may_do_what_rbac_says(server: Server) -> None:
    user = unique("reader")
    reader = server.as_user(user)
    with pytest.raises(ClusterError, match=f'User "{user}" cannot list resource "nodes"'):
        reader.run("get", "nodes")
    server.admin.run("create", "clusterrole", user, "--verb=list", "--resource=nodes")
    server.admin.run("create", "clusterrolebinding", user, f"--clusterrole={user}", f"--user={user}")

    def lists() -> bool:
        try:
            return "No resources found" not in reader.run("get", "nodes", "-o", "name")
        except ClusterError:
            return False

    poll(f"{user} to list nodes", lists)
    with pytest.raises(ClusterError, match=f'User "{user}" cannot list resource "pods"'):
        reader.run("get", "pods")


def test_a_token_stands_for_its_service_account(server: Server) -> None:
    namespace = server.namespace()
    token = server.admin.run("create", "token", "default", "-n", namespace).strip()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = json.loads(server.admin.run("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))
    assert answer["status"]["authenticated"] is True
    assert answer["status"]["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    review["spec"] = {"token": token[:-4] + "AAAA"}
    answer = json.loads(server.admin.run("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))
    assert not answer["status"].get("authenticated")


def test_a_kubelet_cant_write_the_labels_that_zones_rest_on(server: Server) -> None:
    """NodeRestriction is on."""
    name = unique("node")
    kubelet = server.as_user(f"system:node:{name}", ["system:nodes"])
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"example.my/rack": "a"}}}
    assert server.dry_run(node, kubelet)["metadata"]["labels"] == {"example.my/rack": "a"}
    node["metadata"]["labels"] = {SITE: "cyberjaya-1"}  # type: ignore[index]
    with pytest.raises(ClusterError, match=f"is not allowed to set the following labels: {SITE}"):
        server.dry_run(node, kubelet)


def test_an_admission_policy_refuses(server: Server) -> None:
    """What all guards are made of: a namespace selector, a variable, a right that the authorizer is asked for, a message."""
    name, namespace = unique("guard"), server.namespace()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    right = "authorizer.group('daulat.dev').resource('sovereignzones').check('certify').allowed()"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            },
            "matchConditions": [{"name": "administrators", "expression": f"!({right}) || has(object.data)"}],
            "variables": [{"name": "violations", "expression": "object.data.map(key, key + ' was set')"}],
            "validations": [
                {
                    "expression": "size(variables.violations) == 0",
                    "messageExpression": "variables.violations.join('; ')",
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    server.admin.apply([policy, binding])
    refused = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": namespace},
        "data": {"colour": "blue"},
    }

    def refuses() -> bool:
        try:
            server.dry_run(refused)
        except ClusterError as error:
            return "colour was set" in str(error)
        return False

    poll("the policy to refuse", refuses)
    assert server.dry_run({**refused, "data": {}})["metadata"]["name"] == "c"
    assert server.dry_run({**refused, "metadata": {"name": "c", "namespace": "default"}})["data"]


def test_a_namespaces_annotation_pins_nothing_by_default(server: Server) -> None:
    """PodNodeSelector is off, as in most clusters."""
    namespace = server.namespace({"scheduler.alpha.kubernetes.io/node-selector": "example.my/rack=a"})
    assert "nodeSelector" not in server.dry_run(pod(namespace))["spec"]


def pod(namespace: str, **spec: object) -> Manifest:
    """Return a plain pod."""
    body = {"containers": [{"name": "main", "image": "registry.example.my/main"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": body}
