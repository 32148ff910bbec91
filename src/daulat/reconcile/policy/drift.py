"""Finds governed pods whose node isn't eligible any more, and evicts them once their grace period is over.

It looks at pods that are pinned to the policy's nodes: a kubelet that starts anew ends the same pods for the same reason. A model
uses the time to serve elsewhere first (`model/drain.py`). How many pods go at a time is the brake's to say (`brake.py`). A node of
which it can't be decided whether it is eligible loses nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from daulat.api import reasons
from daulat.api.counted import counted, few
from daulat.api.names import eligible_label
from daulat.api.policy import BrakeStatus, Drift, DriftedNode, SovereigntyPolicyStatus, UndecidedNode
from daulat.api.timestamps import seconds, stamp
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.candidates import candidates_under
from daulat.placement.certify import decided_against
from daulat.reconcile.conditions import Condition, condition, cut
from daulat.reconcile.result import Delete, EmitEvent
from daulat.workload.container import DEFAULT_TERMINATION_GRACE

from .brake import Brake, release_hint
from .grace import Grace, evicts, rule
from .unexplained import WHY as UNEXPLAINED
from .unexplained import unexplained
from .volumes import Unaccepted

SAMPLE = 3
EVICTION_GRACE_SECONDS = 30
"""Upper bound on the grace period of an eviction."""


@dataclass(frozen=True)
class Stranded:
    """Governed pods on a node that isn't eligible any more, or of which that can't be decided."""

    node: str
    why: str
    pods: tuple[Pod, ...]

    @property
    def key(self) -> tuple[str, bool]:
        """What its time counts by: the node, and whether it's the pods that may not be there, rather than the node."""
        return self.node, self.why == UNEXPLAINED

    def sentence(self, under: str = "") -> str:
        """Return why the pods are to go."""
        if self.why == UNEXPLAINED:
            return f"{self.node} {self.why}"
        return f"{self.node} {self.why}, so it isn't eligible{under} any more"

    @property
    def names(self) -> list[str]:
        """The pods as namespace/name."""
        return [f"{p.namespace}/{p.name}" for p in self.pods]


def stranded(policy: Policy, snapshot: Snapshot) -> list[Stranded]:
    """Return the pods that are pinned to the policy's nodes and whose node isn't one any more, by node."""
    candidates = candidates_under((policy,), snapshot)
    return _pinned(policy, candidates.refused, snapshot, skip=candidates.undecided.keys())


def on_undecided(policy: Policy, snapshot: Snapshot) -> list[Stranded]:
    """Return the pods that are pinned to the policy's nodes and whose node's eligibility can't be decided, by node."""
    return _pinned(policy, candidates_under((policy,), snapshot).undecided, snapshot)


def _pinned(
    policy: Policy, nodes: Mapping[str, str], snapshot: Snapshot, skip: Container[str] = frozenset()
) -> list[Stranded]:
    label = eligible_label(policy.name)
    # From the nodes with such pods, not from all that aren't eligible: those may be thousands.
    names = sorted(name for name in snapshot.nodes_by_pin.get(label, {}).keys() & nodes.keys() if name not in skip)
    if not names:
        return []
    governed = {n.name for n in snapshot.governed_by(policy)}
    found = []
    for name in names:
        here = [p for p in snapshot.pods_by_node[name] if label in p.pins and p.namespace in governed]
        if here:
            found.append(Stranded(name, nodes[name], tuple(sorted(here, key=lambda p: (p.namespace, p.name)))))
    return found


def is_stranded(pod: Pod, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    """Return why the pod's node isn't eligible any more, with the policy that says so; empty where it is."""
    node = snapshot.nodes.get(pod.node)
    if not isinstance(node, Node):
        return ""
    for policy in policies:
        if eligible_label(policy.name) in pod.pins and (why := decided_against(node, policy, snapshot)):
            return f"{node.name} {why}, so it isn't eligible under {policy.name} any more"
    return ""


def moves(pod: Pod, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    """Return why the pod has to leave its node; empty where it may stay, if only because the policy no more than reports it."""
    return is_stranded(pod, [p for p in policies if evicts(p)], snapshot)


def outlook(policies: Iterable[Policy], snapshot: Snapshot, now: float) -> str:
    """Return what becomes of such a pod under these policies, in words."""
    evicting = [p for p in policies if evicts(p)]
    if not evicting:
        return "the policy only reports that"
    held = next((b for p in evicting if (b := Brake(p, snapshot, now)).held), None)
    if held is not None:
        return f"evictions under policy {held.policy.name} are held as batch {held.batch}"
    soonest = min(rule(p).grace_seconds for p in evicting)
    return f"the pod is deleted as soon as another one serves elsewhere, and after {soonest} s in any case"


@dataclass(frozen=True)
class Watch:
    """The pods that a policy finds on nodes that aren't eligible in one pass, and what becomes of them."""

    policy: Policy
    snapshot: Snapshot
    now: float
    held_models: int = 0
    """Models whose workload is to be deleted under the policy and which the brake holds."""
    volumes: tuple[Unaccepted, ...] = ()
    """The claims whose volumes the policy wouldn't accept."""

    @cached_property
    def found(self) -> list[Stranded]:
        """Those that are to go."""
        found = stranded(self.policy, self.snapshot)
        known = {pod.uid for s in found for pod in s.pods}
        for node, pods in sorted(unexplained(self.policy, self.snapshot).items()):
            if left := [p for p in pods if p.uid not in known]:
                found.append(Stranded(node, UNEXPLAINED, tuple(sorted(left, key=lambda p: (p.namespace, p.name)))))
        return found

    @cached_property
    def undecided(self) -> list[Stranded]:
        """Those that stay until a missing fact is there."""
        return on_undecided(self.policy, self.snapshot)

    @cached_property
    def brake(self) -> Brake:
        """What may go at a time."""
        return Brake(self.policy, self.snapshot, self.now)

    @cached_property
    def _rule(self) -> Drift:
        return rule(self.policy)

    @cached_property
    def _since(self) -> dict[tuple[str, bool], str]:
        # Where the status can't be written, what was decided for it counts: the grace period would never end else.
        ref = Ref("SovereigntyPolicy", "", self.policy.name)
        known = _since(self.snapshot.latest_status(ref, self.policy))
        return {s.key: known.get(s.key) or stamp(self.now) for s in self.found}

    def _left(self, s: Stranded) -> float:
        """Seconds until the pods are due; without end where the policy only reports."""
        left = Grace.of((self.policy,), self._since[s.key]).left(self.now)
        return inf if left is None else left

    @property
    def _evicts(self) -> bool:
        return evicts(self.policy)

    @cached_property
    def _due(self) -> list[tuple[Stranded, Pod]]:
        if not self._evicts:
            return []
        return [
            (s, pod)
            for s in self.found
            if self._left(s) <= 0
            for pod in s.pods
            if not pod.termination_deadline or seconds(pod.termination_deadline) > self.now + EVICTION_GRACE_SECONDS
        ]

    @cached_property
    def _divided(self) -> tuple[list[str], list[str]]:
        # A pod that is being deleted already is hurried: that takes away nothing more.
        charged = [(pod.uid, seconds(self._since[s.key])) for s, pod in self._due if not pod.termination_deadline]
        return self.brake.take(sorted(charged, key=lambda item: (item[1], item[0])))

    @property
    def held(self) -> list[str]:
        """The uids of the pods that are due and held by the brake."""
        return self._divided[1]

    def condition(self) -> Condition:
        """Return whether all governed pods are where the policy lets them be."""
        failed = self.snapshot.reports.get(Ref("SovereigntyPolicy", "", self.policy.name))
        if self.held or self.held_models:
            brake = self.brake_status()
            batch = (brake.batch if brake is not None else None) or ""
            workloads = f"the workloads of {counted(self.held_models, 'model')} are"
            what = counted(len(self.held), "pod is", "pods are") if self.held else workloads
            message = (
                f"{what} due and held, since more than {self._rule.limit} of the policy's running pods would go within "
                f"ten minutes; {release_hint(self.policy.name, batch)}"
            )
            return condition(reasons.UPHELD, False, reasons.BRAKE_HELD, message)
        if failed is not None and failed.evict:
            more = f" (and {len(failed.evict) - 1} more)" if len(failed.evict) > 1 else ""
            return condition(reasons.UPHELD, False, reasons.EVICTION_FAILED, f"{failed.evict[0]}{more}")
        if self.found:
            why = reasons.POD_WITHOUT_MODEL if self.found[0].why == UNEXPLAINED else reasons.NODE_NOT_ELIGIBLE
            return condition(reasons.UPHELD, False, why, self._told())
        if self.volumes:
            return condition(reasons.UPHELD, False, reasons.VOLUME_NOT_ACCEPTED, self._bound())
        if self.undecided:
            first, *others = self.undecided
            pods = sum(len(s.pods) for s in self.undecided)
            also = f" and {counted(len(others), 'more node')}" if others else ""
            stay = counted(pods, "governed pod stays", "governed pods stay")
            message = f"it can't be decided whether {first.node}{also} is eligible: {first.why}; {stay} there"
            return condition(reasons.UPHELD, None, reasons.UNDECIDED, message)
        message = "all governed pods are on eligible nodes"
        return condition(reasons.UPHELD, True, reasons.ALL_PODS_ON_ELIGIBLE_NODES, message, initial=True)

    def _told(self) -> str:
        pods = [name for s in self.found for name in s.names]
        some = few(pods, SAMPLE)
        first, *others = self.found
        number, verb = counted(len(others), "other"), "is" if len(others) == 1 else "are"
        also = f", nor {verb} {number}" if others else ""
        if others and first.why == UNEXPLAINED:
            also = f", and so {'has' if len(others) == 1 else 'have'} {number}"
        becomes = f"deleted {self._rule.grace_period} after that was seen" if self._evicts else "only reported"
        return f"{first.sentence()}{also}; pods there are {becomes}: {some}"

    def _bound(self) -> str:
        first, *others = self.volumes
        have = f"; so {'has' if len(others) == 1 else 'have'} {counted(len(others), 'more claim')}: "
        also = have + ", ".join(u.claim for u in others[:SAMPLE]) if others else ""
        more = " and others" if len(others) > SAMPLE else ""
        return f"a claim has PersistentVolume {first.volume.name}, which is reported only: {first.why}{also}{more}"

    def drifted(self) -> tuple[DriftedNode, ...]:
        """Return those that are to go, as the status has them."""
        return tuple(
            DriftedNode(
                node=s.node,
                since=self._since[s.key],
                reason=cut(s.why),
                pods=len(s.pods),
                sample=tuple(s.names[:SAMPLE]),
            )
            for s in self.found
        )

    def undecided_nodes(self) -> tuple[UndecidedNode, ...]:
        """Return those that stay until a missing fact is there, as the status has them."""
        by_reason: dict[str, list[Stranded]] = {}
        for s in self.undecided:
            by_reason.setdefault(cut(s.why), []).append(s)
        return tuple(
            UndecidedNode(
                reason=why,
                nodes=len(group),
                pods=sum(len(s.pods) for s in group),
                sample=tuple(s.node for s in group[:SAMPLE]),
            )
            for why, group in sorted(by_reason.items())
        )

    def brake_status(self) -> BrakeStatus | None:
        """Return what the status says of the brake; None where nothing was taken and nothing is held."""
        going = [uid for uid in self._divided[0] if not self.brake.is_charged(uid)]
        return self.brake.status(len(going), self.held, bool(self.held_models))

    def evictions(self) -> list[Delete]:
        """Return the eviction of those that are due and may go now, with the reason as an Event."""
        under = f" under policy {self.policy.name}"
        held = set(self.held)
        return [
            evict(
                pod,
                s.sentence(under),
                _grace(pod),
                (self.policy.name,),
                reasons.POD_WITHOUT_MODEL if s.why == UNEXPLAINED else reasons.NODE_NOT_ELIGIBLE,
            )
            for s, pod in self._due
            if pod.uid not in held or pod.termination_deadline
        ]

    def again(self) -> list[float]:
        """Return in how many seconds there is something to do."""
        if not self._evicts:
            return []
        left = (self._left(s) for s in self.found)
        due = [seconds_left + 0.1 if seconds_left > 0 else EVICTION_GRACE_SECONDS for seconds_left in left]
        return [*due, *([self.brake.again] if self.brake.again is not None else [])]


def evict(
    pod: Pod,
    why: str,
    grace: int | None = None,
    policies: Sequence[str] = (),
    reason: str = reasons.NODE_NOT_ELIGIBLE,
) -> Delete:
    """Return the pod's eviction, with an Event on it, charged to the policies."""
    ref = Ref("Pod", pod.namespace, pod.name)
    event = EmitEvent(ref, pod.uid, "Warning", reason, cut(f"deleted: {why}"))
    running = 1 if pod.runs else 0
    return Delete(ref, pod.uid, grace, event=event, charged_to=tuple(policies), pods=running)


def left(pod: Pod, policies: Iterable[Policy], now: float) -> int | None:
    """Return how many seconds a pod that is moved in time may take to end; None for its own.

    As long as policies let it stay, and the grace period of an eviction: once a kubelet has begun to wait it can't be hurried.
    """
    soonest = min((_until(pod.node, p, now) for p in policies if evicts(p)), default=0.0)
    most = max(DEFAULT_TERMINATION_GRACE, int(soonest) + EVICTION_GRACE_SECONDS)
    return most if pod.grace > most else None


def drift_since(node: str, policy: Policy, now: float) -> float:
    """Return since when it is known that the node isn't eligible and has pods of the policy."""
    return seconds(_since(policy.status).get((node, False)) or stamp(now))


def _until(node: str, policy: Policy, now: float) -> float:
    return drift_since(node, policy, now) + rule(policy).grace_seconds - now


def _since(status: SovereigntyPolicyStatus) -> dict[tuple[str, bool], str]:
    """Return since when nodes have such pods, by the policy's status."""
    return {(d.node, d.reason == UNEXPLAINED): d.since or "" for d in status.drift or ()}


def _grace(pod: Pod) -> int:
    # Not 0: the API server would forget the pod at once, whether or not it has ended.
    return max(min(pod.grace, EVICTION_GRACE_SECONDS), 1)
