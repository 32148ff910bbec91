"""What the summary is made from: the facts of a cluster, the Lease and the CustomResourceDefinitions, and what couldn't be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daulat.facts.definition import Definition
from daulat.facts.snapshot import Snapshot

NOT_SERVED = "not served"
"""Why a kind of Daulat's own couldn't be read where the API server doesn't know it."""


@dataclass(frozen=True)
class Lease:
    """The operator's Lease."""

    holder: str = ""
    """The identity of the replica that holds it; empty where none does."""
    renewed: float | None = None
    """When it was renewed last, in seconds since the epoch; None where that can't be read."""


def parse_lease(raw: Mapping[str, Any]) -> Lease:
    """Read a Lease. What can't be read of it is absent."""
    spec = raw.get("spec") or {}
    try:
        renewed = datetime.fromisoformat(str(spec.get("renewTime"))).timestamp()
    except (ValueError, OverflowError):
        renewed = None
    return Lease(str(spec.get("holderIdentity") or ""), renewed)


@dataclass(frozen=True)
class Facts:
    """Everything that was read, and why the rest wasn't."""

    snapshot: Snapshot
    now: float
    """Seconds since the epoch."""
    version: str = ""
    """The API server's version, such as v1.37.2."""
    lease: Lease | None = None
    """None where there is none, or it wasn't read."""
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    """How each CustomResourceDefinition differs from that of this release, by kind. A kind that isn't here has none."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Why a kind couldn't be read, by its name."""
    namespace: str = ""
    """The namespace whose models were read; empty for all."""
    operator_namespace: str = "daulat-system"

    def has(self, *kinds: str) -> bool:
        """Say whether these kinds were read. One that the API server doesn't serve was."""
        return not self.unread.keys() & set(kinds)
