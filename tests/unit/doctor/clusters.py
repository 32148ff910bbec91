"""A cluster in which nothing weakens enforcement, as raw lists that a test weakens in one place."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.ungoverned import compile_ungoverned
from daulat.api import crd
from daulat.catalog import accelerators
from daulat.doctor.cluster import Cluster, Probe
from daulat.doctor.enforcement import KINDS, OPERATOR_GUARD
from daulat.doctor.sources import SOURCES
from daulat.facts.child import namespace_selector
from tests.unit.world import ASCEND, H20, IMAGE, SITE, Raw, ascend, policy, zone

NOW = 1_795_500_000.0
"""A time in November 2026, in seconds since the epoch."""
PIN = "daulat.node-restriction.kubernetes.io/confidential"
Lists = dict[str, list[Raw]]


def role(name: str, *rules: Raw, namespace: str = "", **more: Any) -> Raw:
    """Return a Role, or a ClusterRole where no namespace is given."""
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"metadata": meta, "rules": [*rules], **more}


def rule(resources: str, verbs: str, group: str = "", *names: str) -> Raw:
    """Return a rule of RBAC; resources and verbs are separated by spaces."""
    found: Raw = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**found, "resourceNames": [*names]} if names else found


def binding(name: str, subject: str, to: str, namespace: str = "", kind: str = "ClusterRole") -> Raw:
    """Return a RoleBinding, or a ClusterRoleBinding. The subject is Kind:name, or ServiceAccount:namespace/name."""
    of, _, who = subject.partition(":")
    own, _, account = who.rpartition("/")
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    body = {"kind": of, "name": account, "namespace": own} if of == "ServiceAccount" else {"kind": of, "name": who}
    return {"metadata": meta, "roleRef": {"kind": kind, "name": to}, "subjects": [body]}


def pod(name: str, namespace: str = "treasury", node: str = "ascend-1", **spec: Any) -> Raw:
    """Return a running pod that breaks no control."""
    body: Raw = {"nodeName": node, "nodeSelector": {PIN: "eligible"}, "containers": [{"name": "main", "image": IMAGE}]}
    return {
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {**body, **spec},
        "status": {"phase": "Running"},
    }


def daemons(name: str, image: str, env: dict[str, str] | None = None, *, privileged: bool = False) -> Raw:
    """Return a DaemonSet in the namespace gpu."""
    container = {
        "name": "main",
        "image": image,
        "env": [{"name": k, "value": v} for k, v in (env or {}).items()],
        "securityContext": {"privileged": privileged},
    }
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"metadata": {"name": name, "namespace": "gpu"}, "spec": spec}


def strong() -> Lists:
    """Return the lists, one's own to change."""
    return deepcopy(_strong())


def cluster(lists: Lists, missing: dict[str, str] | None = None, **more: Any) -> Cluster:
    """Return what doctor would have read."""
    given = {key: tuple(items) for key, items in lists.items() if key not in (missing or {})}
    settings: dict[str, Any] = {
        "version": "v1.37.2",
        "now": NOW,
        "probes": {
            "node-restriction": Probe(True, 'nodes "x" is forbidden: is not allowed to modify labels: y'),
            "anchor": Probe(True, "ValidatingAdmissionPolicy 'daulat-anchor.static.k8s.io' denied request"),
        },
    }
    return Cluster(given, missing or {}, **{**settings, **more})


@cache
def _strong() -> Lists:
    lists: Lists = {key: [] for key in SOURCES if key != "nodefeatures"}
    lists["namespaces"] = [
        _namespace(
            "treasury", **{"daulat.dev/data-class": "confidential", "pod-security.kubernetes.io/enforce": "restricted"}
        ),
        _namespace("kube-system"),
        _namespace("daulat-system"),
    ]
    node = ascend("ascend-1", labels={SITE: "cyberjaya-1", PIN: "eligible"})
    node["status"]["nodeInfo"] = {"kubeletVersion": "v1.37.2"}
    lists["nodes"] = [node]
    lists["pods"] = [pod("served")]
    lists["customresourcedefinitions"] = crd.manifests()
    lists["sovereignzones"] = [zone()]
    kept = {"name": "egress.daulat.dev", "namespace": "treasury", "labels": {"app.kubernetes.io/managed-by": "daulat"}}
    own = {"name": "web", "namespace": "treasury"}
    web = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{}]}
    lists["networkpolicies"] = [{"metadata": kept, "spec": {"egress": [{}]}}, {"metadata": own, "spec": web}]
    lists["daemonsets"] = [{"metadata": {"name": "calico-node", "namespace": "kube-system"}}]
    declared = policy(access={"groups": ["cleared-operators"]}, egress={"scope": "Namespace", "allow": []})
    enforced = {"type": "Enforced", "status": "True", "observedGeneration": 1, "reason": "CanaryRefused"}
    declared["status"] = {"conditions": [enforced]}
    lists["sovereigntypolicies"] = [declared]
    lists["acceleratorprofiles"] = [p for p in accelerators.manifests() if p["metadata"]["name"] in (ASCEND, H20)]
    lists["leases"] = [{"metadata": {"name": "daulat-operator"}, "spec": {"renewTime": "2026-11-24T05:59:55.000000Z"}}]
    lists["clusterroles"] = [
        role("cluster-admin", rule("*", "*", "*")),
        role("system:controller:node-controller", rule("nodes nodes/status", "patch update delete")),
        role(
            "daulat-operator",
            rule("nodes", "patch"),
            rule("pods", "create"),
            rule("sovereignzones", "certify", "daulat.dev"),
        ),
    ]
    lists["clusterrolebindings"] = [
        binding("cluster-admin", "Group:system:masters", "cluster-admin"),
        binding(
            "system:controller:node-controller",
            "ServiceAccount:kube-system/node-controller",
            "system:controller:node-controller",
        ),
        binding("daulat-operator", "ServiceAccount:daulat-system/daulat", "daulat-operator"),
    ]
    manifests = [*compile_cluster_guards(), *_desired(lists)]
    for kind, key in KINDS.items():
        lists[key] += [m for m in manifests if m["kind"] == kind]
    for key in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        lists[key].append({"metadata": {"name": OPERATOR_GUARD}, "spec": {}})
    return lists


def _desired(lists: Lists) -> list[Raw]:
    read = cluster(lists)
    manifests = [m for compiled in read.compiled.values() for m in compiled.manifests]
    assert manifests
    selectors = [namespace_selector(m) for m in manifests if m["kind"].endswith("Binding")]
    governed = [s for s in selectors if s is not None]
    return [*manifests, *compile_ungoverned(governed, ("kube-system", "daulat-system"))]


def _namespace(name: str, **labels: str) -> Raw:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}
