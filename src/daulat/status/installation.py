"""Says whether an operator leads and whether the CustomResourceDefinitions are of this release."""

from __future__ import annotations

from daulat.api.kinds import KINDS
from daulat.api.names import LEASE
from daulat.doctor.enforcement import STALE

from .facts import NOT_SERVED, Facts
from .view import Definitions, Operator


def operator(facts: Facts) -> Operator:
    """Return whether a replica leads, by the age of the Lease: the same limit as in ``daulat doctor``."""
    name, lease = f"{facts.operator_namespace}/{LEASE}", facts.lease
    if not facts.has("Lease"):
        return Operator(None, name, "", None)
    if lease is None or lease.renewed is None:
        return Operator(False, name, lease.holder if lease else "", None)
    # Negative where the clocks of this machine and of the operator's node differ.
    age = max(facts.now - lease.renewed, 0.0)
    return Operator(bool(lease.holder) and age <= STALE, name, lease.holder, age)


def definitions(facts: Facts) -> Definitions:
    """Return how the CustomResourceDefinitions differ from those of this release."""
    if not facts.has("CustomResourceDefinition"):
        return Definitions(None)
    found = facts.definitions
    # One without Daulat's label isn't in the list. A kind that is served has one.
    unknown = [k.kind for k in KINDS if k.kind not in found]
    missing = tuple(kind for kind in unknown if facts.unread.get(kind) == NOT_SERVED)
    outdated = tuple(kind for kind, one in sorted(found.items()) if one.missing)
    newer = tuple(kind for kind, one in sorted(found.items()) if one.unknown)
    if missing or outdated or newer:
        return Definitions(False, missing, outdated, newer)
    return Definitions(None if unknown else True)
