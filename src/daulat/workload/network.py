"""Writes the Service, and NetworkPolicies that deny everything but the API within the namespace, DNS and what policies allow."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import MANAGED_BY, MODEL_LABEL
from daulat.api.network import EgressPeer, Peer
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog.engines import engine_of
from daulat.facts.platform import STANDARD, Platform
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen

from .container import settings_of
from .labels import answering, owned, selector
from .monitoring import common, metrics_port, readers
from .podsettings import with_own_metadata

DEFAULT_DENY = "default-deny.daulat.dev"
"""The name of the NetworkPolicy that a namespace has beside those of its models. No model can have it: their names have no dots."""


def service(model: Model, chosen: Chosen, *, grouped: bool = False) -> Manifest:
    """Return the Service of the model's API, which says where metrics are. Of a replica of several nodes, the leader answers."""
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    spec = {"type": "ClusterIP", "selector": answering(model, grouped=grouped), "ports": [port]}
    made = owned(model, "v1", "Service", {"spec": spec})
    # Not on the pods: where it changed there, an upgrade would roll them.
    made["metadata"]["annotations"] = _metrics(model, chosen)
    return {**made, "metadata": with_own_metadata(model, made["metadata"])}


def _metrics(model: Model, chosen: Chosen) -> dict[str, str]:
    """Return where metrics are, in the words that Prometheus' own examples for Kubernetes read."""
    data, settings = engine_of(model.spec.engine), settings_of(model, chosen)
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(data.metrics_port or data.port),
        "prometheus.io/path": settings.metrics_path or data.metrics_path,
    }


def url(model: Model) -> str:
    """Return where clients in the cluster reach the OpenAI API."""
    return f"http://{model.name}.{model.namespace}.svc/v1"


def network_policy(
    model: Model, policies: Sequence[SovereigntyPolicySpec], platform: Platform = STANDARD, *, grouped: bool = False
) -> Manifest:
    """Return the NetworkPolicy. Of what policies allow, only what all of them allow is let through.

    Where a replica has several nodes, the model's pods talk to each other: what they say is neither encrypted nor signed.
    """
    own = [{"podSelector": {"matchLabels": selector(model)}}]
    data = engine_of(model.spec.engine)
    ports = [data.port, *([data.metrics_port] if data.metrics_port is not None else [])]
    spec = {
        "podSelector": {"matchLabels": selector(model)},
        "policyTypes": ["Egress", "Ingress"],
        "ingress": [
            {"from": [{"podSelector": {}}], "ports": _tcp(ports)},
            *([{"from": own}] if grouped else []),
            *_from_outside(model, policies),
        ],
        "egress": [
            *dns_rules(platform),
            *([{"to": own}] if grouped else []),
            *allowed([p.egress.allow if p.egress else () for p in policies]),
        ],
    }
    return owned(model, "networking.k8s.io/v1", "NetworkPolicy", {"spec": spec})


def default_deny(namespace: str) -> Manifest:
    """Return the NetworkPolicy that all pods of models in the namespace have in common: it lets nothing through.

    NetworkPolicies add up, so beside a model's own it changes nothing. It is nobody's: the garbage collector takes a model's away
    while its pods still end, and this one stays.
    """
    spec = {
        "podSelector": {"matchExpressions": [{"key": MODEL_LABEL, "operator": "Exists"}]},
        "policyTypes": ["Egress", "Ingress"],
        # Null takes rules away that others wrote here. With an empty list, every apply were a change.
        "ingress": None,
        "egress": None,
    }
    labels = {MANAGED_BY: "daulat", "app.kubernetes.io/part-of": "daulat"}
    metadata = {"name": DEFAULT_DENY, "namespace": namespace, "labels": labels}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _from_outside(model: Model, policies: Sequence[SovereigntyPolicySpec]) -> list[Manifest]:
    """Return the rules for those who come from other namespaces: who reads metrics, and the pods of Gateways."""
    data = engine_of(model.spec.engine)
    gateways = common([p.exposure.gateway_peers if p.exposure else () for p in policies]) if model.spec.exposure else []
    found = [(readers(policies), metrics_port(data)), (gateways, data.port)]
    return [{"from": [_fields(peer) for peer in peers], "ports": _tcp([port])} for peers, port in found if peers]


def _tcp(ports: Sequence[int]) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def dns_rules(platform: Platform) -> list[Manifest]:
    """Return the rules for egress to the cluster's DNS: its pods, and the servers that are on the nodes themselves."""
    servers, protocols = platform.dns, ("UDP", "TCP")
    pods = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": servers.namespace}},
        "podSelector": {"matchLabels": dict(servers.pod_labels)} if servers.pod_labels else {},
    }
    found = [{"to": [pods], "ports": [{"protocol": p, "port": servers.port} for p in protocols]}]
    if servers.addresses:
        peers = [{"ipBlock": {"cidr": cidr(address)}} for address in servers.addresses]
        found.append({"to": peers, "ports": [{"protocol": p, "port": 53} for p in protocols]})
    return found


def cidr(address: str) -> str:
    """Return the range that holds one address alone."""
    return f"{address}/{128 if ':' in address else 32}"


def allowed(by_policy: Sequence[Sequence[EgressPeer]]) -> list[Manifest]:
    """Return the rules for the peers that all policies allow."""
    first, *others = by_policy or [()]
    return [_rule(peer) for peer in first if all(peer in other for other in others)]


def _rule(peer: EgressPeer) -> Manifest:
    fields = _fields(peer)
    ports = fields.pop("ports", [])
    return {"to": [fields], **({"ports": ports} if ports else {})}


def _fields(peer: Peer) -> Manifest:
    fields: Manifest = peer.model_dump(by_alias=True, exclude_none=True, mode="json")
    return fields
