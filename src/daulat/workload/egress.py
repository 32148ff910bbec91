"""Writes the NetworkPolicy of a namespace whose policies govern the egress of every pod."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import MANAGED_BY, MODEL_LABEL
from daulat.api.network import Egress
from daulat.facts.platform import Platform

from .network import allowed, dns_rules

NAMESPACE_EGRESS = "egress.daulat.dev"
"""Its name. No model can have it: their names have no dots."""


def namespace_egress(namespace: str, sections: Sequence[Egress], platform: Platform) -> Manifest:
    """Return the NetworkPolicy of all pods but models'. Of what the policies allow, only what all of them do is let through.

    Models' pods have policies of their own, and the one that they share, so that together no pod is left out.
    """
    spec = {
        "podSelector": {"matchExpressions": [{"key": MODEL_LABEL, "operator": "DoesNotExist"}]},
        "policyTypes": ["Egress"],
        "egress": [
            *dns_rules(platform),
            {"to": [{"podSelector": {}}]},
            *allowed([s.allow for s in sections]),
            *_kubernetes_api(sections, platform),
        ],
    }
    labels = {MANAGED_BY: "daulat", "app.kubernetes.io/part-of": "daulat"}
    metadata = {"name": NAMESPACE_EGRESS, "namespace": namespace, "labels": labels}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _kubernetes_api(sections: Sequence[Egress], platform: Platform) -> list[Manifest]:
    servers = platform.kubernetes_api
    if not servers.cidrs or not all(s.allow_kubernetes_api for s in sections):
        return []
    peers = [{"ipBlock": {"cidr": cidr}} for cidr in servers.cidrs]
    return [{"to": peers, "ports": [{"protocol": "TCP", "port": servers.port}]}]
