"""Says what was found in a zone, and on how many nodes an accelerator was found."""

from __future__ import annotations

from collections import Counter

from daulat.api import reasons
from daulat.api.names import NODE_PREFIX
from daulat.facts.declared import Malformed
from daulat.facts.node import Node
from daulat.facts.snapshot import Profile, Snapshot, Zone
from daulat.facts.unknown import Unknown
from daulat.kube.ref import Ref
from daulat.placement.dra import offered
from daulat.placement.eligibility import profile_of
from daulat.placement.zoning import claims, zone_of_record
from daulat.reconcile.conditions import Told, told, write
from daulat.reconcile.result import Outcome

_ACCELERATORS = "accelerators"


def reconcile_zone(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return the zone's status."""
    zone = snapshot.zones.get(ref.name)
    if zone is None:
        return Outcome()
    if isinstance(zone, Malformed):
        invalid = told(reasons.CERTIFIED, False, reasons.INVALID, zone.reason)
        return Outcome(tuple(write(ref, zone.uid, zone.generation, zone.status, [invalid], {}, now)))
    own, conflicts = _nodes(zone, snapshot)
    devices: Counter[tuple[str, str]] = Counter()
    holders: Counter[tuple[str, str]] = Counter()
    for node in own:
        for resource, profile in _accelerators(snapshot)[node.name].items():
            devices[profile, resource] += node.devices[resource]
            holders[profile, resource] += 1
        for name, known in snapshot.known_profiles.items():
            for device_class, count in offered(node, known, snapshot).items():
                devices[name, device_class] += count
                holders[name, device_class] += 1
    if conflicts:
        text = "; ".join(f"{name} {why}" for name, why in conflicts[:5])
        certified = told(
            reasons.CERTIFIED, False, reasons.NODES_IN_CONFLICT, f"{len(conflicts)} nodes are Unknown: {text}"
        )
    elif own:
        certified = told(reasons.CERTIFIED, True, reasons.NODES_CERTIFIED, f"{len(own)} nodes stand in this zone alone")
    else:
        certified = told(reasons.CERTIFIED, False, reasons.NO_NODES, "the zone selects no node")
    fields = {
        "nodes": len(own),
        "conflictingNodes": len(conflicts),
        "devices": sum(devices.values()),
        "accelerators": [
            {"profile": profile, "resource": resource, "nodes": holders[profile, resource], "devices": count}
            for (profile, resource), count in sorted(devices.items())
        ],
    }
    conditions = [certified, _evidence(zone)]
    return Outcome(tuple(write(ref, zone.uid, zone.generation, zone.status, conditions, fields, now)))


def reconcile_profile(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return the profile's status."""
    profile = snapshot.profiles.get(ref.name)
    if profile is None:
        return Outcome()
    if isinstance(profile, Malformed):
        invalid = told(reasons.FOUND, False, reasons.INVALID, profile.reason)
        return Outcome(tuple(write(ref, profile.uid, profile.generation, profile.status, [invalid], {}, now)))
    nodes, devices = _found(profile, snapshot)
    if nodes:
        found = told(reasons.FOUND, True, reasons.DEVICES_FOUND, f"{devices} devices on {nodes} nodes")
    else:
        found = told(reasons.FOUND, False, reasons.NO_DEVICES_FOUND, "no node offers it", good="False")
    fields = {"nodes": nodes, "devices": devices}
    return Outcome(tuple(write(ref, profile.uid, profile.generation, profile.status, [found], fields, now)))


def _nodes(zone: Zone, snapshot: Snapshot) -> tuple[list[Node], list[tuple[str, str]]]:
    own: list[Node] = []
    conflicts: list[tuple[str, str]] = []
    for name, node in sorted(snapshot.nodes.items()):
        if not isinstance(node, Node) or not claims(node, zone):
            continue
        record = zone_of_record(node, snapshot)
        if isinstance(record, Unknown):
            conflicts.append((name, record.reason))
        else:
            own.append(node)
    return own, conflicts


def _found(profile: Profile, snapshot: Snapshot) -> tuple[int, int]:
    nodes = devices = 0
    for name, found in _accelerators(snapshot).items():
        node = snapshot.nodes[name]
        if isinstance(node, Node):
            own = [node.devices[resource] for resource, of in found.items() if of == profile.name]
            own += offered(node, profile.spec, snapshot).values()
            nodes += bool(own)
            devices += sum(own)
    return nodes, devices


def _accelerators(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """Return the resources of every node that are devices, with the profile of each, which is empty where there is none."""
    if _ACCELERATORS not in snapshot.memo:
        snapshot.memo[_ACCELERATORS] = {
            node.name: {
                resource: profile
                for resource in node.devices
                if not _accompanies(
                    profile := profile_of(node, resource, snapshot.known_profiles) or "", resource, snapshot
                )
            }
            for node in snapshot.nodes.values()
            if isinstance(node, Node)
        }
    found: dict[str, dict[str, str]] = snapshot.memo[_ACCELERATORS]
    return found


def _accompanies(profile: str, resource: str, snapshot: Snapshot) -> bool:
    """Say whether the resource is a quantity beside a device, such as its memory."""
    spec = snapshot.known_profiles.get(profile)
    own = spec.resource(resource) if spec is not None else None
    return own is not None and own.unit == "Companion"


def _evidence(zone: Zone) -> Told:
    open_keys = sorted(key for key in zone.spec.node_selector.label_keys() if not key.startswith(NODE_PREFIX))
    if open_keys:
        message = (
            f"{', '.join(open_keys)} can be written by a kubelet or a vendor's component; select by {NODE_PREFIX}site"
        )
        return told(reasons.WEAK_EVIDENCE, True, reasons.SELECTS_UNPROTECTED_LABELS, message, good="False")
    return told(
        reasons.WEAK_EVIDENCE,
        False,
        reasons.SELECTS_PROTECTED_LABELS,
        "the selector reads guarded labels only",
        good="False",
    )
