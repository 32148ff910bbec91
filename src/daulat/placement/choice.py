"""Chooses zone and accelerator for a model: the first accelerator in the user's order that has room, where policies allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daulat.api import reasons
from daulat.api.accelerator import AcceleratorProfileSpec, DynamicResource
from daulat.api.counted import counted
from daulat.api.frozen import FrozenDict
from daulat.api.model import AcceleratorChoice
from daulat.facts.declared import Declared
from daulat.facts.node import Node
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.kube.ref import Ref

from .approval import approval, approves
from .candidates import candidates_under, nodes_with
from .capacity import DeviceAccounting, Fit
from .compute import requested, too_small
from .current_placement import current_placement
from .devices import Devices, devices
from .dra import Asked, Claimed, claimed
from .eligibility import lacks_storage, undecided
from .labels import carries_labels
from .refusal import closed_for, refusal
from .room import beside_own
from .sizing import NoFit
from .survey import Group, Option, Survey, Unusable
from .zoning import zone_of_record

SAMPLE = 3


@dataclass(frozen=True)
class Chosen:
    """Where the model runs."""

    zone: str
    choice: AcceleratorChoice
    profile: AcceleratorProfileSpec
    resource: str
    """The extended resource that pods ask for, or the DeviceClass of their claims."""
    nodes: tuple[str, ...]
    devices: Devices
    """Those of each replica."""
    room: FrozenDict[str, int] = field(default_factory=FrozenDict)
    """How many more of its pods there is room for beside those that it has, by interconnect domain; by "" where a replica has one
    node or there is no such domain."""
    claim: DynamicResource | None = None
    """What the pods' claims ask for, where they don't ask for the extended resource."""
    image_volumes: bool = True
    """Whether the cluster has image volumes, and every node that it may come to mounts them."""
    capacity: int | None = None
    """How many replicas there is room for in all, its own included; None where nobody counted."""
    too_small: frozenset[str] = frozenset()
    """Nodes of the place that have less CPU or memory than a new pod requests; what runs there requested less."""
    claims_version: str = "v1"
    """The version of resource.k8s.io in which the cluster serves templates of claims."""


@dataclass(frozen=True)
class Decision:
    """The choice, or why there is none, with every node accounted for."""

    chosen: Chosen | None
    reason: str
    message: str
    rejected: tuple[Group, ...]
    held: bool = False
    """Whether it can't be decided if the model may stay where it is, so that it stays."""


def choose(model: Model, policies: Sequence[Policy], snapshot: Snapshot, *, patient: bool = True) -> Decision:
    """Return where the model goes under these policies, or why nowhere.

    Where it depends on pods that aren't on a node yet whether the model finds room, there is no choice yet; where that has
    taken too long (not ``patient``), what may be taken counts as taken.
    """
    found = survey(model, policies, snapshot)
    options, accounting = found.options, found.accounting
    option, open_ = _stay(model, options, accounting, snapshot), None
    undecided_why = _undecided(model, policies, options, snapshot) if option is None else ""
    if option is None and not undecided_why:
        option, open_ = _first_with_room(model, options, accounting, patient=patient)
    chosen = _chosen(model, option, accounting, snapshot) if option is not None else None
    left_out = {name: u.why for u in reversed(found.unusable) for name in u.nodes}
    rejected = _groups(
        found.refused, found.eligible, options, (option, chosen), accounting, model.spec.needed_replicas, left_out
    )
    if undecided_why:
        return Decision(None, reasons.UNDECIDED, undecided_why, rejected, held=True)
    if chosen is not None:
        reason = reasons.SIZING_ADVICE if chosen.devices.note else reasons.PLACEMENT_CHOSEN
        return Decision(chosen, reason, _told(model, chosen), rejected)
    if open_ is not None:
        message = (
            f"{open_.choice.profile} in zone {open_.zone} may have room: that is known once the pods of other models that "
            "wait for such devices are on nodes"
        )
        return Decision(None, reasons.WAITING_FOR_SCHEDULING, message, rejected)
    return Decision(None, *refusal(model, found, rejected, snapshot), rejected)


def may_stay(model: Model, policies: Sequence[Policy], snapshot: Snapshot) -> bool:
    """Say whether the place where the model stands is still one that it may have, devices permitting."""
    where = current_placement(model)
    options = survey(model, policies, snapshot).options
    return where is not None and any((o.zone, o.choice.profile) == (where.zone, where.accelerator) for o in options)


def survey(model: Model, policies: Sequence[Policy], snapshot: Snapshot) -> Survey:
    """Return every node and every accelerator that the model lists, with what keeps each from being taken."""
    candidates = candidates_under(policies, snapshot)
    found: Mapping[str, Node] = candidates.eligible
    if tolerations := model.spec.tolerations:
        found = {name: node.as_tolerated(tolerations) for name, node in found.items()}
    refused: Mapping[str, str] = candidates.refused
    fetch = model.spec.model.fetch
    if fetch is not None and fetch.cache is not None:
        keeps_in = fetch.cache.storage_class_name
        lacking = {name: why for name, node in found.items() if (why := lacks_storage(node, keeps_in, snapshot))}
        found, refused = {n: node for n, node in found.items() if n not in lacking}, {**refused, **lacking}
    options, unusable = _options(model, policies, found, snapshot)
    accounting = DeviceAccounting(snapshot, Ref("SovereignModel", model.namespace, model.name))
    return Survey(policies, tuple(found.values()), refused, options, unusable, accounting)


def _options(
    model: Model, policies: Sequence[Policy], allowed: Mapping[str, Node], snapshot: Snapshot
) -> tuple[list[Option], list[Unusable]]:
    options: list[Option] = []
    unusable: list[Unusable] = []
    where, requests = current_placement(model), requested(model.spec)
    for choice in model.spec.accelerators:
        profile = snapshot.known_profiles.get(choice.profile)
        if profile is None:
            unusable.append(
                Unusable(
                    choice.profile, reasons.NO_USABLE_PROFILE, f"AcceleratorProfile {choice.profile} doesn't exist"
                )
            )
            continue
        if profile.engine(model.spec.engine.name) is None:
            why = f"AcceleratorProfile {choice.profile} doesn't run {model.spec.engine.name}"
            unusable.append(Unusable(choice.profile, reasons.NO_USABLE_PROFILE, why))
            continue
        against = [p.name for p in policies if not approves(p, choice.profile, snapshot)]
        if against:
            why = f"AcceleratorProfile {choice.profile} isn't approved by policy {', '.join(against)}"
            unusable.append(Unusable(choice.profile, reasons.NO_USABLE_PROFILE, why))
            continue
        resource: Asked = profile.resources[0].name
        if choice.claims == "DynamicResourceAllocation":
            found = claimed(profile)
            if found is None or not snapshot.serves("ResourceSlice"):
                missing = f"AcceleratorProfile {choice.profile} has no dynamicResources"
                why = missing if found is None else "the API server has no dynamic resource allocation"
                why += ", so nothing can be claimed of it"
                unusable.append(Unusable(choice.profile, reasons.NO_USABLE_PROFILE, why))
                continue
            resource = found
        by_zone = {
            zone: own
            for zone, nodes in nodes_with(profile, resource, policies, snapshot).items()
            if (own := tuple(allowed[n.name] for n in nodes if n.name in allowed))
        }
        if where is not None and where.accelerator == choice.profile:
            # A plugin or driver that is started anew offers nothing for a while, and takes nothing from pods that have it.
            found_there = by_zone.get(where.zone, ())
            own_nodes = _running_on(model, profile, resource, allowed, snapshot)
            kept = tuple(n for n in own_nodes.get(where.zone, ()) if n not in found_there)
            by_zone |= {where.zone: (*found_there, *kept)} if kept else {}
        try:
            needed = devices(model.spec, choice, with_memory(profile, resource), where)
        except NoFit as error:
            names = tuple(node.name for zone in by_zone.values() for node in zone)
            unusable.append(Unusable(choice.profile, reasons.DOES_NOT_FIT, str(error), names))
            continue
        options += [
            Option(zone, choice, profile, resource, nodes, needed, too_small(nodes, requests))
            for zone, nodes in by_zone.items()
        ]
    return options, unusable


def _running_on(
    model: Model, profile: AcceleratorProfileSpec, resource: Asked, allowed: Mapping[str, Node], snapshot: Snapshot
) -> Mapping[str, list[Node]]:
    """Return the eligible nodes of the profile's kind on which pods of the model have devices of that name, by zone."""
    found: dict[str, list[Node]] = {}
    for pod in snapshot.pods_by_model.get((model.namespace, model.name), ()):
        node = allowed.get(pod.node)
        has = pod.claim_templates if isinstance(resource, Claimed) else resource in pod.devices
        if node is None or not has or not (isinstance(resource, Claimed) or carries_labels(node, profile)):
            continue
        zone = zone_of_record(node, snapshot)
        if isinstance(zone, Declared) and node not in (there := found.setdefault(zone.name, [])):
            there.append(node)
    return found


def with_memory(profile: AcceleratorProfileSpec, resource: Asked) -> AcceleratorProfileSpec:
    """Return the profile with the memory of what is claimed, where that has another than the first extended resource."""
    if not isinstance(resource, Claimed):
        return profile
    nominal, allocatable = resource.resource.memory_gi_b, resource.resource.allocatable_memory_mi_b
    if nominal is None and allocatable is None:
        return profile
    own = {"memory_gi_b": nominal, "allocatable_memory_mi_b": allocatable}
    first = profile.resources[0].model_copy(update=own)
    return profile.model_copy(update={"resources": (first, *profile.resources[1:])})


def _stay(model: Model, options: Sequence[Option], accounting: DeviceAccounting, snapshot: Snapshot) -> Option | None:
    """Return the option where the model stands already, unless it must move: because it isn't eligible any more, or
    because others took the devices before its first pod came, when nothing is lost by choosing anew."""
    where = current_placement(model)
    current = next(
        (o for o in options if where and (o.zone, o.choice.profile) == (where.zone, where.accelerator)), None
    )
    if current is None or _runs(model, snapshot):
        return current
    return current if current.takes(accounting, model.spec.needed_replicas) is not Fit.NO else None


def _undecided(model: Model, policies: Sequence[Policy], options: Sequence[Option], snapshot: Snapshot) -> str:
    """Return the fact that is missing to decide whether the model may stay where it is; empty where it is decided."""
    where = current_placement(model)
    if where is None or any((o.zone, o.choice.profile) == (where.zone, where.accelerator) for o in options):
        return ""
    choice = next((a for a in model.spec.accelerators if a.profile == where.accelerator), None)
    found = [approval(policy, snapshot) for policy in policies]
    if choice is None or any(where.accelerator not in {**own.profiles, **own.unreadable} for own in found):
        return ""  # The model or a policy has decided that.
    stays = f"the model stays on {where.accelerator} in zone {where.zone}, as it is"
    for own in found:
        if why := own.unreadable.get(where.accelerator):
            return f"AcceleratorProfile {where.accelerator} {why}; {stays}"
    if choice.claims == "DynamicResourceAllocation" and not snapshot.serves("ResourceSlice"):
        return f"the API server doesn't serve ResourceSlices any more; {stays}"
    pods = snapshot.pods_by_model.get((model.namespace, model.name), ())
    names = sorted({*where.nodes, *(pod.node for pod in pods if pod.node)})
    nodes = [node for name in names if (node := snapshot.nodes.get(name)) is not None]
    why = undecided(nodes, policies, snapshot)
    return f"{why}; {stays}" if why else ""


def _runs(model: Model, snapshot: Snapshot) -> bool:
    return any(pod.node for pod in snapshot.pods_by_model.get((model.namespace, model.name), ()))


def _first_with_room(
    model: Model, options: Sequence[Option], accounting: DeviceAccounting, *, patient: bool
) -> tuple[Option | None, Option | None]:
    """Return the first option with room, or one that may have room where none of an accelerator before it has."""
    open_: Option | None = None
    for option in options:
        if open_ is not None and option.choice is not open_.choice:
            break
        room = option.takes(accounting, model.spec.needed_replicas, ignore_waiting=not patient)
        if room is Fit.YES:
            return option, None
        if room is Fit.DEPENDS and patient:
            open_ = open_ or option
    return None, open_


def _chosen(model: Model, option: Option, accounting: DeviceAccounting, snapshot: Snapshot) -> Chosen:
    bound = [pod.node for pod in snapshot.pods_by_model.get((model.namespace, model.name), ()) if pod.node]
    runs = set(bound)
    roomy = [n.name for n in option.open if accounting.free(n, option.resource) >= option.devices.per_node]
    standing_on = runs & {n.name for n in option.nodes}
    # Replicas that aren't on a node yet may still come to any with room.
    pods = max(model.spec.replicas, 1) * option.devices.nodes
    nodes = sorted(standing_on if len(bound) >= pods and standing_on else standing_on | {*roomy})
    cluster = snapshot.capabilities
    mounts = cluster.has("image-volumes") and all(node.image_volumes for node in option.nodes)
    room = beside_own(option.open, option.profile, option.resource, option.devices, accounting)
    return Chosen(
        option.zone,
        option.choice,
        option.profile,
        option.resource_name,
        tuple(nodes),
        option.devices,
        FrozenDict(room),
        option.resource.resource if isinstance(option.resource, Claimed) else None,
        mounts,
        option.room(accounting),
        frozenset(option.too_small),
        cluster.served.get("resourceclaimtemplates", "v1"),
    )


def _groups(
    refused: Mapping[str, str],
    allowed: Sequence[Node],
    options: Sequence[Option],
    choice: tuple[Option | None, Chosen | None],
    accounting: DeviceAccounting,
    replicas: int,
    left_out: Mapping[str, str],
) -> tuple[Group, ...]:
    """Account for every node: why it isn't eligible, has nothing that the model lists, or wasn't taken."""
    by_reason: dict[str, list[str]] = {}
    passing: set[str] = set()
    for name, why in refused.items():
        by_reason.setdefault(why, []).append(name)
    taken_option, chosen = choice
    taken = set(chosen.nodes) if chosen is not None else set()
    first = {node.name: taken_option for node in taken_option.nodes} if taken_option is not None else {}
    for option in options:
        for node in option.nodes:
            first.setdefault(node.name, option)
    why_not = {id(option): _why_not(option, options, taken_option, accounting, replicas) for option in options}
    for node in allowed:
        if node.name in taken:
            continue
        own = first.get(node.name)
        if own is None:
            why = left_out.get(node.name, "has no accelerator that the model lists")
        elif lacks := own.too_small.get(node.name):
            why = f"has less {lacks} in all than spec.resources of the model requests"
        elif closed := closed_for(node, own):
            why = closed
        elif own is taken_option and accounting.free(node, own.resource) < own.devices.per_node:
            why = f"has fewer than {own.devices.per_node} free {own.resource}"
            passing.add(why)
        else:
            why = why_not[id(own)]
            # What comes later in the order does so whoever holds it.
            if taken_option is None or options.index(own) <= options.index(taken_option):
                passing.add(why)
        by_reason.setdefault(why, []).append(node.name)
    groups = [Group(why, tuple(sorted(names)), why in passing) for why, names in by_reason.items()]
    return tuple(sorted(groups, key=lambda g: (-len(g.nodes), g.reason)))


def _why_not(
    option: Option, options: Sequence[Option], chosen: Option | None, accounting: DeviceAccounting, replicas: int
) -> str:
    if option is chosen:
        return "has room too, but the model runs on other nodes of its zone"
    if chosen is not None and options.index(option) > options.index(chosen):
        return f"{option.choice.profile} in zone {option.zone} comes later in the model's order"
    room = option.room(accounting)
    return f"{option.choice.profile} in zone {option.zone} has room for {room} of {replicas} replicas"


def _told(model: Model, chosen: Chosen) -> str:
    spread = f" over {chosen.devices.nodes} nodes" if chosen.devices.nodes > 1 else ""
    what = f"{chosen.devices.count} {'devices of' if chosen.claim else 'x'} {chosen.resource}"
    count = counted(model.spec.replicas, "replica")
    where = f"{count} with {what} each{spread} on {chosen.choice.profile} in zone {chosen.zone}"
    notes = [chosen.devices.note] if chosen.devices.note else []
    if chosen.nodes and chosen.too_small.issuperset(chosen.nodes):
        notes.append("no node there is large enough for what spec.resources requests now, so new pods wait")
    return "; ".join([where, *notes])
