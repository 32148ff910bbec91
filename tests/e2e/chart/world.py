"""A release of the chart on a real API server, and people with different rights."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from daulat.admission.cluster import compile_cluster_guards
from dev.cluster import build
from dev.cluster.cluster import Cluster
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kubectl
from dev.cluster.kubernetes import versions
from dev.deployment import poll

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/daulat"
NAMESPACE = "daulat-system"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:daulat"
SITE = "daulat.node-restriction.kubernetes.io/site"
DATA_CLASS = "daulat.dev/data-class"
NODE = "ascend-1"
TENANT = "treasury"
# Without mutating policies the operator may annotate namespaces, and a guard of its own keeps it from more.
ANNOTATES = not versions.offered().has("pin")
GUARDS = {m["metadata"]["name"] for m in compile_cluster_guards()} | {"operator.cluster.daulat.dev"}
GUARDS |= {"operator-annotations.cluster.daulat.dev"} if ANNOTATES else set()

# Who may patch nodes and namespaces; whether also their labels of record is what the guards decide.
EDITOR = [
    {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get", "create", "update", "patch"]},
    {
        "apiGroups": [""],
        "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
        "verbs": ["get", "create", "update", "patch"],
    },
]


@dataclass(frozen=True)
class Helm:
    """The real helm, with nothing of this user's own settings."""

    command: str
    kubeconfig: Path
    home: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of it."""
        places = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **places, "KUBECONFIG": str(self.kubeconfig)}
        command = [self.command, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)

    def __call__(self, *arguments: str) -> str:
        """Run it and return what it prints; it must succeed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout


@dataclass(frozen=True)
class World:
    """One control plane, and helm and kubectl for it."""

    cluster: Cluster
    binaries: build.Binaries
    helm: Helm

    def kubectl(self, user: str = "admin", groups: Sequence[str] = ()) -> Kubectl:
        """As this user, by a certificate of theirs."""
        return Kubectl(self.binaries["kubectl"], self.cluster.kubeconfig(user, groups))

    def refusal(self, user: str, *arguments: str, stdin: str | None = None, groups: Sequence[str] = ()) -> str:
        """What the API server says when it refuses the request; empty where it doesn't."""
        try:
            self.kubectl(user, groups).run(*arguments, stdin=stdin)
        except ClusterError as refused:
            return str(refused)
        return ""

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object or a list of them, as the administrator."""
        answer: dict[str, Any] = json.loads(self.kubectl().run("get", *arguments, "-o", "json"))
        return answer

    def uids(self, resource: str) -> dict[str, str]:
        """The uid of every object of a cluster-scoped kind, by name."""
        return {i["metadata"]["name"]: i["metadata"]["uid"] for i in self.get(resource)["items"]}

    def install(self) -> None:
        """Install the release, and wait until its guards refuse: existing isn't enough."""
        self.helm("install", "daulat", str(CHART), "--namespace", NAMESPACE)
        # By the policy's name: what it says is for the tests to judge.
        relabel, reclassify = label_node("--dry-run=server"), classify("--dry-run=server")
        # A policy takes a second or two to be live after it is created, and RBAC a moment.
        for name, trial in (("nodes.cluster.daulat.dev", relabel), ("namespaces.cluster.daulat.dev", reclassify)):
            poll(f"{name} refuses", partial(self._refuses, name, trial))
        poll("operator.cluster.daulat.dev refuses", self._operator_is_guarded)

    def _refuses(self, policy: str, request: Sequence[str]) -> bool:
        return policy in self.refusal("mallory", *request)

    def _operator_is_guarded(self) -> bool:
        said = self.refusal("admin", "create", "-f", "-", f"--as={OPERATOR}", stdin=pod(f"p-{uuid.uuid4().hex[:8]}"))
        return "operator.cluster.daulat.dev" in said


def label_node(*options: str, value: str = '"elsewhere"', node: str = NODE) -> list[str]:
    """A patch that sets the site of a node, or with null takes it away."""
    body = f'{{"metadata": {{"labels": {{"{SITE}": {value}}}}}}}'
    return ["patch", "node", node, "--type=merge", f"--patch={body}", *options]


def classify(*options: str, value: str = '"public"') -> list[str]:
    """A patch that sets the data class of a namespace, or with null takes it away."""
    body = f'{{"metadata": {{"labels": {{"{DATA_CLASS}": {value}}}}}}}'
    return ["patch", "namespace", TENANT, "--type=merge", f"--patch={body}", *options]


def pod(name: str) -> str:
    """A pod that asks for nothing."""
    spec = {"containers": [{"name": "main", "image": "registry.example.my/pause:1"}]}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": TENANT}, "spec": spec}
    )


def zone(name: str, selector: dict[str, Any]) -> dict[str, Any]:
    """A zone that is valid where its name and selector are."""
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignZone",
        "metadata": {"name": name},
        "spec": {
            "country": "MY",
            "facility": {"name": "Cyberjaya DC 1"},
            "operator": {"legalName": "Example Sdn Bhd", "country": "MY", "ultimateParentCountry": "MY"},
            "maximumDataClass": "confidential",
            "nodeSelector": selector,
        },
    }


def model(name: str) -> dict[str, Any]:
    """A small valid model."""
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignModel",
        "metadata": {"name": name, "namespace": TENANT},
        "spec": {
            "model": {
                "name": "qwen",
                "uri": f"oci://registry.example.my/models/qwen@sha256:{'0' * 64}",
                "developer": "qwen",
                "originCountry": "CN",
                "license": "Apache-2.0",
            },
            "accelerators": [{"profile": "huawei-ascend-910b", "count": 1}],
        },
    }


def people() -> list[dict[str, Any]]:
    rbac = "rbac.authorization.k8s.io"

    def bind(user: str, role: str) -> dict[str, Any]:
        return {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"test-{user}-{role}"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        }

    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "test-editor"}, "rules": EDITOR}
    editors = [bind(user, "test-editor") for user in ("mallory", "zoe", "pam")]
    roles = {
        "zoe": "daulat-zone-admin",
        "pam": "daulat-policy-admin",
        "cyril": "daulat-exemption-approver",
        "vera": "view",
    }
    return [role, *editors, *(bind(user, name) for user, name in roles.items())]


def operator_pods(world: World) -> list[dict[str, Any]]:
    selector = "app.kubernetes.io/component=operator"
    return [p for p in world.get("-n", NAMESPACE, "pods", "-l", selector)["items"] if _lives(p)]


def _lives(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def as_operator(name: str, image: str, account: str = "daulat", **container: Any) -> str:
    """A pod in the operator's namespace as the chart renders it, but for its image and what is given."""
    context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    env = [
        {"name": "DAULAT_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "DAULAT_WEIGHTS_IMAGE", "value": image.partition("@")[0]},
    ]
    own = {"args": ["operator"], "env": env, "securityContext": context, **container}
    spec = {
        "serviceAccountName": account,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "operator", "image": image, **own}],
    }
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
    return json.dumps(manifest)


def says(world: World, user: str, arguments: Sequence[str], stdin: str | None, what: str) -> bool:
    return what in world.refusal(user, *arguments, stdin=stdin)


def answers(world: World, user: str, groups: list[str], asked: list[tuple[str, str, str, str]]) -> list[bool]:
    """Ask the API server's own authorizers, all in one call."""
    reviews = []
    for group, resource, verb, namespace in asked:
        name, _, subresource = resource.partition("/")
        attributes = {
            "group": group,
            "resource": name,
            "subresource": subresource,
            "verb": verb,
            "namespace": namespace,
        }
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        reviews.append({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    # One word an object: as JSON, kubectl prints them one after the other without a list around them.
    words = world.kubectl().run("create", "-f", "-", '-o=jsonpath={.status.allowed}{" "}', stdin=manifest).split()
    assert len(words) == len(asked)
    return [word == "true" for word in words]


SITE_REFUSED = f'MGD-02 metadata.labels["{SITE}"]: user "mallory" changed a label of record'
CLASS_REFUSED = f'MGD-13 metadata.labels["{DATA_CLASS}"]: user "mallory" changed a governing label'


def rendered(helm: Helm, *options: str) -> list[dict[str, Any]]:
    """Return the objects that the chart renders with these options."""
    text = helm("template", "daulat", str(CHART), "--namespace", NAMESPACE, *options)
    return [d for d in yaml.safe_load_all(text) if d]
