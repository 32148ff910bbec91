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
    """An authority signed it, as Daulat's operator verified."""


_RUN = frozenset({"zone", "noZone", "country", "operatorCountry", "parentCountry", "model", "weights", "dataClass"})
_TIERS: dict[str, tuple[Tier, frozenset[str]]] = {
    "RunStarted": (Tier.OBSERVED, _RUN),
    "RunChanged": (Tier.OBSERVED, _RUN),
    "NodeRecorded": (Tier.OBSERVED, frozenset({"labels", "zone", "noZone"})),
    "ZoneRecorded": (Tier.DECLARED, frozenset()),
    "ProfileRecorded": (Tier.DECLARED, frozenset()),
    "PolicyRecorded": (Tier.DECLARED, frozenset({"revision", "conditions", "namespaces", "governed"})),
    "ExemptionRecorded": (Tier.DECLARED, frozenset({"state"})),
    # What a statement says, by whichever key it was signed: the entry of a run says whether it was evidence.
    "AttestationRecorded": (Tier.DECLARED, frozenset()),
    "InventoryRecorded": (Tier.OBSERVED, frozenset({"generation", "declared", "spec"})),
    "ChipRecorded": (Tier.OBSERVED, frozenset({"inventory", "delivery", "permit", "zone"})),
    "ModelRecorded": (Tier.DECLARED, frozenset({"zone", "accelerator", "conditions"})),
}
"""The tier of most fields of a kind, and the fields that have the other one of declared and observed. Other kinds are observed."""


def by_tier(kind: str, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what an entry says, by tier. What refers to other entries is left out."""
    usual, others = _TIERS.get(kind, (Tier.OBSERVED, frozenset()))
    other = Tier.DECLARED if usual is Tier.OBSERVED else Tier.OBSERVED
    found: dict[str, dict[str, Any]] = {}
    for name, value in data.items():
        if name not in (*REFERENCES, "attestationEntries"):
            found.setdefault(other if name in others else usual, {})[name] = value
    if is_attested(data) and "zone" in data:
        found.setdefault(Tier.ATTESTED, {})["zone"] = found[Tier.DECLARED].pop("zone")
    return {tier: said for tier, said in found.items() if said}


def is_attested(run: Mapping[str, Any]) -> bool:
    """Say whether an entry of a run says that, for each policy that demands evidence, the node is attested to stand in its zone."""
    evidence, entries = run.get("evidence"), run.get("attestationEntries")
    return bool(entries) and isinstance(evidence, dict) and set(evidence.values()) == {str(Tier.ATTESTED)}
