"""Decides whether a model waits for a policy: where data has a class, nothing of it is made before a policy is in force.

The API server admits such a model with a warning, so that it can be applied with its namespace and its policy. Pods are refused
there.
"""

from __future__ import annotations

from collections.abc import Sequence

from daulat.admission.ungoverned import DATA_CLASS
from daulat.api import reasons
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.reconcile.conditions import Condition, condition
from daulat.reconcile.policy.compiled import protected_namespaces
from daulat.reconcile.policy.ungoverned import in_force_in


def awaited_policy(model: Model, policies: Sequence[Policy], snapshot: Snapshot, now: float) -> Condition | None:
    """Return ``PolicyCompliant`` of a model that waits for a policy; None where one is in force, or the data has no class.

    ``policies`` are those that select the namespace, in force or not.
    """
    namespace = snapshot.namespaces.get(model.namespace)
    if namespace is None or DATA_CLASS not in namespace.labels or namespace.name in protected_namespaces(snapshot):
        return None
    if in_force_in(namespace, policies, snapshot, now):
        return None
    which = f"namespace {namespace.name} has the label {DATA_CLASS}={namespace.labels[DATA_CLASS]}"
    message = f"{which}, and no policy in force selects it; the model waits until one does. {_coming(policies)}"
    return condition(reasons.POLICY_COMPLIANT, None, reasons.WAITING_FOR_POLICY, message, initial=True)


def _coming(policies: Sequence[Policy]) -> str:
    if not policies:
        return "Ask a policy admin for a SovereigntyPolicy that selects it"
    return "; ".join(_state(policy) for policy in policies)


def _state(policy: Policy) -> str:
    """Return what is known of a policy that selects the namespace and isn't in force there."""
    enforced = policy.status.condition(reasons.ENFORCED)
    compiled = policy.status.condition(reasons.COMPILED)
    failed = next((c for c in (enforced, compiled) if c is not None and c.status == "False"), None)
    if failed is None or failed.reason == reasons.CANARY_ADMITTED:
        return f"Policy {policy.name} is coming into force"
    return f"Policy {policy.name} isn't in force ({failed.reason}): {failed.message}"
