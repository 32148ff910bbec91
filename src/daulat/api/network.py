"""What a policy says of the network: where pods may connect to, and the names and addresses that they may be given."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from .exposure import Hostname
from .meta import LabelSelector, Spec


class EgressPort(Spec):
    """A port, as in a NetworkPolicy."""

    port: int = Field(ge=1, le=65535)
    """The port number."""
    protocol: str = Field(default="TCP", pattern="^(TCP|UDP|SCTP)$")
    """The protocol."""


class IPBlock(Spec):
    """A range of addresses, as in a NetworkPolicy."""

    cidr: str = Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$", max_length=43)
    """The range in CIDR notation."""


class Peer(Spec):
    """Pods or addresses, as in a NetworkPolicy."""

    namespace_selector: LabelSelector | None = None
    """Pods in these namespaces."""
    pod_selector: LabelSelector | None = None
    """Pods with these labels, in the selected namespaces or in the model's own."""
    ip_block: IPBlock | None = None
    """Addresses; it can't be combined with the selectors."""


EITHER: dict[str, JsonValue] = {
    "x-kubernetes-validations": [
        {
            "rule": "self.all(p, has(p.ipBlock) != (has(p.namespaceSelector) || has(p.podSelector)))",
            "message": "each entry needs either ipBlock or selectors",
        }
    ]
}


class EgressPeer(Peer):
    """The peers that the pods of a SovereignModel may connect to in addition to DNS."""

    ports: tuple[EgressPort, ...] = Field(default=(), max_length=32)
    """Only these ports; every port where none is given."""


class EgressScope(StrEnum):
    """The pods whose egress a policy governs."""

    MODELS = "Models"
    NAMESPACE = "Namespace"


class Egress(Spec):
    """Whom pods may talk to. Everything else is denied by a NetworkPolicy."""

    allow: tuple[EgressPeer, ...] = Field(max_length=32, json_schema_extra=EITHER)
    """The allowed peers."""
    scope: EgressScope | None = None
    """Models, the default, restricts only the pods of SovereignModels. With Namespace, all other pods of governed namespaces
    can reach only DNS, pods of their own namespace and the allowed peers; USE-05 must have the action Enforce."""
    allow_kubernetes_api: bool = Field(default=False, alias="allowKubernetesAPI")
    """With scope Namespace, pods other than those of models may connect to the Kubernetes API, at the addresses in the chart's
    value kubernetesAPI."""

    @property
    def whole_namespace(self) -> bool:
        """Whether every pod of governed namespaces is governed."""
        return self.scope is EgressScope.NAMESPACE


Address = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+$", max_length=45, examples=["10.96.0.10"])]


class HostAlias(Spec):
    """Names that pods may lead to one address by hostAliases."""

    ip: Address
    """The address."""
    hostnames: tuple[Hostname, ...] = Field(min_length=1, max_length=32)
    """The names."""


class Hosts(Spec):
    """Names and addresses that pods may bring themselves, beside the cluster's DNS, loopback and names of Services."""

    aliases: tuple[HostAlias, ...] = Field(default=(), max_length=32)
    """Entries of spec.hostAliases: these names for these addresses."""
    nameservers: tuple[Address, ...] = Field(default=(), max_length=16)
    """DNS servers in spec.dnsConfig.nameservers, such as NodeLocal DNSCache's where a webhook writes it into pods."""
    searches: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(default=(), max_length=32)
    """Domains in spec.dnsConfig.searches."""
    probes: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(default=(), max_length=16)
    """Hosts other than the pod itself that kubelets may contact for probes and lifecycle hooks."""
