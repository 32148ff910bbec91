"""What the operator was told of the platform around it when it was started."""

from __future__ import annotations

from dataclasses import dataclass, field

from daulat.api.frozen import FrozenDict


@dataclass(frozen=True)
class Platform:
    """What whoever installs Daulat says, and no model can."""

    prometheus: str = ""
    """Where KEDA asks for models' metrics, where their policies name no other; empty where it can't."""
    wake_query: str = ""
    """The query that tells requests for a model while none of its replicas runs; empty where there is none."""
    pod_monitor_labels: FrozenDict[str, str] = field(default_factory=FrozenDict)
    """Labels by which the cluster's Prometheus finds PodMonitors."""
