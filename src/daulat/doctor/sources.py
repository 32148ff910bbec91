"""The lists that doctor reads, each with the right that it takes. All of them are lists: nothing is ever written."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.kinds import KINDS, Manifest
from daulat.kube.resources import BY_KIND, REGISTRY, Resource, Use

_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Source:
    """One list. ``where`` narrows it to the operator's namespace or to governed ones; ``keys_only`` drops all values.

    ``labels`` and ``fields`` are selectors.
    """

    key: str
    group: str
    version: str
    resource: str
    where: str = ""
    labels: str = ""
    fields: str = ""
    keys_only: bool = False

    @property
    def listed(self) -> Resource:
        """What the list selects."""
        return Resource(self.key, self.group, self.version, self.resource, bool(self.where), self.labels, self.fields)

    @property
    def right(self) -> str:
        """The right that it takes, in words."""
        return f"list {self.resource}" + (f".{self.group}" if self.group else "")


def _known(kind: str, where: str = "") -> Source:
    """Return the list of a kind that the operator deals with."""
    known = BY_KIND[kind]
    return Source(known.plural, known.group, known.version, known.plural, where, fields=known.fields)


JUDGED_BY = tuple(k for k in KINDS if k.kind not in ("SovereignModel", "AcceleratorInventory"))
"""The kinds that weaken or strengthen enforcement."""
SOURCES: dict[str, Source] = {
    source.key: source
    for source in (
        _known("Namespace"),
        _known("Node"),
        _known("Pod"),
        Source("configmaps", "", "v1", "configmaps", where="governed", keys_only=True),
        Source("secrets", "", "v1", "secrets", where="governed", keys_only=True),
        _known("NetworkPolicy", where="governed"),
        Source("nfdconfig", "", "v1", "configmaps", labels="app.kubernetes.io/name=node-feature-discovery"),
        Source("daemonsets", "apps", "v1", "daemonsets"),
        _known("Deployment", where="operator"),
        Source("leases", "coordination.k8s.io", "v1", "leases", where="operator"),
        Source("runtimeclasses", "node.k8s.io", "v1", "runtimeclasses"),
        Source("deviceclasses", "resource.k8s.io", "v1", "deviceclasses"),
        Source("nodefeatures", "nfd.k8s-sigs.io", "v1alpha1", "nodefeatures"),
        *(Source(r, _RBAC, "v1", r) for r in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")),
        Source("apiservices", "apiregistration.k8s.io", "v1", "apiservices"),
        Source(
            "customresourcedefinitions",
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            labels="app.kubernetes.io/part-of=daulat",
        ),
        *(_known(r.kind) for r in REGISTRY if r.use is Use.ADMISSION),
        *(Source(r, _ADMISSION, "v1", r) for r in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")),
        *(_known(k.kind) for k in JUDGED_BY),
        _known("SovereignModel"),
    )
}


def manifests() -> list[Manifest]:
    """Return the ClusterRoles that grant these rights: one for everything but Secrets, and one for these."""
    rest = [source for key, source in SOURCES.items() if key != "secrets"]
    return [_role("daulat-doctor", rest), _role("daulat-doctor-secrets", [SOURCES["secrets"]])]


def _role(name: str, sources: list[Source]) -> Manifest:
    groups: dict[str, list[str]] = {}
    for source in sources:
        groups.setdefault(source.group, []).append(source.resource)
    rules = [
        {"apiGroups": [group], "resources": sorted(set(resources)), "verbs": ["list"]}
        for group, resources in sorted(groups.items())
    ]
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
