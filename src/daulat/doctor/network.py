"""How far governed pods are closed off by NetworkPolicies, and whether anything is seen that enforces these."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import cast

from daulat.api.names import MANAGED_BY
from daulat.api.packaged import load
from daulat.reconcile import closed_egress

from .cluster import Cluster, labels_of, name_of
from .finding import Found, NotLooked
from .workloads import judged


@cache
def known_plugins() -> dict[str, str]:
    """Return the network plugins that enforce NetworkPolicies, by the names of their DaemonSets."""
    return cast("dict[str, str]", load((resources.files(__package__) / "network_plugins.yaml").read_text()))


def open_egress(cluster: Cluster) -> Iterator[Found]:
    """Name governed namespaces in which the egress of pods that are no model's is open."""
    for namespace, policies in sorted(cluster.governing.items()):
        if not any(closed_egress.closing(policy.spec) for policy in policies):
            names = ", ".join(sorted(policy.name for policy in policies))
            what = f"namespace {namespace}: only the egress of models' pods is closed, by {names}"
            yield Found(what, (f"Namespace {namespace}", *(f"SovereigntyPolicy {p.name}" for p in policies)))


def older_policies(cluster: Cluster) -> Iterator[Found]:
    """Name NetworkPolicies of others that open pods, and would be refused if they were made now."""
    for item in cluster.items("networkpolicies"):
        if labels_of(item).get(MANAGED_BY) == "daulat":
            continue
        subject = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", **item}
        namespace = str((item.get("metadata") or {}).get("namespace"))
        if messages := judged(cluster, subject, "networkpolicies", namespace, "networking.k8s.io"):
            yield Found(f"NetworkPolicy {name_of(item)}: {' '.join(messages)}", (f"NetworkPolicy {name_of(item)}",))


def plugins(cluster: Cluster) -> Iterator[Found]:
    """Name a cluster without a known network plugin that enforces NetworkPolicies. That one does is shown to nobody."""
    found = sorted({plugin for item in cluster.items("daemonsets") if (plugin := _plugin(name_of(item)))})
    if not found:
        yield Found("no network plugin is known to enforce NetworkPolicies here, and nothing has proved that one does")
    seen = f"; {', '.join(found)} should" if found else ""
    proof = "a connection that a NetworkPolicy denies: the API doesn't show whether the network plugin enforces any"
    raise NotLooked(proof + seen, rights=False)


def _plugin(name: str) -> str | None:
    return known_plugins().get(name.rpartition("/")[2])
