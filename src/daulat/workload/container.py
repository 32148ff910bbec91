"""Writes the container of the engine: restricted, offline, with the chosen accelerator and no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from daulat.api.accelerator import EngineSettings
from daulat.api.enginestart import SERVED
from daulat.api.kinds import Manifest
from daulat.api.model import GRACE_SECONDS
from daulat.catalog.engines import Configuration, EngineData, engine_of
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen
from daulat.placement.loading import Loading

from .claims import resources
from .labels import Member
from .podsettings import compute, mounts
from .weights import MOUNT, path

CACHE = "/cache"
_ENGINE = "engine"
"""The container's name."""
PRESTOP_SECONDS = GRACE_SECONDS
"""Seconds that an engine which is to end goes on answering at least: for so long, nodes may still send it requests."""
SHUTDOWN_SECONDS = 55
"""Seconds from SIGTERM to SIGKILL of an engine, after the preStop hook."""
DEFAULT_TERMINATION_GRACE = PRESTOP_SECONDS + SHUTDOWN_SECONDS
"""The default of terminationGracePeriodSeconds, in seconds, and its upper bound where a policy evicts."""
STARTS = 2
"""Seconds between two questions whether the engine has started."""
RANK = "GROUP_RANK"
"""The variable with a node's number in its replica, which arguments name as $(GROUP_RANK)."""


def settings_of(model: Model, chosen: Chosen) -> EngineSettings:
    """Return how the engine runs on the accelerator. Raises ValueError where it doesn't."""
    settings = chosen.profile.engine(model.spec.engine.name)
    if settings is None:
        raise ValueError(f"{chosen.choice.profile} doesn't run {model.spec.engine.name}")
    return settings


def image_of(model: Model, chosen: Chosen) -> str:
    """Return the engine's image; empty where neither the model nor the profile has one."""
    settings = chosen.profile.engine(model.spec.engine.name)
    return chosen.choice.image or (settings.image if settings is not None else None) or ""


def with_image_field(message: str, profile: str) -> str:
    """Return a control's message on the model's pod with the field of the model that sets the engine's image."""
    return message.replace(f' spec.containers["{_ENGINE}"].image:', f' spec.accelerators["{profile}"].image:', 1)


def container(
    model: Model, chosen: Chosen, how: Loading, member: Member | None = None, *, named: bool = False
) -> Manifest:
    """Return the engine's container. Worker pods of a multi-node replica serve no traffic, so they get no probes.

    ``named``: the pod brings a name for its user.
    """
    asked, waits = model.spec.engine, model.spec.engine.grace_seconds > PRESTOP_SECONDS
    data, settings = engine_of(asked), settings_of(model, chosen)
    words = _words(model, chosen, how, data, member)
    health = settings.health_path or data.health_path
    probe = {"httpGet": {"path": health, "port": "http" if data.health_port is None else "health"}}
    startup = settings.startup_seconds or data.startup_seconds
    ports = {"http": data.port, "health": data.health_port, "metrics": data.metrics_port}
    made: dict[str, Any] = {
        "name": _ENGINE,
        "image": image_of(model, chosen),
        "args": _args(model, chosen, data, settings, words, member),
        "env": _environment(model, chosen, data, settings, words, member),
        "ports": [{"name": n, "containerPort": p, "protocol": "TCP"} for n, p in ports.items() if p is not None],
        "resources": compute(model, resources(chosen)),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A kubelet that starts anew takes no pod for started until it has asked again, and clients are kept away until then.
        "startupProbe": {
            **(_start_probe(data, health, words) or probe),
            "periodSeconds": STARTS,
            "failureThreshold": max(1, startup // STARTS),
        },
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**probe, "periodSeconds": 15, "failureThreshold": 8, "timeoutSeconds": 5},
        "lifecycle": {"preStop": {"sleep": {"seconds": asked.grace_seconds}}},
        "volumeMounts": [
            {"name": "weights", "mountPath": MOUNT, "readOnly": True},
            {"name": "cache", "mountPath": CACHE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - inside the container
        ],
    }
    if waits:
        # One that fails its probes has no requests to wait for, and kubelets sleep before they start it anew as well.
        made["startupProbe"]["terminationGracePeriodSeconds"] = DEFAULT_TERMINATION_GRACE
        made["livenessProbe"]["terminationGracePeriodSeconds"] = DEFAULT_TERMINATION_GRACE
    if member is not None and not member.leader:
        for key in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
            del made[key]
        if not waits:
            # With the default grace period the pod is rendered as before the field existed: an upgrade rolls no pod.
            del made["lifecycle"]
    elif data.start_probe:
        made["terminationMessagePolicy"] = "FallbackToLogsOnError"
    if named:
        made["volumeMounts"].append({"name": "user", "mountPath": "/etc/passwd", "subPath": "passwd", "readOnly": True})
    made["volumeMounts"] += mounts(model)
    command = settings.command or data.command
    if command:
        made["command"] = [_filled(word, words) for word in command]
    return made


def _start_probe(data: EngineData, health: str, words: Mapping[str, str]) -> Manifest:
    if not data.start_probe:
        return {}
    command = [_filled(word, {**words, "served": SERVED, "health": health}) for word in data.start_probe]
    return {"exec": {"command": command}, "timeoutSeconds": 10}


def _words(model: Model, chosen: Chosen, how: Loading, data: EngineData, member: Member | None) -> dict[str, str]:
    asked = model.spec.engine
    together = {"nodes": str(member.nodes), "leader": member.address} if member is not None else {}
    return {
        **together,
        "weights": path(model, how),
        "name": model.spec.model.name,
        "devices": str(chosen.devices.tensor_parallel),
        "stages": str(chosen.devices.pipeline_parallel),
        "context": str(asked.context),
        "concurrency": str(asked.concurrency),
        "tokens": str((asked.context or 0) * (asked.concurrency or 1)),
        "port": str(data.port),
        "cache": CACHE,
    }


def _args(
    model: Model,
    chosen: Chosen,
    data: EngineData,
    settings: EngineSettings,
    words: Mapping[str, str],
    member: Member | None,
) -> list[str]:
    asked = model.spec.engine
    templates = [
        *data.args,
        *(data.parallel_args if chosen.devices.tensor_parallel > 1 else ()),
        *(data.stage_args if chosen.devices.pipeline_parallel > 1 else ()),
        *(data.group_args if member is not None else ()),
        *(data.worker_args if member is not None and not member.leader else ()),
        *(data.context_args if asked.context else ()),
        *(data.concurrency_args if asked.concurrency else ()),
    ]
    return [*(_filled(a, words) for a in templates), *settings.args, *asked.args, *chosen.choice.args]


def _environment(
    model: Model,
    chosen: Chosen,
    data: EngineData,
    settings: EngineSettings,
    words: Mapping[str, str],
    member: Member | None,
) -> list[Manifest]:
    cache = {name: _filled(value, words) for name, value in data.cache_env.items()}
    plain = {**cache, **settings.env, **chosen.choice.env, **data.env}
    if data.configuration is not None:
        plain[data.configuration.variable] = _configuration(model, chosen, data.configuration, words)
    found: list[Manifest] = [{"name": name, "value": value} for name, value in plain.items()]
    secret = model.spec.engine.api_key_secret
    if secret is not None and data.api_key_env:
        reference = {"name": secret.name, "key": secret.key}
        found.append({"name": data.api_key_env, "valueFrom": {"secretKeyRef": reference}})
    if member is not None:
        rank = {"fieldRef": {"fieldPath": f"metadata.labels['{member.rank_label}']"}}
        found = [e for e in found if e["name"] not in (RANK, data.address_env)]
        found.append({"name": RANK, "valueFrom": rank})
        if data.address_env:
            found.append({"name": data.address_env, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    return sorted(found, key=lambda e: str(e["name"]))


def context_of(model: Model, chosen: Chosen) -> int | None:
    """Return the longest sequence that the engine is told: what the model asks for, or what its devices were worked out for."""
    basis = chosen.devices.basis
    return model.spec.engine.context or (basis.context if basis is not None else None)


def _configuration(model: Model, chosen: Chosen, told: Configuration, words: Mapping[str, str]) -> str:
    numbers = {
        **told.defaults,
        "devices": chosen.devices.tensor_parallel * chosen.devices.pipeline_parallel,
        "context": context_of(model, chosen) or 0,
        **({"concurrency": model.spec.engine.concurrency} if model.spec.engine.concurrency else {}),
    }
    return json.dumps(_substituted(told.body, words, numbers), separators=(",", ":"))


def _substituted(value: Any, words: Mapping[str, str], numbers: Mapping[str, int]) -> Any:
    if isinstance(value, dict):
        return {key: _substituted(inner, words, numbers) for key, inner in value.items()}
    if value == ["{devices...}"]:
        return list(range(numbers["devices"]))
    if isinstance(value, list):
        return [_substituted(inner, words, numbers) for inner in value]
    if not isinstance(value, str):
        return value
    alone = value.removeprefix("{").removesuffix("}")
    return numbers[alone] if value == f"{{{alone}}}" and alone in numbers else _filled(value, words)


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Return the text with every known word in braces replaced. Not str.format: an author's own braces stay."""
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text
