"""Says whether an exemption is in force."""

from __future__ import annotations

from daulat.api import reasons
from daulat.facts.declared import Malformed
from daulat.facts.snapshot import Exemption, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import told, write
from daulat.reconcile.result import Outcome

RECHECK = 30.0
"""Seconds after which the clock is read again at the latest: it may be set."""


def reconcile_exemption(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return the exemption's status, and come back soon enough to see it expire."""
    exemption = snapshot.exemptions.get(ref.name)
    if exemption is None:
        return Outcome()
    if isinstance(exemption, Malformed):
        active = told(reasons.ACTIVE, False, reasons.INVALID, exemption.reason)
    elif exemption.spec.expired(now):
        active = told(reasons.ACTIVE, False, reasons.EXPIRED, f"expired at {exemption.spec.expiry}")
    elif exemption.spec.policy not in snapshot.policies:
        active = told(reasons.ACTIVE, False, reasons.POLICY_NOT_FOUND, f"policy {exemption.spec.policy} doesn't exist")
    elif not exemption.spec.approved:
        message = "waits for the approval of somebody else than " + exemption.spec.requested_by
        active = told(reasons.ACTIVE, False, reasons.NOT_APPROVED, message)
    else:
        message = f"until {exemption.spec.expiry}, for {', '.join(exemption.spec.namespaces)}"
        active = told(reasons.ACTIVE, True, reasons.IN_FORCE, message)
    effects = write(ref, exemption.uid, exemption.generation, exemption.status, [active], {}, now)
    return Outcome(tuple(effects), _until_expiry(exemption, now) if active.status == "True" else None)


def _until_expiry(exemption: Exemption | Malformed, now: float) -> float | None:
    if isinstance(exemption, Malformed):
        return None
    return min(max(exemption.spec.seconds_left(now), 0.0) + 0.1, RECHECK)
