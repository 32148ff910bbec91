"""A minimal scheduler: a pod goes to a node that is ready, that its nodeSelector, node affinity and tolerations allow, and that has
its devices free. Processors, memory, pod affinity and claims of dynamic resource allocation aren't looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from daulat.api.counted import counted
from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.facts.node import Node
from daulat.facts.pod import parse_pod
from daulat.facts.snapshot import Snapshot

CLAIMS = "its claims of dynamic resource allocation aren't simulated"


class Scheduler:
    """Places pods one after the other on one state of the nodes. Pods of one shape share the search for nodes."""

    def __init__(self, snapshot: Snapshot) -> None:
        ready = (
            n for n in snapshot.nodes.values() if isinstance(n, Node) and n.ready and n.schedulable and not n.undecided
        )
        self._nodes = sorted(ready, key=lambda node: node.name)
        self._held = {name: dict(held) for name, held in snapshot.held.items()}
        self._allowed: dict[str, list[Node]] = {}
        self._full: dict[str, str] = {}

    def place(self, pod: Manifest) -> tuple[str, str]:
        """Return the node for a pod, or an empty name and why there is none."""
        spec = pod.get("spec") or {}
        if spec.get("resourceClaims"):
            return "", CLAIMS
        devices = _devices(pod)
        rules = [spec.get("nodeSelector"), _affinity(spec), spec.get("tolerations")]
        where = digest(rules)
        shape = digest([rules, devices])
        if shape in self._full:
            return "", self._full[shape]
        allowed = self._allowed.get(where)
        if allowed is None:
            allowed = self._allowed[where] = [n for n in self._nodes if _allows(n, spec)]
        for node in allowed:
            held = self._held.setdefault(node.name, {})
            if all(node.devices.get(name, 0) - held.get(name, 0) >= count for name, count in devices.items()):
                for name, count in devices.items():
                    held[name] = held.get(name, 0) + count
                return node.name, ""
        lacks = ", ".join(f"{count} free {name}" for name, count in sorted(devices.items()))
        why = (
            f"none of {counted(len(allowed), 'node')} that it may run on has {lacks}"
            if allowed
            else "no ready node that it may run on"
        )
        self._full[shape] = why
        return "", why


def _devices(pod: Manifest) -> dict[str, int]:
    fact = parse_pod({**pod, "status": {}})
    return dict(fact.devices) if fact is not None else {}


def _affinity(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    found: Sequence[Mapping[str, Any]] = required.get("nodeSelectorTerms") or ()
    return found


def _allows(node: Node, spec: Mapping[str, Any]) -> bool:
    if any(node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    terms = _affinity(spec)
    if terms and not any(_matches(node, term) for term in terms):
        return False
    return all(any(_tolerates(t, *taint) for t in spec.get("tolerations") or ()) for taint in node.taints)


def _matches(node: Node, term: Mapping[str, Any]) -> bool:
    try:
        selector = LabelSelector.model_validate({"matchExpressions": term.get("matchExpressions") or []})
    except ValidationError:  # Gt and Lt, which labels of devices don't need.
        return False
    names = [v for field in term.get("matchFields") or () for v in field.get("values") or ()]
    return selector.matches(node.labels) and (not names or node.name in names)


def _tolerates(toleration: Mapping[str, Any], key: str, value: str, effect: str) -> bool:
    if toleration.get("effect") not in (None, "", effect):
        return False
    if toleration.get("key") not in (None, "", key):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == value
