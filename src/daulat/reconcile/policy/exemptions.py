"""Says whether an exemption is in force."""

from __future__ import annotations

from daulat.api import reasons
from daulat.api.exemption import SovereigntyExemptionStatus
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Exemption, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import condition, ready, status_change
from daulat.reconcile.result import Result

RECHECK = 30.0
"""Seconds after which the clock is read again at the latest: it may be set."""


def reconcile_exemption(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the exemption's status, and come back soon enough to see it expire."""
    exemption = snapshot.exemptions.get(ref.name)
    if exemption is None:
        return Result()
    if isinstance(exemption, Unparsable):
        active = condition(reasons.ACTIVE, False, reasons.INVALID, exemption.reason)
    elif exemption.spec.expired(now):
        active = condition(reasons.ACTIVE, False, reasons.EXPIRED, f"expired at {exemption.spec.expiry}")
    elif exemption.spec.policy not in snapshot.policies:
        active = condition(
            reasons.ACTIVE, False, reasons.POLICY_NOT_FOUND, f"policy {exemption.spec.policy} doesn't exist"
        )
    elif not exemption.spec.approved:
        message = "waits for the approval of somebody else than " + exemption.spec.requested_by
        active = condition(reasons.ACTIVE, False, reasons.NOT_APPROVED, message)
    else:
        message = f"until {exemption.spec.expiry}, for {', '.join(exemption.spec.namespaces)}"
        active = condition(reasons.ACTIVE, True, reasons.IN_FORCE, message)
    # One that has ended is as it should be.
    settled = (
        condition(reasons.ACTIVE, True, active.reason, active.message) if active.reason == reasons.EXPIRED else active
    )
    conditions = [ready(settled), active]
    change = status_change(ref, exemption, conditions, SovereigntyExemptionStatus(), now)
    again = _until_expiry(exemption, now) if active.status == "True" else None
    return Result(status=change.status, events=change.events, requeue_after=again)


def _until_expiry(exemption: Exemption | Unparsable[SovereigntyExemptionStatus], now: float) -> float | None:
    if isinstance(exemption, Unparsable):
        return None
    return min(max(exemption.spec.seconds_left(now), 0.0) + 0.1, RECHECK)
