"""Finds governed pods whose node isn't eligible any more, and takes them away once their time is over.

It looks at pods that are pinned to the policy's nodes: a kubelet that starts anew ends the same pods for the same reason. A model
uses the time to serve elsewhere first (`drain.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.names import ELIGIBLE, NODE_PREFIX, eligible_label
from daulat.api.policy import Action, Drift, DriftAction
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.certify import unfit
from daulat.reconcile.conditions import Told, cut, told
from daulat.reconcile.result import Delete, Effect, Record
from daulat.reconcile.timestamps import seconds, stamp
from daulat.workload.container import UNASKED

SAMPLE = 3
LAST_WORDS = 30
"""Seconds that a pod has at most to end by itself once its time is over, whatever its own terminationGracePeriodSeconds says."""


@dataclass(frozen=True)
class Stranded:
    """Governed pods on a node that isn't eligible any more."""

    node: str
    why: str
    pods: tuple[Pod, ...]

    @property
    def names(self) -> list[str]:
        """The pods as people name them."""
        return [f"{p.namespace}/{p.name}" for p in self.pods]


def stranded(policy: Policy, snapshot: Snapshot) -> list[Stranded]:
    """Return the pods that are pinned to the policy's nodes and whose node isn't one any more, by node."""
    label = eligible_label(policy.name)
    if label not in snapshot.pins:
        return []
    governed = {n.name for n in snapshot.namespaces.values() if policy.spec.namespace_selector.matches(n.labels)}
    found = []
    for name, pods in sorted(snapshot.pods_by_node.items()):
        node = snapshot.nodes.get(name)
        here = tuple(p for p in pods if label in p.pins and p.namespace in governed)
        if here and isinstance(node, Node) and (why := unfit(node, policy, snapshot)):
            found.append(Stranded(name, why, tuple(sorted(here, key=lambda p: (p.namespace, p.name)))))
    return found


def is_stranded(pod: Pod, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    """Return why the pod's node isn't eligible any more, with the policy that says so; empty where it is."""
    node = snapshot.nodes.get(pod.node)
    if not isinstance(node, Node):
        return ""
    for policy in policies:
        if eligible_label(policy.name) in pod.pins and (why := unfit(node, policy, snapshot)):
            return f"{node.name} {why}, so it isn't eligible under {policy.name} any more"
    return ""


def moves(pod: Pod, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    """Return why the pod has to leave its node; empty where it may stay, if only because the policy no more than reports it."""
    return is_stranded(pod, [p for p in policies if rule(p).action is DriftAction.EVICT], snapshot)


def rule(policy: Policy) -> Drift:
    """Return what the policy says of such pods. One that refuses nothing takes nothing away."""
    said = policy.spec.drift or Drift()
    if policy.spec.action is not Action.ENFORCE:
        return said.model_copy(update={"action": DriftAction.REPORT})
    return said


def outlook(policies: Iterable[Policy]) -> str:
    """Return what becomes of such a pod under these policies, in words."""
    ends = [rule(p) for p in policies]
    soonest = min((d.grace_seconds for d in ends if d.action is DriftAction.EVICT), default=None)
    if soonest is None:
        return "the policy only reports that"
    return f"the pod is deleted as soon as another one serves elsewhere, and after {soonest} s in any case"


@dataclass(frozen=True)
class Watch:
    """What a policy finds of such pods in one pass, and does about them."""

    policy: Policy
    found: Sequence[Stranded]
    now: float

    @cached_property
    def _rule(self) -> Drift:
        return rule(self.policy)

    @cached_property
    def _since(self) -> dict[str, str]:
        known = _known(self.policy)
        return {s.node: known.get(s.node) or stamp(self.now) for s in self.found}

    def _left(self, node: str) -> float:
        """Seconds until the node's pods go."""
        return seconds(self._since[node]) + self._rule.grace_seconds - self.now

    @property
    def _evicts(self) -> bool:
        return self._rule.action is DriftAction.EVICT

    def condition(self) -> Told:
        """Return whether all governed pods are where the policy lets them be."""
        if not self.found:
            message = "all governed pods are on eligible nodes"
            return told(reasons.UPHELD, True, reasons.ALL_PODS_ON_ELIGIBLE_NODES, message, expected=True)
        pods = [name for s in self.found for name in s.names]
        some = ", ".join(pods[:SAMPLE]) + (f" and {len(pods) - SAMPLE} more" if len(pods) > SAMPLE else "")
        first, *others = self.found
        also = f", nor are {len(others)} others" if others else ""
        becomes = f"deleted {self._rule.grace_period} after that was seen" if self._evicts else "only reported"
        message = f"{first.node} {first.why}, so it isn't eligible any more{also}; pods there are {becomes}: {some}"
        return told(reasons.UPHELD, False, reasons.NODE_NOT_ELIGIBLE, message)

    def fields(self) -> list[Manifest]:
        """Return the nodes with such pods, for the status."""
        return [
            {
                "node": s.node,
                "since": self._since[s.node],
                "reason": cut(s.why),
                "pods": len(s.pods),
                "sample": s.names[:SAMPLE],
            }
            for s in self.found
        ]

    def effects(self) -> list[Effect]:
        """Return the end of those whose time is over, with the reason as an Event."""
        if not self._evicts:
            return []
        why = f"under policy {self.policy.name}"
        return [
            effect
            for s in self.found
            if self._left(s.node) <= 0
            for pod in s.pods
            if not pod.gone_by or seconds(pod.gone_by) > self.now + LAST_WORDS
            for effect in ends(pod, f"{s.node} {s.why}, so it isn't eligible {why} any more", _last_words(pod))
        ]

    def again(self) -> list[float]:
        """Return in how many seconds there is something to do."""
        left = (self._left(s.node) for s in self.found)
        return [seconds_left + 0.1 if seconds_left > 0 else LAST_WORDS for seconds_left in left] if self._evicts else []


def ends(pod: Pod, why: str, grace: int | None = None) -> list[Effect]:
    """Return the pod's deletion, told on the pod before. ``grace``: seconds that it has to end by itself; None for its own."""
    ref = Ref("Pod", pod.namespace, pod.name)
    return [
        Record(ref, pod.uid, "Warning", reasons.NODE_NOT_ELIGIBLE, cut(f"deleted: {why}")),
        Delete(ref, pod.uid, grace),
    ]


def left(pod: Pod, policies: Iterable[Policy], now: float) -> int | None:
    """Return how many seconds a pod that is moved in time may take to end; None for its own.

    As long as policies let it stay, and its last words: later nobody can hurry the kubelet, which waits as it was told first.
    """
    soonest = min((_until(pod.node, p, now) for p in policies if rule(p).action is DriftAction.EVICT), default=0.0)
    most = max(UNASKED, int(soonest) + LAST_WORDS)
    return most if pod.grace > most else None


def _until(node: str, policy: Policy, now: float) -> float:
    return seconds(_known(policy).get(node) or stamp(now)) + rule(policy).grace_seconds - now


def _known(policy: Policy) -> dict[str, str]:
    """Return since when nodes have such pods, by the policy's status."""
    return {str(d.get("node")): str(d.get("since") or "") for d in policy.status.get("drift") or ()}


def _last_words(pod: Pod) -> int:
    # Not 0: the API server would forget the pod at once, whether or not it has ended.
    return max(min(pod.grace, LAST_WORDS), 1)


def concerned(pod: Pod | None, snapshot: Snapshot) -> Iterable[Ref]:
    """Return the policies that have to look at a pod, since its node isn't theirs any more, or that wait for pods to go."""
    if pod is None:
        waiting = [name for name, p in sorted(snapshot.known_policies.items()) if p.status.get("drift")]
        yield from (Ref("SovereigntyPolicy", "", name) for name in waiting)
        return
    node = snapshot.nodes.get(pod.node)
    if isinstance(node, Node):
        lacking = (pin for pin in sorted(pod.pins) if node.labels.get(pin) != ELIGIBLE)
        names = (pin.removeprefix(NODE_PREFIX) for pin in lacking)
        yield from (Ref("SovereigntyPolicy", "", name) for name in names if name in snapshot.policies)
