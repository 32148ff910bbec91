"""Reads one YAML or JSON document into the objects that it holds, with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from daulat.api.kinds import KINDS
from daulat.api.names import GROUP

from .document import Chunk, Document, Foreign, Problem, line_of
from .json_reader import read_json
from .paths import Path, dotted
from .yaml_reader import read
from .yaml_subset import read_subset


def documents(chunk: Chunk) -> list[Document | Foreign | Problem]:
    """Read a document into its objects. An empty one has none."""
    if chunk.json:
        value, flaws = read_json(chunk.text)
    else:
        value, flaws = read_subset(chunk.text), []
        if value is None:
            reading = read(chunk.text)
            value, flaws = reading.value, reading.flaws
    if flaws:
        return [Problem(chunk.file, chunk.line_at(f.offset), _hint(chunk, f.message)) for f in flaws]
    return list(_objects(chunk, value, ())) if value is not None else []


def _hint(chunk: Chunk, message: str) -> str:
    if "{{" in chunk.text and not chunk.json:
        return f"{message}; it looks like a template: render it first (helm template ... | daulat check -)"
    return message


def _objects(chunk: Chunk, value: Any, path: Path) -> Iterator[Document | Foreign | Problem]:
    foreign = _foreign(chunk, value)
    if foreign is not None:
        yield foreign
        return
    document = Document(chunk, value, path)
    problems = list(_problems(document))
    if problems:
        yield from problems
        return
    items = value.get("items")
    if not isinstance(items, list):
        yield document
        return
    # kubectl takes every object with items for a list. One whose kind doesn't end in List is judged itself, too.
    if not document.kind.endswith("List"):
        yield document
    for index, item in enumerate(items):
        at = (*path, "items", index)
        if not isinstance(item, dict):
            where = Document(chunk, value, at)
            yield Problem(chunk.file, line_of(where, ()), "must be an object", dotted(at))
            continue
        # The items of a PodList have no kind of their own.
        kind = document.kind.removesuffix("List")
        implied = {"apiVersion": document.api_version, "kind": kind} if kind and "kind" not in item else {}
        yield from _objects(chunk, {**implied, **item}, at)


def _foreign(chunk: Chunk, value: Any) -> Foreign | None:
    """Return the document if it is none of an object that is sent to an API server."""
    if not isinstance(value, dict) or ("kind" not in value and "apiVersion" not in value):
        return Foreign(chunk)
    for name in ("apiVersion", "kind"):
        # Charts and tools have one of the two. With metadata it is an object with a mistake.
        if name not in value and not isinstance(value.get("metadata"), dict) and not _is_own(value):
            return Foreign(chunk, f"{name} is not set")
    group = str(value.get("apiVersion") or "").rpartition("/")[0]
    if group in _CLIENTS:
        return Foreign(chunk, f"{group} is read by a tool and not by an API server")
    if "$patch" in chunk.text and _is_patch(value):
        return Foreign(chunk, "it is a strategic merge patch")
    return None


_CLIENTS = frozenset(
    (
        "apiserver.config.k8s.io",
        "audit.k8s.io",
        "client.authentication.k8s.io",
        "k3d.io",
        "kind.x-k8s.io",
        "kubeadm.k8s.io",
        "kubelet.config.k8s.io",
        "kubeproxy.config.k8s.io",
        "kubescheduler.config.k8s.io",
        "kustomize.config.k8s.io",
        "kuttl.dev",
        "skaffold",
    )
)
"""Groups of files that tools and components of Kubernetes read themselves."""


def _is_own(value: dict[str, Any]) -> bool:
    group = str(value.get("apiVersion") or "").rpartition("/")[0]
    return group == GROUP or any(value.get("kind") == kind.kind for kind in KINDS)


def _is_patch(value: dict[str, Any]) -> bool:
    pending: list[Any] = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict) and "$patch" in each:
            return True
        pending += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return False


def _problems(document: Document) -> Iterator[Problem]:
    """Yield what the API server refuses in any object, whatever its kind."""
    raw, file = document.object, document.chunk.file
    for name in ("apiVersion", "kind"):
        value = raw.get(name)
        if not isinstance(value, str) or not value:
            message = "is required" if name not in raw or value == "" else _not_a_string(value)
            yield Problem(file, line_of(document, (name,)), message, name)
    metadata = raw.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield Problem(file, line_of(document, ("metadata",)), f"must be a mapping, not {_short(metadata)}", "metadata")
        return
    for name in ("name", "generateName", "namespace"):
        value = (metadata or {}).get(name)
        if value is not None and not isinstance(value, str):
            yield Problem(file, line_of(document, ("metadata", name)), _not_a_string(value), f"metadata.{name}")
    for name in ("labels", "annotations"):
        value = (metadata or {}).get(name)
        if value is None:
            continue
        where = ("metadata", name)
        if not isinstance(value, dict):
            message = f"must be a mapping, not {_short(value)}"
            yield Problem(file, line_of(document, where), message, f"metadata.{name}")
            continue
        for key, item in value.items():
            if item is not None and not isinstance(item, str):
                yield Problem(file, line_of(document, (*where, key)), _not_a_string(item), f'metadata.{name}["{key}"]')


def _not_a_string(value: Any) -> str:
    if isinstance(value, dict | list) or value is None:
        return f"must be a string, not {_short(value)}"
    return f"must be a string: quote it (YAML reads it as {_short(value)})"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:39] + "…"
