"""Kubeconfig files: one identity each, with the certificates inside, so that a single file can be handed over."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.errors import ClusterError
from dev.cluster.pki import KeyPair, write_private

ADMIN = "admin"


def file_name(user: str, groups: Sequence[str]) -> str:
    """A readable file name; the hash keeps apart the users whose names differ in other characters only."""
    if user == ADMIN and not groups:
        return f"{ADMIN}.yaml"
    readable = re.sub(r"[^a-z0-9.-]+", "-", user.lower())[:60].strip("-")
    identity = "\0".join([user, *sorted(groups)])
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}.yaml"


def write(path: Path, cluster: str, server: str, authority: bytes, user: KeyPair) -> Path:
    """A kubeconfig for the owner of a client certificate."""
    credentials = {
        "client-certificate-data": _encoded(user.certificate),
        "client-key-data": _encoded(user.key),
    }
    address = {"server": server, "certificate-authority-data": _encoded(authority)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": address}],
        "users": [{"name": cluster, "user": credentials}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }
    write_private(path, yaml.safe_dump(content, sort_keys=False).encode())
    return path


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read(path: Path) -> dict[str, Any]:
    """A kubeconfig as it is."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ClusterError(f"the kubeconfig {path} can't be read ({error.strerror}): correct KUBECONFIG.") from error
    except yaml.YAMLError as error:
        raise ClusterError(f"the kubeconfig {path} is not YAML: correct KUBECONFIG.") from error
    if not isinstance(content, dict) or not content.get("current-context"):
        raise ClusterError(f"the kubeconfig {path} has no current-context: set one with `kubectl config use-context`.")
    return content


def _current(config: dict[str, Any]) -> dict[str, Any]:
    wanted = config["current-context"]
    for context in config.get("contexts") or []:
        if context.get("name") == wanted:
            return dict(context.get("context") or {})
    raise ClusterError(f"the kubeconfig's current-context {wanted!r} is not among its contexts: correct it.")


def server(config: dict[str, Any]) -> str:
    """The address of the API server that the current context names."""
    wanted = _current(config).get("cluster")
    for cluster in config.get("clusters") or []:
        if cluster.get("name") == wanted:
            return str((cluster.get("cluster") or {}).get("server", ""))
    raise ClusterError(f"the kubeconfig's cluster {wanted!r} is not among its clusters: correct it.")


def impersonating(config: dict[str, Any], user: str, groups: Sequence[str]) -> bytes:
    """The same kubeconfig, with every request of the current context made as another user."""
    context = _current(config)
    users = [dict(entry) for entry in config.get("users") or [] if entry.get("name") == context.get("user")]
    for entry in users:
        entry["user"] = {**(entry.get("user") or {}), "as": user, "as-groups": list(groups)}
    return yaml.safe_dump({**config, "users": users}, sort_keys=False).encode()
