"""Says what is known of where a node stands beyond its zone's record, and what is missing for a policy that asks for more.

Missing evidence and evidence against a node are two things. Where evidence is missing, has ended, or is contradicted by what the
node shows, the node is undecided: it takes no new pods, and keeps those that it has. A revoked statement, or a valid one that the
node stands elsewhere than its zone's record says, is a decision against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from daulat.api.authorities import AttestationRequirements, EvidenceTier
from daulat.attestation import dsse
from daulat.attestation.errors import AttestationError
from daulat.attestation.judgement import Judgement, Standing, judge
from daulat.attestation.matching import chip_mismatch, contradiction, node_mismatch, zone_contradiction
from daulat.attestation.statement import Statement
from daulat.facts.change import Change
from daulat.facts.declared import Declared
from daulat.facts.derived import DerivedFact
from daulat.facts.node import REGION, Node
from daulat.facts.snapshot import Attestation, Policy, Snapshot, Zone

from .dra import on_node


@dataclass(frozen=True)
class Lack:
    """What is missing for a policy's minimum evidence. ``decided``: whether that is a decision against the node."""

    reason: str
    decided: bool = False


class Identities(DerivedFact):
    """The names of the nodes that report each system UUID."""

    depends_on = frozenset({"Node"})

    def __init__(self) -> None:
        self._names: dict[str, set[str]] | None = None

    def names(self, system_uuid: str, snapshot: Snapshot) -> set[str]:
        """Return the nodes that report the system UUID."""
        if self._names is None:
            self._names = {}
            for node in snapshot.nodes.values():
                if isinstance(node, Node) and node.system_uuid:
                    self._names.setdefault(node.system_uuid, set()).add(node.name)
        return self._names.get(system_uuid, set())

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Move the node to what it reports now."""
        if self._names is not None:
            before, after = change.before, change.after
            if isinstance(before, Node):
                self._names.get(before.system_uuid, set()).discard(before.name)
            if isinstance(after, Node) and after.system_uuid:
                self._names.setdefault(after.system_uuid, set()).add(after.name)
        return True


class Statements(DerivedFact):
    """The statements of NodeAttestations, by the system UUID and by the name of the node that they are about, not verified."""

    depends_on = frozenset({"NodeAttestation"})

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, ...]] | None = None
        self._about: dict[str, set[str]] = {}

    def about(self, node: Node, snapshot: Snapshot) -> list[tuple[Attestation, Statement]]:
        """Return the statements about the node, by whichever of its two names, in the order of their objects' names."""
        if self._found is None:
            self._found = {}
            for attestation in snapshot.known_attestations.values():
                self._add(attestation)
        names = self._about.get(_by_name(node.name), set()) | self._about.get(node.system_uuid, set())
        known = ((name, snapshot.attestations.get(name)) for name in sorted(names))
        return [(a, s) for _, a in known if isinstance(a, Declared) and (s := statement_of(a)) is not None]

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Read the one that changed again."""
        if self._found is None:
            return True
        for key in self._found.pop(change.ref.name, ()):
            self._about[key].discard(change.ref.name)
            if not self._about[key]:
                del self._about[key]
        if isinstance(change.after, Declared):
            self._add(change.after)
        return True

    def _add(self, attestation: Attestation) -> None:
        statement = statement_of(attestation)
        if statement is None or self._found is None:
            return
        keys = (statement.predicate.system_uuid, _by_name(statement.node))
        self._found[attestation.name] = keys
        for key in keys:
            self._about.setdefault(key, set()).add(attestation.name)


def _by_name(node: str) -> str:
    return f"node {node}"


def statement_of(attestation: Attestation) -> Statement | None:
    """Return what a NodeAttestation says, by whichever key it was signed, or None where that can't be read."""
    try:
        return dsse.unverified(attestation.spec.envelope)
    except AttestationError:
        return None


def asks(policy: Policy) -> bool:
    """Say whether the policy asks for more than a zone's record."""
    return policy.spec.zones.minimum_evidence not in (None, EvidenceTier.DECLARED)


def twins(node: Node, snapshot: Snapshot) -> set[str]:
    """Return the other nodes that report the node's system UUID."""
    return Identities.of(snapshot).names(node.system_uuid, snapshot) - {node.name} if node.system_uuid else set()


def concerned(change: Change, snapshot: Snapshot) -> set[str]:
    """Return the names of the nodes whose evidence may differ after a change of a NodeAttestation, or of another node."""
    found: set[str] = set()
    if change.ref.kind == "Node":
        uuids = [side.system_uuid for side in change.sides if isinstance(side, Node) and side.system_uuid]
        if len(uuids) == 2 and uuids[0] == uuids[1]:
            return found
        for uuid in uuids:
            found |= Identities.of(snapshot).names(uuid, snapshot)
        return found - {change.ref.name}
    for side in change.sides:
        statement = statement_of(side) if isinstance(side, Declared) else None
        if statement is not None:
            found |= Identities.of(snapshot).names(statement.predicate.system_uuid, snapshot)
            found |= {statement.node} & snapshot.nodes.keys()
    return found


def lacking(node: Node, zone: Zone, policy: Policy, snapshot: Snapshot) -> Lack | None:
    """Return what is missing for the policy's minimum evidence that the node stands in the zone; None where nothing is."""
    if not asks(policy):
        return None
    missing = _attested(node, zone, policy.spec.zones.attestations, snapshot)
    if missing is None or missing.decided or policy.spec.zones.minimum_evidence is EvidenceTier.ATTESTED:
        return missing
    if _unlisted(snapshot) and policy.spec.zones.attestations is not None:
        return missing  # One that isn't read yet may be against the node.
    return _observed(node, zone, snapshot)


def evidential(node: Node, policies: Iterable[Policy], snapshot: Snapshot) -> list[Attestation]:
    """Return the NodeAttestations about the node that are valid under one of the policies, whether or not the node agrees."""
    trusts = [trust for p in policies if asks(p) and (trust := p.spec.zones.attestations) is not None]
    return [
        attestation
        for attestation, statement in (Statements.of(snapshot).about(node, snapshot) if trusts else ())
        if any(
            judge(attestation.spec.envelope, statement, t, snapshot.moment).standing is Standing.VALID for t in trusts
        )
    ]


def tier(node: Node, zone: Zone, policy: Policy, snapshot: Snapshot) -> EvidenceTier:
    """Return how it is known, for the policy, that the node stands in its zone."""
    if _attested(node, zone, policy.spec.zones.attestations, snapshot) is None:
        return EvidenceTier.ATTESTED
    return EvidenceTier.OBSERVED if _observed(node, zone, snapshot) is None else EvidenceTier.DECLARED


def disagreement(node: Node, zone: Zone, policy: Policy, snapshot: Snapshot) -> str:
    """Return why the node isn't attested under the policy; empty where it is."""
    lack = _attested(node, zone, policy.spec.zones.attestations, snapshot)
    return "" if lack is None else lack.reason


def _unlisted(snapshot: Snapshot) -> bool:
    return "NodeAttestation" in snapshot.unlisted


def _identity(node: Node, snapshot: Snapshot) -> Lack | None:
    if not node.system_uuid:
        return Lack("reports no system UUID")
    if others := twins(node, snapshot):
        return Lack(f"reports the same system UUID as node {min(others)}")
    return None


def _observed(node: Node, zone: Zone, snapshot: Snapshot) -> Lack | None:
    """Return what is missing for the node itself to show that it stands in the zone."""
    if (lack := _identity(node, snapshot)) is not None:
        return lack
    if not zone.spec.regions:
        return Lack(f"shows nothing to compare with zone {zone.name}, which has no regions on record")
    # One in another region has no zone at all.
    return None if node.labels.get(REGION) in zone.spec.regions else Lack(f"reports no region of zone {zone.name}")


def _attested(node: Node, zone: Zone, trust: AttestationRequirements | None, snapshot: Snapshot) -> Lack | None:
    """Return what is missing for a trusted authority to attest that the node stands in the zone."""
    if _unlisted(snapshot):
        return Lack("may be attested, for NodeAttestations couldn't be listed yet")
    judged = [
        (attestation, statement, judge(attestation.spec.envelope, statement, trust, snapshot.moment))
        for attestation, statement in Statements.of(snapshot).about(node, snapshot)
    ]
    valid = [statement for _, statement, judgement in judged if judgement.standing is Standing.VALID]
    if not valid:
        return _without(judged)
    if (lack := _identity(node, snapshot)) is not None:
        return lack
    # One about the machine that had the node's name before says nothing about this one, where this one has its own.
    valid = [s for s in valid if s.predicate.system_uuid == node.system_uuid] or valid
    mismatch = next(_mismatches(node, valid, snapshot), "")
    if mismatch:
        return Lack(mismatch)
    against = next((why for s in valid if (why := zone_contradiction(s, zone.name, zone.spec))), "")
    return Lack(against, decided=True) if against else None


def chips_seen(node: Node, snapshot: Snapshot) -> list[tuple[str, ...]]:
    """Return the ids of each chip that the node shows: its UUID, its serial number."""
    return [device.chip_ids for device in on_node(node, snapshot) if device.chip_ids]


def _mismatches(node: Node, valid: list[Statement], snapshot: Snapshot) -> Iterator[str]:
    yield from (why for a, b in combinations(valid, 2) if (why := contradiction(a, b)))
    yield from (why for s in valid if (why := node_mismatch(s, node.name, node.system_uuid)))
    seen = chips_seen(node, snapshot)
    yield from (why for s in valid if (why := chip_mismatch(s.predicate.chips, seen)))


def _without(judged: list[tuple[Attestation, Statement, Judgement]]) -> Lack:
    revoked = [(a, j) for a, _, j in judged if j.standing is Standing.REVOKED]
    for attestation, judgement in revoked or [(a, j) for a, _, j in judged]:
        return Lack(f"has no valid NodeAttestation: {attestation.name}: {judgement.reason}", decided=bool(revoked))
    return Lack("has no NodeAttestation")
