"""Finds governed pods that run where the policy would let none, since nothing pins them: they are older than it, or were exempt.

They aren't evicted: what isn't pinned may be a DaemonSet's pod, or belong to somebody who has to change its template first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from daulat.api import reasons
from daulat.api.counted import counted, either
from daulat.api.names import eligible_label
from daulat.facts.snapshot import Policy, Snapshot
from daulat.placement.candidates import candidates_under
from daulat.reconcile.conditions import Condition, condition

RECHECK = 30.0
"""Seconds after which these pods are counted again. Of pods that nothing pins only numbers are kept, so that no change of
theirs wakes the policy, and its status would report pods that are gone until the next proof."""


def unpinned(policy: Policy, snapshot: Snapshot, exempt: Container[str] = ()) -> Counter[tuple[str, str]]:
    """Return how many such pods there are, by namespace and node. Namespaces that are exempt from the pin are left out."""
    label, found = eligible_label(policy.name), Counter[tuple[str, str]]()
    eligible = candidates_under((policy,), snapshot)
    for name, placed in snapshot.placed.items():
        namespace = snapshot.namespaces.get(name)
        if namespace is None or name in exempt or not policy.spec.namespace_selector.matches(namespace.labels):
            continue
        for pins, nodes in placed.items():
            if label in pins:
                continue
            for node, count in nodes.items():
                if node in eligible.refused and node not in eligible.undecided:
                    found[name, node] += count
    return found


def upheld(decided: Condition, policy: Policy, snapshot: Snapshot, exempt: Container[str] = ()) -> Condition:
    """Return the condition as decided for pinned pods, or where all of them are well, what is true of the others."""
    if decided.status != "True" or not (found := unpinned(policy, snapshot, exempt)):
        return decided
    pods, (first, *others) = sum(found.values()), sorted(found)
    also = f" and {counted(len(others), 'more node')}" if others else ""
    message = (
        f"{counted(pods, 'pod that nothing pins runs', 'pods that nothing pins run')} on nodes that aren't eligible,"
        f" such as in namespace {first[0]} on {first[1]}{also}; "
        f"{either(pods, 'it stays until it is', 'they stay until they are')} deleted"
    )
    return condition(reasons.UPHELD, False, reasons.POD_NOT_PINNED, message)


def again(decided: Condition) -> tuple[float, ...]:
    """Return in how many seconds such pods are counted again, where the condition is about them."""
    return (RECHECK,) if decided.reason == reasons.POD_NOT_PINNED else ()
