"""Decides on an AdmissionCheck of Kueue: whether a workload that has quota also has a place under the policies of its namespace.

Kueue counts quota, and no nodes. A workload may start where its pods find eligible nodes with free devices. Where nothing is free
just now, or a fact is missing, it gives its quota back and comes again later. It is rejected only where no node that joins could
help.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from daulat.api.counted import counted, either, few
from daulat.api.names import NODE_PREFIX
from daulat.api.timestamps import seconds
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.node import Node
from daulat.facts.queued import PodSet, PodToleration, QueuedWorkload
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref

from .approval import approval
from .candidates import candidates_under
from .capacity import DeviceAccounting
from .refusal import summary
from .reservations import Reservation, reservations
from .survey import Group
from .zoning import verdicts, zone_of_record

MULTIKUEUE = "kueue.x-k8s.io/multikueue"
"""The controllerName of AdmissionChecks by which MultiKueue runs a workload in another cluster."""
LATE = 30.0
"""Seconds for which devices of a deleted pod count as about to be free after its time to end is over: its kubelet may be slow."""
_NEEDED = frozenset({"AdmissionCheck", "ResourceFlavor", "ResourceSlice", "ResourceClaim"})
"""Kinds that clusters do without, and without which nothing can be decided where they may exist."""
_NOBODY = Ref("Workload", "", "")
_ZONES = 4
"""How many zones a sentence names."""


class Verdict(StrEnum):
    """What is decided, in the words of Kueue's API."""

    READY = "Ready"
    RETRY = "Retry"
    REJECTED = "Rejected"
    PENDING = "Pending"
    """Nothing yet, and meanwhile the workload keeps its quota: devices are about to be free, or MultiKueue has copied it."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on a workload, and why."""

    verdict: Verdict
    message: str


@dataclass(frozen=True)
class _Room:
    """The nodes that have room for all pods; where there isn't enough, ``lack`` says of what."""

    nodes: tuple[Node, ...] = ()
    lack: str = ""


def judge(workload: QueuedWorkload, snapshot: Snapshot, now: float) -> Judgement:
    """Return the verdict on a workload that has quota.

    One that MultiKueue has copied is never sent back and never rejected. Kueue takes the quota back by the Job that a workload
    stands for, and there is none in this cluster yet; a copy that was rejected is made anew. Another cluster may run it meanwhile,
    and MultiKueue then deletes the copy.
    """
    found = _judge(workload, snapshot, now)
    return found if found.verdict is Verdict.READY or not workload.copied else replace(found, verdict=Verdict.PENDING)


def _judge(workload: QueuedWorkload, snapshot: Snapshot, now: float) -> Judgement:
    if workload.admitted or "Ready" in workload.states(snapshot.own_checks):
        # Its own pods may hold the devices that would be looked for. What must not run is evicted under the policy's drift.
        return Judgement(Verdict.READY, "the workload was admitted before")
    if missing := _missing(workload, snapshot):
        return Judgement(Verdict.RETRY, missing)
    policies = snapshot.governing(workload.namespace)
    if not policies:
        return Judgement(Verdict.READY, f"namespace {workload.namespace} is not governed by a policy")
    if why := next(_never(workload, policies, snapshot), None):
        return Judgement(Verdict.REJECTED, why)
    others = [*_models(snapshot), *_promised(workload, snapshot)]
    found = _room(workload, policies, others, snapshot)
    if not found.lack:
        return Judgement(Verdict.READY, f"{_where(found.nodes, snapshot)} under {_named(policies)}")
    ending = _without_ending(snapshot, now)
    if ending is not None and not _room(workload, policies, others, ending).lack:
        return Judgement(Verdict.PENDING, f"devices of pods that are ending are awaited: {found.lack}")
    return Judgement(Verdict.RETRY, found.lack)


def _missing(workload: QueuedWorkload, snapshot: Snapshot) -> str:
    """Return which fact is missing without which nothing can be decided; empty where none is."""
    if unlisted := sorted(_NEEDED & snapshot.unlisted):
        return f"{', '.join(unlisted)} couldn't be listed yet"
    if workload.namespace not in snapshot.namespaces:
        return f"namespace {workload.namespace} isn't known yet"
    if unreadable := snapshot.unparsable_policies():
        word = either(len(unreadable), "policy", "policies")
        return f"{word} {', '.join(unreadable)} can't be read, and may govern namespace {workload.namespace}"
    chosen = {flavor for pods in workload.pod_sets for flavor in pods.flavors}
    if unknown := sorted(chosen - snapshot.flavors.keys()):
        return f"ResourceFlavor {', '.join(unknown)} isn't known"
    return ""


def _never(workload: QueuedWorkload, policies: Sequence[Policy], snapshot: Snapshot) -> Iterator[str]:
    """Yield why no node could ever do, whatever joins: the accelerator, the zones, or a cluster of which nothing is known here."""
    dispatched = {n for n, check in snapshot.admission_checks.items() if check.controller == MULTIKUEUE}
    if workload.states(frozenset(dispatched)):
        yield (
            "MultiKueue runs the workload in another cluster, whose nodes aren't known here. "
            "Put the AdmissionCheck into the ClusterQueues of the worker clusters, and not into this one."
        )
    for policy in policies:
        for pods in workload.pod_sets:
            for resource in sorted(pods.devices):
                if (approved := _not_approved(resource, policy, snapshot)) is not None:
                    yield (
                        f'SUP-08 podSet {pods.name}: "{resource}" was requested; policy {policy.name} approves '
                        f"{approved or 'no extended resource'}. Request an approved accelerator."
                    )
        if why := _no_zone(policy, snapshot):
            yield why


def _not_approved(resource: str, policy: Policy, snapshot: Snapshot) -> str | None:
    """Return what the policy approves where this resource isn't part of it; None where it is, or where that can't be known."""
    approved = approval(policy, snapshot)
    others = policy.spec.accelerators.other_resources
    if resource in others or approved.unreadable:
        return None
    if any(profile.resource(resource) is not None for profile in approved.profiles.values()):
        return None
    names = {own.name for profile in approved.profiles.values() for own in profile.resources}
    return ", ".join(sorted({*names, *others}))


def _no_zone(policy: Policy, snapshot: Snapshot) -> str:
    """Return why the policy accepts no zone at all; empty where it accepts one, or where a zone can't be read."""
    if any(isinstance(zone, Unparsable) for zone in snapshot.zones.values()):
        return ""
    rejected = [why for why in verdicts(policy, snapshot).values() if why is not None]
    if len(rejected) < len(snapshot.known_zones):
        return ""
    some = few(rejected, _ZONES, between="; ", last="; and ")
    return f"policy {policy.name} accepts no zone: {some or 'there is no SovereignZone'}"


def _models(snapshot: Snapshot) -> Iterator[Reservation]:
    """Yield what placed models are about to take. Those in a queue are workloads themselves, and count once they are admitted."""
    for ref, claim in reservations(snapshot):
        model = snapshot.models[ref]
        if isinstance(model, Declared) and not model.spec.queue_name:
            yield claim


def _promised(judged: QueuedWorkload, snapshot: Snapshot) -> Iterator[Reservation]:
    """Yield what other workloads were admitted for that their pods don't hold yet.

    Pods are counted by their queue, since not every kind of workload leaves its name on its pods.
    """
    admitted = [
        w
        for w in snapshot.workloads.values()
        if w is not judged and w.reserved and "Ready" in w.states(snapshot.own_checks)
    ]
    queues = {(w.namespace, w.queue) for w in admitted}
    there: Counter[tuple[str, str, str, int]] = Counter()
    for pods in snapshot.pods_by_node.values() if queues else ():
        for pod in pods:
            if (pod.namespace, pod.queue) in queues:
                there.update((pod.namespace, pod.queue, *each) for each in pod.devices.items())
    for workload in admitted:
        policies = snapshot.governing(workload.namespace)
        for pod_set in workload.pod_sets:
            for resource, count in sorted(pod_set.devices.items()):
                key = (workload.namespace, workload.queue, resource, count)
                asked = max(pod_set.count - pod_set.done, 0)
                held = min(there[key], asked)
                there[key] -= held
                names = frozenset(node.name for node in _fitting(pod_set, policies, snapshot))
                if asked > held and names:
                    yield Reservation(resource, count, asked - held, names)


def _room(
    workload: QueuedWorkload, policies: Sequence[Policy], others: Iterable[Reservation], snapshot: Snapshot
) -> _Room:
    """Return the nodes that have room for all pods of the workload, whatever the scheduler does with others that wait."""
    reserved, found = list(others), dict[str, Node]()
    for pods in workload.pod_sets:
        nodes = _fitting(pods, policies, snapshot)
        if not nodes:
            return _Room(lack=_without_nodes(pods, policies, snapshot))
        accounting = DeviceAccounting(snapshot, _NOBODY, reserved)
        needed = pods.count - pods.done
        having = [n for n in nodes if all(accounting.free(n, r) >= count for r, count in pods.devices.items())]
        for resource, count in sorted(pods.devices.items()):
            places = accounting.slots(having, resource, count)
            if places < needed:
                return _Room(lack=_too_few(pods, resource, places, nodes, policies, snapshot))
            reserved.append(Reservation(resource, count, needed, frozenset(n.name for n in having)))
        found |= {node.name: node for node in (having if pods.devices else nodes)}
    return _Room(tuple(node for _, node in sorted(found.items())))


def _fitting(pods: PodSet, policies: Sequence[Policy], snapshot: Snapshot) -> list[Node]:
    """Return the nodes that are eligible under the policies and that the scheduler would take for these pods, room permitting."""
    wanted, tolerated = _bound_to(pods, snapshot)
    eligible = candidates_under(policies, snapshot).eligible
    seen = (node.as_tolerated(tolerated) for _, node in sorted(eligible.items()))
    return [node for node in seen if node.takes_pods and wanted.items() <= node.labels.items()]


def _bound_to(pods: PodSet, snapshot: Snapshot) -> tuple[Mapping[str, str], Sequence[PodToleration]]:
    """Return the labels that a node needs for these pods, and what they tolerate, by themselves and by their flavors."""
    wanted = {k: v for k, v in pods.node_selector.items() if not _is_pin(k, snapshot)}
    tolerated = list(pods.tolerations)
    for name in sorted(pods.flavors):
        if (flavor := snapshot.flavors.get(name)) is not None:
            wanted |= flavor.node_labels
            tolerated += flavor.tolerations
    return wanted, tolerated


def _is_pin(label: str, snapshot: Snapshot) -> bool:
    """Say whether a label is a policy's own: eligibility is decided here, and the label follows."""
    return label.startswith(NODE_PREFIX) and label.removeprefix(NODE_PREFIX) in snapshot.policies


def _without_ending(snapshot: Snapshot, now: float) -> Snapshot | None:
    """Return the facts as they are once pods that are being deleted are gone; None where none is."""
    held: dict[str, Mapping[str, int]] = {}
    for name, pods in snapshot.pods_by_node.items():
        ending = [p for p in pods if p.termination_deadline and now < seconds(p.termination_deadline) + LATE]
        if ending:
            left = Counter(snapshot.held.get(name, {}))
            for pod in ending:
                left.subtract(pod.devices)
            held[name] = left
    return replace(snapshot, held={**snapshot.held, **held}) if held else None


def _without_nodes(pods: PodSet, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    candidates = candidates_under(policies, snapshot)
    if not candidates.eligible:
        return (
            f"no node is eligible under {_named(policies)}: {summary(_by_reason(sorted(candidates.refused.items())))}"
        )
    wanted, tolerated = _bound_to(pods, snapshot)
    groups = _by_reason(
        (name, _closed(node.as_tolerated(tolerated), wanted)) for name, node in sorted(candidates.eligible.items())
    )
    return f"podSet {pods.name}: no eligible node takes its pods ({_named(policies)}): {summary(groups)}"


def _closed(node: Node, wanted: Mapping[str, str]) -> str:
    """Return why a node doesn't take the pods."""
    if lacking := sorted(f"{k}={v}" for k, v in wanted.items() if node.labels.get(k) != v):
        return f"lacks the labels {', '.join(lacking)}"
    return " and ".join(node.obstacles())


def _too_few(
    pods: PodSet, resource: str, places: int, nodes: Sequence[Node], policies: Sequence[Policy], snapshot: Snapshot
) -> str:
    count, needed = pods.devices[resource], pods.count - pods.done
    undecided = candidates_under(policies, snapshot).undecided
    message = (
        f"podSet {pods.name}: {counted(needed, 'pod')} with {count} {resource} each; {_where(nodes, snapshot)} "
        f"{either(len(nodes), 'has', 'have')} room for {places} ({_named(policies)})"
    )
    if undecided:
        name, why = min(undecided.items())
        message += f"; {counted(len(undecided), 'node')} can't be decided, such as {name}: {why}"
    return message


def _by_reason(reasons: Iterable[tuple[str, str]]) -> list[Group]:
    """Gather nodes by the reason of each, the largest groups first."""
    found: dict[str, list[str]] = {}
    for name, why in reasons:
        found.setdefault(why, []).append(name)
    groups = [Group(why, tuple(names)) for why, names in found.items()]
    return sorted(groups, key=lambda group: (-len(group.nodes), group.reason))


def _where(nodes: Sequence[Node], snapshot: Snapshot) -> str:
    zones = {z.name for z in (zone_of_record(n, snapshot) for n in nodes) if isinstance(z, Declared)}
    named = sorted(zones)
    return f"{counted(len(nodes), 'eligible node')} in {either(len(named), 'zone', 'zones')} {few(named, _ZONES)}"


def _named(policies: Sequence[Policy]) -> str:
    return f"{either(len(policies), 'policy', 'policies')} {', '.join(p.name for p in policies)}"
