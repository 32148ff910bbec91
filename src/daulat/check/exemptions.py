"""What an exemption names that isn't there, can't be exempted from or is over: nothing is exempt then.

The operator says so, and the API server can't.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime

from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.meta import LabelSelector
from daulat.controls import library

from .governance import Namespaces


def never_in_force(spec: SovereigntyExemptionSpec, policies: Container[str]) -> list[tuple[str, str]]:
    """Return why an exemption never takes effect, each with its field. One control that can be exempted from is enough."""
    found: list[tuple[str, str]] = []
    if spec.policy not in policies:
        found.append(("spec.policy", f'SovereigntyPolicy "{spec.policy}" not found'))
    if not {*spec.controls} & {*library.exemptible_ids()}:
        found.append(("spec.controls", "the exemption has no effect: no namespace can be exempted from any of them"))
    return found


def without_effect(
    spec: SovereigntyExemptionSpec, selectors: Mapping[str, LabelSelector], namespaces: Namespaces, created: str
) -> list[str]:
    """Return a note for each part of the exemption that has no effect, or of which that isn't known.

    ``selectors`` are those of the policies by name; ``created`` is when the exemption would be created, in RFC 3339.
    """
    notes: list[str] = []
    if spec.expired(datetime.fromisoformat(created).timestamp()):
        notes.append(f"spec.expiresAt: {spec.expires_at} is over, so nothing is exempt. Set a later time.")
    selector = selectors.get(spec.policy)
    # A policy that isn't there is an error of the input already.
    if selector is None:
        return notes
    for name in spec.namespaces:
        governed = namespaces.selected(selector, name)
        if governed is False:
            notes.append(f'spec.namespaces: policy {spec.policy} doesn\'t govern "{name}", so nothing is exempt there.')
        elif governed is None:
            notes.append(
                f"spec.namespaces: namespace \"{name}\" isn't in the input or the cluster, so it isn't known whether policy"
                f" {spec.policy} governs it; where it doesn't exist, nothing is exempt."
            )
    return notes
