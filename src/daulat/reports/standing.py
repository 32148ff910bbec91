"""What a cluster's report says: which policies judge nothing, and which policies and zones aren't ready."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api.names import API_VERSION
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Snapshot

from .result import Outcome, Result, Subject

NO_POLICY = "daulat"
"""The policy of a result that is of none."""
READY = "Ready"


def standing(snapshot: Snapshot) -> Iterator[Result]:
    """Yield a warning for each policy and zone whose condition Ready is False."""
    of_kinds = {"SovereigntyPolicy": snapshot.policies, "SovereignZone": snapshot.zones}
    for kind, found in of_kinds.items():
        for name, declared in sorted(found.items()):
            if not isinstance(declared, Declared):
                continue
            policy = name if kind == "SovereigntyPolicy" else NO_POLICY
            for condition in declared.status.conditions or ():
                if condition.type == READY and condition.status == "False":
                    message = f"{condition.reason}: {condition.message}"
                    yield Result(
                        Outcome.WARN, policy, READY, Subject(API_VERSION, kind, "", name, declared.uid), message, "Warn"
                    )
