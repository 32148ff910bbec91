"""Writes what brings a model's weights into its pods: a volume, and an init container that fetches and checks them first.

Which of them a model gets is decided in ``placement/loading``.
"""

from __future__ import annotations

import json
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import WEIGHTS_PATH
from daulat.api.weights import CONTAINER, Environment, parse
from daulat.facts.snapshot import Model
from daulat.placement.loading import Loading

from .labels import owned

MOUNT, AUTHORITY, REGISTRIES = WEIGHTS_PATH, "/etc/weights/authority", "/etc/weights/registries"
_SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "HF_TOKEN",
    "MODELSCOPE_API_TOKEN",
)
"""What the init container takes from the Secret. Nothing else: a variable such as PYTHONPATH would run other code in it."""


def path(model: Model, how: Loading) -> str:
    """Return where the engine finds the weights in its container."""
    source = parse(model.spec.model.uri)
    if how.fetched:
        folder = f"{MOUNT}/{source.key}"
    elif source.scheme == "pvc" and source.path:
        folder = f"{MOUNT}/{source.path}"
    else:
        folder = MOUNT
    return f"{folder}/{model.spec.model.file}" if model.spec.model.file else folder


def volumes(model: Model, how: Loading) -> list[Manifest]:
    """Return the volume of the weights, and those that only the init container mounts."""
    source, fetch = parse(model.spec.model.uri), model.spec.model.fetch
    if how.fetched and fetch is not None and fetch.cache is not None:
        weights: Manifest = {"persistentVolumeClaim": {"claimName": cache_name(model)}}
    elif how.fetched:
        weights = {"emptyDir": {"sizeLimit": fetch.size} if fetch is not None and fetch.size else {}}
    elif source.scheme == "oci":
        reference = source.location + (f"@sha256:{source.digest}" if source.digest else "")
        weights = {"image": {"reference": reference, "pullPolicy": "IfNotPresent"}}
    else:
        weights = {"persistentVolumeClaim": {"claimName": source.head, "readOnly": True}}
    found = [{"name": "weights", **weights}]
    if how.image and fetch is not None and fetch.ca_config_map_name is not None:
        items = [{"key": "ca.crt", "path": "ca.crt"}]
        found.append({"name": "authority", "configMap": {"name": fetch.ca_config_map_name, "items": items}})
    if how.fetched and source.scheme == "oci" and model.spec.image_pull_secrets:
        secrets = [
            {"secret": {"name": name, "items": [{"key": ".dockerconfigjson", "path": f"{n}.json"}]}}
            for n, name in enumerate(model.spec.image_pull_secrets)
        ]
        found.append({"name": "registries", "projected": {"sources": secrets}})
    return found


def init_container(model: Model, how: Loading) -> Manifest:
    """Return the container that fetches and checks the weights before the engine starts."""
    source = parse(model.spec.model.uri)
    target = MOUNT if how.fetched or not (source.scheme == "pvc" and source.path) else f"{MOUNT}/{source.path}"
    mounted = {v["name"] for v in volumes(model, how)}
    weights: Manifest = {"name": "weights", "mountPath": MOUNT}
    mounts = [weights if how.fetched else {**weights, "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    for name, where in (("authority", AUTHORITY), ("registries", REGISTRIES)):
        mounts += [{"name": name, "mountPath": where, "readOnly": True}] if name in mounted else []
    return {
        "name": CONTAINER,
        "image": how.image,
        "args": ["weights", "load" if how.fetched else "check"],
        "env": _environment(model, how, target),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _environment(model: Model, how: Loading, target: str) -> list[Manifest]:
    fetch = model.spec.model.fetch
    plain = {"HOME": "/tmp", Environment.URI: model.spec.model.uri, Environment.TARGET: target}  # noqa: S108
    if how.endpoint:
        plain[Environment.ENDPOINT] = how.endpoint
    if how.trust:
        plain[Environment.SIGNATURE] = model.spec.model.signature
        trust = [{"policy": name, "keys": keys, "certificates": certificates} for name, keys, certificates in how.trust]
        plain[Environment.TRUST] = json.dumps(trust, separators=(",", ":"))
    if fetch is not None and fetch.proxy is not None:
        plain |= {"HTTP_PROXY": fetch.proxy, "HTTPS_PROXY": fetch.proxy}
    found: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in sorted(plain.items())]
    if how.fetched and fetch is not None and fetch.secret_name is not None:
        found += [
            {"name": key, "valueFrom": {"secretKeyRef": {"name": fetch.secret_name, "key": key, "optional": True}}}
            for key in _SECRET_KEYS
        ]
    return found


def cache_name(model: Model) -> str:
    """Return the name of the claim that keeps the model's fetched weights."""
    return f"{model.name}-weights"


def cache_claim(model: Model, how: Loading) -> list[Manifest]:
    """Return the claim that keeps fetched weights, where the model asks for one."""
    fetch = model.spec.model.fetch
    if not how.fetched or fetch is None or fetch.cache is None:
        return []
    spec = {
        "accessModes": [fetch.cache.access_mode],
        "storageClassName": fetch.cache.storage_class_name,
        "resources": {"requests": {"storage": fetch.cache.size}},
    }
    claim = owned(model, "v1", "PersistentVolumeClaim", {"spec": spec})
    claim["metadata"]["name"] = cache_name(model)
    return [claim]
