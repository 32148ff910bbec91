"""Who may do what by RBAC: roles with their aggregation, bound to subjects everywhere or in one namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector

Rule = Mapping[str, Any]
EVERYBODY = frozenset({"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:anonymous"})
_COMPONENTS = frozenset(
    {"system:kube-controller-manager", "system:kube-scheduler", "system:apiserver", "system:kube-proxy", "system:nodes"}
)


@dataclass(frozen=True, order=True)
class Subject:
    """A user, group or ServiceAccount."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def everybody(self) -> bool:
        """Whether it is the group of all users, or of all ServiceAccounts."""
        return self.name in EVERYBODY or (self.kind == "Group" and self.name.startswith("system:serviceaccounts:"))


@dataclass(frozen=True, order=True)
class Grant:
    """A role that a subject is bound to."""

    subject: Subject
    role: str
    binding: str
    namespace: str
    """Where it holds; empty for everywhere."""

    @property
    def expected(self) -> bool:
        """Whether Kubernetes itself needs it: its administrators' group, its components, its own controllers."""
        if (self.subject.kind, self.subject.name) == ("Group", "system:masters"):
            return True
        own = all(text.split(" ")[-1].split("/")[-1].startswith("system:") for text in (self.binding, self.role))
        controller = self.subject.kind == "ServiceAccount" and self.subject.namespace == "kube-system"
        return own and (controller or self.subject.name in _COMPONENTS)


class Rbac:
    """Answers who may do something."""

    def __init__(
        self,
        roles: Sequence[Manifest],
        cluster_roles: Sequence[Manifest],
        role_bindings: Sequence[Manifest],
        cluster_role_bindings: Sequence[Manifest],
    ) -> None:
        self._roles = {(r["metadata"]["namespace"], r["metadata"]["name"]): r.get("rules") or [] for r in roles}
        self._cluster_roles = {r["metadata"]["name"]: r for r in cluster_roles}
        self._bindings = (*role_bindings, *cluster_role_bindings)

    @cached_property
    def grants(self) -> list[tuple[Grant, Sequence[Rule]]]:
        """Every subject's role, with the rules of it. A binding to a role that isn't there gives nothing."""
        found: list[tuple[Grant, Sequence[Rule]]] = []
        for binding in self._bindings:
            meta, ref = binding["metadata"], binding["roleRef"]
            namespace = str(meta.get("namespace") or "")
            own_rules = self._roles.get((namespace, ref["name"]), [])
            rules = self.rules(ref["name"]) if ref["kind"] == "ClusterRole" else own_rules
            kind = "RoleBinding" if namespace else "ClusterRoleBinding"
            where = f"{namespace}/" if namespace else ""
            for s in binding.get("subjects") or ():
                own = str(s.get("namespace") or "") if s["kind"] == "ServiceAccount" else ""
                subject = Subject(s["kind"], s["name"], own)
                grant = Grant(subject, f"{ref['kind']} {ref['name']}", f"{kind} {where}{meta['name']}", namespace)
                found.append((grant, rules))
        return sorted(found, key=lambda g: g[0])

    def rules(self, cluster_role: str) -> Sequence[Rule]:
        """Return the rules of a ClusterRole, with those that aggregation brings in."""
        role = self._cluster_roles.get(cluster_role)
        if role is None:
            return []
        rules = list(role.get("rules") or [])
        for raw in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            selector = LabelSelector.model_validate(raw)
            for other in self._cluster_roles.values():
                if other is not role and selector.matches(other["metadata"].get("labels") or {}):
                    rules += [r for r in other.get("rules") or [] if r not in rules]
        return rules

    @cached_property
    def administrators(self) -> dict[Subject, Grant]:
        """The subjects that may do everything everywhere."""
        return {
            grant.subject: grant
            for grant, rules in self.grants
            if not grant.namespace and any(_everything(rule) for rule in rules)
        }


def allows(rule: Rule, verb: str, group: str, resource: str, names: Iterable[str] = ()) -> bool:
    """Say whether a rule grants the verb on the resource, narrowed to these names where any are given.

    A rule that is narrowed by resourceNames grants nothing on a collection, so no creation.
    """
    if not _has(rule.get("verbs"), verb) or not _has(rule.get("apiGroups"), group):
        return False
    own, (_, slash, subresource) = rule.get("resources") or (), resource.partition("/")
    if not (_has(own, resource) or (slash and f"*/{subresource}" in own)):
        return False
    narrowed, wanted = rule.get("resourceNames") or (), set(names)
    if not narrowed:
        return True
    if wanted:
        return bool(wanted & set(narrowed))
    return verb not in ("deletecollection", "list", "watch") and (verb != "create" or bool(slash))


def _everything(rule: Rule) -> bool:
    return all("*" in (rule.get(key) or ()) for key in ("verbs", "apiGroups", "resources"))


def _has(values: Iterable[str] | None, value: str) -> bool:
    own = set(values or ())
    return "*" in own or value in own
