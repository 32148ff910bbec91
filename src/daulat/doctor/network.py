"""How far governed pods are closed off by NetworkPolicies, and whether anything is seen that enforces these."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import cast

from daulat.api.packaged import load
from daulat.reconcile import closed_egress

from .cluster import Cluster, name_of
from .finding import Found, NotLooked


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
