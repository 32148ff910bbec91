"""Says whether an exemption is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daulat.api import reasons
from daulat.api.exemption import SovereigntyExemptionSpec, SovereigntyExemptionStatus
from daulat.api.timestamps import seconds
from daulat.controls import library
from daulat.facts.declared import Unparsable
from daulat.facts.namespace import Namespace
from daulat.facts.snapshot import Exemption, Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import Condition, condition, ready, status_change
from daulat.reconcile.result import Result

from .compiled import as_allowed

SOON = 7 * 86400.0
"""Seconds before the end of an exemption in which its status warns of it; of a short one a fifth of its time."""
RECHECK = 30.0
"""Seconds after which the clock is read again at the latest: it may be set."""


def reconcile_exemption(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the exemption's status, and come back soon enough to see it expire."""
    exemption = snapshot.exemptions.get(ref.name)
    if exemption is None:
        return Result()
    if isinstance(exemption, Unparsable):
        invalid = condition(reasons.ACTIVE, False, reasons.INVALID, exemption.reason)
        told = status_change(ref, exemption, [ready(invalid), invalid], SovereigntyExemptionStatus(), now)
        return Result(status=told.status, events=told.events)
    counts = _as_it_counts(exemption, snapshot)
    if counts.expired(now):
        active = condition(
            reasons.ACTIVE, False, reasons.EXPIRED, f"expired at {counts.expiry}{_cut(exemption, counts)}"
        )
    elif exemption.spec.policy not in snapshot.policies:
        active = condition(
            reasons.ACTIVE, False, reasons.POLICY_NOT_FOUND, f"policy {exemption.spec.policy} doesn't exist"
        )
    elif authority := _authority(exemption, snapshot):
        message = f"policy {exemption.spec.policy} is of authority {authority}, whose label the exemption doesn't carry"
        active = condition(reasons.ACTIVE, False, reasons.NOT_OF_AUTHORITY, message)
    else:
        active = _active(exemption, counts, snapshot)
    # One that has ended is as it should be.
    settled = (
        condition(reasons.ACTIVE, True, active.reason, active.message) if active.reason == reasons.EXPIRED else active
    )
    conditions = [ready(settled), active]
    again = None
    if active.status == "True":
        conditions.append(_ends_soon(exemption, counts, now))
        again = min(max(counts.seconds_left(now), 0.0) + 0.1, RECHECK)
    change = status_change(ref, exemption, conditions, SovereigntyExemptionStatus(), now)
    return Result(status=change.status, events=change.events, requeue_after=again)


def _as_it_counts(exemption: Exemption, snapshot: Snapshot) -> SovereigntyExemptionSpec:
    """Return the exemption with the end that its policy allows."""
    policy = snapshot.known_policies.get(exemption.spec.policy)
    return exemption.spec if policy is None else as_allowed(exemption, policy)


def _authority(exemption: Exemption, snapshot: Snapshot) -> str:
    """Return the authority of the exemption's policy where it isn't the exemption's own; empty where it is, or there is none."""
    policy = snapshot.known_policies.get(exemption.spec.policy)
    return "" if policy is None or policy.authority == exemption.authority else policy.authority


def _cut(exemption: Exemption, counts: SovereigntyExemptionSpec) -> str:
    """Return that the policy ends the exemption before its own time; empty where it doesn't."""
    if counts.expires_at == exemption.spec.expires_at:
        return ""
    return f", as policy {counts.policy} has it (exemptions.maxDuration), and not at {exemption.spec.expiry}"


def _ends_soon(exemption: Exemption, counts: SovereigntyExemptionSpec, now: float) -> Condition:
    created = seconds(exemption.created)
    left = counts.seconds_left(now)
    soon = left <= (min(SOON, (left + now - created) / 5) if created else SOON)
    message = f"ends at {counts.expiry}"
    if soon:
        message += "; all controls then apply again to new objects"
    reason = reasons.ENDS_SOON if soon else reasons.ENDS_LATER
    return condition(reasons.EXPIRING_SOON, soon, reason, message, good="False", initial=not soon)


def _active(exemption: Exemption, counts: SovereigntyExemptionSpec, snapshot: Snapshot) -> Condition:
    """Return what an exemption takes away, or would once it is approved. One of which nothing has an effect isn't in force.

    That is reported before the approval too: who approves sees what comes of it.
    """
    found = effect(exemption.spec, snapshot.known_policies.get(exemption.spec.policy), snapshot.namespaces)
    if found.none:
        return condition(reasons.ACTIVE, False, reasons.WITHOUT_EFFECT, found.idle)
    rest = f". Without effect: {found.idle}" if found.idle else ""
    if not exemption.spec.approved:
        message = f"waits for the approval of a user other than {exemption.spec.requested_by}{rest}"
        return condition(reasons.ACTIVE, False, reasons.NOT_APPROVED, message)
    what = f"{', '.join(found.controls)} for {', '.join(found.namespaces)}"
    message = f"until {counts.expiry}{_cut(exemption, counts)}, of {what}{rest}"
    return condition(reasons.ACTIVE, True, reasons.IN_FORCE, message)


@dataclass(frozen=True)
class Effect:
    """What of an exemption has an effect, and why the rest has none."""

    controls: tuple[str, ...]
    namespaces: tuple[str, ...]
    idle: str
    """Why each other control and namespace has no effect; empty where there are none."""

    @property
    def none(self) -> bool:
        """Whether nothing is exempt."""
        return not (self.controls and self.namespaces)


def effect(spec: SovereigntyExemptionSpec, policy: Policy | None, namespaces: Mapping[str, Namespace]) -> Effect:
    """Return what of an exemption has an effect. ``policy`` is the one that it names, None where that can't be read."""
    controls = {c: _control(c) for c in spec.controls}
    where = {n: _namespace(n, spec, policy, namespaces) for n in spec.namespaces}
    return Effect(
        tuple(c for c, why in controls.items() if not why),
        tuple(n for n, why in where.items() if not why),
        "; ".join(why for why in (*controls.values(), *where.values()) if why),
    )


def _control(control: str) -> str:
    """Return why a control can't be exempted from; empty where it can."""
    if control not in library.ids():
        return f"{control} is no control"
    return "" if control in library.exemptible_ids() else f"no namespace can be exempted from {control}"


def _namespace(
    name: str, spec: SovereigntyExemptionSpec, policy: Policy | None, namespaces: Mapping[str, Namespace]
) -> str:
    """Return why there is nothing to exempt in a namespace; empty where there is. What isn't known is no reason."""
    found = namespaces.get(name)
    if found is None:
        return f"namespace {name} doesn't exist"
    if policy is not None and not policy.spec.namespace_selector.matches(found.labels):
        return f"policy {spec.policy} doesn't govern namespace {name}"
    return ""
