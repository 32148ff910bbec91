"""Says what would let a model run that doesn't: one sentence for each thing that somebody could change, with who could."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daulat.admission.zones import rejects
from daulat.api import reasons
from daulat.api.approval import mismatch
from daulat.api.counted import counted, few
from daulat.facts.declared import Declared
from daulat.facts.node import Node
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.approval import approves
from daulat.placement.choice import Decision
from daulat.placement.dra import tolerated
from daulat.placement.eligibility import ineligible, profile_of
from daulat.placement.holders import NAMED, Holder, holdings
from daulat.placement.labels import carries_labels
from daulat.placement.refusal import NODES, offers
from daulat.placement.survey import Option, Survey
from daulat.placement.zoning import zone_of_record


def changes(model: Model, found: Survey, decision: Decision, snapshot: Snapshot) -> list[str]:
    """Return what would change it, for the place that is missing or else for what the model's own status says."""
    if decision.chosen is not None:
        workload = model.status.condition(reasons.WORKLOAD_READY)
        failing = workload is not None and workload.status == "False"
        known = reasons.REASONS.get(workload.reason) if workload is not None and failing else None
        return [known.remedy] if known is not None and known.remedy else []
    sentences = [s for option in found.options for s in _of_option(model, option, found, snapshot)]
    sentences += [_of_unusable(model, profile, found, snapshot) for profile in (u.profile for u in found.unusable)]
    if not found.options:
        sentences += _other_accelerators(model, found, snapshot)
    sentences += _of_refused(model, found, snapshot)
    return list(dict.fromkeys(sentences))


def _of_option(model: Model, option: Option, found: Survey, snapshot: Snapshot) -> Iterable[str]:
    where = f"{option.choice.profile} in zone {option.zone}"
    if len(option.too_small) == len(option.nodes):
        lacking = " and ".join(sorted(set(option.too_small.values())))
        yield f"{where}: request less {lacking} in spec.resources, or add larger nodes"
        return
    for node in option.nodes:
        if not node.ready:
            yield f"{where}: make node {node.name} ready"
        if not node.schedulable:
            yield f"{where}: uncordon node {node.name}: kubectl uncordon {node.name}"
        if not tolerated(node, option.resource):
            yield f"{where}: remove the taint that keeps pods away from node {node.name}"
    count, together = option.devices.per_node, option.devices.nodes
    at_most = sum(found.accounting.total(node, option.resource) // count for node in option.nodes) // together
    if at_most < model.spec.replicas:
        if at_most:
            yield f"{where}: request at most {at_most} of {model.spec.replicas} replicas, or add nodes there"
        elif (largest := max(found.accounting.total(node, option.resource) for node in option.nodes)) < count:
            yield f"{where}: request at most {counted(largest, 'device')} on a node, or add nodes with {count} there"
        else:
            yield f"{where}: request fewer than {together} nodes per replica, or add nodes with {count} devices there"
        return
    short = model.spec.replicas - option.room(found.accounting)
    if short <= 0:
        return
    if together > 1:
        ref = Ref("SovereignModel", model.namespace, model.name)
        held = holdings(option.open, option.resource, found.accounting, snapshot, ref)
        what = f"{together} interconnected nodes with {count} free {option.resource} each"
        yield f"{where}: {what}{f': wait for or remove {_listed(held.holders)}' if held.holders else ''}"
        return
    steps = [s for node in option.open if (s := _step(option, node, found, snapshot, model)) is not None]
    if steps:
        needed, node, holders = min(steps, key=lambda s: (s[0], s[1].name))
        again = (
            ""
            if short == 1
            else ", and as many for another replica"
            if short == 2
            else f", and as many for each of {short - 1} other replicas"
        )
        yield (
            f"{where}: {needed} more free {option.resource} on node {node.name}{again}: "
            f"wait for or remove {_listed(holders)}"
        )


def _step(
    option: Option, node: Node, found: Survey, snapshot: Snapshot, model: Model
) -> tuple[int, Node, Sequence[Holder]] | None:
    """Return how many more devices free on the node would make room for one more replica, and who has them."""
    count, offered = option.devices.count, found.accounting.total(node, option.resource)
    ref = Ref("SovereignModel", model.namespace, model.name)
    held = holdings([node], option.resource, found.accounting, snapshot, ref)
    wanted = (held.free // count + 1) * count
    return (wanted - held.free, node, held.holders) if wanted <= offered else None


def _listed(holders: Sequence[Holder]) -> str:
    named = [f"{h.kind} {h.namespace}/{h.name} ({h.count})" for h in holders]
    return few(named, NAMED, between=" or ", last=" or ")


def _of_unusable(model: Model, profile: str, found: Survey, snapshot: Snapshot) -> str:
    known = snapshot.known_profiles.get(profile)
    if known is None:
        return f"create AcceleratorProfile {profile}, or list another"
    if known.engine(model.spec.engine.name) is None:
        return f"choose an engine that {profile} runs, or add {model.spec.engine.name} to its spec.engines"
    against = [p for p in found.policies if not approves(p, profile, snapshot)]
    if against:
        return "; ".join(_approve(profile, policies, snapshot) for policies in _by_selection(against))
    return f"{profile}: a shorter spec.engine.context, another spec.model.precision, or devices with more memory"


def _by_selection(policies: Sequence[Policy]) -> Iterable[list[Policy]]:
    """Return the policies that list profiles by name together, and each that has other selectors by itself."""
    by_name = [p for p in policies if p.spec.accelerators.by_name_alone]
    return [*([by_name] if by_name else []), *([p] for p in policies if p not in by_name)]


def _approve(profile: str, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    """Return what approves a profile. Policies with other selectors than names come one by one."""
    asked, names = policies[0].spec.accelerators, ", ".join(p.name for p in policies)
    if asked.by_name_alone:
        return f"approve {profile} in spec.accelerators.profiles of policy {names}"
    why = mismatch(asked, profile, snapshot.known_profiles[profile])
    return f"approve {profile} in spec.accelerators of policy {names}: it {why}"


def _other_accelerators(model: Model, found: Survey, snapshot: Snapshot) -> Iterable[str]:
    listed = {a.profile for a in model.spec.accelerators}
    for profile in offers(found.eligible, snapshot):
        known = snapshot.known_profiles.get(profile)
        approved = all(approves(p, profile, snapshot) for p in found.policies)
        if profile not in listed and known is not None and approved and known.engine(model.spec.engine.name):
            yield f"list {profile} in spec.accelerators: eligible nodes have it"


def _of_refused(model: Model, found: Survey, snapshot: Snapshot) -> Iterable[str]:
    """Look at the nodes that have what the model lists and aren't eligible. The others would be no help."""
    groups: dict[str, list[str]] = {}
    for name in found.refused:
        node = snapshot.nodes[name]
        if isinstance(node, Node) and any(_has(node, a.profile, snapshot) for a in model.spec.accelerators):
            for told in _of_node(node, found, snapshot):
                groups.setdefault(told, []).append(name)
    for told, names in groups.items():
        yield told.format(nodes=few(names, NODES))


def _of_node(node: Node, found: Survey, snapshot: Snapshot) -> Iterable[str]:
    zone = zone_of_record(node, snapshot)
    if not isinstance(zone, Declared):
        how = "label them as a SovereignZone's spec.nodeSelector says, if they stand there"
        yield f"{{nodes}}: assign a zone; {how} (now: {_plain(zone.reason)})"
        return
    for policy in found.policies:
        if (why := rejects(policy.spec.zones, zone.name, zone.spec)) is not None:
            yield f"{{nodes}}: policy {policy.name} doesn't accept their zone: {_plain(why)}"
        elif ineligible(node, policy, snapshot) is not None:
            there = sorted({profile_of(node, r, snapshot.known_profiles) or r for r in node.devices})
            lacking = [p for p in there if not approves(policy, p, snapshot)]
            named = [p for p in lacking if p in snapshot.known_profiles]
            if named and policy.spec.accelerators.by_name_alone:
                listed = ", ".join(named)
                yield f"approve {listed} in spec.accelerators.profiles of policy {policy.name}: {{nodes}} have it"
            elif named:
                for profile in named:
                    yield f"{_plain(_approve(profile, [policy], snapshot))}: {{nodes}} have it"
            else:
                unknown = _plain(", ".join(lacking or there))
                yield f"{{nodes}}: describe {unknown} by an AcceleratorProfile that policy {policy.name} approves"


def _has(node: Node, profile: str, snapshot: Snapshot) -> bool:
    known = snapshot.known_profiles.get(profile)
    return known is not None and known.resources[0].name in node.resources and carries_labels(node, known)


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
