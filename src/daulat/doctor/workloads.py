"""What runs and lies in governed namespaces now, judged by the same compiled policies that judge requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daulat.api.counted import counted
from daulat.api.kinds import Manifest
from daulat.api.names import NODE_PREFIX
from daulat.cel.evaluator import Request, evaluate_all
from daulat.facts.unknown import Unknown
from daulat.placement.eligibility import ineligible

from .cluster import Cluster, labels_of, name_of
from .finding import Found, Severity

MIRROR = "kubernetes.io/config.mirror"
POD_SECURITY = "pod-security.kubernetes.io/enforce"
_FINISHED = ("Succeeded", "Failed")


def pod_security(cluster: Cluster) -> Iterator[Found]:
    """Name governed namespaces in which Pod Security lets through more than the restricted profile."""
    for item in cluster.items("namespaces"):
        name, level = name_of(item), labels_of(item).get(POD_SECURITY)
        if name in cluster.governing and level != "restricted":
            security = f"enforces {level}" if level else "has none"
            what = f"namespace {name} {security}, and is governed by {_names(cluster, name)}"
            yield Found(what, (f"Namespace {name}",), Severity.LOW if level == "baseline" else None)


def violations(cluster: Cluster) -> Iterator[Found]:
    """Name running pods that would be refused if they were made now."""
    for pod in cluster.items("pods"):
        namespace = str((pod.get("metadata") or {}).get("namespace"))
        if namespace not in cluster.governing or _finished(pod):
            continue
        if messages := judged(cluster, as_created(pod), "pods", namespace):
            yield Found(f"pod {name_of(pod)}: {' '.join(messages)}", (f"Pod {name_of(pod)}",))


def misplaced(cluster: Cluster) -> Iterator[Found]:
    """Name pods of governed namespaces on nodes that their policies don't accept."""
    snapshot = cluster.snapshot
    found: dict[tuple[str, str, str], list[str]] = {}
    for pod in cluster.items("pods"):
        namespace = str((pod.get("metadata") or {}).get("namespace"))
        node_name = str((pod.get("spec") or {}).get("nodeName") or "")
        if not node_name or _finished(pod):
            continue
        for policy in cluster.governing.get(namespace, ()):
            node = snapshot.nodes.get(node_name) or Unknown("doesn't exist")
            if why := ineligible(node, policy, snapshot):
                found.setdefault((policy.name, node_name, why), []).append(name_of(pod))
    for (policy_name, node_name, why), pods in sorted(found.items()):
        some = ", ".join(pods[:5]) + (", ..." if len(pods) > 5 else "")
        what = f"{counted(len(pods), 'pod')} on node {node_name}, which {why} (policy {policy_name}): {some}"
        yield Found(what, (f"Node {node_name}", *(f"Pod {p}" for p in pods)))


def static_pods(cluster: Cluster) -> Iterator[Found]:
    """Name the mirrors of static pods on nodes that are certified for a policy."""
    certified = {
        name_of(n)
        for n in cluster.items("nodes")
        if any(k.startswith(NODE_PREFIX) and v == "eligible" for k, v in labels_of(n).items())
    }
    for pod in cluster.items("pods"):
        node = (pod.get("spec") or {}).get("nodeName")
        if node in certified and MIRROR in ((pod.get("metadata") or {}).get("annotations") or {}):
            own = name_of(pod).startswith("kube-system/")
            what = f"pod {name_of(pod)} is the mirror of a static pod on certified node {node}"
            yield Found(what, (f"Pod {name_of(pod)}", f"Node {node}"), Severity.INFO if own else None)


def settings(cluster: Cluster) -> Iterator[Found]:
    """Name ConfigMaps and Secrets with a key that is a device variable. Their values were never kept."""
    for key, kind in (("configmaps", "ConfigMap"), ("secrets", "Secret")):
        for item in cluster.items(key):
            namespace = str((item.get("metadata") or {}).get("namespace"))
            subject = {"apiVersion": "v1", "kind": kind, **item}
            if messages := judged(cluster, subject, key, namespace):
                yield Found(f"{kind} {name_of(item)}: {' '.join(messages)}", (f"{kind} {name_of(item)}",))


def judged(cluster: Cluster, subject: Manifest, resource: str, namespace: str, group: str = "") -> list[str]:
    """Return why the object would be refused if an ordinary user created it now."""
    request = Request(
        object=subject,
        group=group,
        resource=resource,
        namespace=namespace,
        namespace_object=cluster.namespace_objects.get(namespace),
    )
    refusals = evaluate_all(cluster.refusing(namespace, resource), request)
    return [message for verdict in refusals for message in verdict.violations or (verdict.message,)]


def as_created(pod: Manifest) -> Manifest:
    """Return the pod as it was created: the scheduler has written its node since, which USE-04 would take for the user's."""
    spec: dict[str, Any] = {k: v for k, v in (pod.get("spec") or {}).items() if k != "nodeName"}
    return {"apiVersion": "v1", "kind": "Pod", **pod, "spec": spec}


def _finished(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") in _FINISHED


def _names(cluster: Cluster, namespace: str) -> str:
    return ", ".join(sorted(p.name for p in cluster.governing[namespace]))
