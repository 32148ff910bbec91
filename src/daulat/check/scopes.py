"""What the API server calls an object: its resource, and whether it is in a namespace."""

from __future__ import annotations

from daulat.kube.resources import find

_CLUSTER_SCOPED = {
    "": {"ComponentStatus"},
    "admissionregistration.k8s.io": {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"},
    "certificates.k8s.io": {"CertificateSigningRequest", "ClusterTrustBundle"},
    "flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
    "networking.k8s.io": {"IngressClass", "IPAddress", "ServiceCIDR"},
    "node.k8s.io": {"RuntimeClass"},
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "resource.k8s.io": {"DeviceClass", "DeviceTaintRule"},
    "scheduling.k8s.io": {"PriorityClass"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"},
    "serving.kserve.io": {"ClusterServingRuntime", "ClusterStorageContainer", "LocalModelCache", "LocalModelNodeGroup"},
}
"""Kinds that only appear in what users write. Those that the operator deals with are in ``kube/resources``."""


def is_cluster_scoped(group: str, kind: str) -> bool:
    """Say whether objects of the kind are in no namespace. A kind that isn't known is taken to be in one, as most are."""
    known = find(group, kind)
    return not known.namespaced if known is not None else kind in _CLUSTER_SCOPED.get(group, ())


def resource_of(group: str, kind: str) -> str:
    """Return the kind's resource; of a kind that isn't known, by the rule that Kubernetes names its own resources by."""
    known = find(group, kind)
    if known is not None:
        return known.plural
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return word if word == "endpoints" else word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
