"""Where each case is played: in a namespace that only cases under the same policies share, about an object of its own name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from daulat.cel.evaluator import Request
from daulat.controls import library
from tests.requests import NAMESPACE, merge

from . import offline
from .case import Case
from .offline import Said
from .server import Answer, Manifest

UNNAMED = "example"
"""The name of an object whose name says nothing: it gets one of its own."""
SCOPE_LABEL = "corpus.example.my/scope"
"""Marks the cluster-scoped objects of the cases under one policy, for no namespace tells them apart."""


@dataclass
class Scene:
    """One case on its way: where it is asked, what is in force there, and what came of it."""

    case: Case
    number: int
    namespace: str
    in_force: list[Manifest]
    request: Request
    live: Manifest | None = None
    answer: Answer | None = None

    @property
    def name(self) -> str:
        """The name of the object that is asked about."""
        return self.request.name

    @property
    def unshared(self) -> bool:
        """Whether no other case is about an object of that name."""
        return self.name == f"case-{self.number:04}"

    @property
    def said(self) -> list[Said]:
        """What the offline evaluator says."""
        return offline.judge(self.in_force, self.request)


def scenes(cases: Sequence[Case]) -> list[Scene]:
    """Return every case with a namespace that it shares with the cases under the same policies, and names of its own."""
    numbers: dict[str, int] = {}
    return [_scene(c, n, numbers.setdefault(offline.scope(c), len(numbers))) for n, c in enumerate(cases)]


def _scene(case: Case, number: int, scope: int) -> Scene:
    shared = f"corpus-{scope:03}"
    request = offline.request(case, shared)
    namespace = request.namespace if request.namespace_object else shared
    if request.name == UNNAMED:
        request = _named(request, f"case-{number:04}")
    if library.guards()[case.guard].scope == "policy" and not request.namespace_object:
        request = _labelled(request, namespace)
    if library.guards()[case.guard].scope == "namespaces":
        request = _given_to(request, shared)
    if request.namespace_object:
        there = {"namespace": namespace}
        old = with_metadata(request.old_object, there)
        request = replace(request, object=with_metadata(request.object, there), old_object=old)
    return Scene(case, number, namespace, offline.in_force(case, namespace, f"s{scope:03}."), request)


def difference(before: Any, after: Any) -> Any:
    """Return the merge patch (RFC 7386) that makes one object of the other."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    gone = {key: None for key in before if key not in after}
    changed = {k: difference(before.get(k), v) for k, v in after.items() if k not in before or before[k] != v}
    return {**gone, **changed}


def _named(request: Request, name: str) -> Request:
    """Return the request about an object of this name; a namespace is in itself."""
    return replace(
        request,
        name=name,
        # A kubelet's user name ends with its node's.
        user=request.user.removesuffix(f":{UNNAMED}") + f":{name}"
        if request.user.endswith(f":{UNNAMED}")
        else request.user,
        namespace=name if request.resource.partition("/")[0] == "namespaces" else request.namespace,
        object=with_metadata(request.object, {"name": name}),
        old_object=with_metadata(request.old_object, {"name": name}),
    )


def _labelled(request: Request, namespace: str) -> Request:
    label = {"labels": {SCOPE_LABEL: namespace}}
    return replace(
        request, object=with_metadata(request.object, label), old_object=with_metadata(request.old_object, label)
    )


def _given_to(request: Request, namespace: str) -> Request:
    """Return a request about a volume whose claim is in the scene's namespace, where it is in the one that cases name."""

    def moved(manifest: Manifest | None) -> Manifest | None:
        claim = ((manifest or {}).get("spec") or {}).get("claimRef") or {}
        if claim.get("namespace") != NAMESPACE:
            return manifest
        result: Manifest = merge(manifest, {"spec": {"claimRef": {"namespace": namespace}}})
        return result

    return replace(request, object=moved(request.object), old_object=moved(request.old_object))


def with_metadata(manifest: Manifest | None, metadata: Manifest) -> Manifest | None:
    # The options of a CONNECT have none.
    if manifest is None or "metadata" not in manifest:
        return manifest
    result: Manifest = merge(manifest, {"metadata": metadata})
    return result
