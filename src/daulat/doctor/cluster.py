"""A cluster as doctor read it: raw lists, why others couldn't be read, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from daulat.admission.policy import CompiledPolicy, PolicyError
from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.facts.namespace import Namespace
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.store import Store
from daulat.reconcile.policy.compiled import compiled, governs_protected

from .finding import NotLooked
from .rbac import Rbac
from .sources import JUDGED_BY, SOURCES

FACTS = {"nodes": "Node", "namespaces": "Namespace"} | {k.plural: k.kind for k in JUDGED_BY}
"""The sources that facts are made from, with their kinds."""


@dataclass(frozen=True)
class Probe:
    """What the API server answered to a dry run that should be refused."""

    refused: bool
    message: str


@dataclass(frozen=True)
class Cluster:
    """Everything that was read. A list that is neither here nor missing is of a kind that the API server doesn't serve."""

    lists: Mapping[str, tuple[Manifest, ...]]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why a list couldn't be read, by its key."""
    version: str = ""
    """The API server's version, such as v1.37.2."""
    now: float = 0.0
    """Seconds since the epoch."""
    capabilities: Capabilities = DEFAULT
    """What its Kubernetes offers."""
    operator_namespace: str = "daulat-system"
    operator_account: str = "daulat"
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """Answers to dry runs by name. Empty unless the user asked for them."""

    def items(self, *keys: str) -> tuple[Manifest, ...]:
        """Return the objects of these lists; none of a kind that isn't served. Raises NotLooked where one wasn't read."""
        unread = [f"{SOURCES[key].right} ({self.missing[key]})" for key in keys if key in self.missing]
        if unread:
            raise NotLooked(", ".join(unread))
        return tuple(item for key in keys for item in self.lists.get(key, ()))

    def served(self, key: str) -> bool:
        """Say whether the API server has this kind. Raises NotLooked where that isn't known."""
        self.items(key)
        return key in self.lists

    @cached_property
    def rbac(self) -> Rbac:
        """Who may do what. Raises NotLooked."""
        lists = [self.items(key) for key in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")]
        return Rbac(*lists)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The facts, as the operator sees them. Raises NotLooked where one of the lists they are made from wasn't read."""
        store = Store(self.operator_namespace)
        store.record_capabilities(self.capabilities)
        store.advance(self.now)
        for key, kind in FACTS.items():
            for item in self.items(key):
                store.apply(kind, item)
        return store.snapshot()

    @cached_property
    def policies(self) -> dict[str, Policy]:
        """The policies that can be read, by name. Raises NotLooked."""
        store = Store(self.operator_namespace)
        for item in self.items("sovereigntypolicies"):
            store.apply("SovereigntyPolicy", item)
        return store.snapshot().known_policies

    @cached_property
    def namespaces(self) -> dict[str, Namespace]:
        """The namespaces by name. Raises NotLooked."""
        return {n.name: n for n in map(_namespace, self.items("namespaces"))}

    @cached_property
    def governing(self) -> dict[str, list[Policy]]:
        """The policies that govern each governed namespace that isn't on its way out. Raises NotLooked."""
        found: dict[str, list[Policy]] = {}
        for namespace in self.namespaces.values():
            own = [p for p in self.policies.values() if p.spec.namespace_selector.matches(namespace.labels)]
            if own and not namespace.terminating:
                found[namespace.name] = own
        return found

    @cached_property
    def compiled(self) -> dict[str, CompiledPolicy]:
        """What each policy compiles to; one that the operator refuses isn't here. Raises NotLooked."""
        found = {}
        for name, policy in self.snapshot.known_policies.items():
            if governs_protected(policy, self.snapshot):
                continue
            try:
                found[name] = compiled(policy, self.snapshot, self.now)
            except PolicyError:
                continue  # Its condition Enforced says so, and the check of conditions tells it.
        return found

    def refusing(self, namespace: str, resource: str) -> tuple[Manifest, ...]:
        """Return what refuses requests for the resource there: admission policies as they should be, not as they are."""
        key = (namespace, resource)
        if key not in self._refusing:
            self._refusing[key] = tuple(
                manifest
                for policy in self.governing.get(namespace, ())
                if policy.name in self.compiled
                for manifest in self.compiled[policy.name].refusing
                if any(resource in rule["resources"] for rule in manifest["spec"]["matchConstraints"]["resourceRules"])
            )
        return self._refusing[key]

    @cached_property
    def namespace_objects(self) -> dict[str, Manifest]:
        """The raw namespaces by name. Raises NotLooked."""
        return {name_of(item): item for item in self.items("namespaces")}

    @cached_property
    def _refusing(self) -> dict[tuple[str, str], tuple[Manifest, ...]]:
        return {}


def name_of(item: Mapping[str, Any]) -> str:
    """Return an object's name, behind its namespace where it has one."""
    meta = item.get("metadata") or {}
    namespace = meta.get("namespace")
    return f"{namespace}/{meta.get('name')}" if namespace else str(meta.get("name"))


def labels_of(item: Mapping[str, Any]) -> dict[str, str]:
    """Return an object's labels."""
    return (item.get("metadata") or {}).get("labels") or {}


def _namespace(item: Manifest) -> Namespace:
    store = Store("")
    store.apply("Namespace", item)
    return next(iter(store.snapshot().namespaces.values()))
