"""Says why a model has no place: nothing is eligible, nothing has the accelerator, nothing takes pods, or others have it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from daulat.api import reasons
from daulat.api.counted import counted, few
from daulat.facts.node import Node
from daulat.facts.snapshot import Model, Snapshot
from daulat.kube.ref import Ref

from .compute import amount, requested
from .dra import offered, tolerated
from .eligibility import profile_of
from .holders import holdings
from .survey import Group, Option, Survey

LINES = 6
"""How many groups of nodes a sentence holds; the status has all of them."""
PLACES = 4
"""How many accelerators in zones a sentence holds."""
NODES = 3


def refusal(model: Model, found: Survey, rejected: Sequence[Group], snapshot: Snapshot) -> tuple[str, str]:
    """Return the reason and the sentence."""
    told = [u.why for u in found.unusable]
    if not found.options and len(found.unusable) == len(model.spec.accelerators):
        unfit = any(u.reason == reasons.DOES_NOT_FIT for u in found.unusable)
        return reasons.DOES_NOT_FIT if unfit else reasons.NO_USABLE_PROFILE, "; ".join(told)
    refused = summary([g for g in rejected if not {n.name for n in found.eligible}.intersection(g.nodes)])
    if not found.eligible:
        names = ", ".join(p.name for p in found.policies)
        word = "policy" if len(found.policies) == 1 else "policies"
        return reasons.NO_ELIGIBLE_NODE, f"no node is eligible under {word} {names}: {_joined([*told, refused])}"
    rest = [*told, *([refused] if found.refused else [])]
    if not found.options:
        return reasons.NO_MATCHING_ACCELERATOR, _joined([_without(model, found, snapshot), *rest])
    if all(node.name in option.too_small for option in found.options for node in option.nodes):
        return reasons.NODES_TOO_SMALL, _joined([_too_small(model, found.options), *rest])
    if not any(option.open for option in found.options):
        return reasons.NO_SCHEDULABLE_NODE, _joined([_closed(found.options), *rest])
    needed = model.spec.needed_replicas
    replicas = counted(needed, "replica")
    places = [_place(model, option, found, snapshot) for option in found.options[:PLACES]]
    if more := len(found.options) - PLACES:
        places += [f"nor in {more} more place{'s' if more > 1 else ''}"] if more > 0 else []
    return reasons.INSUFFICIENT_DEVICES, f"no room for {replicas}: {_joined([*places, *rest])}"


def summary(groups: Sequence[Group]) -> str:
    """Return how many nodes were left out for which reason, the largest groups first."""
    if not groups:
        return "there are no nodes"
    return "; ".join(f"{_nodes(len(g.nodes))}: {g.reason}" for g in groups[:LINES])


def closed_for(node: Node, option: Option) -> str:
    """Return why the node takes no pods that use the option; empty where it does."""
    found = [*node.obstacles(tolerated(node, option.resource))]
    if node.name in option.too_small:
        found.append("is too small for spec.resources")
    return " and ".join(found)


def offers(nodes: Iterable[Node], snapshot: Snapshot) -> list[str]:
    """Return the accelerators on the nodes: the profiles', or the resource's own name where no profile knows it."""
    profiles = snapshot.known_profiles
    seen = list(nodes)
    found = {profile_of(n, r, profiles) or r for n in seen for r in n.devices}
    return sorted(found | {name for name, p in profiles.items() for n in seen if offered(n, p, snapshot)})


def _without(model: Model, found: Survey, snapshot: Snapshot) -> str:
    unusable = {u.profile for u in found.unusable}
    listed = " or ".join(a.profile for a in model.spec.accelerators if a.profile not in unusable)
    there = ", ".join(offers(found.eligible, snapshot))
    have = f"they have {there}" if there else "they have no accelerator"
    if len(found.eligible) == 1:
        have = have.replace("they have", "it has")
        return f"the one eligible node doesn't have {listed}; {have}"
    return f"none of the {len(found.eligible)} eligible nodes has {listed}; {have}"


def _too_small(model: Model, options: Sequence[Option]) -> str:
    """Return what the model requests, and the largest of the nodes that have its accelerators."""
    nodes = {node.name: node for option in options for node in option.nodes}
    requests = requested(model.spec)
    told = []
    for name, asked in (("CPU", requests.cpu), ("memory", requests.memory)):
        sizes = [size for n in nodes.values() if (size := n.cpu if name == "CPU" else n.memory) is not None]
        if asked is not None and sizes:
            told.append(f"{amount(name, asked)}, and the largest node has {amount(name, max(sizes))} for pods in all")
    listed = " or ".join(dict.fromkeys(option.choice.profile for option in options))
    return f"no node with {listed} is large enough: spec.resources requests {'; '.join(told)}"


def _closed(options: Sequence[Option]) -> str:
    nodes = {node.name: closed_for(node, option) for option in options for node in option.nodes}
    verb = "would do, but takes no pods" if len(nodes) == 1 else "would do, but none takes pods"
    return f"{_nodes(len(nodes))} {verb}: {_few(nodes)}"


def _few(nodes: Mapping[str, str]) -> str:
    """Return the first nodes, each with its reason, and how many more there are."""
    return few([f"{name} {why}" for name, why in sorted(nodes.items())[:NODES]], NODES, total=len(nodes))


def _place(model: Model, option: Option, found: Survey, snapshot: Snapshot) -> str:
    count, where = option.devices.per_node, f"{option.choice.profile} in zone {option.zone}"
    spread = f" on each of {option.devices.nodes} nodes" if option.devices.nodes > 1 else " each"
    told = f"{where} has room for {option.room(found.accounting)} with {count} {option.resource}{spread}"
    small = sum(node.name in option.too_small for node in option.nodes)
    obstacles = {n.name: closed_for(n, option) for n in option.nodes if n.name not in option.too_small}
    closed = {name: why for name, why in obstacles.items() if why}
    opened = option.open
    broken = sum(not found.accounting.total(node, option.resource) for node in opened)
    if broken:
        told += f", and {broken} of its {counted(len(option.nodes), 'node')} {'has' if broken == 1 else 'have'} none that works"
    left_out = (
        f"; {len(closed)} of its {counted(len(option.nodes), 'node')} take{'s' if len(closed) == 1 else ''} no pods: {_few(closed)}"
        if closed
        else ""
    )
    if small:
        less = "has less" if small == 1 else "have less"
        left_out += (
            f"; {small} of its {counted(len(option.nodes), 'node')} {less} CPU or memory than spec.resources requests"
        )
    if not opened:
        return f"{where} has no node that takes pods{left_out}"
    at_most = sum(found.accounting.total(node, option.resource) // count for node in opened) // option.devices.nodes
    if at_most < model.spec.needed_replicas:
        told += f", and for {at_most} if nothing were held"
    ref = Ref("SovereignModel", model.namespace, model.name)
    held = holdings(opened, option.resource, found.accounting, snapshot, ref)
    return told + (f": {held}" if held.free < held.offered else "") + left_out


def _nodes(count: int) -> str:
    return counted(count, "node")


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)
