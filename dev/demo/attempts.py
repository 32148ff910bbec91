"""The attempts of the demo. Each is a real request by an ordinary user, and its row is what the cluster really answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import Cluster, ClusterError
from dev.cluster.kubectl import Kubectl
from dev.deployment import ROOT, OperatorProcess, kubectl

from .row import TEAM, TENANT, Manifest, Outcome, Row, admin, binding, came, is_ready, message, place, status

EXAMPLES = ROOT / "examples"
NAMESPACE, OPEN_NAMESPACE = "treasury", "playground"
POLICY = "confidential"
IMAGE = "registry.example.my/tools/shell@sha256:" + "4d" * 32
DENIED = " denied request: "


class Demo:
    """Makes the attempts on a cluster where Daulat runs and the policy is enforced."""

    def __init__(self, cluster: Cluster, operator: OperatorProcess, add: Callable[[Row], None]) -> None:
        self._operator, self._row = operator, add
        self._admin = kubectl(cluster)
        self._tenant = kubectl(cluster, TENANT, (TEAM,))
        self._node_ops = kubectl(cluster, "node-ops")
        self._binder = kubectl(cluster, "own-scheduler")
        self._kubelet = kubectl(cluster, "system:node:stray-1", ("system:nodes",))

    def run(self) -> None:
        """Make every attempt in turn. The operator runs in the end, as in the beginning."""
        self._admin.apply(_rights())
        self._models()
        self._pods()
        self._labels()
        self._operator_down()

    def _models(self) -> None:
        self._place("DeepSeek model, Ascend first and H20 second", _example("deepseek-r1"))
        self._place("a second such model, now that Ascend is full", _example("deepseek-second"))
        wrong = _example("deepseek-r1", "wants-h200")
        wrong["spec"]["accelerators"] = [{"profile": "nvidia-h200", "count": 1}]
        self._refuse("a model on an accelerator that isn't approved", self._tenant, wrong)
        wrong = _example("deepseek-r1", "from-a-hub")
        wrong["spec"]["model"]["uri"] = "oci://ghcr.io/models/deepseek-r1@sha256:" + "1a" * 32
        self._refuse("a model from a registry that isn't approved", self._tenant, wrong)
        self._ungoverned()

    def _pods(self) -> None:
        self._pinned("a plain Deployment, made by no tool of Daulat's", "report")
        foreign = _pod("straight-to-singapore", nodeName="sg-gpu-1")
        self._refuse("a pod with nodeName on a node in Singapore", self._tenant, foreign)
        gated = _pod("waiting", schedulingGates=[{"name": "example.my/approval"}])
        self._tenant.create(gated)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "waiting", "namespace": NAMESPACE},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "sg-gpu-1"},
        }
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/waiting/binding"
        self._refuse("a pod bound to that node by an own scheduler", self._binder, binding, "--raw", path)
        grab = _pod("grab")
        grab["spec"]["containers"][0]["env"] = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
        self._refuse("all GPUs of a node by an environment variable", self._tenant, grab)
        grab = _pod("host")
        grab["spec"]["volumes"] = [{"name": "dev", "hostPath": {"path": "/dev/davinci0"}}]
        grab["spec"]["containers"][0]["image"] = "docker.io/library/busybox:latest"
        self._refuse("an NPU's device file, with an image from a public hub", self._tenant, grab)

    def _labels(self) -> None:
        site = "daulat.node-restriction.kubernetes.io/site=cyberjaya-1"
        command: tuple[str, ...] = ("label", "node", "sg-gpu-1", site, "--overwrite")
        self._refuse_command("a node in Singapore relabelled to Cyberjaya", "node-ops", self._node_ops, *command)
        command = ("label", "node", "stray-1", site, "--overwrite")
        self._refuse_command("a node that says so of itself", "its kubelet", self._kubelet, *command)
        command = ("label", "namespace", NAMESPACE, "daulat.dev/data-class-")
        self._refuse_command("the namespace taken out of the policy", TENANT, self._tenant, *command)

    def _operator_down(self) -> None:
        self._operator.stop()
        foreign = _pod("while-it-is-down", nodeName="sg-gpu-1")
        self._refuse("with the operator stopped: nodeName in Singapore", self._tenant, foreign)
        self._pinned("with the operator stopped: a plain Deployment", "report-2")
        self._operator.start()

    def _place(self, attempt: str, manifest: Manifest) -> None:
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        try:
            self._tenant.create(manifest)
        except ClusterError as error:
            self._add(attempt, TENANT, "placed", "refused", str(error))
            return
        ready = came(f"model {name}", lambda: is_ready(status(self._tenant, name, namespace)))
        found = status(self._tenant, name, namespace)
        rejected = "; ".join(f"{r['count']} x {r['reason']}" for r in found.get("placement", {}).get("rejected", []))
        answer = f"{place(found)} Not chosen: {rejected}."
        self._add(attempt, TENANT, "placed", "placed" if ready else "pending", answer)

    def _ungoverned(self) -> None:
        manifest = _example("deepseek-r1", "nowhere")
        manifest["metadata"]["namespace"] = OPEN_NAMESPACE
        self._tenant.create(manifest)

        def told() -> bool:
            return bool(status(self._tenant, "nowhere", OPEN_NAMESPACE).get("conditions"))

        came("the model in an ungoverned namespace", told)
        found = status(self._tenant, "nowhere", OPEN_NAMESPACE)
        pods = self._tenant.run("get", "pods", "--namespace", OPEN_NAMESPACE, "-o", "name").split()
        outcome = "not run" if found.get("phase") == "Refused" and not pods else "pods were made"
        answer = message(found, "Ready")
        self._add("a model in a namespace that no policy governs", TENANT, "not run", outcome, answer)

    def _pinned(self, attempt: str, name: str) -> None:
        template = {"metadata": {"labels": {"app": name}}, "spec": _pod(name)["spec"]}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        metadata = {"name": name, "namespace": NAMESPACE}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        self._tenant.create(deployment)

        def pod() -> Manifest:
            arguments = ("get", "pods", "--namespace", NAMESPACE, "-l", f"app={name}", "-o", "json")
            items = json.loads(self._tenant.run(*arguments))["items"]
            found: Manifest = items[0]["spec"] if items else {}
            return found

        came(f"the pod of {name} to be scheduled", lambda: bool(pod().get("nodeName")))
        selector, node = pod().get("nodeSelector") or {}, pod().get("nodeName", "no node")
        pinned = "daulat.node-restriction.kubernetes.io/confidential" in selector
        answer = f"admission added nodeSelector {json.dumps(selector)}; it runs on {node}"
        self._add(attempt, TENANT, "pinned", "pinned" if pinned else "not pinned", answer)

    def _refuse(self, attempt: str, user: Kubectl, manifest: Manifest, *options: str) -> None:
        command = ("create", *options, "-f", "-") if options else ("create", "-f", "-")
        who = "own-scheduler" if user is self._binder else TENANT
        self._refuse_command(attempt, who, user, *command, stdin=json.dumps(manifest))

    def _refuse_command(self, attempt: str, who: str, user: Kubectl, *command: str, stdin: str | None = None) -> None:
        try:
            answer = user.run(*command, stdin=stdin).strip()
            outcome = "let in"
        except ClusterError as error:
            _, ours, reason = str(error).partition(DENIED)
            outcome, answer = "refused", reason if ours else str(error).rpartition("failed: ")[2]
        self._add(attempt, who, "refused", outcome, answer)

    def _add(self, attempt: str, who: str, expected: Outcome, outcome: str, answer: str) -> None:
        self._row(Row(attempt, who, expected, outcome, answer))


def _example(file: str, name: str | None = None) -> Manifest:
    manifest: Manifest = yaml.safe_load((EXAMPLES / f"{file}.yaml").read_text())
    if name:
        manifest["metadata"]["name"] = name
    return manifest


def _pod(name: str, **spec: Any) -> Manifest:
    body: Manifest = {"containers": [{"name": "main", "image": IMAGE}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": body}


def _rights() -> list[Manifest]:
    """Give each user what such a person has in a real cluster, so that it's the policy that stops them and not RBAC."""

    def role(name: str, *rules: Manifest) -> Manifest:
        api = "rbac.authorization.k8s.io/v1"
        return {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}

    def rule(group: str, resources: list[str], *verbs: str) -> Manifest:
        return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}

    return [
        role("demo-node-ops", rule("", ["nodes", "nodes/status"], "get", "list", "patch", "update")),
        role("demo-namespaces", rule("", ["namespaces"], "get", "list", "patch", "update")),
        role("demo-scheduler", rule("", ["pods/binding"], "create"), rule("", ["pods"], "get", "list", "watch")),
        binding("ClusterRoleBinding", "demo-node-ops", "demo-node-ops", "node-ops"),
        binding("ClusterRoleBinding", "demo-namespaces", "demo-namespaces", TENANT),
        binding("ClusterRoleBinding", "demo-scheduler", "demo-scheduler", "own-scheduler"),
        admin(TENANT, NAMESPACE),
        admin(TENANT, OPEN_NAMESPACE),
    ]


def manifests() -> list[Path]:
    """Return the files that an administrator applies before the demo begins."""
    return [EXAMPLES / "policy.yaml", EXAMPLES / "namespace.yaml"]
