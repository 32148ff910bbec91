"""What the operator was told of the platform around it when it was started."""

from __future__ import annotations

from dataclasses import dataclass, field

from daulat.api.frozen import FrozenDict


@dataclass(frozen=True)
class Dns:
    """The pods that answer the cluster's DNS queries, as a NetworkPolicy has to name them."""

    namespace: str = "kube-system"
    pod_labels: FrozenDict[str, str] = field(default_factory=lambda: FrozenDict({"k8s-app": "kube-dns"}))
    """Their labels; all pods of the namespace where it's empty."""
    port: int = 53
    """The pods' own port, which isn't always that of their Service."""


@dataclass(frozen=True)
class Platform:
    """What whoever installs Daulat says, and no model can."""

    prometheus: str = ""
    """Where KEDA asks for models' metrics, where their policies name no other; empty where it can't."""
    wake_query: str = ""
    """The query that tells requests for a model while none of its replicas runs; empty where there is none."""
    pod_monitor_labels: FrozenDict[str, str] = field(default_factory=FrozenDict)
    """Labels by which the cluster's Prometheus finds PodMonitors."""
    dns: Dns = field(default_factory=Dns)
    any_user: bool = False
    """Whether admission chooses the user and the groups of models' pods, as OpenShift does; else they have fixed ones."""


STANDARD = Platform()
"""A cluster of which nothing is said."""
