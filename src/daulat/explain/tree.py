"""Shows a model's places as a tree: zone, accelerator, node, with what is free on each and who has the rest."""

from __future__ import annotations

from daulat.api.kinds import Manifest
from daulat.facts.node import Node
from daulat.facts.snapshot import Model, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.choice import Decision
from daulat.placement.holders import holdings
from daulat.placement.refusal import closed_for
from daulat.placement.survey import Option, Survey


def tree(model: Model, found: Survey, decision: Decision, snapshot: Snapshot) -> list[Manifest]:
    """Return the zones in the order of the model's preference, each with the accelerators that eligible nodes there have."""
    zones: dict[str, list[Manifest]] = {}
    for option in found.options:
        zones.setdefault(option.zone, []).append(_accelerator(model, option, found, decision, snapshot))
    return [{"zone": zone, "accelerators": accelerators} for zone, accelerators in zones.items()]


def _accelerator(model: Model, option: Option, found: Survey, decision: Decision, snapshot: Snapshot) -> Manifest:
    chosen = decision.chosen
    taken = chosen is not None and (chosen.zone, chosen.choice.profile) == (option.zone, option.choice.profile)
    return {
        "profile": option.choice.profile,
        "resource": option.resource_name,
        "devices": option.devices.per_node,
        "nodesEach": option.devices.nodes,
        "replicas": model.spec.replicas,
        "room": option.room(found.accounting),
        "chosen": taken,
        "nodes": [_node(model, option, node, found, snapshot) for node in option.nodes],
    }


def _node(model: Model, option: Option, node: Node, found: Survey, snapshot: Snapshot) -> Manifest:
    ref = Ref("SovereignModel", model.namespace, model.name)
    held = holdings([node], option.resource, found.accounting, snapshot, ref)
    return {
        "node": node.name,
        "offered": held.offered,
        "free": held.free,
        "takesNoPods": closed_for(node, option),
        "holders": [
            {"kind": h.kind, "namespace": h.namespace, "name": h.name, "count": h.count, "promised": h.promised}
            for h in held.holders
        ],
    }
