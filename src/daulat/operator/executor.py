"""Carries effects out: the only writer. What is as it should be isn't written again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from daulat.admission.policy import ADMISSION
from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION, MANAGED_BY, MODEL_LABEL
from daulat.facts.child import owner, parse_child
from daulat.facts.snapshot import Canary
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound
from daulat.kube.ref import Ref
from daulat.kube.resources import BY_KIND, path_of
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Effect, LabelNode, Probe, Record

from . import metrics

log = logging.getLogger("daulat.executor")

NEVER = "1"
"""The resource version of an empty etcd."""


class NameTaken(Exception):
    """An object of that name is somebody else's."""


class NotLeader(Exception):
    """This replica may not write now."""


class Executor:
    """Writes to the cluster while this replica leads, and feeds what the API server answers back into the facts."""

    def __init__(
        self, client: Client, store: Store, leads: Callable[[], bool], clock: Callable[[], float], identity: str
    ) -> None:
        self._client, self._store, self._leads, self._clock = client, store, leads, clock
        self._identity = identity
        self._applied: dict[Ref, tuple[str, str]] = {}

    async def run(self, effect: Effect) -> None:
        """Carry one effect out. Raises ApiError, NameTaken or NotLeader."""
        if not self._leads():
            raise NotLeader
        name = type(effect).__name__
        try:
            wrote = await self._run(effect)
        except Exception:
            metrics.EFFECTS.labels(name, "error").inc()
            raise
        if wrote:
            metrics.EFFECTS.labels(name, "ok").inc()

    async def _run(self, effect: Effect) -> bool:
        match effect:
            case Apply():
                return await self._apply(effect.manifest)
            case ApplyStatus():
                return await self._apply_status(effect)
            case Delete():
                return await self._delete(effect)
            case LabelNode():
                patch = {"metadata": {"labels": dict(effect.labels)}}
                self._store.apply("Node", await self._client.merge(path_of(Ref("Node", "", effect.name)), patch))
                log.info("labelled a node", extra={"node": effect.name, "labels": dict(effect.labels)})
                return True
            case Probe():
                return await self._probe(effect)
            case Record():
                return await self._record(effect)

    async def _apply(self, manifest: Manifest) -> bool:
        kind = manifest["kind"]
        ref = Ref.of(kind, manifest)
        known = self._store.snapshot().children.get(ref)
        wanted = digest(manifest)
        if known is not None and self._applied.get(ref) == (wanted, known.version):
            return False
        answer = await self._create(ref, manifest) if known is None else None
        if answer is None:
            if known is None or known.owner_uid != owner(manifest["metadata"]):
                await self._refuse_if_taken(ref, manifest)
            answer = await self._client.apply(path_of(ref), manifest)
        if manifest["apiVersion"] == ADMISSION and answer.get("spec") != manifest["spec"]:
            # Another writer added to a list that server-side apply shares, such as a condition that never holds.
            answer = await self._client.merge(path_of(ref), {"metadata": _at(answer), "spec": manifest["spec"]})
        self._applied[ref] = (wanted, parse_child(kind, answer).version)
        self._store.apply(kind, answer)
        if known is None or known.version != self._applied[ref][1]:
            log.info("applied", extra={"object": str(ref)})
        return True

    async def _create(self, ref: Ref, manifest: Manifest) -> Manifest | None:
        """Make an object that isn't there. None where it is, or where the API server won't make it in this way."""
        # No object has this version: an apply that names it makes an object, and never changes one that somebody else has.
        fresh = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": NEVER}}
        try:
            return await self._client.apply(path_of(ref), fresh)
        except Conflict:
            return None

    async def _refuse_if_taken(self, ref: Ref, manifest: Manifest) -> None:
        live = await self._client.get(path_of(ref))
        if live is None:
            return
        meta = live["metadata"]
        # What pods of a model by that name still have, when it is gone, is the next one's.
        ours = owner(meta) == owner(manifest["metadata"]) or _is_pods(meta)
        if (meta.get("labels") or {}).get(MANAGED_BY) == "daulat" and ours:
            return
        of_model = MODEL_LABEL in manifest["metadata"].get("labels", {})
        raise NameTaken(
            f"{ref} exists already and isn't Daulat's; {'rename the model, or ' if of_model else ''}remove it"
        )

    async def _apply_status(self, effect: ApplyStatus) -> bool:
        meta = {"name": effect.ref.name, **({"namespace": effect.ref.namespace} if effect.ref.namespace else {})}
        body = {"apiVersion": API_VERSION, "kind": effect.ref.kind, "metadata": meta, "status": effect.status}
        try:
            answer = await self._client.apply(path_of(effect.ref, "status"), body)
        except NotFound:
            return False  # deleted meanwhile
        self._store.apply(effect.ref.kind, answer)
        self._store.promise(effect.ref, None)  # It is a fact now.
        return True

    async def _delete(self, effect: Delete) -> bool:
        order = "Foreground" if effect.together else "Background"
        options: Manifest = {"preconditions": {"uid": effect.uid}, "propagationPolicy": order}
        if effect.grace is not None:
            options["gracePeriodSeconds"] = effect.grace
        # Gone, or another object of the same name by now.
        with suppress(NotFound, Conflict):
            await self._client.request("DELETE", path_of(effect.ref), options)
        self._applied.pop(effect.ref, None)
        log.info("deleted", extra={"object": str(effect.ref)})
        return True

    async def _probe(self, effect: Probe) -> bool:
        namespace = effect.pod["metadata"]["namespace"]
        try:
            await self._client.request("POST", BY_KIND["Pod"].path(namespace), effect.pod, query={"dryRun": "All"})
            canary = Canary(namespace, False, "the API server answered 201", self._clock())
        except (BadRequest, Forbidden, Invalid) as error:
            canary = Canary(namespace, True, error.message, self._clock())
        self._store.record_canary(effect.policy, canary)
        return True

    async def _record(self, effect: Record) -> bool:
        # Events about objects without a namespace live in "default".
        namespace = effect.ref.namespace or "default"
        now = datetime.fromtimestamp(self._clock(), UTC)
        event: dict[str, Any] = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{effect.ref.name}.{uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "daulat.dev/operator",
            "reportingInstance": self._identity[:128],
            "action": "Reconcile",
            "type": effect.type,
            "reason": effect.reason,
            "note": effect.message,
            "regarding": {
                "apiVersion": BY_KIND[effect.ref.kind].api_version,
                "kind": effect.ref.kind,
                "name": effect.ref.name,
                "namespace": effect.ref.namespace,
                "uid": effect.uid,
            },
        }
        try:
            await self._client.request("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", event)
        except ApiError as error:
            # People miss a sentence, which the status has too; nothing else depends on an Event.
            log.warning("could not record an Event", extra={"object": str(effect.ref), "status": error.status})
        return True


def _is_pods(metadata: Manifest) -> bool:
    owners = metadata.get("ownerReferences") or ()
    return bool(owners) and all(o.get("kind") == "Pod" for o in owners)


def _at(live: Manifest) -> Manifest:
    return {"resourceVersion": live["metadata"]["resourceVersion"]}
