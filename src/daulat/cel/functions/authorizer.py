"""What the user may do: ``authorizer.group(..).resource(..).check(..).allowed()``, answered from a list instead of by RBAC.

An entry is GROUP/RESOURCE/VERB or GROUP/RESOURCE/SUBRESOURCE/VERB, followed by @NAMESPACE or @NAMESPACE/NAME where it holds
there alone; or VERB PATH. Whatever isn't listed is refused, and so is everything to a service account that the policy names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .declare import BOOL, DYN, KIND, MAP, STRING, Opaque, expect, kind_of, member, no_overload

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def authorizer(allowed: Iterable[str], group: str, resource: str, namespace: str, name: str) -> Opaque:
    """Return the authorizer of a request for a resource (with its subresource behind a slash) and an object."""
    root = {KIND: "authorizer", "allowed": sorted(allowed)}
    resource, _, subresource = resource.partition("/")
    asked = {"resource": resource, "subresource": subresource, "namespace": namespace, "name": name}
    return {**root, "requestResource": {**root, KIND: "resource", "group": group, **asked}}


def _path(value: Any, path: str) -> Opaque:
    if not path.strip():
        raise ValueError("path must not be empty")
    return {KIND: "path", "allowed": expect(value, "authorizer")["allowed"], "path": path}


def _group(value: Any, group: str) -> Opaque:
    return {KIND: "group", "allowed": expect(value, "authorizer")["allowed"], "group": group}


def _service_account(value: Any, namespace: str, name: str) -> Opaque:
    expect(value, "authorizer")
    if len(name) > 253 or not all(_LABEL.fullmatch(part) for part in name.split(".")):
        raise ValueError("Invalid service account name")
    if len(namespace) > 63 or not _LABEL.fullmatch(namespace):
        raise ValueError("Invalid service account namespace")
    return {KIND: "authorizer", "allowed": []}


def _resource(value: Any, resource: str) -> Opaque:
    if not resource.strip():
        raise ValueError("resource must not be empty")
    nothing = {"subresource": "", "namespace": "", "name": ""}
    return {**expect(value, "group"), KIND: "resource", "resource": resource, **nothing}


def _narrowed(field: str) -> Any:
    return lambda value, text: {**expect(value, "resource"), field: text}


def _selected(value: Any, selector: str) -> Opaque:
    # RBAC doesn't look at selectors.
    return expect(value, "resource")


def _check(value: Any, verb: str) -> Opaque:
    if kind_of(value) == "path":
        may = f"{verb} {value['path']}" in value["allowed"]
    elif kind_of(value) == "resource":
        parts = [value["group"], value["resource"], *filter(None, [value["subresource"]]), verb]
        everywhere, there = "/".join(parts), f"@{value['namespace']}"
        entries = {everywhere, everywhere + there, f"{everywhere}{there}/{value['name']}"}
        may = not entries.isdisjoint(value["allowed"])
    else:
        raise no_overload()
    return {KIND: "decision", "allowed": may}


def _told(answer: Any) -> Any:
    """Return a function that tells the same of every decision: offline none has a reason or an error."""

    def tell(value: Any) -> Any:
        expect(value, "decision")
        return answer

    return tell


FUNCTIONS = (
    member("path", DYN, MAP, STRING, by=_path),
    member("group", DYN, MAP, STRING, by=_group),
    member("serviceAccount", DYN, MAP, STRING, STRING, by=_service_account),
    member("resource", DYN, MAP, STRING, by=_resource),
    *(member(field, DYN, MAP, STRING, by=_narrowed(field)) for field in ("subresource", "namespace", "name")),
    member("fieldSelector", DYN, MAP, STRING, by=_selected),
    member("labelSelector", DYN, MAP, STRING, by=_selected),
    member("check", DYN, MAP, STRING, by=_check),
    member("allowed", BOOL, MAP, by=lambda value: expect(value, "decision")["allowed"]),
    member("errored", BOOL, MAP, by=_told(False)),
    member("error", STRING, MAP, by=_told("")),
    member("reason", STRING, MAP, by=_told("")),
)
