"""Explains what others are judged by, such as a node, a zone, an exemption or an attestation, and what each policy makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from daulat.admission.zones import rejects
from daulat.api import reasons
from daulat.api.approval import mismatch
from daulat.api.attestation import NodeAttestationStatus
from daulat.api.counted import few
from daulat.api.exemption import SovereigntyExemptionStatus
from daulat.api.kinds import Manifest
from daulat.api.names import ELIGIBLE, eligible_label
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.unknown import Unknown
from daulat.kube.ref import Ref
from daulat.placement.approval import approves
from daulat.placement.chips import State
from daulat.placement.eligibility import EligibilityState, eligibility, profile_of
from daulat.placement.evidence import asks, tier
from daulat.placement.zoning import zone_of_record
from daulat.reconcile.inventory.attestations import reconcile_attestation
from daulat.reconcile.inventory.chips import accounted
from daulat.reconcile.policy.exemptions import reconcile_exemption

_LISTED = 20
"""Names in a list."""
NODE, ZONE, PROFILE, EXEMPTION, ATTESTATION, NAMESPACE, INVENTORY = (
    "Node",
    "SovereignZone",
    "AcceleratorProfile",
    "SovereigntyExemption",
    "NodeAttestation",
    "Namespace",
    "AcceleratorInventory",
)
_VERDICTS = {
    EligibilityState.ELIGIBLE: "eligible",
    EligibilityState.INELIGIBLE: "rejected",
    EligibilityState.UNDECIDED: "undecided",
}
_UNKNOWN = "can't be read"
Sections = list[Manifest]
MOST_CHIPS = 20
"""Chips of an inventory that are named."""


def about(kind: str, name: str, snapshot: Snapshot, now: float) -> Sections:
    """Return sections with a title and items, each of which has a text, and a verdict where something is decided.

    ``now`` is in seconds since the epoch. Empty for a kind that nothing is judged by.
    """
    explained: dict[str, Callable[[], Iterable[Manifest]]] = {
        NODE: lambda: _node(name, snapshot),
        ZONE: lambda: _zone(name, snapshot),
        PROFILE: lambda: _profile(name, snapshot),
        EXEMPTION: lambda: _exemption(name, snapshot, now),
        ATTESTATION: lambda: _attestation(name, snapshot, now),
        NAMESPACE: lambda: _namespace(name, snapshot),
        INVENTORY: lambda: _inventory(name, snapshot, now),
    }
    found = explained.get(kind)
    return [section for section in found() if section["items"]] if found is not None else []


def _node(name: str, snapshot: Snapshot) -> Iterable[Manifest]:
    node = snapshot.nodes.get(name)
    if not isinstance(node, Node):
        reason = node.reason if isinstance(node, Unknown) else "isn't among the nodes"
        yield _section("zone", [_item(reason, "undecided")])
        return
    zone = zone_of_record(node, snapshot)
    if isinstance(zone, Declared):
        operator = zone.spec.operator.legal_name
        yield _section("zone", [_item(f"{zone.name}: {zone.spec.country}, operated by {operator}")])
        asking = [policy for policy in snapshot.known_policies.values() if asks(policy)]
        yield _section("evidence", [_item(f"{p.name}: {tier(node, zone, p, snapshot)}") for p in asking])
    else:
        yield _section("zone", [_item(zone.reason, "undecided" if isinstance(zone, Unknown) else "rejected")])
    yield _section("accelerators", [_item(_device(node, r, snapshot)) for r in sorted(node.resources)])
    yield _section("policies", [_judged_by(node, policy, snapshot) for policy in sorted(snapshot.policies)])
    if not node.takes_pods:
        yield _section("scheduling", [_item(why) for why in node.obstacles()])


def _device(node: Node, resource: str, snapshot: Snapshot) -> str:
    profile = profile_of(node, resource, snapshot.known_profiles)
    of = f"of AcceleratorProfile {profile}" if profile else "of no AcceleratorProfile"
    return f"{node.devices.get(resource, 0)} {resource}, {of}"


def _judged_by(node: Node, policy_name: str, snapshot: Snapshot) -> Manifest:
    policy = snapshot.policies[policy_name]
    if isinstance(policy, Unparsable):
        return _item(f"{policy_name}: {_UNKNOWN}: {policy.reason}", "undecided")
    answer = eligibility(node, policy, snapshot)
    labelled = node.labels.get(eligible_label(policy_name)) == ELIGIBLE
    parts = [answer.reason] if answer.reason else []
    # The label is what the scheduler goes by, and the operator writes it after it has decided.
    if labelled != (answer.verdict is EligibilityState.ELIGIBLE):
        parts.append(f"{'it still has' if labelled else 'it lacks'} the label {eligible_label(policy_name)}")
    text = f"{policy_name}: {'; '.join(parts)}" if parts else policy_name
    return _item(text, _VERDICTS[answer.verdict])


def _zone(name: str, snapshot: Snapshot) -> Iterable[Manifest]:
    zone = snapshot.zones.get(name)
    if not isinstance(zone, Declared):
        yield _unreadable(zone)
        return
    inside: list[str] = []
    outside: dict[str, list[str]] = {}
    for node in snapshot.nodes.values():
        if not isinstance(node, Node) or not zone.spec.node_selector.matches(node.labels):
            continue
        found = zone_of_record(node, snapshot)
        if isinstance(found, Declared):
            inside.append(node.name)
        else:
            outside.setdefault(found.reason, []).append(node.name)
    nodes = [_item(few(sorted(inside), _LISTED))] if inside else [_item("none stands in the zone")]
    nodes += [_item(f"{few(sorted(names), _LISTED)}: {why}", "rejected") for why, names in sorted(outside.items())]
    yield _section("nodes", nodes)
    yield _section(
        "policies", _of_policies(snapshot, lambda p: rejects(p.spec.zones, zone.name, zone.spec), "accepted")
    )


def _profile(name: str, snapshot: Snapshot) -> Iterable[Manifest]:
    profile = snapshot.profiles.get(name)
    if not isinstance(profile, Declared):
        yield _unreadable(profile)
        return
    spec = profile.spec
    yield _section(
        "resources", [_item(r.name) for r in spec.resources] + [_item(f.pattern) for f in spec.resource_families]
    )

    def against(policy: Policy) -> str | None:
        if approves(policy, name, snapshot):
            return None
        return f"the profile {mismatch(policy.spec.accelerators, name, spec)}"

    yield _section("policies", _of_policies(snapshot, against, "approved"))
    there: dict[str, list[str]] = {}
    for node in snapshot.nodes.values():
        if isinstance(node, Node):
            for resource in sorted(node.resources):
                if profile_of(node, resource, snapshot.known_profiles) == name:
                    there.setdefault(resource, []).append(node.name)
    yield _section("nodes", [_item(f"{resource}: {few(sorted(names), _LISTED)}") for resource, names in there.items()])


def _exemption(name: str, snapshot: Snapshot, now: float) -> Iterable[Manifest]:
    exemption = snapshot.exemptions.get(name)
    if not isinstance(exemption, Declared):
        yield _unreadable(exemption)
        return
    # As the operator would decide it now, whatever the status says that it wrote last.
    fresh = replace(snapshot, exemptions={name: replace(exemption, status=SovereigntyExemptionStatus(), stored={})})
    written = [change.status for change in reconcile_exemption(Ref(EXEMPTION, "", name), fresh, now).status]
    active = [c for status in written for c in status["conditions"] if c["type"] == reasons.ACTIVE]
    yield _section(
        "effect", [_item(c["message"], "in force" if c["status"] == "True" else "not valid") for c in active]
    )


def _attestation(name: str, snapshot: Snapshot, now: float) -> Iterable[Manifest]:
    attestation = snapshot.attestations.get(name)
    if not isinstance(attestation, Declared):
        yield _unreadable(attestation)
        return
    fresh = replace(attestation, status=NodeAttestationStatus(), stored={})
    alone = replace(snapshot, attestations={**snapshot.attestations, name: fresh})
    for change in reconcile_attestation(Ref(ATTESTATION, "", name), alone, now).status:
        status = change.status
        if status.get("node"):
            said = (
                f"node {status['node']} stands in {status['facility']}, {status['country']}, until {status['notAfter']}"
            )
            by = f"by {status['authority']}, serial number {status['serialNumber']}, digest {status['digest']}"
            yield _section("statement", [_item(said), _item(by)])
        accepted = [c for c in status["conditions"] if c["type"] == reasons.ACCEPTED]
        yield _section(
            "evidence", [_item(c["message"], "accepted" if c["status"] == "True" else "not valid") for c in accepted]
        )


def _namespace(name: str, snapshot: Snapshot) -> Iterable[Manifest]:
    governing = snapshot.governing(name)
    yield _section("policies", [_item(f"{p.name}, {p.spec.action.value}") for p in governing])


def _inventory(name: str, snapshot: Snapshot, now: float) -> Iterable[Manifest]:
    inventory = snapshot.inventories.get(name)
    if not isinstance(inventory, Declared):
        yield _unreadable(inventory)
        return
    found = accounted(inventory, snapshot, now)
    numbers = {state: len(found.in_state(state)) for state in State}
    yield _section("chips", [_item(f"{number} {state}") for state, number in numbers.items() if number])
    wrong = [f"{chip.chip} {text}" for chip in found.chips for _, text in chip.doubts]
    wrong += [f"{chip.ids[0]} is on node {chip.node} and in no inventory" for chip in found.undeclared]
    more = [_item(f"and {len(wrong) - MOST_CHIPS} more: daulat chips lists all")] if len(wrong) > MOST_CHIPS else []
    yield _section("problems", [*(_item(text, "rejected") for text in wrong[:MOST_CHIPS]), *more])


def _of_policies(snapshot: Snapshot, against: Callable[[Policy], str | None], good: str) -> list[Manifest]:
    found = []
    for name, policy in sorted(snapshot.policies.items()):
        if isinstance(policy, Unparsable):
            found.append(_item(f"{name}: {_UNKNOWN}: {policy.reason}", "undecided"))
            continue
        why = against(policy)
        found.append(_item(name, good) if why is None else _item(f"{name}: {why}", "rejected"))
    return found


def _unreadable(found: object) -> Manifest:
    reason = found.reason if isinstance(found, Unparsable) else "isn't known"
    return _section("problem", [_item(reason, "rejected")])


def _section(title: str, items: list[Manifest]) -> Manifest:
    return {"title": title, "items": items}


def _item(text: str, verdict: str = "") -> Manifest:
    return {"verdict": verdict, "text": text} if verdict else {"text": text}
