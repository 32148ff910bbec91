"""``daulat operator``: the process that puts policies in force and places models."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from typing import TypeVar

import click
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, IPvAnyNetwork, ValidationError

from daulat.api.frozen import FrozenDict
from daulat.api.requirements import PrometheusServer
from daulat.catalog.kubernetes import Pin
from daulat.facts.platform import Dns, KubernetesApi, Platform
from daulat.logs import configure
from daulat.operator.process import Options, run
from daulat.process.lifecycle import default_identity

from .examples import examples
from .processes import process_options

M = TypeVar("M", bound=BaseModel)


class _Dns(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    namespace: str | None = Field(default=None, min_length=1)
    pod_labels: dict[str, str] = Field(default_factory=dict, alias="podLabels")
    port: int = Field(default=53, ge=1, le=65535)
    addresses: list[IPvAnyAddress] = Field(default_factory=list, strict=False)


class _KubernetesApi(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    cidrs: list[IPvAnyNetwork] = Field(min_length=1, strict=False)
    port: int = Field(default=6443, ge=1, le=65535)


_EXAMPLES = examples(
    ("On a machine of your own, with its kubeconfig", "daulat operator --log-format text"),
)


@click.command(epilog=_EXAMPLES)
@process_options("operator")
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
    "--dns",
    envvar="DAULAT_DNS",
    default="",
    metavar="JSON",
    help="The cluster's DNS, as a JSON object with namespace, podLabels, port and addresses. By default kube-system's kube-dns.",
)
@click.option(
    "--kubernetes-api",
    envvar="DAULAT_KUBERNETES_API",
    default="",
    metavar="JSON",
    help="The API servers, as a JSON object with cidrs and port, for policies with egress.allowKubernetesAPI.",
)
@click.option(
    "--any-user",
    envvar="DAULAT_ANY_USER",
    is_flag=True,
    help="Leave user and groups of models' pods to admission, as OpenShift's restricted-v2 requires.",
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
    "--pause-upgrades",
    envvar="DAULAT_PAUSE_UPGRADES",
    is_flag=True,
    help="Leave the pods of models as the operator's former release rendered them, until this isn't set any more.",
)
@click.option(
    "--kueue-admission-check",
    envvar="DAULAT_KUEUE_ADMISSION_CHECK",
    is_flag=True,
    help="Decide on the AdmissionChecks of Kueue with controllerName daulat.dev/sovereignty.",
)
def operator(
    namespace: str,
    port: int,
    identity: str | None,
    weights_image: str,
    prometheus: str,
    wake_query: str,
    pod_monitor_labels: str,
    dns: str,
    kubernetes_api: str,
    any_user: bool,
    pin: str,
    pause_upgrades: bool,
    kueue_admission_check: bool,
    log_level: str,
    log_format: str,
) -> None:
    """Run the operator, with KUBECONFIG or the pod's ServiceAccount."""
    platform = replace(
        _platform(prometheus, wake_query, pod_monitor_labels, dns, any_user=any_user),
        kubernetes_api=_kubernetes_api(kubernetes_api),
        pause_upgrades=pause_upgrades,
    )
    configure(log_level, log_format)
    options = Options(
        namespace,
        identity or default_identity(),
        port,
        weights_image,
        platform,
        None if pin == "Auto" else Pin(pin),
        kueue_admission_check,
    )
    sys.exit(asyncio.run(run(options)))


def _platform(prometheus: str, wake_query: str, labels: str, dns: str, *, any_user: bool) -> Platform:
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
    return Platform(prometheus, wake_query, FrozenDict(read), _dns(dns), any_user=any_user)


def _dns(text: str) -> Dns:
    if not text:
        return Dns()
    read = _read("--dns", _Dns, text)
    addresses = tuple(map(str, read.addresses))
    if read.namespace is None:
        if not addresses or {"pod_labels", "port"} & read.model_fields_set:
            raise click.UsageError("--dns: namespace is required unless only addresses are set")
        return Dns(addresses=addresses)
    return Dns(read.namespace, FrozenDict(read.pod_labels), read.port, addresses)


def _kubernetes_api(text: str) -> KubernetesApi:
    if not text:
        return KubernetesApi()
    read = _read("--kubernetes-api", _KubernetesApi, text)
    return KubernetesApi(tuple(map(str, read.cidrs)), read.port)


def _read(option: str, model: type[M], text: str) -> M:
    """Return an option's JSON. Raises UsageError, with what is wrong by field."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        message = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise click.UsageError(f"{option}: {message}") from error
