"""The addresses of a cluster's real nodes and their pods. The network is the cluster's own, so every cluster has the same."""

from __future__ import annotations

import ipaddress
from typing import Any

NODES = ipaddress.IPv4Network("10.89.0.0/24")
PODS = ipaddress.IPv4Network("10.245.0.0/16")
FABRIC = str(NODES[1])
"""Where nodes reach the API server."""
API_PORT = 6443


def of_node(index: int) -> str:
    """Return the address of the node with this number, from 0."""
    return str(NODES[10 + index])


def pods_of(index: int) -> ipaddress.IPv4Network:
    """Return the addresses of its pods."""
    return list(PODS.subnets(new_prefix=24))[index]


def api_service() -> list[dict[str, Any]]:
    """Return where pods reach the API server by the Service ``kubernetes``: here the API server doesn't tell that itself."""
    name = "kubernetes"
    labels = {"kubernetes.io/service-name": name}
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [FABRIC], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
        }
    ]
