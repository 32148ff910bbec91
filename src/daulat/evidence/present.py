"""What holds now of each object that is recorded, worked out of one snapshot of the facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from daulat.api import reasons
from daulat.api.meta import ConditionedStatus
from daulat.api.names import NODE_PREFIX
from daulat.api.weights import parse as parse_uri
from daulat.attestation import dsse
from daulat.facts.declared import Declared
from daulat.facts.node import Node
from daulat.facts.snapshot import Attestation, Exemption, Model, Policy, Profile, Snapshot, Zone
from daulat.facts.unknown import Unknown
from daulat.kube.ref import Ref
from daulat.ledger.entry import canonical, digest
from daulat.placement.evidence import asks, evidential, statement_of, tier
from daulat.placement.zoning import NoZone, zone_of_record

from .chips import INVENTORY
from .machine import REPORTED, Machine
from .records import (
    AttestationRecorded,
    ExemptionRecorded,
    ModelRecorded,
    NodeRecorded,
    PolicyRecorded,
    ProfileRecorded,
    RunStarted,
    ZoneRecorded,
)
from .run import Run
from .subject import Present, Subject

T = TypeVar("T")
Governing = Callable[[str], list[Policy]]
"""Returns the policies that govern a namespace, such as ``Snapshot.governing`` with a cache."""
Persons = Callable[[Exemption], tuple[str, list[str]]]
"""Returns what the log has in place of the names of who requested an exemption, and of who approved it."""
_ROOM = 16_000
"""Bytes of an entry for each field whose length a pod's author or a kubelet decides. An entry has 65,535 at most."""
_REASON = 1024
"""Characters."""
_MOST = 2**53 - 1
"""The largest integer that canonical JSON can say."""
_OF_MODELS = (reasons.PLACED, reasons.POLICY_COMPLIANT)
"""The conditions of a model that say where it may run. How its pods fare is told by their runs."""


Make = Callable[[], Present | None]
"""Works out what holds of one object, or None where that is nothing. An object that trips a defect then stops no other one."""


def declared(snapshot: Snapshot, persons: Persons) -> Iterator[Make]:
    """Yield what holds of zones, profiles, policies, exemptions and models, in the order in which they refer to each other.

    NodeAttestations aren't among them: there is one for each node, and no status of theirs is recorded.
    """
    yield from (partial(_zone, z) for z in snapshot.known_zones.values())
    yield from (partial(_profile, p) for _, p in sorted(snapshot.profiles.items()) if isinstance(p, Declared))
    yield from (partial(_policy, p, snapshot) for p in snapshot.known_policies.values())
    exemptions = (e for _, e in sorted(snapshot.exemptions.items()) if isinstance(e, Declared))
    yield from (partial(_exemption, e, persons) for e in exemptions)
    yield from (partial(_model, m) for m in snapshot.known_models.values())


def attested(snapshot: Snapshot) -> Iterator[Make]:
    """Yield what holds of NodeAttestations: nothing where the statement can't be read."""
    yield from (partial(_attestation, a) for a in snapshot.known_attestations.values())


def existing(snapshot: Snapshot) -> set[Subject]:
    """Return every object of Daulat's own that exists, readable or not."""
    shelves: list[tuple[str, Iterable[Any]]] = [
        ("SovereignZone", snapshot.zones.values()),
        ("AcceleratorProfile", snapshot.profiles.values()),
        ("SovereigntyPolicy", snapshot.policies.values()),
        ("SovereigntyExemption", snapshot.exemptions.values()),
        ("NodeAttestation", snapshot.attestations.values()),
        ("SovereignModel", snapshot.models.values()),
        (INVENTORY, snapshot.inventories.values()),
    ]
    return {Subject(kind, found.uid) for kind, shelf in shelves for found in shelf}


def node(name: str, snapshot: Snapshot) -> Present | None:
    """Return what holds of a node; None where it isn't there, or can't be read."""
    machine = snapshot.nodes.get(name)
    if not isinstance(machine, Machine):
        return None
    zone = zone_of_record(machine, snapshot)
    record = NodeRecorded(
        name=machine.name,
        uid=machine.uid,
        system_uuid=machine.system_uuid[:REPORTED],
        boot_id=machine.boot_id,
        kubelet=machine.kubelet,
        runtime=machine.runtime,
        labels={k.removeprefix(NODE_PREFIX): v for k, v in sorted(machine.labels.items()) if k.startswith(NODE_PREFIX)},
        zone=zone.name if isinstance(zone, Declared) else "",
        no_zone=zone.reason[:_REASON] if isinstance(zone, NoZone | Unknown) else "",
    )
    return Present(Subject("Node", machine.uid), record)


def governed_run(
    run: Run, snapshot: Snapshot, governing: Governing, persons: Persons, unreadable: tuple[str, ...] = ()
) -> Present | None:
    """Return what holds of a pod as a run; None where nothing of it has started, or no policy governs it.

    ``unreadable`` are the uids of policies that can't be read any more and governed the namespace when they were recorded last.
    """
    policies = governing(run.namespace)
    if not run.started or not (policies or run.model or unreadable):
        return None
    machine = snapshot.nodes.get(run.node)
    zone = zone_of_record(machine, snapshot) if machine is not None else Unknown("the node isn't known")
    model = snapshot.models.get(Ref("SovereignModel", run.namespace, run.model)) if run.model else None
    in_zone = zone if isinstance(zone, Declared) else None
    asking = [p for p in policies if asks(p)]
    left_out: dict[str, int] = {}
    accelerators = [(name, min(count, _MOST)) for name, count in sorted(run.devices.items())]
    record = RunStarted(
        namespace=run.namespace,
        pod=run.name,
        uid=run.uid,
        node=run.node,
        zone=in_zone.name if in_zone else "",
        no_zone=zone.reason[:_REASON] if isinstance(zone, NoZone | Unknown) else "",
        country=in_zone.spec.country if in_zone else "",
        operator_country=in_zone.spec.operator.country if in_zone else "",
        parent_country=in_zone.spec.operator.ultimate_parent_country if in_zone else "",
        model=run.model,
        weights=_pinned(model) if isinstance(model, Declared) else "",
        loaded=run.loaded,
        started=run.started,
        containers=dict(_fitting(run.containers, "containers", left_out)),
        accelerators=dict(_fitting(accelerators, "accelerators", left_out)),
        devices=list(_fitting(_devices(run, snapshot), "devices", left_out)),
        left_out=left_out,
        data_class=_data_class(policies),
        evidence=_evidence(machine, in_zone, asking, snapshot),
    )
    exemptions = _exempting(run.namespace, snapshot)
    attestations = evidential(machine, asking, snapshot) if isinstance(machine, Machine) else []
    references: dict[str, Subject | tuple[Subject, ...]] = {
        "policyEntries": tuple(Subject("SovereigntyPolicy", uid) for uid in (*(p.uid for p in policies), *unreadable)),
        "exemptionEntries": tuple(Subject("SovereigntyExemption", e.uid) for e in exemptions),
    }
    if attestations:
        references["attestationEntries"] = tuple(Subject("NodeAttestation", a.uid) for a in attestations)
    if isinstance(machine, Machine):
        references["nodeEntry"] = Subject("Node", machine.uid)
    if in_zone:
        references["zoneEntry"] = Subject("SovereignZone", in_zone.uid)
    if isinstance(model, Declared):
        references["modelEntry"] = Subject("SovereignModel", model.uid)

    def beside() -> Iterator[Present]:
        if in_zone:
            yield _zone(in_zone)
        yield from (_policy(p, snapshot) for p in policies)
        yield from (_exemption(e, persons) for e in exemptions)
        yield from filter(None, map(_attestation, attestations))
        if isinstance(model, Declared):
            yield _model(model)
        if (found := node(run.node, snapshot)) is not None:
            yield found

    return Present(Subject("Run", run.uid), record, references, beside=beside)


def _zone(zone: Zone) -> Present:
    spec = zone.spec
    facts = _facts(spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    record = ZoneRecorded(
        name=zone.name,
        uid=zone.uid,
        generation=zone.generation,
        country=spec.country,
        facility=spec.facility.name,
        un_locode=spec.facility.un_locode or "",
        operator=spec.operator.legal_name,
        operator_country=spec.operator.country,
        parent_country=spec.operator.ultimate_parent_country,
        maximum_data_class=spec.maximum_data_class.value,
        spec=digest(facts),
    )
    return Present(Subject("SovereignZone", zone.uid), record, facts=(facts,))


def _profile(profile: Profile) -> Present:
    facts = _facts(profile.spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    record = ProfileRecorded(name=profile.name, uid=profile.uid, generation=profile.generation, spec=digest(facts))
    return Present(Subject("AcceleratorProfile", profile.uid), record, facts=(facts,))


def _policy(policy: Policy, snapshot: Snapshot) -> Present:
    facts = _facts(policy.spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    names = sorted(n.name for n in snapshot.governed_by(policy))
    governed = _facts({"namespaces": names})
    record = PolicyRecorded(
        name=policy.name,
        uid=policy.uid,
        generation=policy.generation,
        revision=policy.status.revision or "",
        conditions=_conditions(policy.status),
        namespaces=len(names),
        governed=digest(governed),
        spec=digest(facts),
    )
    return Present(Subject("SovereigntyPolicy", policy.uid), record, facts=(facts, governed))


def _exemption(exemption: Exemption, persons: Persons) -> Present:
    spec = exemption.spec
    requester, approvers = persons(exemption)
    record = ExemptionRecorded(
        name=exemption.name,
        uid=exemption.uid,
        generation=exemption.generation,
        policy=spec.policy,
        controls=[str(c) for c in spec.controls],
        namespaces=list(spec.namespaces),
        expires=spec.expires_at,
        state=_conditions(exemption.status, (reasons.ACTIVE,)).get(str(reasons.ACTIVE), ""),
        requested_by=requester,
        approved_by=approvers,
    )
    return Present(Subject("SovereigntyExemption", exemption.uid), record)


def _attestation(attestation: Attestation) -> Present | None:
    statement = statement_of(attestation)
    if statement is None:
        return None
    said, envelope = statement.predicate, attestation.spec.envelope
    facts = _facts(envelope.model_dump(mode="json", by_alias=True, exclude_none=True))
    record = AttestationRecorded(
        name=attestation.name,
        uid=attestation.uid,
        generation=attestation.generation,
        node=statement.node,
        system_uuid=said.system_uuid,
        facility=said.facility.name,
        country=said.facility.country,
        authority=said.authority,
        serial_number=said.serial_number,
        not_before=said.not_before,
        not_after=said.not_after,
        statement=dsse.digest(envelope),
        envelope=digest(facts),
    )
    return Present(Subject("NodeAttestation", attestation.uid), record, facts=(facts,))


def _model(model: Model) -> Present:
    placement = model.status.placement
    record = ModelRecorded(
        namespace=model.namespace,
        name=model.name,
        uid=model.uid,
        generation=model.generation,
        model=model.spec.model.name,
        uri=model.spec.model.uri.partition("@sha256:")[0],
        weights=_pinned(model),
        zone=(placement.zone or "") if placement else "",
        accelerator=(placement.accelerator or "") if placement else "",
        conditions=_conditions(model.status, _OF_MODELS),
        spec=digest(_facts(model.spec.model_dump(mode="json", by_alias=True, exclude_none=True))),
    )
    return Present(Subject("SovereignModel", model.uid), record)


def _facts(value: dict[str, object]) -> bytes:
    return canonical(value)


def _conditions(status: ConditionedStatus, types: tuple[str, ...] = ()) -> dict[str, str]:
    return {c.type: f"{c.status}/{c.reason}" for c in status.conditions if not types or c.type in types}


def _pinned(model: Model) -> str:
    found = parse_uri(model.spec.model.uri).digest
    return f"sha256:{found}" if found else ""


def _data_class(policies: list[Policy]) -> str:
    asked = [p.spec.zones.minimum_data_class for p in policies if p.spec.zones and p.spec.zones.minimum_data_class]
    return max(asked, key=lambda c: c.rank).value if asked else ""


def _evidence(
    machine: Node | Unknown | None, zone: Zone | None, asking: list[Policy], snapshot: Snapshot
) -> dict[str, str]:
    if not isinstance(machine, Node) or zone is None:
        return {}
    return {policy.name: tier(machine, zone, policy, snapshot).value for policy in asking}


def _devices(run: Run, snapshot: Snapshot) -> list[str]:
    claims = {Ref("ResourceClaim", run.namespace, name) for name in run.claims.values()}
    held = (snapshot.allocations[ref].devices for ref in claims if ref in snapshot.allocations)
    return sorted("/".join(device) for devices in held for device in devices)


def _fitting(found: Iterable[T], field: str, left_out: dict[str, int]) -> Iterator[T]:
    """Yield what an entry has room for, and count the rest: a pod's author can have as many containers as they like."""
    room = _ROOM
    for each in found:
        room -= len(json.dumps(each)) + 1
        if room >= 0:
            yield each
        else:
            left_out[field] = left_out.get(field, 0) + 1


def _exempting(namespace: str, snapshot: Snapshot) -> list[Exemption]:
    return [
        e
        for _, e in sorted(snapshot.exemptions.items())
        if isinstance(e, Declared) and namespace in e.spec.namespaces and e.status.is_true(reasons.ACTIVE)
    ]
