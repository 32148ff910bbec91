"""Writes what a Prometheus needs to read an engine's metrics, where every policy lets somebody come to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import MODEL_LABEL
from daulat.api.network import Peer
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog.engines import EngineData, engine_of
from daulat.facts.platform import Platform
from daulat.facts.snapshot import Model

from .labels import answering, owned

POD_MONITOR = "PodMonitor"


def readers(policies: Sequence[SovereigntyPolicySpec]) -> list[Peer]:
    """Return the peers that may read the metrics: those that every policy allows."""
    return common([p.monitoring.allow if p.monitoring else () for p in policies])


def common(listed: Sequence[Iterable[Peer]]) -> list[Peer]:
    """Return the peers that are in every list, in the order of the first."""
    first, *others = [list(peers) for peers in listed] or [[]]
    return [peer for peer in first if all(peer in other for other in others)]


def metrics_port(data: EngineData) -> int:
    """Return the port that the engine's metrics are on."""
    return data.port if data.metrics_port is None else data.metrics_port


def pod_monitor(
    model: Model, policies: Sequence[SovereigntyPolicySpec], platform: Platform, *, grouped: bool = False
) -> list[Manifest]:
    """Return the PodMonitor, by which the Prometheus operator finds the pods; none where nobody may read them."""
    if not readers(policies):
        return []
    data, key = engine_of(model.spec.engine), model.spec.engine.api_key_secret
    endpoint: Manifest = {"port": "http" if data.metrics_port is None else "metrics", "path": data.metrics_path}
    if data.metrics_need_key and key is not None:
        endpoint["authorization"] = {"type": "Bearer", "credentials": {"name": key.name, "key": key.key}}
    spec = {
        "selector": {"matchLabels": answering(model, grouped=grouped)},
        # By it autoscalers and people tell this model's series from others'.
        "podTargetLabels": [MODEL_LABEL],
        "podMetricsEndpoints": [endpoint],
    }
    made = owned(model, "monitoring.coreos.com/v1", POD_MONITOR, {"spec": spec})
    made["metadata"]["labels"] = {**platform.pod_monitor_labels, **made["metadata"]["labels"]}
    return [made]
