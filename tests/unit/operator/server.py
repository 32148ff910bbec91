"""An API server in memory, with what of it the operator depends on: versions, uids, field managers, watches, and a dry run that is
refused by the policies that are really there. It fails the request that a test names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from daulat.admission.ungoverned import UNGOVERNED
from daulat.api.names import CANARY_ANNOTATION, MANAGED_BY, MODEL_LABEL, REVISION_ANNOTATION
from daulat.catalog.kubernetes import DEFAULT
from daulat.kube.client import APPLY, JSON, JSON_PATCH, Client
from daulat.kube.errors import ApiError, api_error
from daulat.kube.ref import Ref
from daulat.kube.resources import OURS, QUEUED, REGISTRY, WATCHED, Resource, path_of, watched_as
from daulat.reconcile.policy.ungoverned import CANARY
from tests.unit.discovery import discovery

from . import merging
from .virtual import ends_at, later

Raw = dict[str, Any]

ENDING = 3.0
"""Seconds that a pod takes to end."""
WATCHES = 0.05
"""Seconds after which a watch brings a change: after the answer to the write."""
_WITHOUT_GENERATION = ("ServiceAccount", "Node", "Namespace", "Pod", "Service")


@dataclass(frozen=True)
class Asked:
    """A request."""

    verb: str
    """apply, merge, replace (a JSON patch), try (a dry run), or the method."""
    path: str
    body: Raw = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.verb not in ("GET", "try")

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


@dataclass(frozen=True)
class _Place:
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)


Hook = Callable[[Asked], Awaitable[None]]


class FakeServer(Client):
    """The server, in place of the client's connection to one."""

    def __init__(self, unserved: tuple[str, ...] = ()) -> None:
        self.count = lambda method: None
        self.asked: list[Asked] = []
        self.objects: dict[str, Raw] = {}
        self.events: list[Raw] = []
        self.made: Counter[str] = Counter()
        """How many times an object was made, by its path."""
        self.evicted: Counter[str] = Counter()
        """How many times the deletion of an object was begun, by its uid."""
        self.before: Hook | None = None
        """Called before a request is carried out; what it raises is the answer."""
        self.after: Hook | None = None
        """Called after a request is carried out; what it raises takes the place of the answer."""
        self.watches: list[Callable[[str, str, Raw], None]] = []
        """Called with every change of a kind that the operator watches: ADDED, MODIFIED or DELETED."""
        self.admit: Callable[[str, Raw], Raw] = lambda kind, raw: raw
        """A mutating webhook of others."""
        self._managed: dict[str, list[merging.Managed]] = {}
        self._version, self._uids, self._unserved = 100, 0, unserved

    def put(self, kind: str, raw: Raw, manager: str = "kubectl") -> Raw:
        """Make an object, or change it, as another user or controller does."""
        raw = deepcopy(raw)
        meta = raw["metadata"]
        place = _Place(watched_as(kind), str(meta.get("namespace") or ""), str(meta["name"]))
        live = self.objects.get(place.path)
        if live is not None:
            meta["uid"] = meta.get("uid") or live["metadata"]["uid"]
            meta.setdefault("generation", live["metadata"].get("generation"))
        raw.setdefault("apiVersion", place.resource.api_version)
        merging.update(kind, live or {}, raw, manager, self._managed.setdefault(place.path, []))
        return self._write(place, {**raw, "kind": kind}, live)

    def edit(self, ref: Ref, manager: str = "kubectl", **changes: Any) -> Raw:
        """Change parts of an object as another user or controller does, by merging."""
        return self._patched(self._place(path_of(ref, DEFAULT)), changes, manager)

    def remove(self, ref: Ref, *, gently: bool = False) -> None:
        """Delete an object as another user does; a pod at once, unless it may take its time."""
        self._delete(self._place(path_of(ref, DEFAULT)), {}, ENDING if gently else 0)
        self.evicted.clear()

    def object(self, ref: Ref) -> Raw:
        """Return an object."""
        return self.objects[path_of(ref, DEFAULT)]

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Carry a request out, unless a test wants it to fail."""
        query = query or {}
        if (offered := discovery(path, self._unserved)) is not None:
            return json.dumps(offered).encode()
        verb = {APPLY: "apply", JSON_PATCH: "replace"}.get(content_type, "merge") if method == "PATCH" else method
        asked = Asked("try" if query.get("dryRun") else verb, path, body if isinstance(body, dict) else {})
        self.asked.append(asked)
        if self.before is not None:
            await self.before(asked)
        answer = self._answer(asked, deepcopy(body), query)
        if self.after is not None:
            await self.after(asked)
        return json.dumps(answer).encode()

    def _answer(self, asked: Asked, body: Any, query: Mapping[str, str]) -> Raw:
        place = self._place(asked.path)
        match asked.verb:
            case "GET" if place.name:
                return self._live(place)
            case "GET":
                return self._list(place, query)
            case "try":
                return self._dry_run(place, body)
            case "POST":
                return self._post(place, body)
            case "DELETE":
                return self._delete(place, body or {})
            case "apply":
                return self._applied(place, body, query["fieldManager"])
            case "merge":
                self._check(place, body)
                return self._patched(place, body, query["fieldManager"])
            case "replace":
                version, change = body
                changes = {"metadata": {"resourceVersion": version["value"]}}
                self._check(place, changes)
                return self._replaced(place, change["path"].strip("/"), change["value"], query["fieldManager"])
        raise AssertionError(f"nothing is known of {asked}")

    def _place(self, path: str) -> _Place:
        head, *parts = path.strip("/").split("/")
        group, version, parts = ("", parts[0], parts[1:]) if head == "api" else (parts[0], parts[1], parts[2:])
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        of = next(r for r in REGISTRY if (r.group, r.version, r.plural) == (group, version, parts[0]))
        if of.kind in self._unserved:
            raise api_error(404, "NotFound", "the server could not find the requested resource")
        return _Place(of, namespace, *parts[1:])

    def _live(self, place: _Place) -> Raw:
        if (live := self.objects.get(place.path)) is None:
            raise api_error(404, "NotFound", f'{place.resource.plural} "{place.name}" not found')
        return live

    def _list(self, place: _Place, query: Mapping[str, str]) -> Raw:
        found = [o for path, o in sorted(self.objects.items()) if self._place(path).resource == place.resource]
        items = [o for o in found if not query.get("labelSelector") or _is_ours(o)]
        return {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    def _check(self, place: _Place, body: Raw) -> None:
        """Refuse a change of another object or version, as the registry does (apiserver/pkg/registry/rest/update.go)."""
        live, meta = self._live(place)["metadata"], body.get("metadata") or {}
        if meta.get("resourceVersion") not in (None, "", live["resourceVersion"]):
            raise api_error(
                409, "Conflict", f"Operation cannot be fulfilled on {place.name}: the object has been modified"
            )
        if meta.get("uid") not in (None, "", live["uid"]):
            raise api_error(422, "Invalid", f'metadata.uid: Invalid value: "{meta["uid"]}": field is immutable')

    def _applied(self, place: _Place, body: Raw, manager: str) -> Raw:
        live = self.objects.get(place.path)
        if live is None and (place.subresource or body["metadata"].get("uid")):
            self._live(place)
        if live is not None:
            meta = body["metadata"]
            # The strategy of a status takes the metadata of the object that is there: its uid isn't compared.
            self._check(place, {"metadata": {**meta, "uid": ""}} if place.subresource else body)
        part = {k: v for k, v in body.items() if k == "status"} if place.subresource else body
        managed = self._managed.setdefault(place.path, [])
        kind = place.resource.kind
        base = live or {"apiVersion": body["apiVersion"], "kind": kind, "metadata": {}}
        body = merging.apply(kind, base, part, manager, managed, place.subresource)
        own = {k: v for k, v in (("name", place.name), ("namespace", place.namespace)) if v}
        body["metadata"] = {**body["metadata"], **own}
        return self._write(place, self.admit(kind, body), live)

    def _patched(self, place: _Place, changes: Raw, manager: str) -> Raw:
        live = self._live(place)
        meta = {k: v for k, v in (changes.get("metadata") or {}).items() if k not in ("uid", "resourceVersion")}
        body = _merged(live, {**changes, "metadata": meta})
        part = "status" if set(changes) == {"status"} else ""
        merging.update(place.resource.kind, live, body, manager, self._managed.setdefault(place.path, []), part)
        return self._write(place, self.admit(place.resource.kind, body), live)

    def _replaced(self, place: _Place, name: str, value: Any, manager: str) -> Raw:
        live = self._live(place)
        body = {**live, name: {k: v for k, v in value.items() if v is not None}}
        managed = self._managed.setdefault(place.path, [])
        merging.update(place.resource.kind, live, body, manager, managed, place.subresource)
        return self._write(place, self.admit(place.resource.kind, body), live)

    def _write(self, place: _Place, body: Raw, live: Raw | None) -> Raw:
        path, kind, meta = place.path, place.resource.kind, dict(body["metadata"])
        meta["managedFields"] = [one.manifest() for one in self._managed.get(path, ()) if one.fields]
        if live is None:
            self._uids += 1
            meta.setdefault("uid", f"uid-{self._uids}")
            meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            if kind not in _WITHOUT_GENERATION:
                meta.setdefault("generation", 1)
            self.made[path] += 1
        elif _without_version({**body, "metadata": meta}) == _without_version(live):
            return live
        elif meta.get("generation") and body.get("spec") != live.get("spec"):
            meta["generation"] = max(live["metadata"]["generation"] + 1, meta["generation"])
        self._version += 1
        self.objects[path] = {**body, "metadata": {**meta, "resourceVersion": str(self._version)}}
        # What a selector doesn't select any more is gone for a watch.
        leaves = live is not None and place.resource.labels == OURS and _is_ours(live) and not _is_ours(body)
        self._news(place, "ADDED" if live is None else "DELETED" if leaves else "MODIFIED", self.objects[path])
        return self.objects[path]

    def _delete(self, place: _Place, options: Raw, ending: float = ENDING) -> Raw:
        live = self._live(place)
        if (options.get("preconditions") or {}).get("uid") not in (None, live["metadata"]["uid"]):
            raise api_error(409, "Conflict", f"Precondition failed: UID in object meta: {live['metadata']['uid']}")
        self.evicted[live["metadata"]["uid"]] += 1
        if place.resource.kind == "Pod" and ending:
            self._end(place, live, ending)
            return self.objects.get(place.path, live)
        self._gone(place)
        if place.resource.kind in ("Deployment", "SovereignModel", "Namespace"):
            self._collect(place, live)
        return {"kind": "Status", "status": "Success"}

    def _end(self, place: _Place, live: Raw, ending: float) -> None:
        """Let a pod end by itself, as a kubelet does."""
        self._write(place, {**live, "metadata": {**live["metadata"], "deletionTimestamp": ends_at(ending)}}, live)
        later(ending, lambda: self._gone(place) if place.path in self.objects else None)

    def _collect(self, place: _Place, owner: Raw) -> None:
        """Delete what was made by the object, as the garbage collector does, and what is in a namespace."""
        uid, name = owner["metadata"]["uid"], owner["metadata"]["name"]
        for path, one in list(self.objects.items()):
            meta = one["metadata"]
            pod = place.resource.kind == "Deployment" and one["kind"] == "Pod"
            of = pod and (meta.get("labels") or {}).get(MODEL_LABEL) == name
            inside = place.resource.kind == "Namespace" and meta.get("namespace") == name
            owned = any(o.get("uid") == uid for o in meta.get("ownerReferences") or ())
            if (of or inside or owned) and path in self.objects:
                self._delete(self._place(path), {})

    def _gone(self, place: _Place) -> None:
        self._version += 1
        gone = self.objects.pop(place.path)
        self._managed.pop(place.path, None)
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self._version)}}
        self._news(place, "DELETED", gone)

    def _post(self, place: _Place, body: Raw) -> Raw:
        if place.resource.kind != "Event":
            raise AssertionError(f"nothing but Events is posted: {body}")
        self.events.append(body)
        return body

    def _dry_run(self, place: _Place, pod: Raw) -> Raw:
        """Judge a canary by the policies that are there and bound."""
        if place.resource.kind != "Pod":
            return self.admit(place.resource.kind, pod)
        of = pod["metadata"]["annotations"][CANARY_ANNOTATION]
        labels = self.object(Ref("Namespace", "", place.namespace))["metadata"]["labels"]
        for path, guard in sorted(self.objects.items()):
            name = guard["metadata"]["name"]
            if guard["kind"] != "ValidatingAdmissionPolicy" or not self._is_bound(path):
                continue
            told = ""
            if name == UNGOVERNED and of == CANARY and not _governs(guard, labels):
                told = "GOV-01 metadata.namespace: no policy governs it"
            elif name.startswith(f"{of}.pods."):
                pin = "" if self._has_pin(of) else "USE-01 spec.nodeSelector: not pinned "
                told = f"{pin}USE-04 spec.nodeName: was set; revision {guard['metadata']['annotations'][REVISION_ANNOTATION]}"
            if told:
                raise api_error(422, "Invalid", f"ValidatingAdmissionPolicy '{name}' denied request: {told}")
        return pod

    def _is_bound(self, path: str) -> bool:
        bound = self.objects.get(path.replace("policies/", "policybindings/"))
        return bound is not None and "Deny" in bound["spec"]["validationActions"]

    def _has_pin(self, policy: str) -> bool:
        kinds = [o["kind"] for o in self.objects.values() if o["metadata"]["name"].startswith(f"{policy}.")]
        return {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"} <= set(kinds)

    def _news(self, place: _Place, type_: str, raw: Raw) -> None:
        if place.resource in (*WATCHED, *QUEUED) and (
            place.resource.labels != OURS or _is_ours(raw) or type_ == "DELETED"
        ):
            for watch in self.watches:
                watch(place.resource.kind, type_, deepcopy(raw))


def refusal(status: int) -> ApiError:
    """Return an answer that isn't a success."""
    reason = {403: "Forbidden", 409: "Conflict", 422: "Invalid", 429: "TooManyRequests"}.get(status, "InternalError")
    return api_error(status, reason, f"a fault with {status}")


def _is_ours(raw: Raw) -> bool:
    return (raw["metadata"].get("labels") or {}).get(MANAGED_BY) == "daulat"


def _governs(guard: Raw, labels: Mapping[str, str]) -> bool:
    governed = str(next(v["expression"] for v in guard["spec"]["variables"] if v["name"] == "governed"))
    return all(json.dumps(key) in governed and json.dumps(value) in governed for key, value in labels.items())


def _without_version(raw: Raw) -> Raw:
    meta = {k: v for k, v in raw["metadata"].items() if k != "resourceVersion"}
    return {**raw, "metadata": meta}


def _merged(live: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    found = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key), value)
    return found
