"""``daulat doctor`` on a real API server: nothing unexplained in a fresh cluster, and each weakness that is made is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daulat.api.names import LEASE
from daulat.cli.doctor.command import doctor
from daulat.doctor.enforcement import STALE
from daulat.doctor.sources import manifests
from dev.deployment import NAMESPACE, ROOT, poll

from .world import (
    Manifest,
    World,
    lower,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    raise_world,
    unique,
    zone_manifest,
)

READER = "reader"
RBAC = "rbac.authorization.k8s.io"
OF_THE_CLUSTER = {
    ("DOC-11", "User daulat-dev:kwok"),  # plays the kubelets of nodes that aren't there
    ("DOC-02", "User daulat-dev:kwok"),
    ("DOC-08", "User daulat-dev:kwok"),
    ("DOC-18", "made up by KWOK"),
    ("DOC-45", "no network plugin is known"),
    ("DOC-44", "only the egress of models' pods is closed"),  # as policies say that don't say anything about it
}
"""What a development cluster and its policies weaken of their own: a check, and a part of what it says."""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster that nobody else weakens, with a policy, and somebody who may read what doctor reads and nothing else."""
    world = raise_world(unique("doctor"), tmp_path_factory.mktemp("operator"), say=lambda line: None)
    try:
        world.admin.apply(manifests())
        world.admin.apply([_bound(role, READER) for role in ("daulat-doctor", "daulat-doctor-secrets")])
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        policy = policy_manifest("governed", access={"users": [], "groups": ["cleared-operators"]})
        world.admin.apply([policy, namespace_manifest("governed", "governed", **labels)])
        world.wait_condition("sovereigntypolicy", "governed", "Enforced", "True")
        yield world
    finally:
        lower(world)


def _bound(role: str, user: str, kind: str = "User", namespace: str = "") -> Manifest:
    meta = {"name": f"{role}-{user}", **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": user}],
    }


def _run(kubeconfig: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "daulat.cli.main", "doctor", *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)


def report(world: World, *options: str, user: str = READER) -> dict[str, Any]:
    """Return what doctor says, as a user. Not by a program of its own, which would begin anew dozens of times."""
    result = CliRunner().invoke(
        doctor, ["-o", "json", *options], env={"KUBECONFIG": str(world.cluster.kubeconfig(user))}
    )
    assert result.exit_code in (0, 1), result.exception
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def told(world: World, check: str) -> list[str]:
    """Return what one check says."""
    return of(report(world), check)


def of(said: dict[str, Any], check: str) -> list[str]:
    """Return what one check says in a report."""
    return [f["what"] for f in said["findings"] if f["check"] == check]


def test_a_fresh_cluster_has_no_finding_but_those_of_its_fake_nodes(clinic: World) -> None:
    poll("the operator's lease to be seen", lambda: not told(clinic, "DOC-26"))
    said = report(clinic)
    unexplained = [
        f
        for f in said["findings"]
        if not any(f["check"] == check and text in f["what"] for check, text in OF_THE_CLUSTER)
    ]
    assert [f["what"] for f in unexplained] == []
    # Fake nodes report no version; nobody can see the kubelets' ports; nothing was probed.
    assert {u["check"] for u in said["notChecked"]} == {"DOC-23", "DOC-31", "DOC-32", "DOC-33", "DOC-45"}
    assert not any(u["rights"] for u in said["notChecked"])
    # The reader's rights, with which all of it was read, are to list and nothing else.
    assert {verb for m in manifests() for rule in m["rules"] for verb in rule["verbs"]} == {"list"}


def test_probes_tell_that_node_restriction_is_on_and_that_there_is_no_anchor(clinic: World) -> None:
    said = report(clinic, "--probe", user="admin")
    assert {u["check"] for u in said["notChecked"]} == {"DOC-23", "DOC-32", "DOC-45"}
    assert [f["severity"] for f in said["findings"] if f["check"] == "DOC-33"] == ["info"]
    assert not [f for f in said["findings"] if f["check"] == "DOC-31"]
    # They were dry runs.
    assert clinic.exists("validatingadmissionpolicybinding", "governed.pods.daulat.dev")
    labels = [key for node in clinic.get("nodes")["items"] for key in node["metadata"]["labels"]]
    assert not [key for key in labels if key.startswith("doctor.")]


def test_somebody_with_few_rights_is_told_what_is_missing_and_fails(clinic: World) -> None:
    name = unique("poor")
    clinic.grant(name, {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]})
    result = _run(clinic.cluster.kubeconfig(name))
    assert result.returncode == 1
    assert "DOC-35 Running pods that violate a policy: needs list pods (forbidden)" in " ".join(result.stdout.split())
    assert "DOC-38 Device variables in ConfigMaps and Secrets: needs" in " ".join(result.stdout.split())
    clinic.admin.run("delete", "clusterrole,clusterrolebinding", f"test-{name}")


def test_a_cluster_that_cant_be_reached_and_a_context_that_isnt_there_exit_with_2(
    clinic: World, tmp_path: Path
) -> None:
    result = _run(clinic.cluster.kubeconfig(READER), "--context", "nowhere")
    assert (result.returncode, result.stdout) == (2, "")
    assert 'has no context "nowhere"; its contexts: ' in result.stderr
    dead = tmp_path / "config"
    dead.write_text(clinic.cluster.kubeconfig(READER).read_text().replace("https://127.0.0.1:", "https://127.0.0.1:1"))
    result = _run(dead)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    result = _run(tmp_path / "none")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def _rule(group: str, resource: str, verb: str) -> Manifest:
    return {"apiGroups": [group], "resources": [resource], "verbs": [verb]}


@pytest.mark.parametrize(
    ("check", "rule", "what"),
    [
        ("DOC-01", _rule("*", "*", "*"), "may do everything"),
        ("DOC-02", _rule("", "nodes", "patch"), "may patch nodes"),
        ("DOC-02", _rule("", "nodes/status", "update"), "may update nodes/status"),
        ("DOC-03", _rule("", "pods/binding", "create"), "may create pods/binding"),
        ("DOC-04", _rule("", "nodes/proxy", "get"), "may get nodes/proxy"),
        (
            "DOC-06",
            _rule("admissionregistration.k8s.io", "validatingadmissionpolicies", "delete"),
            "may delete validating",
        ),
        ("DOC-07", _rule("apiextensions.k8s.io", "customresourcedefinitions", "delete"), "may delete customresource"),
        ("DOC-08", _rule("daulat.dev", "sovereignzones", "certify"), "may certify sovereignzones"),
        ("DOC-09", _rule("", "users", "impersonate"), "may impersonate users"),
        ("DOC-10", _rule("", "serviceaccounts/token", "create"), "may create serviceaccounts/token"),
        ("DOC-11", _rule("apps", "deployments", "update"), "may update deployments"),
        ("DOC-12", _rule("resource.k8s.io", "deviceclasses", "create"), "may create deviceclasses"),
        ("DOC-13", _rule("", "configmaps", "*"), "has a wildcard"),
    ],
)
def test_who_holds_a_right_that_gets_round_enforcement_is_named(
    clinic: World, check: str, rule: dict[str, list[str]], what: str
) -> None:
    user = unique("mallory")
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": f"of-{user}"}, "rules": [rule]}
    binding = _bound(f"of-{user}", user)
    clinic.admin.apply([role, binding])
    try:
        # A wildcard is told by the role that has it, everything else by who has it.
        assert any(f"User {user}" in line and what in line for line in told(clinic, check))
    finally:
        clinic.admin.run("delete", "clusterrolebinding", binding["metadata"]["name"])
        clinic.admin.run("delete", "clusterrole", f"of-{user}")
    assert not any(user in line for line in told(clinic, check))


def test_an_aggregated_role_and_a_namespace_of_the_operator_are_seen_through(clinic: World) -> None:
    label = {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}
    part = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "part", "labels": label}}
    clinic.admin.apply([{**part, "rules": [_rule("", "pods/binding", "create")]}])
    user = unique("ann")
    clinic.make_admin(user, "governed")
    clinic.admin.apply([_bound("edit", user, namespace=NAMESPACE)])
    try:
        poll("the aggregated right", lambda: any(user in line for line in told(clinic, "DOC-03")))
        assert any(user in line and "create pods" in line for line in told(clinic, "DOC-11"))
        # spec.access of the policy lets nobody else reach into pods, whatever RBAC says.
        assert told(clinic, "DOC-05") == []
    finally:
        clinic.admin.run("delete", "clusterrole", "part")
        clinic.admin.run("delete", "rolebinding", user, "-n", "governed")
        clinic.admin.run("delete", "rolebinding", f"edit-{user}", "-n", NAMESPACE)


def test_pods_that_are_older_than_their_policy_are_judged_by_it(clinic: World) -> None:
    name = unique("old")
    clinic.admin.apply([namespace_manifest(name)])
    poll("the default ServiceAccount", lambda: clinic.exists("serviceaccount", "default", name))
    clinic.admin.apply([pod_manifest("p", name, nodeName="sg-gpu-1", hostNetwork=True)])
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": name}}
    secret = {**config, "kind": "Secret", "stringData": {"NVIDIA_VISIBLE_DEVICES": "a-value-that-nobody-may-see"}}
    clinic.admin.apply([{**config, "data": {"ASCEND_VISIBLE_DEVICES": "0-7"}}, secret])
    clinic.admin.apply([policy_manifest(name), namespace_manifest(name, name)])
    try:
        clinic.wait_condition("sovereigntypolicy", name, "Enforced", "True")
        (violation,) = told(clinic, "DOC-35")
        assert violation.startswith(f"pod {name}/p: ")
        assert "USE-01 " in violation
        assert "USE-18 spec.hostNetwork" in violation
        # The scheduler's node isn't the user's doing, as far as anybody can tell; where it is, is told by another check.
        assert "USE-04" not in violation
        (misplaced,) = told(clinic, "DOC-36")
        assert "1 pod on node sg-gpu-1, which zone singapore-1 is in SG, outside MY" in misplaced
        keys = told(clinic, "DOC-38")
        assert [k.split(":")[0] for k in keys] == [f"ConfigMap {name}/c", f"Secret {name}/c"]
        assert f"namespace {name} has none, and is governed by {name}" in told(clinic, "DOC-34")
        assert "a-value" not in json.dumps(report(clinic))
    finally:
        clinic.remove(name, name)


def test_declared_weaknesses_are_named(clinic: World) -> None:
    name = unique("weak")
    zone = zone_manifest(name, nodeSelector={"matchLabels": {"topology.kubernetes.io/region": name}})
    policy = policy_manifest(name, namespaceSelector={"matchLabels": {"team": name}}, action="Audit")
    device = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"extendedResourceName": "nvidia.com/gpu", "selectors": []},
    }
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "nvidia"}
    clinic.admin.apply([zone, policy, device, runtime, *_foreign(name)])
    try:
        assert told(clinic, "DOC-19") == [f"SovereignZone {name} selects nodes by topology.kubernetes.io/region"]
        assert told(clinic, "DOC-20") == [f"SovereigntyPolicy {name} selects namespaces by team"]
        assert any(line.startswith(f"DeviceClass {name} answers for nvidia.com/gpu") for line in told(clinic, "DOC-17"))
        assert any(f"RuntimeClass {name} selects the device runtime nvidia" in line for line in told(clinic, "DOC-14"))
        assert any("allocates devices by environment variables" in line for line in told(clinic, "DOC-14"))
        assert any("privileged container" in line for line in told(clinic, "DOC-15"))
        assert any("may change pods/binding" in line for line in told(clinic, "DOC-29"))
        assert any("has failurePolicy Ignore" in line for line in told(clinic, "DOC-30"))
        poll("the policy on trial to be told", lambda: any("Audit" in line for line in told(clinic, "DOC-27")))
    finally:
        clinic.admin.run("delete", "sovereignzone,sovereigntypolicy,deviceclass,runtimeclass", name)
        clinic.admin.run("delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", name)
        clinic.admin.run("delete", "namespace", name, "--wait=false")


def _foreign(name: str) -> list[Manifest]:
    """Return somebody else's webhooks, on a namespace that there isn't, and a vendor's DaemonSet."""
    nowhere = {"matchLabels": {"nobody": "here"}}
    hook = {
        "name": "theirs.example.org",
        "namespaceSelector": nowhere,
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/binding"]}],
    }
    api = "admissionregistration.k8s.io/v1"
    meta = {"name": name}
    container = {
        "name": "plugin",
        "image": "nvcr.io/nvidia/k8s-device-plugin:v0.17.1",
        "securityContext": {"privileged": True},
    }
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"nodeSelector": {"no": "where"}, "containers": [container]},
    }
    return [
        {"apiVersion": api, "kind": "MutatingWebhookConfiguration", "metadata": meta, "webhooks": [hook]},
        {"apiVersion": api, "kind": "ValidatingWebhookConfiguration", "metadata": meta, "webhooks": [hook]},
        namespace_manifest(name),
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "plugin", "namespace": name},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        },
    ]


def test_what_is_changed_while_the_operator_is_down_is_named(clinic: World) -> None:
    # Last in this module: from here on nothing is repaired.
    clinic.operator.stop()
    admin = clinic.admin
    loosened = '--patch={"spec": {"validationActions": ["Audit"]}}'
    admin.run("patch", "validatingadmissionpolicybinding", "governed.pods.daulat.dev", "--type=merge", loosened)
    admin.run("delete", "mutatingadmissionpolicy", "governed.pin.daulat.dev")
    admin.run("patch", "validatingadmissionpolicybinding", "namespaces.cluster.daulat.dev", "--type=merge", loosened)
    admin.run("delete", "validatingadmissionpolicy", "nodes.cluster.daulat.dev")
    # As more than a minute later.
    past = datetime.now(UTC) - timedelta(seconds=STALE + 5)
    renewed = json.dumps({"spec": {"renewTime": past.isoformat(timespec="microseconds").replace("+00:00", "Z")}})
    admin.run("patch", "lease", LEASE, "-n", NAMESPACE, "--type=merge", f"--patch={renewed}")
    said = report(clinic)
    drift, guards = of(said, "DOC-28"), of(said, "DOC-25")
    assert any("Binding governed.pods.daulat.dev was changed" in line for line in drift)
    assert any(
        "MutatingAdmissionPolicy governed.pin.daulat.dev of policy governed is missing" in line for line in drift
    )
    assert any("Binding namespaces.cluster.daulat.dev differs" in line for line in guards)
    assert "ValidatingAdmissionPolicy nodes.cluster.daulat.dev is missing" in guards
    assert of(said, "DOC-26")
    result = _run(clinic.cluster.kubeconfig(READER))
    assert result.returncode == 1
    assert "The cluster's guards" in result.stdout
