"""What the API server calls an object: its resource, and whether it is in a namespace."""

from __future__ import annotations

from daulat.api.kinds import KINDS
from daulat.api.names import GROUP

_CLUSTER_SCOPED = {
    "": {"Namespace", "Node", "PersistentVolume", "ComponentStatus"},
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    },
    "apiextensions.k8s.io": {"CustomResourceDefinition"},
    "apiregistration.k8s.io": {"APIService"},
    "certificates.k8s.io": {"CertificateSigningRequest", "ClusterTrustBundle"},
    "flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
    "networking.k8s.io": {"IngressClass", "IPAddress", "ServiceCIDR"},
    "node.k8s.io": {"RuntimeClass"},
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "resource.k8s.io": {"DeviceClass", "DeviceTaintRule", "ResourceSlice"},
    "scheduling.k8s.io": {"PriorityClass"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"},
    "serving.kserve.io": {"ClusterServingRuntime", "ClusterStorageContainer", "LocalModelCache", "LocalModelNodeGroup"},
    GROUP: {kind.kind for kind in KINDS if kind.scope == "Cluster"},
}
_OWN = {kind.kind: kind.plural for kind in KINDS}


def is_cluster_scoped(group: str, kind: str) -> bool:
    """Say whether objects of the kind are in no namespace. A kind that isn't known is taken to be in one, as most are."""
    return kind in _CLUSTER_SCOPED.get(group, ())


def resource_of(group: str, kind: str) -> str:
    """Return the kind's resource, by the rule that Kubernetes names its own resources by."""
    if group == GROUP and kind in _OWN:
        return _OWN[kind]
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return word if word == "endpoints" else word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
