"""Says in a policy's status that nothing is decided, because facts may be false."""

from __future__ import annotations

from daulat.api import reasons
from daulat.api.names import GROUP
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import condition, conditions_change, ready
from daulat.reconcile.result import Result


def reconcile_untrusted(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the status of a policy, and nothing for other keys. Where daulat.dev itself isn't believed, none is written there."""
    policy = snapshot.policies.get(ref.name) if ref.kind == "SovereigntyPolicy" else None
    if not isinstance(policy, Declared) or GROUP in snapshot.untrusted:
        return Result()
    told = "; ".join(why for _, why in sorted(snapshot.untrusted.items()))
    message = f"{told}. Its responses aren't trusted. Compiled policies stay in force."
    enforced = condition(reasons.ENFORCED, None, reasons.FACTS_NOT_TRUSTED, message)
    change = conditions_change(ref, policy, [ready(enforced), enforced], now)
    return Result(status=change.status, events=change.events)
