"""What end-to-end tests share: a cluster with Daulat on it, and namespaces and policies of a test's own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.meta import LabelSelector
from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.components import APISERVER
from dev.cluster.fakenodes import HEARTBEAT
from dev.cluster.kubectl import Kubectl
from dev.cluster.kubernetes import versions
from dev.cluster.scenario import load, node_manifests, zone_manifests
from dev.deployment import (
    CHART,
    NAMESPACE,
    RECORDER,
    ROOT,
    WEIGHTS_IMAGE,
    OperatorProcess,
    RecorderProcess,
    helm,
    install,
    kubectl,
    poll,
)

from .reader import NotFound, Reader

SCENARIO = ROOT / "dev" / "scenarios" / "demo.yaml"
IMAGE = "registry.example.my/vllm@sha256:" + "2b" * 32
Manifest = dict[str, Any]
NO_TYPE_CHECKING = ("--controllers=*,-validatingadmissionpolicy-status-controller",)
"""Without the controller that writes `status.typeChecking`: after each write the API server compiles the policy again."""
_RAISED: dict[str, World] = {}


def admission() -> tuple[str, ...]:
    """Return which admission policies the Kubernetes under test has: validating ones, and mutating ones where it serves them."""
    return ("validating", *(("mutating",) if versions.offered().has("pin") else ()))


def unique(prefix: str) -> str:
    """Return a name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:6]}"


def policy_manifest(name: str, **changes: Any) -> Manifest:
    """Return the example policy under a name of its own, which governs namespaces labelled with that name."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "policy.yaml").read_text())
    manifest["metadata"]["name"] = name
    manifest["spec"]["namespaceSelector"] = {"matchLabels": {"daulat.dev/scope": name}}
    manifest["spec"].update(changes)
    return manifest


def pod_manifest(name: str, namespace: str, **spec: Any) -> Manifest:
    """Return a plain pod that breaks no control."""
    body: Manifest = {"containers": [{"name": "main", "image": IMAGE}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": body}


def model_manifest(name: str, namespace: str, **spec: Any) -> Manifest:
    """Return the example model under a name and in a namespace of its own, with one replica on one device."""
    manifest: Manifest = yaml.safe_load((ROOT / "examples" / "deepseek-r1.yaml").read_text())
    manifest["metadata"] = {"name": name, "namespace": namespace}
    manifest["spec"]["replicas"] = 1
    for choice in manifest["spec"]["accelerators"]:
        choice["count"] = 1
    manifest["spec"].update(spec)
    return manifest


def zone_manifest(name: str, **changes: Any) -> Manifest:
    """Return a zone like cyberjaya-1, which selects the nodes of a site of its own name."""
    manifest = next(z for z in zone_manifests(load(SCENARIO)) if z["metadata"]["name"] == "cyberjaya-1")
    selector = {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": name}}
    spec = {**manifest["spec"], "nodeSelector": selector, **changes}
    return {**manifest, "metadata": {"name": name}, "spec": spec}


def node_manifest(name: str, site: str = "", region: str = "") -> Manifest:
    """Return a node with eight Ascend devices; without a site nobody vouches for where it stands.

    Its status is freshened often: the node controller doesn't repeat a pass over a node's taints that failed, for instance while
    etcd is slow, before the node changes again.
    """
    manifest = next(n for n in node_manifests(load(SCENARIO)) if n["metadata"]["name"] == "ascend-1")
    labels = {**manifest["metadata"]["labels"], "kubernetes.io/hostname": name}
    places = {"daulat.node-restriction.kubernetes.io/site": site, "topology.kubernetes.io/region": region}
    labels = {**{k: v for k, v in labels.items() if k not in places}, **{k: v for k, v in places.items() if v}}
    annotations = {**manifest["metadata"]["annotations"], HEARTBEAT: "20s"}
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "name": name, "labels": labels, "annotations": annotations},
    }


def accelerator_node(name: str, spec: AcceleratorProfileSpec, devices: Mapping[str, int] | None = None) -> Manifest:
    """Return a node in Cyberjaya as the vendor's components would leave one with the accelerator, by default with eight devices."""
    selector = spec.node_selector or LabelSelector()
    expressions = {e.key: (e.values or ("",))[0] for e in selector.match_expressions or ()}
    manifest = node_manifest(name, site="cyberjaya-1")
    vendors = {"node.kubernetes.io/npu.chip.name", "accelerator-type", "accelerator"}
    labels = {k: v for k, v in manifest["metadata"]["labels"].items() if k not in vendors}
    labels |= {**(selector.match_labels or {}), **expressions}
    offered = {k: v for k, v in manifest["status"]["allocatable"].items() if "/" not in k}
    offered |= {k: str(v) for k, v in (devices or {spec.resources[0].name: 8}).items()}
    status = {**manifest["status"], "allocatable": offered, "capacity": offered}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}, "status": status}


@contextmanager
def node_with(world: World, spec: AcceleratorProfileSpec, devices: Mapping[str, int] | None = None) -> Iterator[str]:
    """A node with the accelerator, for as long as the block lasts."""
    name = unique("other")
    manifest = accelerator_node(name, spec, devices)
    world.admin.apply([manifest])
    world.admin.apply([manifest], "--subresource=status")
    try:
        yield name
    finally:
        world.admin.run("delete", "node", name, "--ignore-not-found")


@dataclass
class World:
    """A cluster with the chart installed and the operator running."""

    cluster: EmbeddedCluster
    operator: OperatorProcess
    admin: Kubectl
    _shared: dict[str, str] = field(default_factory=dict, kw_only=True, repr=False)
    """The policies that tests share, by what they change in the example."""

    def as_user(self, user: str, *groups: str) -> Kubectl:
        """Return kubectl as an ordinary user, with the rights that RBAC gives them."""
        return kubectl(self.cluster, user, tuple(groups))

    def as_operator(self) -> Kubectl:
        """Return kubectl as the operator's own ServiceAccount."""
        return Kubectl(self.admin.command, self.operator.kubeconfig)

    def get(self, *what: str, namespace: str = "") -> Manifest:
        """Return an object as the API server has it."""
        if len(what) <= 2 and not any(word.startswith("-") or "," in word for word in what):
            return self._reader.get(*what, namespace=namespace or "default")
        if len(what) == 3 and what[1] == "-l" and "," not in what[0]:
            return self._reader.get(what[0], namespace=namespace or "default", labels=what[2])
        where = ("--namespace", namespace) if namespace else ()
        found: Manifest = json.loads(self.admin.run("get", *what, *where, "-o", "json"))
        return found

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.cluster.kubeconfig())

    def condition(self, kind: str, name: str, type_: str, namespace: str = "") -> Mapping[str, str]:
        """Return one condition of an object; empty where it has none of that type."""
        conditions = self.get(kind, name, namespace=namespace).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def wait_condition(self, kind: str, name: str, type_: str, status: str, namespace: str = "") -> Mapping[str, str]:
        """Wait until a condition has a status, and return it."""
        return self._wait(kind, name, type_, "status", status, namespace)

    def wait_reason(self, kind: str, name: str, type_: str, reason: str, namespace: str = "") -> Mapping[str, str]:
        """Wait until a condition has a reason, and return it."""
        return self._wait(kind, name, type_, "reason", reason, namespace)

    def _wait(self, kind: str, name: str, type_: str, field: str, value: str, namespace: str) -> Mapping[str, str]:
        seen: Mapping[str, str] = {}

        def so() -> bool:
            nonlocal seen
            seen = self.condition(kind, name, type_, namespace)
            return seen.get(field) == value

        try:
            poll(f"{kind} {name} to have {type_} with {field} {value}", so)
        except ClusterError as error:
            raise ClusterError(f"{error}; it was {dict(seen)}") from error
        return seen

    def made(self, kind: str, name: str, namespace: str) -> Manifest:
        """Wait until an object exists, and return it."""
        poll(f"{kind} {name} to exist", lambda: self.exists(kind, name, namespace))
        return self.get(kind, name, namespace=namespace)

    def govern(self, namespace: str = "", **changes: Any) -> tuple[str, str]:
        """Make a policy and a namespace of a test's own, wait until it is enforced, and return both names."""
        name = unique("pol")
        namespace = namespace or unique("ns")
        self.admin.apply([policy_manifest(name, **changes)])
        self._govern(namespace, name)
        return name, namespace

    def _govern(self, namespace: str, policy: str) -> None:
        """Create a namespace that a policy governs, and wait until that is enforced."""
        self.admin.apply([namespace_manifest(namespace, policy)])
        self.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
        poll("the default ServiceAccount", lambda: self.exists("serviceaccount", "default", namespace))

    @contextmanager
    def governed(self, **changes: Any) -> Iterator[tuple[str, str]]:
        """Govern a namespace of a test's own for as long as the block lasts; its devices are free again after it."""
        policy, namespace = self.govern(**changes)
        try:
            yield policy, namespace
        finally:
            self.remove(namespace, policy)

    @contextmanager
    def namespace(self, **changes: Any) -> Iterator[str]:
        """A namespace of a test's own for as long as the block lasts, under a policy that the tests of a file share.

        An API server needs seconds to take up a policy. A test that changes or reads its policy takes `governed`.
        """
        key = json.dumps(changes, sort_keys=True)
        if key not in self._shared:
            self._shared[key] = unique("pol")
            self.admin.apply([policy_manifest(self._shared[key], **changes)])
        policy, namespace = self._shared[key], unique("ns")
        self._govern(namespace, policy)
        probe = pod_manifest("probe", namespace)
        poll("the namespace to be open", lambda: "GOV-01 " not in self.refusal(probe, "--dry-run=server"))
        try:
            yield namespace
        finally:
            self.remove(namespace)

    def remove_shared(self) -> None:
        """Remove the policies that tests shared so far."""
        shared, self._shared = list(self._shared.values()), {}
        if shared:
            self.admin.run("delete", "sovereigntypolicy", *shared, "--ignore-not-found")

    def remove(self, namespace: str, *policies: str) -> None:
        """Remove all that runs in a namespace, wait until no pod is left there, then the namespace and the policies."""
        self.empty(namespace)
        self.wait_empty(namespace, *policies)

    def empty(self, namespace: str) -> None:
        """Begin to remove a namespace and all that runs in it."""
        self.admin.run("delete", "sovereignmodels,deployments,jobs,pods", "--all", "-n", namespace, "--wait=false")
        self.admin.run("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")

    def wait_empty(self, namespace: str, *policies: str) -> None:
        """Wait until no pod is left in a namespace, and remove the policies that govern it."""
        poll(f"the pods in {namespace} to go", lambda: not self.pods(namespace))
        if policies:
            self.admin.run("delete", "sovereigntypolicy", *policies, "--ignore-not-found")

    def pods(self, namespace: str) -> list[Manifest]:
        """Return the pods of a namespace."""
        return list(self.get("pods", namespace=namespace)["items"])

    def metric(self, operator: OperatorProcess, name: str, labels: str = "") -> float:
        """Return the sum of a metric's series whose labels have this text; 0 where there is none."""
        lines = operator.answer("/metrics").splitlines()
        series = [line for line in lines if line.split("{")[0].split(" ")[0] == name and labels in line]
        return sum(float(line.rpartition(" ")[2]) for line in series)

    def grant(self, user: str, *rules: Mapping[str, list[str]]) -> Kubectl:
        """Give a user rights in the whole cluster by rules of RBAC, and return kubectl as that user."""
        api, name = "rbac.authorization.k8s.io", f"test-{user}"
        head = {"apiVersion": f"{api}/v1", "metadata": {"name": name}}
        role = {"apiGroup": api, "kind": "ClusterRole", "name": name}
        subject = {"apiGroup": api, "kind": "User", "name": user}
        binding = {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]}
        self.admin.apply([{**head, "kind": "ClusterRole", "rules": [dict(r) for r in rules]}, binding])
        return self._once_allowed(user, rules[-1]["verbs"][-1], rules[-1]["resources"][-1])

    def make_admin(self, user: str, namespace: str) -> Kubectl:
        """Make a user admin of one namespace, and return kubectl as that user."""
        self.admin.run("create", "rolebinding", user, "--clusterrole=admin", f"--user={user}", "-n", namespace)
        return self._once_allowed(user, "create", "pods", "-n", namespace)

    def approve(self, exemption: str, user: str = "data-protection-officer", reference: str = "CHG-1") -> None:
        """Approve an exemption as somebody who may."""
        rule = {
            "apiGroups": ["daulat.dev"],
            "resources": ["sovereigntyexemptions"],
            "verbs": ["get", "patch", "approve"],
        }
        approval = json.dumps({"spec": {"approvals": [{"user": user, "reference": reference}]}})
        self.grant(user, rule).run("patch", "sexempt", exemption, "--type=merge", f"--patch={approval}")

    def _once_allowed(self, user: str, verb: str, resource: str, *where: str) -> Kubectl:
        who = self.as_user(user)

        def allowed() -> bool:
            try:
                return "yes" in who.run("auth", "can-i", verb, resource, *where)
            except ClusterError:
                return False

        poll(f"{user} to be allowed to {verb} {resource}", allowed)
        return who

    def exists(self, kind: str, name: str, namespace: str = "") -> bool:
        """Say whether there is such an object."""
        try:
            return bool(self.get(kind, name, namespace=namespace))
        except NotFound:
            return False

    def refusal(self, manifest: Manifest, *options: str, kubectl: Kubectl | None = None, verb: str = "create") -> str:
        """Send a manifest and return why the API server refuses it; empty where it is taken."""
        try:
            (kubectl or self.admin).run(verb, *options, "-f", "-", stdin=json.dumps(manifest))
        except ClusterError as error:
            return str(error)
        return ""


def namespace_manifest(name: str, scope: str = "", **labels: str) -> Manifest:
    """Return a namespace, governed where a data class is given."""
    governed = {"daulat.dev/scope": scope} if scope else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**governed, **labels}}}


def raise_world(
    name: str,
    directory: Path,
    say: Callable[[str], None],
    scenario: Path = SCENARIO,
    weights_image: str = WEIGHTS_IMAGE,
    between: Callable[[EmbeddedCluster], str] | None = None,
    settings: Sequence[str] = (),
    arguments: Sequence[str] = (),
    **options: Any,
) -> World:
    """Bring up a cluster with a scenario's nodes and zones, install the chart, start the operator.

    ``between`` returns the URL of what the operator is to reach the API server by. ``settings`` are helm's, for the chart, and
    ``arguments`` those of ``daulat operator``. Where the version has no mutating policies, the admission plugin PodNodeSelector
    pins pods, unless ``admission_plugins`` says otherwise. The expressions of admission policies are not type checked, unless
    ``controller_args`` says otherwise.
    """
    options.setdefault("admission_plugins", versions.pinning_plugins(options.get("kubernetes", "")))
    options.setdefault("controller_args", NO_TYPE_CHECKING)
    cluster = EmbeddedCluster(name, say=say, **options)
    cluster.up(scenario)
    try:
        install(cluster, *settings)
        admin = kubectl(cluster)
        admin.apply(zone_manifests(load(scenario)))
        server = between(cluster) if between else ""
        operator = OperatorProcess(cluster, directory, weights_image=weights_image, server=server, arguments=arguments)
        operator.start()
    except BaseException:
        cluster.down()
        raise
    world = World(cluster, operator, admin)
    _RAISED[name] = world
    return world


def remove_shared_policies() -> None:
    """Remove the policies that the tests of a file shared."""
    for world in _RAISED.values():
        world.remove_shared()


def lower(world: World) -> None:
    """Stop the operator and remove the cluster; ClusterError as `remove`."""
    _RAISED.pop(world.cluster.name, None)
    world.operator.stop()
    remove(world.cluster)


def remove(cluster: EmbeddedCluster) -> None:
    """Remove a cluster. ClusterError where its API server had ended, for which its log is the reason."""
    ended = cluster.why_ended(APISERVER)
    cluster.down()
    if ended:
        raise ClusterError(ended)


__all__ = ["NAMESPACE", "World", "lower", "raise_world"]


@contextmanager
def recording(world: World, folder: Path) -> Iterator[RecorderProcess]:
    """Run a recorder that keeps its log in a folder, with the rights of the chart."""
    kubeconfig = world.cluster.kubeconfig()
    helm(kubeconfig, "upgrade", "daulat", str(CHART), "--reuse-values", *RECORDER)
    process = RecorderProcess(world.cluster, folder)
    try:
        process.start()
        poll("the recorder to write", lambda: world.metric(process, "daulat_ledger_size") > 0)
        yield process
    finally:
        process.stop()
        helm(kubeconfig, "upgrade", "daulat", str(CHART), "--reuse-values", "--set=recorder.enabled=false")
