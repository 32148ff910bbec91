"""Compiles a SovereigntyPolicy: which controls it puts in force, and the manifests that make the API server keep them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.approval import missing_profiles
from daulat.api.digest import digest
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import (
    CANARY_ANNOTATION,
    MANAGED_BY,
    MAX_POLICY_NAME,
    POLICY_LABEL,
    RESERVED_POLICY_NAMES,
    REVISION_ANNOTATION,
)
from daulat.api.policy import ControlAction, ControlInForce, SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import presets
from daulat.catalog.kubernetes import DEFAULT, Capabilities, Pin
from daulat.controls import library
from daulat.controls.library import Control

from . import pin, validating
from .approved import Approved, approved
from .constants import constants
from .literals import literal

GROUP = "admissionregistration.k8s.io"
ADMISSION = f"{GROUP}/v1"
PODS = "pods"
"""The guard of pods, whose refusal of a canary proves that a revision is in force."""
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
PROTECTED_NAMESPACES = ("kube-system",)
_OPERATOR = "authorizer.group('daulat.dev').resource('sovereignzones').check('certify').allowed()"
"""True of the operator, and of those who may certify zones."""
_NO_ZONES: Mapping[str, SovereignZoneSpec] = {}


class PolicyError(ValueError):
    """The policy can't be compiled as it is; what was in force stays in force."""


@dataclass(frozen=True)
class InForce:
    """A control with the action that the policy gives it."""

    control: Control
    action: str


@dataclass(frozen=True)
class CompiledPolicy:
    """A compiled policy. Manifests are in the order in which they may be applied."""

    name: str
    revision: str
    controls: tuple[InForce, ...]
    manifests: tuple[Manifest, ...]
    missing_profiles: tuple[str, ...]
    """Profiles that the policy names and that aren't known."""
    approved: Approved
    """What the policy approves."""
    pins: bool = False
    """Whether pods need the policy's nodeSelector. Under a policy on trial they don't."""
    pin: Pin = Pin.REFUSE
    """What adds it to pods that lack it."""
    unpinned_namespaces: frozenset[str] = frozenset()
    """Governed namespaces whose pods don't get it, since an exemption holds there."""
    left_out: tuple[str, ...] = ()
    """Controls that this Kubernetes can't judge by, as ID.guard."""

    @property
    def pin_spec(self) -> Manifest | None:
        """The spec of the mutating policy that does to pods what the pin does, be it that or an annotation of their namespace."""
        if self.pin is Pin.REFUSE:
            return None
        return pin.spec(self.name, library.guards()[PODS], sorted(self.unpinned_namespaces))

    @cached_property
    def status_controls(self) -> tuple[ControlInForce, ...]:
        """The controls, each with its guard and action. Kept: the status is built of them at every pass."""
        return tuple(ControlInForce(id=c.control.id, guard=c.control.guard, action=c.action) for c in self.controls)

    @property
    def refusing(self) -> tuple[Manifest, ...]:
        """The admission policies that refuse, rather than only warn."""
        names = {m["spec"]["policyName"] for m in self.manifests if m["spec"].get("validationActions") == ["Deny"]}
        return tuple(
            m for m in self.manifests if m["kind"] == "ValidatingAdmissionPolicy" and m["metadata"]["name"] in names
        )

    @property
    def enforces(self) -> bool:
        """Whether requests for pods are refused, rather than only warned about."""
        return any(c.action == "Enforce" and c.control.guard == PODS for c in self.controls)


def in_force(spec: SovereigntyPolicySpec, capabilities: Capabilities) -> tuple[InForce, ...]:
    """Return the controls that the policy's sections call for and that this Kubernetes can judge by. Raises as ``called_for``."""
    return _judged(called_for(spec), capabilities)


def _judged(called: Sequence[InForce], capabilities: Capabilities) -> tuple[InForce, ...]:
    return tuple(c for c in called if all(map(capabilities.has, c.control.needs)))


def called_for(spec: SovereigntyPolicySpec, scope: str = "policy") -> tuple[InForce, ...]:
    """Return the controls that the policy's sections call for, with their actions.

    Raises PolicyError where the policy names a control that doesn't exist.
    """
    unknown = sorted(set(spec.controls) - library.ids())
    if unknown:
        raise PolicyError(
            f"spec.controls: {', '.join(unknown)} is not a control; known are {', '.join(sorted(library.ids()))}"
        )
    found = []
    fields = spec.model_dump(by_alias=True, exclude_none=True)
    for control in library.controls():
        if library.guards()[control.guard].scope != scope:
            continue
        if control.requires and not any(_is_set(fields, path) for path in control.requires):
            continue
        action = str(spec.controls.get(control.id, ControlAction(spec.action.value)).value)
        if control.trial and control.id not in spec.controls and action == "Enforce":
            action = "Warn"
        if action != "Off":
            found.append(InForce(control, action))
    return tuple(found)


def selected_though_protected(selector: LabelSelector, labels: Mapping[str, Mapping[str, str]]) -> str:
    """Return what is wrong with a policy that selects a namespace which none may govern; nothing where it selects none.

    ``labels`` are those of the namespaces that are protected.
    """
    found = sorted(name for name, own in labels.items() if selector.matches(own))
    return f"spec.namespaceSelector selects {', '.join(found)}, which no policy may govern; exclude it" if found else ""


def compile_policy(
    name: str,
    spec: SovereigntyPolicySpec,
    profiles: Mapping[str, AcceleratorProfileSpec],
    exemptions: Sequence[SovereigntyExemptionSpec] = (),
    protected: Sequence[str] = PROTECTED_NAMESPACES,
    zones: Mapping[str, SovereignZoneSpec] = _NO_ZONES,
    capabilities: Capabilities = DEFAULT,
) -> CompiledPolicy:
    """Return the policy's manifests, the same bytes for the same input. Raises PolicyError.

    Exemptions that nobody approved count for nothing. Storage and regions are of the zones that the policy accepts. What the
    cluster can't do by ``capabilities`` is left out.
    """
    if not _NAME.match(name) or len(name) > MAX_POLICY_NAME or name in RESERVED_POLICY_NAMES:
        raise PolicyError(f"metadata.name: {name} can't be a node label of its own")
    try:
        spec = presets.expanded(spec)
    except presets.PresetError as error:
        raise PolicyError(f"spec.preset: {error}") from error
    called = called_for(spec)
    controls = _judged(called, capabilities)
    selector = namespace_selector(spec.namespace_selector, protected)
    fixed = constants(name, spec, profiles, zones)
    exempted = exempt(name, exemptions)
    # A policy on trial changes nothing: pods are pinned where unpinned ones would be refused.
    pinned = any(c.control.id == "USE-01" and c.action == "Enforce" for c in controls)
    pinned_by = capabilities.pin if pinned else Pin.REFUSE
    unpinned = frozenset(n for e in exempted.get("USE-01", ()) for n in e.namespaces)
    groups: dict[tuple[str, str], list[Control]] = {}
    for entry in controls:
        groups.setdefault((entry.control.guard, entry.action), []).append(entry.control)

    def build(revision: str) -> list[Manifest]:
        manifests: list[Manifest] = []

        def add(kind: str, full_name: str, body: Manifest, binding: Manifest, version: str = "v1") -> None:
            # The binding says where, so it comes first: without it the policy does nothing, and never anything elsewhere.
            manifests.append(admission_manifest(version, f"{kind}Binding", full_name, name, revision, binding))
            manifests.append(admission_manifest(version, kind, full_name, name, revision, body))

        # What refuses pods comes last: the API server takes policies up in the order in which they are made, so the canary that it
        # refuses proves all of them. And pods are pinned before unpinned ones are refused.
        last = (PODS, "Enforce")
        for (guard, action), members in sorted(groups.items(), key=lambda group: (group[0] == last, group[0])):
            if (guard, action) == last and pinned_by is Pin.MUTATING_POLICY:
                body = pin.spec(name, library.guards()[PODS], sorted(unpinned))
                pin_name = f"{name}.pin.daulat.dev"
                binding = {"policyName": pin_name, "matchResources": validating.where(selector)}
                add(
                    "MutatingAdmissionPolicy", pin_name, body, binding, capabilities.served["mutatingadmissionpolicies"]
                )
            full_name = validating_name(name, guard, action)
            body = validating.spec(
                library.guards()[guard], members, fixed, exempted, _canary(name, revision) if guard == PODS else None
            )
            add("ValidatingAdmissionPolicy", full_name, body, validating.binding_spec(full_name, action, selector))
        return manifests

    revision = digest(build(""))
    missing = missing_profiles(spec.accelerators, profiles)
    return CompiledPolicy(
        name,
        revision,
        controls,
        tuple(build(revision)),
        missing,
        approved(spec.accelerators, profiles),
        pinned,
        pinned_by,
        unpinned,
        tuple(f"{c.control.id}.{c.control.guard}" for c in called if c not in controls),
    )


def validating_name(policy: str, guard: str, action: str) -> str:
    """Return the name of the admission policy that holds a policy's controls of one guard and action."""
    return f"{policy}.{guard}.daulat.dev" if action == "Enforce" else f"{policy}.{guard}.{action.lower()}.daulat.dev"


def _canary(name: str, revision: str) -> validating.Addition:
    """Return one more violation for a pod that asks this policy which revision it enforces.

    The API server tells the refusal of one policy only, so a canary must be refused by its own, and the dry run of another policy's
    is left alone. It lets nothing in. To everybody but the operator it is a pod like any other.
    """
    key = literal(CANARY_ANNOTATION)
    asks = f"has(object.metadata.annotations) && {key} in object.metadata.annotations"
    own = f"{asks} && object.metadata.annotations[{key}] == {literal(name)}"
    of_another = {
        "name": "not-the-canary-of-another-policy",
        "expression": (
            f"!(has(request.dryRun) && request.dryRun == true && {asks}"
            f" && object.metadata.annotations[{key}] != {literal(name)} && {_OPERATOR})"
        ),
    }
    return validating.Addition(f"({own} ? [{literal('revision ' + revision)}] : [])", own, (of_another,))


def admission_manifest(version: str, kind: str, name: str, policy: str, revision: str, spec: Manifest) -> Manifest:
    """Return an admission object that belongs to a policy."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {MANAGED_BY: "daulat", POLICY_LABEL: policy},
            "annotations": {REVISION_ANNOTATION: revision},
        },
        "spec": spec,
    }


def namespace_selector(asked: LabelSelector, protected: Sequence[str]) -> Manifest:
    """Return a policy's selector of namespaces as bindings have it: without those that no policy may govern."""
    selector: Manifest = asked.model_dump(by_alias=True, exclude_none=True, mode="json")
    # The operator refuses a policy that selects these; should one be relabelled later, the API server must still start.
    never = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": sorted(protected)}
    return {**selector, "matchExpressions": [*selector.get("matchExpressions", ()), never]}


def exempt(policy: str, exemptions: Sequence[SovereigntyExemptionSpec]) -> dict[str, list[validating.Exempt]]:
    """Return where and until when controls of a policy don't apply, by the control's id."""
    found: dict[str, list[validating.Exempt]] = {}
    for exemption in exemptions:
        if exemption.policy == policy and exemption.approved:
            for control in exemption.controls:
                found.setdefault(control, []).append(
                    validating.Exempt(tuple(sorted(exemption.namespaces)), exemption.expiry)
                )
    return found


def _is_set(fields: Manifest, path: str) -> bool:
    value: Any = fields
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    # A section that is there calls for its controls, even where it approves nothing: `storage: {}`, `access: {}`.
    return True if isinstance(value, dict) else bool(value)
