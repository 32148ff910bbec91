"""What a change of a node, zone, profile or ResourceSlice means to others: which nodes and policies may have to be judged anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.names import NODE_PREFIX
from daulat.facts.change import Change
from daulat.facts.declared import Unparsable
from daulat.facts.node import REGION, Node
from daulat.facts.snapshot import Policy, Snapshot
from daulat.placement.approval import concerned
from daulat.placement.eligibility import eligibility
from daulat.placement.evidence import asks
from daulat.placement.evidence import concerned as concerned_by_evidence
from daulat.placement.zoning import touched


def is_relevant(change: Change, snapshot: Snapshot) -> bool:
    """Say whether a changed node differs in anything that a zone, a profile or placement reads; a label of others isn't read."""
    before, after = change.before, change.after
    if not isinstance(before, Node) or not isinstance(after, Node):
        return True
    if _state(before) != _state(after):
        return True
    read = _labels_read(snapshot)
    keys = {k for k in {*before.labels, *after.labels} if before.labels.get(k) != after.labels.get(k)}
    return any(key in read or key.startswith(NODE_PREFIX) for key in keys)


def changes_capacity(change: Change) -> bool:
    """Say whether a node has other devices, CPU or memory than before, or takes pods and didn't, or the other way round."""
    before, after = change.before, change.after
    if not isinstance(before, Node) or not isinstance(after, Node):
        return True
    return _state(before) != _state(after)


def policies_concerned(change: Change, snapshot: Snapshot) -> Iterator[Policy]:
    """Return the policies of which a changed node has another answer than before."""
    for policy in snapshot.known_policies.values():
        before, after = (
            eligibility(side, policy, snapshot) if side is not None else None for side in (change.before, change.after)
        )
        if before != after:
            yield policy


def policies_that_ask(snapshot: Snapshot) -> list[Policy]:
    """Return the policies that ask for more evidence of where a node stands than its zone's record."""
    return [policy for policy in snapshot.known_policies.values() if asks(policy)]


def nodes_concerned(change: Change, snapshot: Snapshot) -> list[str]:
    """Return the names of the nodes that may be judged otherwise after a change of a zone, profile, policy, ResourceSlice or
    NodeAttestation, or of another node that reports the same system UUID."""
    if change.ref.kind in ("Node", "NodeAttestation"):
        return sorted(concerned_by_evidence(change, snapshot)) if policies_that_ask(snapshot) else []
    nodes = {name: node for name, node in snapshot.nodes.items() if isinstance(node, Node)}
    if any(isinstance(side, Unparsable) for side in change.sides):
        return sorted(nodes)
    match change.ref.kind:
        case "SovereignZone":
            return sorted(touched(change, nodes))
        case "AcceleratorProfile":
            return sorted(_with_accelerator(change, nodes, snapshot))
        case "SovereigntyPolicy":
            read = [(side.spec.zones, side.spec.accelerators) for side in change.sides]
            # A change of anything else, such as the release of a batch, concerns no node.
            return sorted(nodes) if len(read) == 1 or read[0] != read[1] else []
        case _:
            reaches = [part.reach for part in change.sides]
            if all(reach is not None and reach.node for reach in reaches):
                return sorted({reach.node for reach in reaches} & nodes.keys())
            return sorted(nodes)


def _with_accelerator(change: Change, nodes: Mapping[str, Node], snapshot: Snapshot) -> Iterator[str]:
    if not any(concerned(policy, change) for policy in snapshot.known_policies.values()):
        return
    specs: list[AcceleratorProfileSpec] = [side.spec for side in change.sides]
    if snapshot.slices and any(spec.dynamic_resources for spec in specs):
        yield from nodes
        return
    named = {
        r for node in nodes.values() for r in node.resources if any(spec.resource(r) is not None for spec in specs)
    }
    # What was missing, and so left nodes undecided that have something else, is there now; or the other way round.
    whole = change.before is None or change.after is None
    yield from (n for n, node in nodes.items() if node.resources & named or (whole and node.resources))


def _state(node: Node) -> tuple[object, ...]:
    takes_pods = (node.ready, node.schedulable, node.tolerated, node.taints, node.undecided)
    offers = (node.devices, node.resources, node.cpu, node.memory, node.image_volumes)
    return (*takes_pods, *offers, node.uid, node.system_uuid)


def _labels_read(snapshot: Snapshot) -> set[str]:
    found = {REGION}
    for zone in snapshot.known_zones.values():
        found |= zone.spec.node_selector.label_keys()
    for profile in snapshot.known_profiles.values():
        if profile.node_selector is not None:
            found |= profile.node_selector.label_keys()
        if profile.interconnect is not None and profile.interconnect.node_label:
            found.add(profile.interconnect.node_label)
    return found
