"""Tells which accelerators a policy approves: in its status, and by an Event when that changes, whoever changed it.

A policy may approve by vendor, country or family. A new profile that matches then widens it, which is never silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from daulat.admission.approved import Approved
from daulat.api import reasons
from daulat.api.counted import few
from daulat.api.digest import digest
from daulat.api.names import ELIGIBLE, eligible_label
from daulat.api.policy import ApprovedAccelerators, EnforcementSource
from daulat.facts.by_namespace import models_in
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.unknown import Unknown
from daulat.kube.ref import Ref
from daulat.placement.approval import approval, remembered, selectors
from daulat.placement.eligibility import EligibilityState, eligibility
from daulat.reconcile.conditions import cut
from daulat.reconcile.result import EmitEvent

from . import gitops

PROFILES, RESOURCES, CLASSES = 128, 256, 128
"""How many of each a status lists. Of profiles beyond, none is remembered once it is deleted."""
SAMPLE = 8


def approved_accelerators(policy: Policy, found: Approved, missing: Sequence[str] = ()) -> ApprovedAccelerators:
    """Return the part of a policy's status that says what it approves, and which profiles it has to remember."""
    return ApprovedAccelerators(
        count=len(found.profiles),
        profiles=found.profiles[:PROFILES],
        resources=found.resources[:RESOURCES],
        device_classes=found.device_classes[:CLASSES],
        digest=digest([found.profiles, found.resources, found.device_classes]),
        selectors=selectors(policy),
        missing=tuple(missing),
    )


def unreadable_profiles(policy: Policy, snapshot: Snapshot) -> dict[str, str]:
    """Return the profiles of which it matters that they can't be read or don't exist, by name, with the words for it.

    One that selectors approved and that is gone matters as long as something may run by it: on a node that holds the policy's label
    and is undecided, or in a model that lists it.
    """
    found = dict(approval(policy, snapshot).unreadable)
    named = policy.spec.accelerators.profiles or ()
    gone = [name for name in found if name not in snapshot.profiles and name not in named]
    if gone and not _holds_undecided(policy, snapshot):
        for name in {*gone} - _listed_by_models(policy, snapshot):
            del found[name]
    return found


def to_remember(ref: Ref, policy: Policy, unreadable: Mapping[str, str], snapshot: Snapshot) -> list[str]:
    """Return those of them that the policy's selectors approved before, which only its status can know later."""
    before = snapshot.latest_status(ref, policy).accelerators
    return sorted(remembered(policy, before) & {*unreadable})


def _holds_undecided(policy: Policy, snapshot: Snapshot) -> bool:
    """Say whether a node keeps the policy's label because it can't be decided about it."""
    label = eligible_label(policy.name)
    return any(
        isinstance(node, Unknown)
        or (
            node.labels.get(label) == ELIGIBLE
            and eligibility(node, policy, snapshot).verdict is EligibilityState.UNDECIDED
        )
        for node in snapshot.nodes.values()
    )


def _listed_by_models(policy: Policy, snapshot: Snapshot) -> set[str]:
    governed = (namespace.name for namespace in snapshot.governed_by(policy))
    models = (snapshot.models[ref] for ref in models_in(governed, snapshot))
    return {choice.profile for model in models if isinstance(model, Declared) for choice in model.spec.accelerators}


def approval_events(ref: Ref, policy: Policy, found: Approved) -> tuple[EmitEvent, ...]:
    """Return the Event that tells what is approved now and wasn't before, or the other way round."""
    before, after = policy.status.accelerators, approved_accelerators(policy, found)
    if before is None or before.digest is None:
        # What is listed by name needs no telling.
        told = f"{_profiles(after)} approved: {_listed(after.profiles)}" if not found.by_name_alone else ""
        return (_event(ref, policy, "Normal", told),) if told else ()
    if before.digest == after.digest:
        return ()
    more, less = _beyond(after, before), _beyond(before, after)
    parts = [f"added {more}" if more else "", f"removed {less}" if less else ""]
    what = "; ".join(part for part in parts if part) or "the change is beyond what status.accelerators lists"
    told = f"{_profiles(after)} approved; {what}"
    if policy.status.observed_generation != policy.generation:
        return (_event(ref, policy, "Normal", told),)
    told += ". An AcceleratorProfile changed, not the policy"
    if more and gitops.source(policy) is EnforcementSource.GITOPS:
        told += "; it is in force once the output of daulat compile is applied"
    return (_event(ref, policy, "Warning", told),)


def _event(ref: Ref, policy: Policy, type_: Literal["Normal", "Warning"], message: str) -> EmitEvent:
    return EmitEvent(ref, policy.uid, type_, reasons.ACCELERATORS_APPROVED, cut(message))


def _profiles(approved: ApprovedAccelerators) -> str:
    return "1 AcceleratorProfile is" if approved.count == 1 else f"{approved.count} AcceleratorProfiles are"


def _beyond(one: ApprovedAccelerators, other: ApprovedAccelerators) -> str:
    """Return what the one has and the other hasn't, as far as both lists reach."""
    found = {
        "AcceleratorProfile": _missing(one.profiles, other.profiles, PROFILES),
        "resource": _missing(one.resources, other.resources, RESOURCES),
        "DeviceClass": _missing(one.device_classes, other.device_classes, CLASSES),
    }
    return ", ".join(f"{kind} {_listed(names)}" for kind, names in found.items() if names)


def _missing(one: Sequence[str], other: Sequence[str], bound: int) -> list[str]:
    # A list that is cut says nothing of the names behind its last one.
    ends = [names[-1] for names in (one, other) if len(names) >= bound]
    return [name for name in one if name not in other and all(name <= end for end in ends)]


def _listed(names: Sequence[str]) -> str:
    return few(names, SAMPLE) or "none"
