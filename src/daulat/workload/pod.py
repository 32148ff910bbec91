"""Writes the pod template of a placed model: pinned, restricted, offline, with the chosen accelerator and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import ELIGIBLE, ZONE_LABEL, eligible_label
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen

from .engines import EngineData, engine
from .labels import labels

WEIGHTS, CACHE = "/models", "/cache"
USER = 2000
"""An ordinary user, the one that vLLM's own image prepares (docs/deployment/docker.md)."""


def template(model: Model, chosen: Chosen, policies: Sequence[str]) -> Manifest:
    """Return the pod template. It depends on the model, the choice and the policies' names, and on nothing that moves."""
    data = engine(model.spec.engine.name)
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "serviceAccountName": model.name,
        "enableServiceLinks": False,
        "nodeSelector": _node_selector(chosen, policies),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 60,
        # Accelerator nodes are often tainted with the resource's name, to keep other pods away.
        "tolerations": [{"key": chosen.resource, "operator": "Exists"}],
        "containers": [_container(model, chosen, data)],
        "volumes": _volumes(model),
    }
    if expressions := _expressions(chosen.profile.node_selector):
        terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    if model.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in model.spec.image_pull_secrets]
    return {"metadata": {"labels": labels(model)}, "spec": spec}


def unusable_settings(model: Model, chosen: Chosen) -> list[str]:
    """Return a sentence for every setting that would undo what keeps the engine offline, and for one that is missing."""
    data = engine(model.spec.engine.name)
    settings = chosen.profile.engine(model.spec.engine.name)
    if not chosen.choice.image and not (settings and settings.image):
        where = f'spec.accelerators["{chosen.choice.profile}"].image'
        return [f"{where}: there is none, and AcceleratorProfile {chosen.choice.profile} has none either. Set it."]
    return [
        f'spec.accelerators["{chosen.choice.profile}"].env["{name}"]: it would switch a hub, a report or a debugging'
        " interface on. Remove it."
        for name in sorted(chosen.choice.env)
        if name in data.forbidden_env or name in data.env
    ]


def _node_selector(chosen: Chosen, policies: Sequence[str]) -> dict[str, str]:
    pinned = {eligible_label(name): ELIGIBLE for name in sorted(policies)}
    hardware = chosen.profile.node_selector.match_labels if chosen.profile.node_selector else None
    return {**(hardware or {}), ZONE_LABEL: chosen.zone, **pinned}


def _expressions(selector: LabelSelector | None) -> list[Manifest]:
    if selector is None or not selector.match_expressions:
        return []
    return [e.model_dump(by_alias=True, exclude_none=True, mode="json") for e in selector.match_expressions]


def _container(model: Model, chosen: Chosen, data: EngineData) -> Manifest:
    settings = chosen.profile.engine(model.spec.engine.name)
    if settings is None:
        raise ValueError(f"{chosen.choice.profile} doesn't run {model.spec.engine.name}")
    words = {
        "weights": weights_path(model),
        "name": model.spec.model.name,
        "devices": str(chosen.devices.tensor_parallel),
        "stages": str(chosen.devices.pipeline_parallel),
        "context": str(model.spec.engine.context),
        "concurrency": str(model.spec.engine.concurrency),
        "cache": CACHE,
    }
    args = [a.format(**words) for a in data.args]
    templates = [
        *(data.parallel_args if chosen.devices.tensor_parallel > 1 else ()),
        *(data.stage_args if chosen.devices.pipeline_parallel > 1 else ()),
        *(data.context_args if model.spec.engine.context else ()),
        *(data.concurrency_args if model.spec.engine.concurrency else ()),
    ]
    args += [a.format(**words) for a in templates]
    args += [*settings.args, *model.spec.engine.args, *chosen.choice.args]
    cache = {name: value.format(**words) for name, value in data.cache_env.items()}
    env = {**cache, **settings.env, **chosen.choice.env, **data.env}
    devices = {chosen.resource: str(chosen.devices.count)}
    probe = {"httpGet": {"path": data.health_path, "port": "http"}}
    container: dict[str, Any] = {
        "name": "engine",
        "image": chosen.choice.image or settings.image or "",
        "args": args,
        "env": [{"name": name, "value": value} for name, value in sorted(env.items())],
        "ports": [{"name": "http", "containerPort": data.port, "protocol": "TCP"}],
        "resources": {"limits": devices, "requests": devices},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {**probe, "periodSeconds": 10, "failureThreshold": data.startup_seconds // 10},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**probe, "periodSeconds": 15, "failureThreshold": 8, "timeoutSeconds": 5},
        "volumeMounts": [
            {"name": "weights", "mountPath": WEIGHTS, "readOnly": True},
            {"name": "cache", "mountPath": CACHE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - inside the container
        ],
    }
    if settings.command:
        container["command"] = list(settings.command)
    return container


def weights_path(model: Model) -> str:
    """Return where the engine finds the weights in its container."""
    scheme, _, rest = model.spec.model.uri.partition("://")
    path = rest.partition("/")[2].strip("/") if scheme == "pvc" else ""
    return f"{WEIGHTS}/{path}" if path else WEIGHTS


def _volumes(model: Model) -> list[Manifest]:
    scheme, _, rest = model.spec.model.uri.partition("://")
    if scheme == "oci":
        weights: Manifest = {"image": {"reference": rest, "pullPolicy": "IfNotPresent"}}
    else:
        weights = {"persistentVolumeClaim": {"claimName": rest.partition("/")[0], "readOnly": True}}
    # Tensor parallel workers talk through shared memory, of which a container has 64 MiB unless it is given more.
    shm: Manifest = {"emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    return [
        {"name": "weights", **weights},
        {"name": "cache", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", **shm},
    ]
