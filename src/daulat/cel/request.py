"""What is asked of the API server, and what an admission policy's expressions see of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .functions.authorizer import authorizer

if TYPE_CHECKING:  # The kinds take longer to import than all that is here.
    from daulat.api.kinds import Manifest

# The API server keeps these from policies (apiserver, celplugin: CreateNamespaceObject).
_UNSEEN_OF_NAMESPACE = ("managedFields", "ownerReferences", "selfLink")


@dataclass(frozen=True)
class Request:
    """What is asked of the API server, as an admission policy sees it."""

    object: Manifest | None
    """The object as it would be stored; the options of a CONNECT, such as PodExecOptions; None for a DELETE."""
    old_object: Manifest | None = None
    """The object as it is stored, for UPDATE and DELETE."""
    operation: str = "CREATE"
    resource: str = "pods"
    """The resource, with a subresource behind a slash: pods, pods/exec."""
    group: str = ""
    version: str = "v1"
    namespace: str = ""
    user: str = ""
    user_groups: tuple[str, ...] = ()
    allowed: frozenset[str] = frozenset()
    """What the user is authorized for: GROUP/RESOURCE[/SUBRESOURCE]/VERB, followed by @NAMESPACE or @NAMESPACE/NAME where
    it is so there alone, or VERB PATH."""
    name: str = ""
    """The name in the request's path; where it's empty, the object's own."""
    namespace_object: Manifest | None = None
    """The Namespace that the request is in. Where it isn't known, a policy that reads it can't be evaluated."""
    dry_run: bool = False
    user_uid: str = ""
    user_extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Manifest | None = None
    """CreateOptions, UpdateOptions or DeleteOptions, with kind and apiVersion."""


def activation(request: Request) -> dict[str, Any]:
    """Return the variables that every expression of a policy sees, but for the policy's own.

    Raises ValueError where a text holds a NUL character.
    """
    return {
        "object": _as_stored(request.object),
        "oldObject": _as_stored(request.old_object),
        "namespaceObject": _namespace(request.namespace_object),
        "request": _as_stored(_admission_request(request)),
        "authorizer": authorizer(request.allowed, request.group, request.resource, request.namespace, _name(request)),
    }


def _admission_request(request: Request) -> dict[str, Any]:
    """Return the request's own fields. As in the API server, a text that is empty is a field that isn't there."""
    resource, _, subresource = request.resource.partition("/")
    subject = request.object or request.old_object or {}
    group, _, version = str(subject.get("apiVersion") or "").rpartition("/")
    kind = {"group": group, "version": version, "kind": subject.get("kind") or ""}
    what = {"group": request.group, "version": request.version, "resource": resource}
    # Everybody has a name and a group in the API server, so these two are there where nobody is known, too.
    user: dict[str, Any] = {"username": request.user, "groups": request.user_groups}
    fields = {
        "kind": kind,
        "requestKind": kind,
        "resource": what,
        "requestResource": what,
        "operation": request.operation,
        "userInfo": user | _present(uid=request.user_uid, extra=request.user_extra),
        "dryRun": request.dry_run,
    }
    names = _present(subResource=subresource, requestSubResource=subresource, namespace=request.namespace)
    return fields | names | _present(name=_name(request), options=request.options)


def _name(request: Request) -> str:
    metadata = (request.object or request.old_object or {}).get("metadata")
    own = metadata.get("name") if isinstance(metadata, Mapping) else None
    return request.name or str(own or "")


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _namespace(namespace: Manifest | None) -> Any:
    if namespace is None:
        return None
    # A typed object has all three, with and without anything in them.
    seen: dict[str, Any] = {"spec": {}, "status": {}}
    seen |= {key: _as_stored(namespace[key]) for key in ("spec", "status") if namespace.get(key) is not None}
    metadata = namespace.get("metadata") or {}
    seen["metadata"] = _as_stored({k: v for k, v in metadata.items() if k not in _UNSEEN_OF_NAMESPACE})
    return seen


def _as_stored(value: Any) -> Any:
    """Return the value as the API server decodes it: JSON, in which a field that is null isn't there, but for maps of texts."""
    if value is None:
        return None
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return _cleaned(value)
    return _cleaned(value) if "null" in text or "\\u0000" in text or _LONG.search(text) else json.loads(text)


_NULL_MEANS = {
    **dict.fromkeys(("labels", "annotations", "nodeSelector", "matchLabels", "data", "binaryData", "stringData"), ""),
    **dict.fromkeys(("limits", "requests", "capacity", "allocatable"), "0"),
}
"""What a null stands for in maps of texts and of quantities: Go reads an entry there as its type's zero value."""


def _field(name: Any, value: Any) -> Any:
    null = _NULL_MEANS.get(name) if isinstance(value, Mapping) else None
    return _cleaned(value if null is None else {k: null if v is None else v for k, v in value.items()})


def _integer(text: str) -> float:
    """Return an integer; a float where it's larger than the API server's integers, as there."""
    value = int(text)
    return value if -(2**63) <= value < 2**63 else float(value)


_LONG = re.compile(r"[0-9]{19}")
"""Every integer that is too large has as many digits."""


def _cleaned(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        # cel-expr-python 0.1.3 would judge only what stands before it, and the API server judges all.
        raise ValueError(f"{value!r} holds a NUL character")
    if isinstance(value, Mapping):
        return {_cleaned(key): _field(key, item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return _integer(str(value)) if type(value) is int else value
