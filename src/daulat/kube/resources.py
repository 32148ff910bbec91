"""Where each kind lives in the API: its path, and what the operator watches of it."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.kinds import KINDS
from daulat.api.names import GROUP, MANAGED_BY, VERSION

from .ref import Ref

OURS = f"{MANAGED_BY}=daulat"


@dataclass(frozen=True)
class Resource:
    """One kind in the API. ``labels`` and ``fields`` narrow what is watched."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool
    labels: str = ""
    fields: str = ""
    optional: bool = False
    """Whether clusters do without it: where it isn't served, there are no such objects, and nothing is made of them."""

    @property
    def api_version(self) -> str:
        """What objects of the kind have as apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, an object, or one of its subresources."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        parts = [root + scope, self.plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/".join(parts)


_ADMISSION = "admissionregistration.k8s.io"

WATCHED: tuple[Resource, ...] = (
    Resource("Namespace", "", "v1", "namespaces", False),
    Resource("Node", "", "v1", "nodes", False),
    *(Resource(k.kind, GROUP, VERSION, k.plural, k.scope == "Namespaced") for k in reversed(KINDS)),
    Resource("ValidatingAdmissionPolicy", _ADMISSION, "v1", "validatingadmissionpolicies", False, OURS),
    Resource("ValidatingAdmissionPolicyBinding", _ADMISSION, "v1", "validatingadmissionpolicybindings", False, OURS),
    Resource("MutatingAdmissionPolicy", _ADMISSION, "v1", "mutatingadmissionpolicies", False, OURS),
    Resource("MutatingAdmissionPolicyBinding", _ADMISSION, "v1", "mutatingadmissionpolicybindings", False, OURS),
    Resource("Deployment", "apps", "v1", "deployments", True, OURS),
    Resource("Service", "", "v1", "services", True, OURS),
    Resource("ServiceAccount", "", "v1", "serviceaccounts", True, OURS),
    Resource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", True, OURS),
    Resource("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", True, OURS),
    Resource("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", True, OURS),
    Resource("StatefulSet", "apps", "v1", "statefulsets", True, OURS),
    Resource("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers", True, OURS),
    Resource("ResourceClaimTemplate", "resource.k8s.io", "v1", "resourceclaimtemplates", True, OURS, optional=True),
    Resource("LeaderWorkerSet", "leaderworkerset.x-k8s.io", "v1", "leaderworkersets", True, OURS, optional=True),
    Resource("ScaledObject", "keda.sh", "v1alpha1", "scaledobjects", True, OURS, optional=True),
    Resource("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", True, OURS, optional=True),
    Resource("InferencePool", "inference.networking.k8s.io", "v1", "inferencepools", True, OURS, optional=True),
    Resource("Gateway", "gateway.networking.k8s.io", "v1", "gateways", True, optional=True),
    Resource("PodMonitor", "monitoring.coreos.com", "v1", "podmonitors", True, OURS, optional=True),
    # Before the pods, so that what a new pod holds is known when it is.
    Resource("ResourceSlice", "resource.k8s.io", "v1", "resourceslices", False, optional=True),
    Resource("ResourceClaim", "resource.k8s.io", "v1", "resourceclaims", True, optional=True),
    Resource("Pod", "", "v1", "pods", True, fields="status.phase!=Succeeded,status.phase!=Failed"),
)
BY_KIND = {r.kind: r for r in WATCHED}
MODEL_KINDS = tuple(r.kind for r in WATCHED if r.labels == OURS and r.namespaced)
"""The kinds of the objects that are made for models."""


def path_of(ref: Ref, subresource: str = "") -> str:
    """Return the URL path of one object."""
    return BY_KIND[ref.kind].path(ref.namespace, ref.name, subresource)
