"""What is decided on a model in one pass: what is said of it, and what is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api.kinds import Manifest
from daulat.placement.choice import Decision
from daulat.placement.loading import Loading
from daulat.reconcile.conditions import Told

from .rolling import Rolling


@dataclass(frozen=True)
class Verdict:
    """The decision."""

    compliant: Told
    decision: Decision | None = None
    """Where it runs; None where that wasn't decided anew."""
    run: Sequence[Manifest] = ()
    """All that is to exist of it."""
    stop: bool = False
    """Whether its pods are to go."""
    weights: Loading | None = None
    rolling: Rolling | None = None
    """How its replicas are replaced, where it runs."""
