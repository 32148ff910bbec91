"""Sets in a pod what the API server sets before it judges, as far as controls read it."""

from __future__ import annotations

import re
from typing import Any

from daulat.api.kinds import Manifest
from daulat.manifest.paths import CONTAINERS

_ZERO = re.compile(r"[+-]?0*\.?0*(?<=[0.])([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")
"""A quantity of nothing, however it is written. The API server writes 0."""


def defaulted(pod: Manifest, unnamed: str = "container") -> Manifest:
    """Return the pod with defaults. Containers of templates may have no name, which their controllers set.

    What isn't of a pod's shape stays as it is.
    """
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return pod
    if isinstance(resources := spec.get("resources"), dict):
        spec = {**spec, "resources": _resources(resources)}
    changed: Manifest = {**spec, "containers": spec.get("containers") if spec.get("containers") is not None else []}
    for key in CONTAINERS:
        own = changed.get(key)
        if isinstance(own, list):
            changed[key] = [
                _container(c, _name(unnamed, key, n), bool(spec.get("hostNetwork"))) for n, c in enumerate(own)
            ]
    if isinstance(changed.get("volumes"), list):
        changed["volumes"] = [_named(v) for v in changed["volumes"]]
    return {**pod, "spec": changed}


def _name(unnamed: str, key: str, index: int) -> str:
    # Knative and KServe name the first container so, and those after it with a number.
    kind = "" if key == "containers" else f"{key.removesuffix('Containers')}-"
    return f"{kind}{unnamed}" if index == 0 else f"{kind}{unnamed}-{index}"


def _container(container: Any, name: str, host_network: bool) -> Any:
    if not isinstance(container, dict):
        return container
    changed = container if container.get("name") else {**container, "name": name}
    # Where a typed object has no omitempty, the API server's expressions see the empty value.
    for key, inner in (("env", {"name": ""}), ("volumeMounts", {"name": "", "mountPath": ""})):
        if isinstance(container.get(key), list):
            changed = {**changed, key: [_filled(each, inner) for each in container[key]]}
    if isinstance(resources := container.get("resources"), dict):
        changed = {**changed, "resources": _resources(resources)}
    if host_network and isinstance(container.get("ports"), list):
        # SetDefaults_Pod in pkg/apis/core/v1/defaults.go: under hostNetwork each container port is one of the host.
        changed = {**changed, "ports": [_host_port(port) for port in container["ports"]]}
    return changed


def _resources(resources: Manifest) -> Manifest:
    amounts = {key: resources[key] for key in ("limits", "requests") if isinstance(resources.get(key), dict)}
    return {
        **resources,
        **{k: {n: "0" if _ZERO.fullmatch(str(v)) else v for n, v in a.items()} for k, a in amounts.items()},
    }


def _host_port(port: Any) -> Any:
    if not isinstance(port, dict) or port.get("hostPort") or not port.get("containerPort"):
        return port
    return {**port, "hostPort": port["containerPort"]}


def _named(volume: Any) -> Any:
    volume = _filled(volume, {"name": ""})
    for source, empty in (
        ("hostPath", {"path": ""}),
        ("persistentVolumeClaim", {"claimName": ""}),
        ("csi", {"driver": ""}),
    ):
        if isinstance(volume, dict) and isinstance(volume.get(source), dict):
            volume = {**volume, source: _filled(volume[source], empty)}
    ephemeral = volume.get("ephemeral") if isinstance(volume, dict) else None
    template = ephemeral.get("volumeClaimTemplate") if isinstance(ephemeral, dict) else None
    if isinstance(ephemeral, dict) and isinstance(template, dict) and template.get("spec") is None:
        volume = {**volume, "ephemeral": {**ephemeral, "volumeClaimTemplate": {**template, "spec": {}}}}
    return volume


def _filled(value: Any, empty: Manifest) -> Any:
    if not isinstance(value, dict):
        return value
    missing = {key: each for key, each in empty.items() if value.get(key) is None}
    return {**value, **missing} if missing else value
