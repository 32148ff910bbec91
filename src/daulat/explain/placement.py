"""Explains where an object would run: which nodes would take it, and every other node with the reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from daulat.api.counted import either
from daulat.api.kinds import Manifest
from daulat.api.names import ELIGIBLE, eligible_label
from daulat.facts.node import Node
from daulat.facts.pod import parse_pod
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.facts.unknown import Unknown
from daulat.placement.choice import choose, survey
from daulat.placement.eligibility import ineligible

from .changes import changes
from .tree import tree


def node_labels(policies: Sequence[Policy]) -> list[str]:
    """Return the labels, as KEY=VALUE, that a node has where pods under the policies run.

    An autoscaler has to know them of a node group that has no nodes yet.
    """
    return [f"{eligible_label(policy.name)}={ELIGIBLE}" for policy in policies]


def model_placement(model: Model, policies: Sequence[Policy], snapshot: Snapshot) -> Manifest:
    """Return what the operator would choose for the model now, and why no other node."""
    decision, found = choose(model, policies, snapshot), survey(model, policies, snapshot)
    chosen = decision.chosen
    return {
        "nodes": list(chosen.nodes) if chosen else [],
        "zone": chosen.zone if chosen else None,
        "accelerator": chosen.choice.profile if chosen else None,
        "message": decision.message,
        "nodeLabels": node_labels(policies),
        "rejected": [_group(g.reason, g.nodes) for g in decision.rejected],
        "notLookedAt": [],
        "zones": tree(model, found, decision, snapshot),
        "unusable": [{"profile": u.profile, "reason": u.why} for u in found.unusable],
        "changes": changes(model, found, decision, snapshot),
    }


def pod_placement(pod: Manifest, policies: Sequence[Policy], snapshot: Snapshot) -> Manifest:
    """Return the nodes that would take the pod by what is known of them, and why the others wouldn't."""
    spec = pod.get("spec") or {}
    parsed = parse_pod({**pod, "status": {}})
    devices = dict(parsed.devices) if parsed else {}
    # Certified nodes have these labels; whether a node would be certified is decided anew.
    pins = {eligible_label(p.name) for p in policies}
    selector = {k: str(v) for k, v in (spec.get("nodeSelector") or {}).items() if k not in pins}
    takes: list[str] = []
    rejected: dict[str, list[str]] = {}
    for name, node in sorted(snapshot.nodes.items()):
        why = next((w for p in policies if (w := ineligible(node, p, snapshot))), None)
        why = why or _unfit(node, selector, devices, snapshot)
        if why is None:
            takes.append(name)
        else:
            rejected.setdefault(why, []).append(name)
    groups = sorted(rejected.items(), key=lambda item: (-len(item[1]), item[0]))
    told = ", ".join(f"{count} x {name}" for name, count in sorted(devices.items()))
    message = f"{len(takes)} of {len(snapshot.nodes)} nodes would take it" + (
        f", which requests {told}" if told else ""
    )
    return {
        "nodes": takes,
        "zone": None,
        "accelerator": None,
        "message": message,
        "nodeLabels": node_labels(policies),
        "rejected": [_group(why, names) for why, names in groups],
        "notLookedAt": _not_looked_at(spec),
    }


def _unfit(
    node: Node | Unknown, selector: Mapping[str, str], devices: Mapping[str, int], snapshot: Snapshot
) -> str | None:
    if isinstance(node, Unknown):
        return node.reason
    missing = sorted(f"{k}={v}" for k, v in selector.items() if node.labels.get(k) != v)
    if missing:
        return f"lacks the labels {', '.join(missing)} of spec.nodeSelector"
    if not node.takes_pods:
        return " and ".join(node.obstacles())
    for resource, count in sorted(devices.items()):
        held = sum(pod.devices.get(resource, 0) for pod in snapshot.pods_by_node.get(node.name, ()))
        offered = node.devices.get(resource, 0)
        if offered < count:
            return f"has {offered} {resource}, and {count} {either(count, 'is', 'are')} requested"
        if offered - held < count:
            return f"has fewer than {count} free {resource}"
    return None


def _not_looked_at(spec: Manifest) -> list[str]:
    """Return what the scheduler looks at too and this doesn't."""
    found = [f"spec.affinity.{key}" for key in sorted(spec.get("affinity") or {})]
    return found + [
        f"spec.{key}" for key in ("resourceClaims", "tolerations", "topologySpreadConstraints") if spec.get(key)
    ]


def _group(reason: str, nodes: Sequence[str]) -> Manifest:
    return {"reason": reason, "count": len(nodes), "nodes": list(nodes)}
