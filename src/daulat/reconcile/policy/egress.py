"""Says how far a policy closes the egress of pods that are no model's."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api import reasons
from daulat.api.network import EgressScope
from daulat.facts.snapshot import Policy, Snapshot
from daulat.reconcile import closed_egress
from daulat.reconcile.conditions import Condition, condition

SAMPLE = 5
"""Namespaces that a message names."""


def scope(policy: Policy) -> EgressScope:
    """Return the scope that is in force."""
    section = policy.spec.egress
    return EgressScope.NAMESPACE if section is not None and section.whole_namespace else EgressScope.MODELS


def egress_condition(policy: Policy, namespaces: Sequence[str], snapshot: Snapshot) -> Condition:
    """Return the condition, by the policy and the governed namespaces."""
    section = closed_egress.closing(policy.spec)
    if section is None:
        message = f"{_why(policy)}: other pods have no NetworkPolicy by Daulat"
        return condition(reasons.EGRESS_OPEN, True, reasons.MODELS_ONLY, message, good="False")
    lacking = [name for name in namespaces if closed_egress.missing(name, snapshot)]
    if lacking:
        some = ", ".join(lacking[:SAMPLE]) + (", ..." if len(lacking) > SAMPLE else "")
        message = f"{len(lacking)} of {len(namespaces)} governed namespaces have no NetworkPolicies yet: {some}"
        return condition(reasons.EGRESS_OPEN, True, reasons.NETWORK_POLICIES_MISSING, message, good="False")
    message = "the NetworkPolicies are there; whether the network plugin enforces them isn't proved"
    if section.allow_kubernetes_api and not snapshot.platform.kubernetes_api.cidrs:
        message += (
            "; spec.egress.allowKubernetesAPI has no effect, since the chart's value kubernetesAPI names no address"
        )
    return condition(reasons.EGRESS_OPEN, None, reasons.ENFORCEMENT_NOT_PROVEN, message, good="False")


def _why(policy: Policy) -> str:
    if scope(policy) is EgressScope.NAMESPACE:
        return (
            f"spec.egress.scope is Namespace, but {closed_egress.CONTROL} isn't enforced, so only the egress of"
            " models' pods is governed"
        )
    return "spec.egress.scope is Models, so only the egress of models' pods is governed"
