"""Finds what the operator refuses although the API server takes it: a policy of a protected namespace, an exemption of nothing."""

from __future__ import annotations

from collections.abc import Container, Mapping

from daulat.admission.policy import selected_though_protected
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.controls import library

Refusal = tuple[str, str]
"""A field, and what is wrong with it."""


def of_policy(spec: SovereigntyPolicySpec, protected: Mapping[str, Mapping[str, str]]) -> list[Refusal]:
    """Return why the operator doesn't bring a policy into force. ``protected``: labels of the namespaces that none may govern."""
    why = selected_though_protected(spec.namespace_selector, protected)
    return [("spec.namespaceSelector", why.removeprefix("spec.namespaceSelector "))] if why else []


def of_exemption(spec: SovereigntyExemptionSpec, policies: Container[str]) -> list[Refusal]:
    """Return why an exemption never takes effect. Of several controls it is enough that one can be exempted from."""
    found: list[Refusal] = []
    if spec.policy not in policies:
        found.append(("spec.policy", f'SovereigntyPolicy "{spec.policy}" not found'))
    if not {*spec.controls} & {*library.exemptible_ids()}:
        found.append(("spec.controls", "the exemption has no effect: no namespace can be exempted from any of them"))
    return found
