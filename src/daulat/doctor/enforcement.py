"""Whether what the API server enforces is what Daulat compiles, and whether its operator is alive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from daulat.admission.cluster import compile_cluster_guards
from daulat.api.kinds import Manifest
from daulat.api.names import MANAGED_BY, POLICY_LABEL, REVISION_ANNOTATION

from .cluster import Cluster, labels_of, name_of
from .finding import Found, NotLooked, Severity

KINDS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
OPERATOR_GUARD = "operator.cluster.daulat.dev"
LEASE = "daulat-operator"
STALE = 60.0
"""Seconds after which a Lease that nobody renewed means that no operator leads: four times what it is taken for."""


def guards(cluster: Cluster) -> Iterator[Found]:
    """Say which of the cluster's guards are missing, or say something else than they should."""
    live = _live(cluster, ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"))
    for manifest in compile_cluster_guards():
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        found = live.get((kind, name))
        if found is None:
            yield Found(f"{kind} {name} is missing", (f"{kind} {name}",))
        elif found.get("spec") != manifest["spec"]:
            yield Found(f"{kind} {name} differs from what this version of daulat compiles", (f"{kind} {name}",))
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        if (kind, OPERATOR_GUARD) not in live and cluster.served("sovereigntypolicies"):
            what = f"{kind} {OPERATOR_GUARD} is missing, so the operator's ServiceAccount may start pods"
            yield Found(what, (f"{kind} {OPERATOR_GUARD}",), Severity.MEDIUM)


def operator(cluster: Cluster) -> Iterator[Found]:
    """Say whether an operator leads."""
    if not cluster.served("sovereigntypolicies"):
        return
    lease = next((i for i in cluster.items("leases") if i["metadata"]["name"] == LEASE), None)
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    if not renewed:
        yield Found(f"no operator leads: Lease {cluster.operator_namespace}/{LEASE} isn't there or is held by nobody")
        return
    age = cluster.now - datetime.fromisoformat(str(renewed)).timestamp()
    if age > STALE:
        yield Found(f"no operator leads: Lease {cluster.operator_namespace}/{LEASE} was renewed {age:.0f} s ago")


def drift(cluster: Cluster) -> Iterator[Found]:
    """Name admission policies that are missing, say something else than they should, or are left over."""
    live = _live(cluster, KINDS)
    wanted: set[tuple[str, str]] = set()
    for policy, compiled in sorted(cluster.compiled.items()):
        for manifest in compiled.manifests:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            wanted.add((kind, name))
            found = live.get((kind, name))
            if found is None:
                yield Found(f"{kind} {name} of policy {policy} is missing", (f"{kind} {name}",))
            elif found.get("spec") != manifest["spec"]:
                yield _differs(manifest, found, policy, compiled.revision)
    for (kind, name), found in sorted(live.items()):
        policy = labels_of(found).get(POLICY_LABEL, "")
        ours = labels_of(found).get(MANAGED_BY) == "daulat" and policy
        # What belongs to a policy that can't be compiled stays as it was, on purpose.
        if (
            ours
            and (kind, name) not in wanted
            and (policy in cluster.compiled or policy not in cluster.snapshot.policies)
        ):
            what = f"{kind} {name} is left over of policy {policy}"
            yield Found(what, (f"{kind} {name}",), Severity.LOW)


def node_restriction(cluster: Cluster) -> Iterator[Found]:
    """Say whether a kubelet may write reserved labels, by a dry run in a kubelet's name."""
    probe = cluster.probes.get("node-restriction")
    if probe is None:
        raise NotLooked("--probe, and the right to impersonate a node's user and the group system:nodes", rights=False)
    if not probe.refused:
        yield Found("a kubelet may label its node under node-restriction.kubernetes.io/, so NodeRestriction is off")
    elif "is not allowed to modify labels" not in probe.message:
        raise NotLooked(f"an answer of NodeRestriction; the API server said: {probe.message}")


def anchor(cluster: Cluster) -> Iterator[Found]:
    """Say whether an administrator could delete a policy's binding, by a dry run."""
    probe = cluster.probes.get("anchor")
    if probe is None:
        raise NotLooked("--probe, and the right to delete validatingadmissionpolicybindings", rights=False)
    if not probe.refused:
        yield Found("whoever may delete admission policies can delete Daulat's: no static policy stands in the way")
    elif "ValidatingAdmissionPolicy" not in probe.message:
        raise NotLooked(f"an answer of admission; the API server said: {probe.message}", rights=False)


def kubelet_ports(_: Cluster) -> Iterator[Found]:
    """Say that nobody can see how a kubelet is configured by the API."""
    raise NotLooked("the kubelets' own configuration, which the API doesn't show; look at each node", rights=False)
    yield


def _differs(wanted: Manifest, found: Manifest, policy: str, revision: str) -> Found:
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    own = ((found.get("metadata") or {}).get("annotations") or {}).get(REVISION_ANNOTATION)
    if own == revision:
        return Found(
            f"{kind} {name} was changed: it isn't what revision {revision} of policy {policy} says", (f"{kind} {name}",)
        )
    what = f"{kind} {name} is of revision {own}; this version of daulat compiles policy {policy} to {revision}"
    remedy = "Use the command line in the operator's version. If it is, look whether the operator runs."
    return Found(what, (f"{kind} {name}",), Severity.MEDIUM, remedy)


def _live(cluster: Cluster, kinds: Iterable[str]) -> dict[tuple[str, str], Manifest]:
    return {(kind, name_of(item)): item for kind in kinds for item in cluster.items(KINDS[kind])}
