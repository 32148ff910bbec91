"""A line of the demo's table, and how an attempt finds out what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from dev.cluster import ClusterError
from dev.cluster.kubectl import Kubectl
from dev.deployment import DEADLINE_SECONDS, poll

Outcome = Literal["placed", "pinned", "refused", "not run", "answered"]
Manifest = dict[str, Any]
TENANT, TEAM = "aminah", "treasury-team"
"""Who applies models, and her group: an ordinary user, with rights in her namespaces alone."""


@dataclass(frozen=True)
class Row:
    """One line of the table. ``expected`` says what should have come of it; anything else fails the demo."""

    attempt: str
    who: str
    expected: Outcome
    outcome: str
    answer: str


def came(what: str, question: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> bool:
    """Wait until the answer is yes; say whether it came to that."""
    try:
        poll(what, question, seconds)
    except ClusterError:
        return False
    return True


def status(user: Kubectl, model: str, namespace: str) -> Manifest:
    """Return the status of a model; empty where it has none yet."""
    return dict(user.get("sovereignmodel", model, namespace).get("status") or {})


def condition(found: Manifest, type_: str) -> Manifest:
    """Return a condition of a status; empty where it has none of that type."""
    return next((c for c in found.get("conditions", ()) if c["type"] == type_), {})


def is_ready(found: Manifest) -> bool:
    """Say whether a model is ready, by its status."""
    return condition(found, "Ready").get("status") == "True"


def message(found: Manifest, type_: str) -> str:
    """Return what a condition of a status says."""
    return str(condition(found, type_).get("message", "no answer"))


def place(found: Manifest) -> str:
    """Return where a model was placed, by its status."""
    nodes = ", ".join(found.get("placement", {}).get("nodes", []))
    return f"{message(found, 'Placed')}, on {nodes}."


def admin(user: str, namespace: str) -> Manifest:
    """Return what makes a user the admin of one namespace, as Kubernetes has that role."""
    return binding("RoleBinding", "demo-admin", "admin", user, namespace)


def binding(kind: str, name: str, role: str, user: str, namespace: str = "") -> Manifest:
    """Return what gives a user a ClusterRole, in one namespace or in all."""
    where = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, **where},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
