"""Explains a policy: every rule that is in force with where it comes from, its controls, and what it accepts and why not more."""

from __future__ import annotations

from typing import Any

from daulat.admission.policy import CompiledPolicy
from daulat.api.approval import approved_profiles, may_approve, mismatch
from daulat.api.kinds import Manifest
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import presets
from daulat.catalog.presets import leaves
from daulat.controls import library
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.snapshot import Exemption, Policy, Snapshot
from daulat.placement import zoning

from .placement import node_labels


def explain_policy(
    policy: Policy, declared: SovereigntyPolicySpec, compiled: CompiledPolicy, snapshot: Snapshot, now: float
) -> Manifest:
    """Return the explanation. ``declared`` is the spec as it was written, without what its preset says."""
    names = sorted(n.name for n in snapshot.namespaces.values() if policy.spec.namespace_selector.matches(n.labels))
    return {
        "policy": policy.name,
        "action": policy.spec.action.value,
        "revision": compiled.revision,
        "preset": _preset(declared),
        "namespaces": names,
        "rules": _rules(policy.spec, declared),
        "pin": str(compiled.pin) if compiled.pins else None,
        "nodeLabels": node_labels([policy]),
        "controls": _controls(policy.spec, compiled),
        "zones": _zones(policy, snapshot),
        "accelerators": _accelerators(policy, compiled, snapshot),
        "exemptions": [
            _exemption(name, e, now)
            for name, e in sorted(snapshot.exemptions.items())
            if isinstance(e, Declared) and e.spec.policy == policy.name
        ],
    }


def _preset(declared: SovereigntyPolicySpec) -> Manifest | None:
    if declared.preset is None:
        return None
    preset = presets.presets()[declared.preset.name]
    of_class = declared.preset.data_class
    return {
        "name": preset.name,
        "dataClass": of_class.value if of_class else None,
        "title": preset.title,
        "status": preset.status,
        "note": " ".join(preset.note.split()),
        "open": list(preset.open),
    }


def _rules(spec: SovereigntyPolicySpec, declared: SovereigntyPolicySpec) -> list[Manifest]:
    own = leaves(declared.model_dump(by_alias=True, exclude_unset=True, mode="json"))
    effective = leaves(spec.model_dump(by_alias=True, exclude_none=True, mode="json"))
    changed = presets.overridden(declared)
    said: dict[str, Any] = {}
    if declared.preset is not None:
        said = leaves(presets.rules(declared.preset.name, declared.preset.data_class))
    found = []
    for path, value in sorted(effective.items()):
        origin = "policy" if path in own else "preset" if path in said else "default"
        if path.startswith("preset."):
            continue
        rule: Manifest = {"field": path, "value": value, "from": origin}
        if path in changed:
            rule["overrides"] = changed[path][0]
        if path in said:
            rule["citations"] = _citations(path, declared)
        found.append(rule)
    return found


def _citations(path: str, declared: SovereigntyPolicySpec) -> list[Manifest]:
    assert declared.preset is not None  # noqa: S101 - only a preset's fields are cited
    of_class = declared.preset.data_class
    return [
        {"rule": c.rule, "source": c.source, "url": c.url, "dated": c.dated, "read": c.read, "grade": c.grade}
        for c in presets.presets()[declared.preset.name].citations
        if _covers(c.field, path) and (not c.classes or of_class in c.classes)
    ]


def _covers(cited: str, path: str) -> bool:
    return path == cited or path.startswith(f"{cited}.")


def _controls(spec: SovereigntyPolicySpec, compiled: CompiledPolicy) -> Manifest:
    active = compiled.controls
    there = {(c.control.id, c.control.guard) for c in active}
    off = sorted({c.id for c in library.controls() if str(getattr(spec.controls.get(c.id), "value", "")) == "Off"})
    idle = sorted(
        {
            c.id
            for c in library.controls()
            if library.guards()[c.guard].scope == "policy" and (c.id, c.guard) not in there and c.id not in off
        }
        - {control for control, _ in there}
        - {name.partition(".")[0] for name in compiled.left_out}
    )
    return {
        "inForce": [
            {"id": c.control.id, "guard": c.control.guard, "action": c.action, "title": c.control.title} for c in active
        ],
        "off": off,
        "leftOut": list(compiled.left_out),
        "notCalledFor": idle,
    }


def _zones(policy: Policy, snapshot: Snapshot) -> Manifest:
    why = zoning.verdicts(policy, snapshot)
    return {
        "accepted": [name for name, reason in why.items() if reason is None],
        "rejected": [{"zone": name, "reason": reason} for name, reason in why.items() if reason is not None],
    }


def _accelerators(policy: Policy, compiled: CompiledPolicy, snapshot: Snapshot) -> Manifest:
    asked = policy.spec.accelerators
    known = snapshot.known_profiles
    refused: dict[str, list[str]] = {}
    for name, profile in known.items() if not asked.by_name_alone else ():
        if (why := mismatch(asked, name, profile)) is not None:
            refused.setdefault(why, []).append(name)
    return {
        "approved": [
            {
                "profile": name,
                "resources": [*(r.name for r in p.resources), *(f.pattern for f in p.resource_families)],
            }
            for name, p in approved_profiles(asked, known).items()
        ],
        "missing": [name for name in compiled.missing_profiles if name not in snapshot.profiles],
        "unreadable": [
            {"profile": name, "reason": profile.reason}
            for name, profile in sorted(snapshot.profiles.items())
            if isinstance(profile, Unparsable) and may_approve(asked, name)
        ],
        "notApproved": [{"reason": why, "profiles": names} for why, names in sorted(refused.items())],
        "unmatched": [
            {"field": f"spec.accelerators.{field}", "value": value} for field, value in compiled.approved.unmatched
        ],
        "otherResources": list(asked.other_resources),
    }


def _exemption(name: str, exemption: Exemption, now: float) -> Manifest:
    spec = exemption.spec
    state = "expired" if spec.expired(now) else "in force" if spec.approved else "not approved"
    return {
        "name": name,
        "state": state,
        "controls": list(spec.controls),
        "namespaces": list(spec.namespaces),
        "until": spec.expiry,
        "reason": spec.reason,
        "requestedBy": spec.requested_by,
        "approvedBy": [a.user for a in spec.approvals if a.user != spec.requested_by],
    }
