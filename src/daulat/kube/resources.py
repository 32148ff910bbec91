"""The kinds that the operator deals with, as data: where each lives in the API, what it is to Daulat, and which rights it takes.

It is the one such table. From it come the watches, the paths of requests, the sets of kinds that other modules go by, scopes and
plurals for ``check`` and ``doctor``, and by way of ``rbac`` the rules of the operator's roles in the chart. How objects of a kind
are read isn't here: that is for ``facts/store``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from daulat.api.kinds import KINDS, Kind
from daulat.api.names import GROUP, MANAGED_BY, REPORTER, VERSION
from daulat.catalog.kubernetes import Capabilities

from .ref import Ref

OURS = f"{MANAGED_BY}=daulat"
"""The label selector of what the operator makes."""
UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"
"""The field selector of pods that may hold devices."""


class Use(Enum):
    """What a kind is to Daulat."""

    INPUT = auto()
    """Others write it, and decisions depend on it."""
    DEVICE = auto()
    """As INPUT: devices of dynamic resource allocation, offered or allocated."""
    OWN = auto()
    """A kind of daulat.dev: users write its spec, the operator its status."""
    ADMISSION = auto()
    """The operator makes it from a policy."""
    WORKLOAD = auto()
    """The operator makes it for a model, and its controller makes the model's pods."""
    SUPPORT = auto()
    """The operator makes it for a model, before the pods, which need it."""
    AUXILIARY = auto()
    """The operator makes it for a model, after the pods, which run without it: autoscaler, route, monitoring."""
    PROCESS = auto()
    """The operator's process uses it, and nothing is decided by it. It isn't watched."""


CHILDREN = (Use.ADMISSION, Use.WORKLOAD, Use.SUPPORT, Use.AUXILIARY)
"""The uses of what the operator makes."""

READ = ("get", "list", "watch")
MAKE = (*READ, "create", "patch", "delete")
STATUS = ("get", "patch")
LEAD = (*READ, "create", "update", "patch")


@dataclass(frozen=True)
class Resource:
    """One kind in the API, and the rights that the operator has on it."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool
    labels: str = ""
    """The label selector of the watch."""
    fields: str = ""
    """The field selector of the watch."""
    optional: bool = False
    """Whether clusters do without it: where it isn't served, there are no such objects, and nothing is made of them."""
    use: Use = Use.INPUT
    verbs: tuple[str, ...] = READ
    """The verbs that the operator is granted."""
    status_verbs: tuple[str, ...] = ()
    """The verbs that it is granted on the subresource ``status``."""
    in_own_namespace: bool = False
    """Whether the rights hold in the operator's namespace alone."""
    switched: bool = False
    """Whether the operator deals with it only where an option switches that on. The rights are in a role of their own."""

    @property
    def api_version(self) -> str:
        """What objects of the kind have as apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def on(self, cluster: Capabilities) -> Resource:
        """Return the kind in the API version in which a cluster serves it; as it is here where it doesn't serve it."""
        version = cluster.served.get(self.plural, self.version)
        return self if version == self.version else replace(self, version=version)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, an object, or one of its subresources."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        parts = [root + scope, self.plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/".join(parts)


def _own(kind: Kind) -> Resource:
    verbs, namespaced = (*READ, *_CHECKED_BY_GUARDS.get(kind.kind, ())), kind.scope == "Namespaced"
    return Resource(
        kind.kind,
        GROUP,
        VERSION,
        kind.plural,
        namespaced,
        optional=kind.added_later,
        use=Use.OWN,
        verbs=verbs,
        status_verbs=STATUS,
    )


def _made(kind: str, group: str, version: str, plural: str, use: Use, optional: bool = False) -> Resource:
    namespaced = use is not Use.ADMISSION
    return Resource(kind, group, version, plural, namespaced, OURS, optional=optional, use=use, verbs=MAKE)


def _queue(kind: str, plural: str, *, namespaced: bool = False, status_verbs: tuple[str, ...] = ()) -> Resource:
    return Resource(
        kind, _QUEUES, "v1beta2", plural, namespaced, optional=True, status_verbs=status_verbs, switched=True
    )


_ADMISSION, _DEVICES, _GATEWAYS = "admissionregistration.k8s.io", "resource.k8s.io", "gateway.networking.k8s.io"
_QUEUES = "kueue.x-k8s.io"
_CHECKED_BY_GUARDS = {"SovereignZone": ("certify",), "SovereigntyPolicy": ("govern",)}
"""Verbs that no request has: admission policies look whether a user has them, and the operator is one of the users."""

REGISTRY: tuple[Resource, ...] = (
    Resource("Namespace", "", "v1", "namespaces", False),
    Resource("Node", "", "v1", "nodes", False, verbs=(*READ, "patch")),
    *(_own(kind) for kind in reversed(KINDS)),
    _made("ValidatingAdmissionPolicy", _ADMISSION, "v1", "validatingadmissionpolicies", Use.ADMISSION),
    _made("ValidatingAdmissionPolicyBinding", _ADMISSION, "v1", "validatingadmissionpolicybindings", Use.ADMISSION),
    _made("MutatingAdmissionPolicy", _ADMISSION, "v1", "mutatingadmissionpolicies", Use.ADMISSION, optional=True),
    _made(
        "MutatingAdmissionPolicyBinding",
        _ADMISSION,
        "v1",
        "mutatingadmissionpolicybindings",
        Use.ADMISSION,
        optional=True,
    ),
    _made("Deployment", "apps", "v1", "deployments", Use.WORKLOAD),
    _made("Service", "", "v1", "services", Use.SUPPORT),
    _made("ServiceAccount", "", "v1", "serviceaccounts", Use.SUPPORT),
    _made("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", Use.SUPPORT),
    _made("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets", Use.SUPPORT),
    _made("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", Use.SUPPORT),
    _made("StatefulSet", "apps", "v1", "statefulsets", Use.WORKLOAD),
    _made("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers", Use.AUXILIARY),
    _made("ResourceClaimTemplate", _DEVICES, "v1", "resourceclaimtemplates", Use.SUPPORT, optional=True),
    _made("LeaderWorkerSet", "leaderworkerset.x-k8s.io", "v1", "leaderworkersets", Use.WORKLOAD, optional=True),
    _made("ScaledObject", "keda.sh", "v1alpha1", "scaledobjects", Use.AUXILIARY, optional=True),
    _made("HTTPRoute", _GATEWAYS, "v1", "httproutes", Use.AUXILIARY, optional=True),
    _made("InferencePool", "inference.networking.k8s.io", "v1", "inferencepools", Use.AUXILIARY, optional=True),
    Resource("PersistentVolume", "", "v1", "persistentvolumes", False),
    Resource("Gateway", _GATEWAYS, "v1", "gateways", True, optional=True),
    _made("PodMonitor", "monitoring.coreos.com", "v1", "podmonitors", Use.AUXILIARY, optional=True),
    # Before the pods, so that what a new pod holds is known when it is.
    Resource("ResourceSlice", _DEVICES, "v1", "resourceslices", False, optional=True, use=Use.DEVICE),
    Resource("ResourceClaim", _DEVICES, "v1", "resourceclaims", True, optional=True, use=Use.DEVICE),
    Resource("Pod", "", "v1", "pods", True, fields=UNFINISHED, verbs=(*READ, "create", "delete")),
    # Kueue serves this version since 0.15.
    _queue("ResourceFlavor", "resourceflavors"),
    _queue("AdmissionCheck", "admissionchecks", status_verbs=STATUS),
    _queue("Workload", "workloads", namespaced=True, status_verbs=STATUS),
    Resource(
        "CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", False, use=Use.PROCESS
    ),
    Resource("APIService", "apiregistration.k8s.io", "v1", "apiservices", False, use=Use.PROCESS, verbs=("list",)),
    Resource("Event", "", "v1", "events", True, use=Use.PROCESS, verbs=("create", "patch")),
    Resource("Lease", "coordination.k8s.io", "v1", "leases", True, use=Use.PROCESS, verbs=LEAD, in_own_namespace=True),
)

WATCHED: tuple[Resource, ...] = tuple(r for r in REGISTRY if r.use is not Use.PROCESS and not r.switched)
"""What the operator watches, in the order in which it is listed."""
QUEUED: tuple[Resource, ...] = tuple(r for r in REGISTRY if r.switched)
"""What it watches as well where it is the controller of Kueue's AdmissionChecks."""
BY_KIND = {r.kind: r for r in WATCHED}
_QUEUED_BY_KIND = {r.kind: r for r in QUEUED}
_RECORDED = frozenset({"Namespace", "Node", "ResourceClaim", "Pod"})
RECORDED: tuple[Resource, ...] = tuple(
    # Finished pods too: how they ended is part of the record.
    replace(r, fields="") if r.kind == "Pod" else r
    for r in WATCHED
    if r.kind in _RECORDED or r.use is Use.OWN
)
"""What the recorder watches."""
_SHOWN = frozenset({"Node", "Pod", "ResourceClaim", "ResourceSlice"})
SHOWN: tuple[Resource, ...] = tuple(r for r in WATCHED if r.kind in _SHOWN or r.use is Use.OWN)
"""What the console in the cluster reads, beside the operator's Lease and the CustomResourceDefinitions."""
MODEL_KINDS = tuple(r.kind for r in WATCHED if r.labels == OURS and r.namespaced)
"""The kinds of the objects that are made for models."""
GROUPS = frozenset(r.group for r in REGISTRY if not r.switched)
"""The API groups that the operator reads and writes. The API server serves them itself."""
_BY_GROUP_AND_KIND = {(r.group, r.kind): r for r in REGISTRY}


def find(group: str, kind: str) -> Resource | None:
    """Return the kind of an API group, or None where the operator doesn't deal with it."""
    return _BY_GROUP_AND_KIND.get((group, kind))


def operator_events() -> Resource:
    """Return the Events that the operator records."""
    return replace(_BY_GROUP_AND_KIND["", "Event"], fields=f"reportingComponent={REPORTER}")


def lease_path(namespace: str, name: str) -> str:
    """Return the URL path of a Lease."""
    return _BY_GROUP_AND_KIND["coordination.k8s.io", "Lease"].path(namespace, name)


def kinds(*uses: Use) -> frozenset[str]:
    """Return the names of the kinds with one of these uses."""
    return frozenset(r.kind for r in REGISTRY if r.use in uses)


def watched_as(kind: str) -> Resource:
    """Return a kind that the operator watches, or does where that is switched on. KeyError for others."""
    return BY_KIND.get(kind) or _QUEUED_BY_KIND[kind]


def path_of(ref: Ref, cluster: Capabilities, subresource: str = "") -> str:
    """Return the URL path of one object in a cluster."""
    return watched_as(ref.kind).on(cluster).path(ref.namespace, ref.name, subresource)
