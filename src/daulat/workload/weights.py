"""Brings a model's weights into its pods: as a volume, or by an init container that fetches and checks them first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.weights import CONTAINER, REMOTE, Environment, Fetch, Source, parse
from daulat.facts.snapshot import Model, Policy
from daulat.placement.choice import Chosen

from .labels import owned

MOUNT, AUTHORITY, REGISTRIES = "/models", "/etc/weights/authority", "/etc/weights/registries"
_SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "HF_TOKEN",
    "MODELSCOPE_API_TOKEN",
)
"""What the init container takes from the Secret. Nothing else: a variable such as PYTHONPATH would run other code in it."""


@dataclass(frozen=True)
class Loading:
    """How the weights of a placed model come into its pods."""

    fetched: bool
    """Whether an init container brings them; if not, a volume is them."""
    image: str
    """The init container's image; empty where there is nothing to fetch and nothing to check."""
    endpoint: str | None = None
    """The server, where the URI doesn't name it."""
    trust: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    """The policies that ask for a signature, with their keys and their certificates."""
    problem: str = ""
    """Why the weights can't be brought, as a sentence; empty where they can."""

    @property
    def told(self) -> Manifest:
        """The status block that says it."""
        told: Manifest = {"method": "Fetched" if self.fetched else "Mounted"}
        told |= {"image": self.image} if self.image else {}
        told |= {"endpoint": self.endpoint} if self.endpoint else {}
        return told | ({"trustedBy": [name for name, _, _ in self.trust]} if self.trust else {})


def loading(model: Model, chosen: Chosen, policies: Sequence[Policy], image: str) -> Loading:
    """Return how the weights come into the pods. ``image`` is the one that this release of the operator would load them with.

    A model that stands keeps its way and its image: an upgrade of the operator rolls no pod.
    """
    source, fetch = parse(model.spec.model.uri), model.spec.model.fetch
    stood = model.status.get("weights") or {}
    trust = _trust(policies)
    if source.scheme == "oci":
        volumes = chosen.image_volumes if not stood.get("method") else stood["method"] == "Mounted"
        fetched = fetch is not None or not volumes
    else:
        fetched = source.scheme in REMOTE
    checked = bool(trust) or (bool(source.digest) and source.scheme != "oci")
    if not fetched and not checked:
        return Loading(fetched=False, image="")
    image = str(stood.get("image") or "") or image
    endpoint = _endpoint(source, fetch, [p.spec for p in policies]) if source.scheme in REMOTE else None
    problem = ""
    if source.scheme in REMOTE and endpoint is None:
        problem = (
            f'spec.model.fetch.endpoint: none was set, and the policies name no {source.scheme} server that "{source.uri}" could'
            " come from. Set one that they allow."
        )
    elif not image:
        problem = (
            f'spec.model.uri: "{source.uri}" needs an init container, and the operator wasn\'t told its image. Set weights.image in'
            " the chart."
        )
    return Loading(fetched, image, endpoint, trust, problem)


def _trust(policies: Sequence[Policy]) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    asked = [(p.name, p.spec.models.signatures) for p in policies if p.spec.models is not None]
    return tuple((name, tuple(sorted(s.keys)), tuple(sorted(s.certificates))) for name, s in asked if s is not None)


def _endpoint(source: Source, fetch: Fetch | None, policies: Sequence[SovereigntyPolicySpec]) -> str | None:
    if fetch is not None and fetch.endpoint is not None:
        return fetch.endpoint
    named = [
        getattr(p.models.endpoints, source.scheme) if p.models is not None and p.models.endpoints is not None else ()
        for p in policies
    ]
    first, *others = named or [()]
    return next((e for e in first if all(e in other for other in others)), None)


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
