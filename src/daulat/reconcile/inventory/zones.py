"""The statuses of zones and accelerator profiles: what was found in a zone, and on how many nodes an accelerator was found."""

from __future__ import annotations

from daulat.api import reasons
from daulat.api.accelerator import AcceleratorProfileStatus
from daulat.api.counted import counted
from daulat.api.names import NODE_PREFIX
from daulat.api.zone import AcceleratorCount, SovereignZoneStatus
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Snapshot, Zone
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import Condition, StatusChange, condition, ready, status_change
from daulat.reconcile.result import Result

from .accelerators import Accelerators

SAMPLE = 5


def reconcile_zone(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the zone's status."""
    zone = snapshot.zones.get(ref.name)
    if zone is None:
        return Result()
    if isinstance(zone, Unparsable):
        invalid = condition(reasons.CERTIFIED, False, reasons.INVALID, zone.reason)
        return _status(status_change(ref, zone, [ready(invalid), invalid], SovereignZoneStatus(), now))
    found = Accelerators.of(snapshot).in_zone(ref.name, snapshot)
    if found.conflicts:
        text = "; ".join(f"{name} {why}" for name, why in sorted(found.conflicts.items())[:SAMPLE])
        message = f"{counted(len(found.conflicts), 'node is', 'nodes are')} Unknown: {text}"
        certified = condition(reasons.CERTIFIED, False, reasons.NODES_IN_CONFLICT, message)
    elif found.nodes:
        message = f"{counted(found.nodes, 'node stands', 'nodes stand')} in this zone alone"
        certified = condition(reasons.CERTIFIED, True, reasons.NODES_CERTIFIED, message)
    else:
        certified = condition(reasons.CERTIFIED, False, reasons.NO_NODES, "the zone selects no node")
    there = [(profile, resource, count) for (profile, resource), count in sorted(found.devices.items()) if count]
    fields = SovereignZoneStatus(
        nodes=found.nodes,
        conflicting_nodes=len(found.conflicts),
        devices=found.devices.total(),
        accelerators=tuple(
            AcceleratorCount(profile=profile, resource=resource, nodes=found.holders[profile, resource], devices=count)
            for profile, resource, count in there
        ),
    )
    # A zone is complete without nodes, so what waits for it to be ready goes on.
    accepted = certified if found.conflicts else condition(reasons.CERTIFIED, True, certified.reason, certified.message)
    conditions = [ready(accepted), certified, _evidence(zone)]
    return _status(status_change(ref, zone, conditions, fields, now))


def reconcile_profile(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the profile's status."""
    profile = snapshot.profiles.get(ref.name)
    if profile is None:
        return Result()
    if isinstance(profile, Unparsable):
        invalid = condition(reasons.FOUND, False, reasons.INVALID, profile.reason)
        return _status(status_change(ref, profile, [ready(invalid), invalid], AcceleratorProfileStatus(), now))
    nodes, devices = Accelerators.of(snapshot).of_profile(ref.name, snapshot)
    if nodes:
        found = condition(
            reasons.FOUND, True, reasons.DEVICES_FOUND, f"{counted(devices, 'device')} on {counted(nodes, 'node')}"
        )
    else:
        # Most shipped profiles are of accelerators that a cluster never gets: that is no Event.
        found = condition(
            reasons.FOUND, False, reasons.NO_DEVICES_FOUND, "no node offers it", good="False", initial=True
        )
    fields = AcceleratorProfileStatus(nodes=nodes, devices=devices)
    return _status(status_change(ref, profile, [_accepted(found), found], fields, now))


def _accepted(found: Condition) -> Condition:
    """Return Ready of a profile that can be read: whether any node has the accelerator makes no difference."""
    return ready(condition(reasons.FOUND, True, found.reason, found.message, initial=True))


def _status(change: StatusChange) -> Result:
    return Result(status=change.status, events=change.events)


def _evidence(zone: Zone) -> Condition:
    open_keys = sorted(key for key in zone.spec.node_selector.label_keys() if not key.startswith(NODE_PREFIX))
    if open_keys:
        message = (
            f"{', '.join(open_keys)} can be written by a kubelet or a vendor's component; select by {NODE_PREFIX}site"
        )
        return condition(reasons.WEAK_EVIDENCE, True, reasons.SELECTS_UNPROTECTED_LABELS, message, good="False")
    if not zone.spec.node_selector.required_keys():
        message = f"NotIn and DoesNotExist match every node that has just registered; require {NODE_PREFIX}site"
        return condition(reasons.WEAK_EVIDENCE, True, reasons.SELECTS_BY_ABSENCE, message, good="False")
    return condition(
        reasons.WEAK_EVIDENCE,
        False,
        reasons.SELECTS_PROTECTED_LABELS,
        "the selector reads guarded labels only",
        good="False",
    )
