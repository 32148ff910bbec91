"""What an exemption names that isn't there or is over: nothing is exempt then, and the API server can't say so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.meta import LabelSelector

from .governance import Namespaces


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
