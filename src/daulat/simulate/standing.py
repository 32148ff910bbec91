"""Where policies, models and exemptions stand at one moment of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from daulat.api import reasons
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.current_placement import current_placement

UNREADABLE = "Unreadable"
"""The reason of an object that can't be read."""


class Place(StrEnum):
    """What a model has."""

    RUNS = "runs"
    REFUSED = "refused"
    """A policy doesn't accept it, and it has no workload or loses it."""
    HELD = "held"
    """As REFUSED, but a brake keeps it running."""
    UNDECIDED = "undecided"
    """A fact is missing: what runs stays, and nothing new is made."""
    NOWHERE = "without a place"


@dataclass(frozen=True)
class ModelStanding:
    """One model."""

    place: Place
    zone: str = ""
    accelerator: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class PolicyStanding:
    """One policy."""

    namespaces: int
    eligible_nodes: int
    held: int
    """Pods whose eviction the brake holds."""
    batch: str
    problems: Mapping[str, tuple[str, str]]
    """The reason and the message of the conditions Compiled and Upheld where they don't hold."""


@dataclass(frozen=True)
class ExemptionStanding:
    """One exemption."""

    active: bool
    reason: str
    message: str


@dataclass(frozen=True)
class Standing:
    """Everything at one moment."""

    policies: Mapping[str, PolicyStanding]
    models: Mapping[Ref, ModelStanding]
    exemptions: Mapping[str, ExemptionStanding]
    zones: Mapping[str, int]
    """The number of nodes of each zone."""
    waiting: Mapping[Ref, str]
    """Pods that aren't of models and have no node, with the reason."""


def standing(snapshot: Snapshot, unplaced: Mapping[Ref, str]) -> Standing:
    """Return where everything stands."""
    pods: dict[Ref, Pod] = {ref: pod for ref, why in unplaced.items() if (pod := snapshot.pods.get(ref)) is not None}
    return Standing(
        {name: _policy(name, snapshot) for name in sorted(snapshot.policies)},
        {ref: _model(model) for ref, model in sorted(snapshot.models.items())},
        {name: _exemption(name, snapshot) for name in sorted(snapshot.exemptions)},
        {name: zone.status.nodes or 0 for name, zone in sorted(snapshot.zones.items())},
        {ref: unplaced[ref] for ref, pod in sorted(pods.items()) if not pod.model},
    )


def _policy(name: str, snapshot: Snapshot) -> PolicyStanding:
    policy = snapshot.policies[name]
    status, brake = policy.status, policy.status.brake
    problems = {
        kind: (found.reason, found.message)
        for kind in ("Compiled", "Upheld")
        if (found := status.condition(kind)) is not None and found.status != "True"
    }
    if isinstance(policy, Unparsable):
        problems = {"Compiled": (UNREADABLE, policy.reason)}
    elif (enforced := status.condition(reasons.ENFORCED)) is not None and enforced.reason in (
        reasons.INVALID,
        reasons.PROTECTED_NAMESPACE,
    ):
        problems = {"Enforced": (enforced.reason, enforced.message)}
    return PolicyStanding(
        status.namespaces or 0,
        status.eligible_nodes or 0,
        (brake.held or 0) if brake is not None else 0,
        (brake.batch or "") if brake is not None else "",
        problems,
    )


def _model(model: Model | Unparsable) -> ModelStanding:  # type: ignore[type-arg]
    if not isinstance(model, Declared):
        return ModelStanding(Place.REFUSED, reason=UNREADABLE, message=model.reason)
    at = current_placement(model)
    zone, accelerator = (at.zone, at.accelerator) if at is not None else ("", "")
    compliant, placed = (model.status.condition(kind) for kind in (reasons.POLICY_COMPLIANT, reasons.PLACED))
    if compliant is not None and compliant.status == "False":
        held = compliant.reason == reasons.BRAKE_HELD
        place = Place.HELD if held else Place.REFUSED
        return ModelStanding(place, zone, accelerator, compliant.reason, compliant.message)
    if placed is not None and placed.reason == reasons.UNDECIDED:
        return ModelStanding(Place.UNDECIDED, zone, accelerator, placed.reason, placed.message)
    if at is None:
        found = placed or compliant
        return ModelStanding(Place.NOWHERE, "", "", found.reason if found else "", found.message if found else "")
    workload = model.status.condition(reasons.WORKLOAD_READY)
    why = workload if workload is not None and workload.status != "True" else None
    return ModelStanding(Place.RUNS, zone, accelerator, why.reason if why else "", why.message if why else "")


def _exemption(name: str, snapshot: Snapshot) -> ExemptionStanding:
    exemption = snapshot.exemptions[name]
    if isinstance(exemption, Unparsable):
        return ExemptionStanding(False, UNREADABLE, exemption.reason)
    active = exemption.status.condition(reasons.ACTIVE)
    if active is None:
        return ExemptionStanding(False, "", "")
    return ExemptionStanding(active.status == "True", active.reason, active.message)
