"""``daulat operator``: the process that puts policies in force and places models."""

from __future__ import annotations

import asyncio
import json
import sys

import click
from pydantic import ValidationError

from daulat.api.frozen import FrozenDict
from daulat.api.requirements import PrometheusServer
from daulat.facts.platform import Platform
from daulat.logs import configure
from daulat.operator.process import Options, default_identity, run


@click.command()
@click.option(
    "--namespace",
    envvar="DAULAT_NAMESPACE",
    default="daulat-system",
    show_default=True,
    help="Where the operator's Lease is.",
)
@click.option(
    "--port", envvar="DAULAT_PORT", default=8080, show_default=True, help="For /metrics, /healthz and /readyz."
)
@click.option("--identity", envvar="POD_NAME", default=None, help="This replica's name; the pod's by default.")
@click.option(
    "--weights-image",
    envvar="DAULAT_WEIGHTS_IMAGE",
    default="",
    help="The image with which pods fetch and check weights: Daulat's own, from a registry that policies allow.",
)
@click.option(
    "--prometheus",
    envvar="DAULAT_PROMETHEUS",
    default="",
    help="The Prometheus server that KEDA queries, unless a model's policies name another.",
)
@click.option(
    "--wake-query",
    envvar="DAULAT_WAKE_QUERY",
    default="",
    help="A PromQL query that is above 0 when a model without replicas has requests; {namespace} and {name} are the model's.",
)
@click.option(
    "--pod-monitor-labels",
    envvar="DAULAT_POD_MONITOR_LABELS",
    default="{}",
    help="Labels, as JSON, by which the cluster's Prometheus finds PodMonitors.",
)
@click.option(
    "--log-level",
    envvar="DAULAT_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def operator(
    namespace: str,
    port: int,
    identity: str | None,
    weights_image: str,
    prometheus: str,
    wake_query: str,
    pod_monitor_labels: str,
    log_level: str,
) -> None:
    """Run the operator, with KUBECONFIG or the pod's ServiceAccount."""
    platform = _platform(prometheus, wake_query, pod_monitor_labels)
    configure(log_level)
    options = Options(namespace, identity or default_identity(), port, weights_image, platform)
    sys.exit(asyncio.run(run(options)))


def _platform(prometheus: str, wake_query: str, labels: str) -> Platform:
    """Return what the options say of the platform. Raises click.UsageError."""
    if prometheus:
        try:
            PrometheusServer(address=prometheus, wake_query=wake_query or None)
        except ValidationError as error:
            message = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise click.UsageError(f"--prometheus, --wake-query: {message}") from error
    elif wake_query:
        raise click.UsageError("--wake-query requires --prometheus")
    try:
        read = json.loads(labels)
    except ValueError as error:
        raise click.UsageError(f"--pod-monitor-labels: {error}") from error
    if not isinstance(read, dict) or not all(isinstance(v, str) for v in read.values()):
        raise click.UsageError("--pod-monitor-labels: must be a JSON object with string values")
    return Platform(prometheus, wake_query, FrozenDict(read))
