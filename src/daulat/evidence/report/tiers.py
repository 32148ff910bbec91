"""How strong the evidence of what an entry says is: declared by people, observed in the cluster, or attested by an authority."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from daulat.evidence.records import REFERENCES


class Tier(StrEnum):
    """The evidence of a fact, from the weakest."""

    DECLARED = "declared"
    """The owner of an object wrote it, such as the country in a SovereignZone."""
    OBSERVED = "observed"
    """The API server served it as what the kubelet, the scheduler or Daulat's operator reported."""
    ATTESTED = "attested"
    """An authority signed it."""


_RUN = frozenset({"zone", "noZone", "country", "operatorCountry", "parentCountry", "model", "weights", "dataClass"})
_TIERS: dict[str, tuple[Tier, frozenset[str]]] = {
    "RunStarted": (Tier.OBSERVED, _RUN),
    "RunChanged": (Tier.OBSERVED, _RUN),
    "NodeRecorded": (Tier.OBSERVED, frozenset({"labels", "zone", "noZone"})),
    "ZoneRecorded": (Tier.DECLARED, frozenset()),
    "ProfileRecorded": (Tier.DECLARED, frozenset()),
    "PolicyRecorded": (Tier.DECLARED, frozenset({"revision", "conditions", "namespaces", "governed"})),
    "ExemptionRecorded": (Tier.DECLARED, frozenset({"state"})),
    "ModelRecorded": (Tier.DECLARED, frozenset({"zone", "accelerator", "conditions"})),
}
"""The tier of most fields of a kind, and the fields that have the other one of declared and observed. Other kinds are observed."""


def by_tier(kind: str, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what an entry says, by tier. What refers to other entries is left out."""
    usual, others = _TIERS.get(kind, (Tier.OBSERVED, frozenset()))
    if "Attest" in kind:
        usual = Tier.ATTESTED
    other = Tier.DECLARED if usual is Tier.OBSERVED else Tier.OBSERVED
    found: dict[str, dict[str, Any]] = {}
    for name, value in data.items():
        if name not in REFERENCES:
            found.setdefault(other if name in others else usual, {})[name] = value
    return found
