"""Rows for policies, models and exemptions, the most urgent first. Zones have a module of their own."""

from __future__ import annotations

from daulat.api import reasons
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.snapshot import Exemption, Snapshot
from daulat.reconcile.policy.compiled import as_allowed

from .facts import Facts
from .standing import NOT_REPORTED, standing, value, warnings
from .view import ExemptionRow, ModelRow, PolicyRow


def policies(facts: Facts) -> tuple[PolicyRow, ...]:
    """Return a row for each SovereigntyPolicy."""
    found = []
    for policy in facts.snapshot.policies.values():
        stands, status = standing(policy, facts.now), policy.status
        row = PolicyRow(
            name=policy.name,
            state=stands.state,
            action=policy.spec.action.value if isinstance(policy, Declared) else "",
            enforced=value(status, reasons.ENFORCED),
            compiled=value(status, reasons.COMPILED),
            upheld=value(status, reasons.UPHELD),
            pin=status.pin or "",
            namespaces=status.namespaces,
            governed_namespaces=status.governed_namespaces,
            eligible_nodes=status.eligible_nodes,
            reason=stands.reason,
            message=stands.message,
            seconds_in_state=stands.seconds,
            warnings=warnings(status, reasons.SCOPE_TAMPERABLE),
        )
        found.append(row)
    return tuple(sorted(found, key=lambda row: (row.state.rank, row.name)))


def models(facts: Facts) -> tuple[ModelRow, ...]:
    """Return a row for each SovereignModel."""
    found = []
    for model in facts.snapshot.models.values():
        stands, status = standing(model, facts.now), model.status
        placement = status.placement
        row = ModelRow(
            namespace=model.namespace,
            name=model.name,
            state=stands.state,
            ready_replicas=status.ready_replicas or 0,
            replicas=model.spec.replicas if isinstance(model, Declared) else None,
            zone=(placement.zone if placement is not None else None) or "",
            accelerator=(placement.accelerator if placement is not None else None) or "",
            reason=stands.reason,
            message=stands.message,
            seconds_in_state=stands.seconds,
            warnings=warnings(status, reasons.AUTOSCALED, reasons.EXPOSED),
        )
        found.append(row)
    return tuple(sorted(found, key=lambda row: (row.state.rank, row.namespace, row.name)))


def exemptions(facts: Facts) -> tuple[ExemptionRow, ...]:
    """Return a row for each SovereigntyExemption that hasn't ended, the next to end first."""
    found = [
        _exemption(each, facts.snapshot, facts.now)
        for each in facts.snapshot.exemptions.values()
        if not isinstance(each, Unparsable)
    ]
    return tuple(sorted((row for row in found if row.seconds_left > 0), key=lambda row: (row.seconds_left, row.name)))


def _exemption(exemption: Exemption, snapshot: Snapshot, now: float) -> ExemptionRow:
    policy = snapshot.known_policies.get(exemption.spec.policy)
    # The policy may end it before its own time.
    spec = exemption.spec if policy is None else as_allowed(exemption, policy)
    active = exemption.status.condition(reasons.ACTIVE)
    return ExemptionRow(
        name=exemption.name,
        policy=spec.policy,
        controls=spec.controls,
        namespaces=spec.namespaces,
        active=active is not None and active.status == "True",
        expires_at=spec.expiry,
        seconds_left=spec.seconds_left(now),
        expiring_soon=exemption.status.is_true(reasons.EXPIRING_SOON),
        reason=active.reason if active is not None else NOT_REPORTED,
        message=active.message if active is not None else "the operator hasn't written a status yet",
    )
