"""What the operator may do, written by hand: a right that is added or removed anywhere must be added or removed here as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daulat.api.kinds import KINDS

NAMESPACE = "daulat-system"
PLURALS = [kind.plural for kind in KINDS]
READ = ("get", "list", "watch")
OWN = (*READ, "create", "patch", "delete")
ADMISSION = [f"{m}admissionpolic{s}" for m in ("validating", "mutating") for s in ("ies", "ybindings")]

OPERATOR_MAY: list[tuple[str, str, Sequence[str], str]] = [
    *[("", r, READ, "") for r in ("namespaces", "nodes", "pods")],
    ("", "nodes", ("patch",), ""),
    ("", "pods", ("create", "delete"), ""),
    ("apiextensions.k8s.io", "customresourcedefinitions", READ, ""),
    ("apiregistration.k8s.io", "apiservices", ("list",), ""),
    *[("daulat.dev", r, READ, "") for r in PLURALS],
    *[("daulat.dev", f"{r}/status", ("get", "patch"), "") for r in PLURALS],
    ("daulat.dev", "sovereignzones", ("certify",), ""),
    ("daulat.dev", "sovereigntypolicies", ("govern",), ""),
    *[("admissionregistration.k8s.io", r, OWN, "") for r in ADMISSION],
    *[("apps", r, OWN, "") for r in ("deployments", "statefulsets")],
    ("leaderworkerset.x-k8s.io", "leaderworkersets", OWN, ""),
    ("autoscaling", "horizontalpodautoscalers", OWN, ""),
    ("keda.sh", "scaledobjects", OWN, ""),
    ("gateway.networking.k8s.io", "httproutes", OWN, ""),
    ("gateway.networking.k8s.io", "gateways", READ, ""),
    ("", "persistentvolumes", READ, ""),
    ("inference.networking.k8s.io", "inferencepools", OWN, ""),
    ("monitoring.coreos.com", "podmonitors", OWN, ""),
    ("resource.k8s.io", "resourceclaimtemplates", OWN, ""),
    *[("resource.k8s.io", r, READ, "") for r in ("resourceslices", "resourceclaims")],
    *[("", r, OWN, "") for r in ("services", "serviceaccounts", "persistentvolumeclaims")],
    ("networking.k8s.io", "networkpolicies", OWN, ""),
    ("policy", "poddisruptionbudgets", OWN, ""),
    ("", "events", ("create", "patch"), ""),
    ("coordination.k8s.io", "leases", (*READ, "create", "update", "patch"), NAMESPACE),
]
"""Group, resource, verbs, and the namespace where they hold; empty where they hold in the cluster."""


QUEUES_MAY: list[tuple[str, str, Sequence[str], str]] = [
    *[("kueue.x-k8s.io", r, READ, "") for r in ("workloads", "admissionchecks", "resourceflavors")],
    *[("kueue.x-k8s.io", f"{r}/status", ("get", "patch"), "") for r in ("workloads", "admissionchecks")],
]
"""What the operator may do beside that where it decides on AdmissionChecks of Kueue."""
CONSOLE_MAY: list[tuple[str, str, Sequence[str], str]] = [
    *[("", r, ("list",), "") for r in ("nodes", "pods")],
    ("apiextensions.k8s.io", "customresourcedefinitions", ("list",), ""),
    *[("daulat.dev", r, ("list",), "") for r in PLURALS],
    *[("resource.k8s.io", r, ("list",), "") for r in ("resourceslices", "resourceclaims")],
    ("authentication.k8s.io", "tokenreviews", ("create",), ""),
    ("authorization.k8s.io", "subjectaccessreviews", ("create",), ""),
]
"""As OPERATOR_MAY, for the console."""
SIMULATION_MAY: list[tuple[str, str, Sequence[str], str]] = [
    *[("", r, ("list",), "") for r in ("namespaces", "nodes", "pods", "persistentvolumes")],
    *[("", r, ("list",), "") for r in ("services", "serviceaccounts", "persistentvolumeclaims")],
    *[("daulat.dev", r, ("list",), "") for r in PLURALS],
    *[("admissionregistration.k8s.io", r, ("list",), "") for r in ADMISSION],
    *[("apps", r, ("list",), "") for r in ("deployments", "statefulsets")],
    ("leaderworkerset.x-k8s.io", "leaderworkersets", ("list",), ""),
    ("autoscaling", "horizontalpodautoscalers", ("list",), ""),
    ("keda.sh", "scaledobjects", ("list",), ""),
    *[("gateway.networking.k8s.io", r, ("list",), "") for r in ("httproutes", "gateways")],
    ("inference.networking.k8s.io", "inferencepools", ("list",), ""),
    ("monitoring.coreos.com", "podmonitors", ("list",), ""),
    *[("resource.k8s.io", r, ("list",), "") for r in ("resourceclaimtemplates", "resourceslices", "resourceclaims")],
    ("networking.k8s.io", "networkpolicies", ("list",), ""),
    ("policy", "poddisruptionbudgets", ("list",), ""),
]
"""As OPERATOR_MAY, for those who see what a change would do."""
REPORTS = ("get", "list", "create", "patch", "delete")
REPORTER_MAY: list[tuple[str, str, Sequence[str], str]] = [
    ("", "namespaces", ("list",), ""),
    *[
        ("daulat.dev", r, ("list",), "")
        for r in (
            "acceleratorprofiles",
            "sovereignzones",
            "sovereigntypolicies",
            "sovereigntyexemptions",
            "sovereignmodels",
        )
    ],
    *[("", r, ("list",), "") for r in ("pods", "persistentvolumeclaims", "services", "configmaps", "endpoints")],
    *[("resource.k8s.io", r, ("list",), "") for r in ("resourceclaims", "resourceclaimtemplates")],
    *[("networking.k8s.io", r, ("list",), "") for r in ("ingresses", "networkpolicies")],
    ("cilium.io", "ciliumnetworkpolicies", ("list",), ""),
    ("discovery.k8s.io", "endpointslices", ("list",), ""),
    *[("gateway.networking.k8s.io", r, ("list",), "") for r in ("gateways", "httproutes", "grpcroutes")],
    ("snapshot.storage.k8s.io", "volumesnapshots", ("list",), ""),
    *[("openreports.io", r, REPORTS, "") for r in ("reports", "clusterreports")],
    *[("wgpolicyk8s.io", r, REPORTS, "") for r in ("policyreports", "clusterpolicyreports")],
]
"""What the reporter may do, beside its own Lease."""


def flat(table: list[tuple[str, str, Sequence[str], str]]) -> list[tuple[str, str, str, str]]:
    return [(group, resource, verb, namespace) for group, resource, verbs, namespace in table for verb in verbs]


def granted(rules: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return what rules of a role grant: group, resource and verb. They have no other fields."""
    assert all(set(rule) == {"apiGroups", "resources", "verbs"} for rule in rules)
    return {(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
