"""Compiles the guard of a policy that judges volumes as they are bound, by the names of the namespaces that the policy governs.

A PersistentVolume is in no namespace, so no binding of an admission policy can select it by labels: the names stand in the guard.
They change with the cluster and not with the policy, so the guard is no part of the revision, and only the operator writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from daulat.api.digest import digest
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.controls import library
from daulat.controls.library import Control, Named

from . import validating
from .constants import storage
from .literals import Constant, literal
from .policy import InForce, admission_manifest, called_for, exempt, validating_name

GUARD = "boundvolumes"
CHUNK = 500
"""Names in one expression. An API server takes expressions of up to 100,000 characters (cel-go, parser/options.go), and a name has
63 at most."""


@dataclass(frozen=True)
class _OfClaim(validating.Exempt):
    """An exemption by the claim's namespace. The compiler is given those in force: a volume is older than what it is bound to."""

    def expression(self) -> str:
        return f"object.spec.claimRef.namespace in {literal(self.namespaces)}"


def compile_bound_volumes(
    name: str,
    spec: SovereigntyPolicySpec,
    zones: Mapping[str, SovereignZoneSpec],
    namespaces: Iterable[str],
    exemptions: Sequence[SovereigntyExemptionSpec] = (),
) -> list[Manifest]:
    """Return the manifests, the same bytes for the same input; none where the policy has no such control or governs no namespace.

    ``namespaces`` are the names of those that the policy governs. ``exemptions`` are those that hold now. Raises PolicyError.
    """
    names = sorted(namespaces)
    groups: dict[str, list[Control]] = {}
    for entry in called(spec) if names else ():
        groups.setdefault(entry.action, []).append(entry.control)
    chunks = [dict.fromkeys(names[i : i + CHUNK], "") for i in range(0, len(names), CHUNK)]
    fixed: dict[str, Constant] = {
        **storage(name, spec, zones),
        **{f"governedNamespaces{n}": chunk for n, chunk in enumerate(chunks)},
    }
    governed = " || ".join(
        f"object.spec.claimRef.namespace in variables.governedNamespaces{n}" for n in range(len(chunks))
    )
    guard = library.guards()[GUARD]
    guard = guard.model_copy(
        update={"variables": (*guard.variables, Named(name="isGoverned", expression=governed or "false"))}
    )
    exempted = {
        control: [_OfClaim(e.namespaces, e.expires_at) for e in found]
        for control, found in exempt(name, exemptions).items()
    }
    manifests = []
    for action, controls in sorted(groups.items()):
        full_name = validating_name(name, GUARD, action)
        body = validating.spec(guard, controls, fixed, exempted)
        binding = validating.binding_spec(full_name, action, {})
        revision = digest(body)
        manifests += [
            admission_manifest("v1", "ValidatingAdmissionPolicyBinding", full_name, name, revision, binding),
            admission_manifest("v1", "ValidatingAdmissionPolicy", full_name, name, revision, body),
        ]
    return manifests


def called(spec: SovereigntyPolicySpec) -> tuple[InForce, ...]:
    """Return the controls of this guard that the policy's sections call for, with their actions."""
    return called_for(spec, "namespaces")
