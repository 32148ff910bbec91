"""The rules of the operator's ClusterRole and Role, from the table of kinds. No wildcards, and no rule for several groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .reported import FACTS, JUDGED, REPORT_APIS
from .resources import READ, RECORDED, REGISTRY, SHOWN, WATCHED, Resource, Use, operator_events

_REASONS = {
    Use.INPUT: "What decisions depend on.",
    Use.DEVICE: "Which devices drivers offer, and which are allocated.",
    Use.OWN: "Daulat's own kinds. Users write them, the operator their status.",
    Use.ADMISSION: "Policies compile to these.",
    Use.WORKLOAD: "Models compile to these.",
    Use.SUPPORT: "Models compile to these.",
    Use.AUXILIARY: "Models compile to these.",
}
_REASONS_OF = {
    "nodes": "Labels of eligibility are written to nodes. The node guard requires the verb certify below as well.",
    "pods": "Canaries are pods that violate a policy, created as a dry run. Pods whose node isn't eligible any more are deleted. "
    "The guard in operator-guard.yaml refuses any other creation, and the deletion of pods that aren't pinned.",
    "sovereignzones": "The verb certify: guards refuse changes of a node's labels of record to users without it.",
    "sovereigntypolicies": "The verb govern: where a policy limits egress, guards refuse NetworkPolicies that open any to users "
    "without it.",
    "persistentvolumes": "Which volume a claim has. Others make it.",
    "gateways": "The class of a Gateway, and where it listens. Others make it.",
    "customresourcedefinitions": "Kopf watches which kinds are served.",
    "apiservices": "Whether the API server serves these groups itself, or another server answers in its place.",
    "events": "What the operator reports on its own kinds.",
    "leases": "The Lease by which one replica leads.",
    "workloads": "What Kueue has reserved quota for, and what it requests.",
    "workloads/status": "The state of Daulat's AdmissionChecks is written there, and nothing else.",
    "admissionchecks": "Which AdmissionChecks name Daulat as their controller.",
    "admissionchecks/status": "The condition Active, without which Kueue doesn't use an AdmissionCheck.",
    "resourceflavors": "The nodes that Kueue has chosen for a workload.",
}


@dataclass(frozen=True)
class Rule:
    """One rule: the same verbs on some resources of a group, and what they are for."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    reason: str

    @property
    def rights(self) -> frozenset[tuple[str, str, str]]:
        """What it grants: group, resource and verb."""
        return frozenset((self.group, resource, verb) for resource in self.resources for verb in self.verbs)


def cluster_rules() -> tuple[Rule, ...]:
    """Return the rules of the operator's ClusterRole."""
    return _rules(in_own_namespace=False)


def namespace_rules() -> tuple[Rule, ...]:
    """Return the rules of its Role in its own namespace."""
    return _rules(in_own_namespace=True)


def recorder_rules() -> tuple[Rule, ...]:
    """Return the rules of the recorder's ClusterRole. None of them lets it write."""
    seen: list[tuple[Resource, tuple[str, ...]]] = [(r, READ) for r in RECORDED]
    seen.append((operator_events(), ("list",)))
    seen += [(r, r.verbs) for r in REGISTRY if r.kind in ("CustomResourceDefinition", "APIService")]
    found: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for resource, verbs in seen:
        reason = _REASONS_OF.get(resource.plural, "") if resource.use is Use.PROCESS else "What is recorded."
        found.setdefault((resource.group, verbs, reason), []).append(resource.plural)
    return tuple(Rule(group, tuple(names), verbs, reason) for (group, verbs, reason), names in found.items())


def console_rules() -> tuple[Rule, ...]:
    """Return the rules of the console's ClusterRole: it lists what it shows, and asks who its users are and what they may list."""
    definitions = [r for r in REGISTRY if r.kind == "CustomResourceDefinition"]
    return (
        *_listed((*SHOWN, *definitions), "What is shown."),
        Rule("authentication.k8s.io", ("tokenreviews",), ("create",), "Whose a token is."),
        Rule("authorization.k8s.io", ("subjectaccessreviews",), ("create",), "What a user may list."),
    )


def simulation_rules() -> tuple[Rule, ...]:
    """Return the rules of who sees what a change would do: they list all kinds that a simulation depends on."""
    return _listed(WATCHED, "What a simulation depends on.")


def _listed(resources: Iterable[Resource], reason: str) -> tuple[Rule, ...]:
    found: dict[str, list[str]] = {}
    for resource in resources:
        found.setdefault(resource.group, []).append(resource.plural)
    return tuple(Rule(group, tuple(names), ("list",), reason) for group, names in found.items())


def reporter_rules() -> tuple[Rule, ...]:
    """Return the rules of the reporter's ClusterRole: it lists what it judges by and what it judges, and writes reports alone."""
    granted = [(r, "What policies are compiled from.") for r in FACTS]
    granted += [(r, "What is judged. No Secrets.") for r in JUDGED]
    granted += [(r, "The reports.") for api in REPORT_APIS for r in (api.of_namespace, api.of_cluster)]
    found: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for resource, reason in granted:
        found.setdefault((resource.group, resource.verbs, reason), []).append(resource.plural)
    return tuple(Rule(group, tuple(names), verbs, reason) for (group, verbs, reason), names in found.items())


def annotation_rules() -> tuple[Rule, ...]:
    """Return the rules of its ClusterRole where it pins pods by an annotation of their namespace."""
    reason = "Annotations pin pods. The guard in operator-guard.yaml refuses any other change of a namespace."
    return (Rule("", ("namespaces",), ("patch",), reason),)


def queue_rules() -> tuple[Rule, ...]:
    """Return the rules of its ClusterRole where it is the controller of Kueue's AdmissionChecks."""
    return _rules(in_own_namespace=False, switched=True)


def _rules(*, in_own_namespace: bool, switched: bool = False) -> tuple[Rule, ...]:
    """Gather resources of one group with the same verbs for the same reason, in the order of the table."""
    found: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for resource in REGISTRY:
        if (resource.in_own_namespace, resource.switched) == (in_own_namespace, switched):
            for name, verbs in _granted(resource):
                reason = _REASONS_OF.get(name) or _REASONS[resource.use]
                found.setdefault((resource.group, verbs, reason), []).append(name)
    return tuple(Rule(group, tuple(names), verbs, reason) for (group, verbs, reason), names in found.items())


def _granted(resource: Resource) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield resource.plural, resource.verbs
    if resource.status_verbs:
        yield f"{resource.plural}/status", resource.status_verbs
