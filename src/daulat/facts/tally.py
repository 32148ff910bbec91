"""Keeps count of pods and of what was made for models, object by object: adding all up for every pass would cost more, the more
there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from daulat.kube.ref import Ref

from .child import Child
from .pod import Pod

Placed = tuple[str, frozenset[str]]
"""A node, and the labels under Daulat's prefix that pods on it are pinned to; empty for pods that aren't pinned."""

K = TypeVar("K")
V = TypeVar("V")


class Tally:
    """The pods of every node and of every model, what they hold, and the models' children. What it has handed out doesn't
    change any more."""

    def __init__(self) -> None:
        self._by_node: dict[str, tuple[Pod, ...]] = {}
        self._held: dict[str, Mapping[str, int]] = {}
        self._by_model: dict[tuple[str, str], tuple[Pod, ...]] = {}
        self._children: dict[tuple[str, str], tuple[Child, ...]] = {}
        self._by_policy: dict[str, tuple[Child, ...]] = {}
        self._pins: Counter[str] = Counter()
        self._nodes_by_pin: dict[str, Counter[str]] = {}
        self._pin_views: dict[str, Mapping[str, int]] = {}
        self._running: Counter[str] = Counter()
        self._placed: dict[Ref, Placed] = {}
        self._placed_in: dict[str, dict[frozenset[str], Counter[str]]] = {}
        self._placed_views: dict[str, Mapping[frozenset[str], Mapping[str, int]]] = {}
        self._views: dict[str, Mapping[Any, Any]] = {}

    def change(self, old: Pod | Child | None, new: Pod | Child | None) -> None:
        """Take an object's facts in place of those before; None where there are none."""
        if isinstance(old, Pod) or isinstance(new, Pod):
            was, now = (fact if isinstance(fact, Pod) else None for fact in (old, new))
            self._place(was, now)
            _exchange(self._by_model, _model_of(was), _model_of(now), was, now)
            self._pins.update(now.pins if now is not None else ())
            self._pins.subtract(was.pins if was is not None else ())
            for label in was.pins if was is not None else ():
                if not self._pins[label]:
                    del self._pins[label]
            self._pin(was, now)
            self._running.update(now.pins if now is not None and now.runs else ())
            self._running.subtract(was.pins if was is not None and was.runs else ())
            for name in ("pods_by_node", "held", "pods_by_model", "pins", "running", "nodes_by_pin"):
                self._views.pop(name, None)
        else:
            _exchange(self._children, _model_of(old), _model_of(new), old, new)
            _exchange(self._by_policy, _policy_of(old), _policy_of(new), old, new)
            self._views.pop("children_by_model", None)
            self._views.pop("children_by_policy", None)

    def place(self, pod: Ref, placed: Placed | None) -> bool:
        """Take in where any pod is that isn't finished, also one of which nothing else is kept. Return whether that is news."""
        before = self._placed.get(pod)
        if before == placed:
            return False
        here = self._placed_in.setdefault(pod.namespace, {})
        if before is not None:
            node, pins = before
            here[pins][node] -= 1
            if not here[pins][node]:
                del here[pins][node]
            if not here[pins]:
                del here[pins]
        if placed is not None:
            node, pins = self._placed[pod] = placed
            here.setdefault(pins, Counter())[node] += 1
        else:
            del self._placed[pod]
        if not here:
            del self._placed_in[pod.namespace]
        self._placed_views.pop(pod.namespace, None)
        self._views.pop("placed", None)
        return True

    def views(self) -> dict[str, Mapping[Any, Any]]:
        """Return what a snapshot has of it, by the names that it has there."""
        for label in self._nodes_by_pin.keys() - self._pin_views.keys():
            self._pin_views[label] = MappingProxyType(dict(self._nodes_by_pin[label]))
        for namespace in self._placed_in.keys() - self._placed_views.keys():
            here = self._placed_in[namespace]
            self._placed_views[namespace] = MappingProxyType({p: MappingProxyType(dict(n)) for p, n in here.items()})
        now: dict[str, Mapping[Any, Any]] = {
            "placed": self._placed_views,
            "pods_by_node": self._by_node,
            "held": self._held,
            "pods_by_model": self._by_model,
            "children_by_model": self._children,
            "children_by_policy": self._by_policy,
            "pins": self._pins,
            "running": self._running,
            "nodes_by_pin": self._pin_views,
        }
        for name in now.keys() - self._views.keys():
            self._views[name] = MappingProxyType(dict(now[name]))
        return dict(self._views)

    def _pin(self, old: Pod | None, new: Pod | None) -> None:
        before, after = (
            {(label, pod.node) for label in pod.pins} if pod is not None and pod.node else set() for pod in (old, new)
        )
        for label, node in before - after:
            nodes = self._nodes_by_pin[label]
            nodes[node] -= 1
            if not nodes[node]:
                del nodes[node]
            if not nodes:
                del self._nodes_by_pin[label]
        for label, node in after - before:
            self._nodes_by_pin.setdefault(label, Counter())[node] += 1
        for label, _ in before ^ after:
            self._pin_views.pop(label, None)

    def _place(self, old: Pod | None, new: Pod | None) -> None:
        before, after = (pod.node if pod is not None and pod.node else None for pod in (old, new))
        _exchange(self._by_node, before, after, old, new)
        for node in {before, after} - {None}:
            total: Counter[str] = Counter()
            for pod in self._by_node.get(node or "", ()):
                total.update(pod.devices)
            if total:
                self._held[node or ""] = MappingProxyType(dict(total))
            else:
                self._held.pop(node or "", None)


def _model_of(fact: Pod | Child | None) -> tuple[str, str] | None:
    if fact is None or not fact.model:
        return None
    return (fact.namespace if isinstance(fact, Pod) else fact.ref.namespace, fact.model)


def _policy_of(fact: Pod | Child | None) -> str | None:
    return fact.policy or None if isinstance(fact, Child) else None


def _exchange(found: dict[K, tuple[V, ...]], before: K | None, after: K | None, old: V | None, new: V | None) -> None:
    if before is not None:
        kept = tuple(fact for fact in found.get(before, ()) if fact is not old)
        if kept:
            found[before] = kept
        else:
            found.pop(before, None)
    if after is not None and new is not None:
        found[after] = (*found.get(after, ()), new)
