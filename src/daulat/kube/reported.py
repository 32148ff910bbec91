"""The kinds that the reporter reads, judges and writes, as data. Its rights in the chart come from here, by way of ``rbac``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daulat.api.names import MANAGED_BY

from .resources import BY_KIND, Resource, Use

_GATEWAYS, _SNAPSHOTS = "gateway.networking.k8s.io", "snapshot.storage.k8s.io"
_LIST = ("list",)
_WRITE = ("get", "list", "create", "patch", "delete")
_OURS = f"{MANAGED_BY}=daulat"


def _known(kind: str) -> Resource:
    """Return a kind that the operator watches, with the objects of all makers. Of pods, those that have ended aren't selected."""
    return replace(BY_KIND[kind], labels="", verbs=_LIST)


def _further(kind: str, group: str, plural: str, *, version: str = "v1", optional: bool = True) -> Resource:
    return Resource(kind, group, version, plural, namespaced=True, optional=optional, use=Use.PROCESS, verbs=_LIST)


FACTS: tuple[Resource, ...] = tuple(
    _known(kind)
    for kind in ("Namespace", "AcceleratorProfile", "SovereignZone", "SovereigntyPolicy", "SovereigntyExemption")
)
"""What policies are compiled from."""
JUDGED: tuple[Resource, ...] = (
    _known("Pod"),
    _known("SovereignModel"),
    _known("PersistentVolumeClaim"),
    _known("ResourceClaim"),
    _known("ResourceClaimTemplate"),
    _known("Service"),
    _further("ConfigMap", "", "configmaps", optional=False),
    _further("Ingress", "networking.k8s.io", "ingresses", optional=False),
    replace(_known("Gateway"), use=Use.PROCESS),
    replace(_known("HTTPRoute"), use=Use.PROCESS),
    _further("GRPCRoute", _GATEWAYS, "grpcroutes"),
    _further("VolumeSnapshot", _SNAPSHOTS, "volumesnapshots"),
    _known("NetworkPolicy"),
    _further("CiliumNetworkPolicy", "cilium.io", "ciliumnetworkpolicies", version="v2"),
    _further("EndpointSlice", "discovery.k8s.io", "endpointslices", optional=False),
    _further("Endpoints", "", "endpoints", optional=False),
)
"""What is judged in governed namespaces. Secrets aren't: to judge the names of their keys would take the right to read their
values."""
OF_WRITERS = frozenset({"NetworkPolicy", "CiliumNetworkPolicy", "EndpointSlice", "Endpoints"})
"""Those of them whose verdict depends on the user that writes them, who isn't on record."""
OF_SERVICES = frozenset({"EndpointSlice", "Endpoints"})
"""Those of them that controllers write for Services with a selector."""
SERVICES = _known("Service")


@dataclass(frozen=True)
class ReportApi:
    """An API of reports: its kind for a namespace, and the one for the cluster."""

    of_namespace: Resource
    of_cluster: Resource

    @property
    def group(self) -> str:
        """The API group."""
        return self.of_namespace.group


def _api(group: str, version: str, kind: str, plural: str) -> ReportApi:
    def one(prefix: str, *, namespaced: bool) -> Resource:
        return Resource(
            prefix + kind,
            group,
            version,
            prefix.lower() + plural,
            namespaced,
            _OURS,
            optional=True,
            use=Use.PROCESS,
            verbs=_WRITE,
        )

    return ReportApi(one("", namespaced=True), one("Cluster", namespaced=False))


REPORT_APIS: tuple[ReportApi, ...] = (
    _api("openreports.io", "v1alpha1", "Report", "reports"),
    _api("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "policyreports"),
)
"""The APIs of reports, the preferred one first. Both have the same fields."""
