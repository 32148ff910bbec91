"""``daulat operator``: the process that puts policies in force and places models."""

from __future__ import annotations

import asyncio
import json
import sys

import click
from pydantic import ValidationError

from daulat.api.frozen import FrozenDict
from daulat.api.requirements import PrometheusServer
from daulat.catalog.kubernetes import Pin
from daulat.facts.platform import Platform
from daulat.logs import configure
from daulat.operator.process import Options, default_identity, run


@click.command()
@click.option(
    "--namespace",
    envvar="DAULAT_NAMESPACE",
    default="daulat-system",
    show_default=True,
    metavar="NAMESPACE",
    help="The namespace of the operator and of its Lease.",
)
@click.option(
    "--port", envvar="DAULAT_PORT", default=8080, show_default=True, help="The port of /metrics, /healthz and /readyz."
)
@click.option(
    "--identity", envvar="POD_NAME", default=None, help="The name of this replica in the Lease; the pod's by default."
)
@click.option(
    "--weights-image",
    envvar="DAULAT_WEIGHTS_IMAGE",
    default="",
    metavar="IMAGE",
    help="The image that fetches and checks weights in pods: Daulat's own, from a registry that policies allow.",
)
@click.option(
    "--prometheus",
    envvar="DAULAT_PROMETHEUS",
    default="",
    metavar="URL",
    help="The Prometheus server that KEDA queries, unless a model's policies name another.",
)
@click.option(
    "--wake-query",
    envvar="DAULAT_WAKE_QUERY",
    default="",
    metavar="PROMQL",
    help="A PromQL query that is above 0 when a model without replicas has requests; {namespace} and {name} are the model's.",
)
@click.option(
    "--pod-monitor-labels",
    envvar="DAULAT_POD_MONITOR_LABELS",
    default="{}",
    metavar="JSON",
    help="Labels, as a JSON object, by which the cluster's Prometheus finds PodMonitors.",
)
@click.option(
    "--pin",
    envvar="DAULAT_PIN",
    type=click.Choice(["Auto", *map(str, Pin)]),
    default="Auto",
    show_default=True,
    help="What adds a policy's nodeSelector to pods that lack it. Auto is the best that the cluster has.",
)
@click.option(
    "--log-level",
    envvar="DAULAT_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least severe messages that are logged.",
)
def operator(
    namespace: str,
    port: int,
    identity: str | None,
    weights_image: str,
    prometheus: str,
    wake_query: str,
    pod_monitor_labels: str,
    pin: str,
    log_level: str,
) -> None:
    """Run the operator, with KUBECONFIG or the pod's ServiceAccount."""
    platform = _platform(prometheus, wake_query, pod_monitor_labels)
    configure(log_level)
    options = Options(
        namespace, identity or default_identity(), port, weights_image, platform, None if pin == "Auto" else Pin(pin)
    )
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
