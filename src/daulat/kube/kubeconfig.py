"""What a person's kubeconfig says of the cluster to talk to, found as kubectl finds it, with what is wrong in one sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEFAULT_PATH = "~/.kube/config"
DEFAULT_NAMESPACE = "default"
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(Exception):
    """There is no kubeconfig, or it names no usable cluster. The text is a sentence that says why."""


@dataclass(frozen=True)
class Kubeconfig:
    """The files that there are, as KUBECONFIG lists them, and the context that counts."""

    paths: tuple[str, ...]
    """Empty in a pod, where its ServiceAccount counts."""
    context: str
    namespace: str
    """The namespace of objects for which none is given."""


def find_kubeconfig(context: str | None = None) -> Kubeconfig:
    """Return the kubeconfig with the named context, or with its current one. Raises KubeconfigError.

    Without any file a pod's ServiceAccount counts, as for kubectl.
    """
    variable = os.environ.get("KUBECONFIG") or ""
    named = [path for path in variable.split(os.pathsep) if path] or [os.path.expanduser(DEFAULT_PATH)]
    paths = tuple(path for path in named if os.path.exists(path))
    if not paths:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and (_SERVICE_ACCOUNT / "token").exists() and not context:
            return Kubeconfig((), "", _own_namespace())
        raise KubeconfigError(_missing(variable, named))
    files = [_load(path) for path in paths]
    # As kubectl merges them: of two values for the same the first counts.
    contexts: dict[str, Any] = {}
    for file in files:
        for each in _list(file, "contexts"):
            contexts.setdefault(str(each.get("name")), each.get("context"))
    where = " and ".join(paths)
    chosen = context or next((str(file["current-context"]) for file in files if file.get("current-context")), "")
    if not chosen:
        raise KubeconfigError(
            f"kubeconfig {where} sets no current-context: add --context NAME, or run kubectl config use-context NAME"
        )
    if chosen not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise KubeconfigError(f'kubeconfig {where} has no context "{chosen}"; its contexts: {known}')
    found = contexts[chosen]
    namespace = str(found.get("namespace") or "") if isinstance(found, Mapping) else ""
    return Kubeconfig(paths, chosen, namespace or DEFAULT_NAMESPACE)


def _missing(variable: str, named: Sequence[str]) -> str:
    if not variable:
        return f"no kubeconfig found: KUBECONFIG isn't set, and {named[0]} doesn't exist"
    return f"no kubeconfig found: KUBECONFIG is {variable}, and no such file exists"


def _load(path: str) -> Mapping[str, Any]:
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path} can't be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise KubeconfigError(f"kubeconfig {path} isn't YAML{where}") from error
    if loaded is not None and not isinstance(loaded, Mapping):
        raise KubeconfigError(f"kubeconfig {path} isn't a kubeconfig: it holds no fields")
    return loaded or {}


def _list(file: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    items = file.get(key)
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _own_namespace() -> str:
    try:
        return (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE
