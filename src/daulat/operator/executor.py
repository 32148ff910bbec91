"""Carries effects out: the only writer. What is as it should be isn't written again.

Each answer of the API server is a whole object, with what others changed since it was last seen. It goes into the facts, and what
it brings beyond the write goes to the same sink as the watches' changes: so no edit is lost because our own write brought it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from daulat.admission.node_selector import with_pins
from daulat.admission.policy import GROUP as ADMISSION
from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION, MANAGED_BY, MODEL_LABEL, UNDECIDED_TAINT
from daulat.facts.change import Change, Written, beyond_own_write, with_record
from daulat.facts.child import owner, parse_child
from daulat.facts.snapshot import Canary, Proof
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound, RequestError
from daulat.kube.ref import Ref
from daulat.kube.resources import BY_KIND, path_of, watched_as
from daulat.reconcile.policy.pinning import is_pinned
from daulat.reconcile.result import (
    Adjust,
    Apply,
    ApplyForeignStatus,
    ApplyStatus,
    Delete,
    DryRunPod,
    Effect,
    EmitEvent,
    PatchNode,
    PinNamespace,
)

from . import metrics
from .events import Recorder
from .merged import has_more, others_in_spec
from .repair import NotAsApplied, Repair

log = logging.getLogger("daulat.executor")

TRIES = 5
"""Times that a status is written where others change the object at the same time."""
NEVER = "1"
"""The resource version of an empty etcd."""
_REVISION = re.compile(r"\brevision ([0-9a-f]{12})\b")


class NameTaken(Exception):
    """An object of that name is somebody else's."""


class NotLeader(Exception):
    """This replica may not write now."""


class Executor:
    """Writes to the cluster while this replica leads, and feeds what the API server answers back into the facts."""

    def __init__(
        self,
        client: Client,
        store: Store,
        leads: Callable[[], bool],
        clock: Callable[[], float],
        identity: str,
        sink: Callable[[Change], None],
    ) -> None:
        self._client, self._store, self._leads, self._clock = client, store, leads, clock
        self._sink = sink
        self._recorder = Recorder(client, clock, identity)
        self._applied: dict[Ref, tuple[Manifest, str, str]] = {}
        """By object: what was applied, its digest, and the version that it had then."""
        self._repair = Repair(client, clock)

    async def run(self, effect: Effect) -> None:
        """Carry one effect out. Raises RequestError, NameTaken, NotAsApplied or NotLeader."""
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

    def forget(self, ref: Ref) -> None:
        """Forget what was applied of an object that is gone."""
        self._applied.pop(ref, None)
        self._repair.forget(ref)

    def learn(self, kind: str, answer: Manifest, written: Written | None = None) -> None:
        """Take the answer to a write in, and hand on what it brings beyond that."""
        change = self._store.apply(kind, answer)
        if change is not None and beyond_own_write(change, written):
            self._sink(change)

    async def _run(self, effect: Effect) -> bool:
        match effect:
            case Apply():
                return await self._apply(effect.manifest)
            case Adjust():
                return await self._adjust(effect)
            case ApplyStatus():
                return await self._apply_status(effect)
            case ApplyForeignStatus():
                return await self._apply_foreign_status(effect)
            case Delete():
                return await self._delete(effect)
            case PatchNode():
                return await self._patch_node(effect)
            case PinNamespace():
                return await self._pin_namespace(effect)
            case DryRunPod():
                return await self._dry_run(effect)
            case EmitEvent():
                return await self._recorder.record(effect)

    async def _apply(self, manifest: Manifest) -> bool:
        kind = manifest["kind"]
        ref = Ref.of(kind, manifest)
        known = self._store.snapshot().children.get(ref)
        before, wanted, version = self._applied.get(ref, ({}, "", ""))
        if manifest is not before:
            wanted, same = digest(manifest), wanted
            version = version if same == wanted else ""
        if known is not None and version and version == known.version:
            return False
        answer = await self._create(ref, manifest) if known is None else None
        made = answer is not None
        if answer is None:
            if known is None or known.owner_uid != owner(manifest["metadata"]):
                await self._refuse_if_taken(ref, manifest)
            answer = await self._apply_or_replace(ref, manifest)
        if manifest["apiVersion"].startswith(f"{ADMISSION}/"):
            answer = await self._exactly(ref, manifest, answer)
        elif made and not others_in_spec(kind, answer):
            self._repair.learn(manifest, answer)
        elif not self._repair.is_as_rendered(manifest, answer):
            collection = BY_KIND[kind].on(self._store.capabilities).path(ref.namespace)
            answer = await self._repair.bring_back(ref, collection, self._path(ref), manifest, answer)
        self._applied[ref] = (manifest, wanted, parse_child(kind, answer).version)
        self.learn(kind, answer)
        if known is None or known.version != self._applied[ref][2]:
            log.info("applied", extra={"object": str(ref)})
        return True

    async def _create(self, ref: Ref, manifest: Manifest) -> Manifest | None:
        """Make an object that isn't there. None where it is, or where the API server won't make it in this way."""
        # No object has this version: an apply that names it makes an object, and never changes one that somebody else has.
        fresh = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": NEVER}}
        try:
            return await self._client.apply(self._path(ref), fresh)
        except Conflict:
            return None

    async def _apply_or_replace(self, ref: Ref, manifest: Manifest) -> Manifest:
        try:
            return await self._client.apply(self._path(ref), manifest)
        except Invalid:
            # Server-side apply merges sets: what another writer added can make the union invalid, so that no apply gets through.
            live = await self._client.get(self._path(ref))
            # Whose that is can't be told by its field manager, but for kinds that Kubernetes' own controllers write.
            if live is None or "spec" not in manifest or not self._repair.may_replace(ref):
                raise
            await self._replace_spec(ref, manifest, live)
            self._repair.count(ref)
            return await self._client.apply(self._path(ref), manifest)

    async def _exactly(self, ref: Ref, manifest: Manifest, answer: Manifest) -> Manifest:
        """Take away what other writers have in the spec: server-side apply leaves their entries of sets and maps in place.

        An admission policy is applied with every default written out, so nothing of it may differ.
        """
        if answer.get("spec") == manifest["spec"]:
            return answer
        answer = await self._replace_spec(ref, manifest, answer)
        if answer.get("spec") != manifest["spec"]:
            who = ", ".join(others_in_spec(ref.kind, answer)) or "a mutating webhook"
            raise NotAsApplied(f"{ref} isn't as it was applied: {who} changes its spec")
        return answer

    async def _replace_spec(self, ref: Ref, manifest: Manifest, live: Manifest) -> Manifest:
        version = live["metadata"]["resourceVersion"]
        return await self._client.json_patch(self._path(ref), version, "/spec", manifest["spec"])

    async def _refuse_if_taken(self, ref: Ref, manifest: Manifest) -> None:
        live = await self._client.get(self._path(ref))
        if live is None:
            return
        meta = live["metadata"]
        # What the model owns is its own, whoever took its labels away.
        if _is_of_model(manifest["metadata"]) and owner(meta) == owner(manifest["metadata"]):
            return
        # What pods of a model by that name still have, when it is gone, is the next one's.
        # So is what was made for this model and whose owner somebody took away: it gets that back.
        ours = owner(meta) == owner(manifest["metadata"]) or _is_pods(meta) or _is_disowned(meta, manifest["metadata"])
        if (meta.get("labels") or {}).get(MANAGED_BY) == "daulat" and ours:
            return
        of_model = MODEL_LABEL in manifest["metadata"].get("labels", {})
        raise NameTaken(
            f"{ref} exists already and isn't Daulat's; {'rename the model, or ' if of_model else ''}remove it"
        )

    async def _apply_status(self, effect: ApplyStatus) -> bool:
        meta = {"name": effect.ref.name, **({"namespace": effect.ref.namespace} if effect.ref.namespace else {})}
        meta |= {"uid": effect.uid} if effect.uid else {}
        body = {"apiVersion": API_VERSION, "kind": effect.ref.kind, "status": effect.status}
        path = self._path(effect.ref, "status")
        # Where a status is written the API server doesn't compare the uid, so the version has to say which object it is for.
        version = self._store.version(effect.ref, effect.uid)
        for _ in range(TRIES):
            if not version:
                if (live := await self._live(effect.ref, effect.uid)) is None:
                    return False
                version = live["metadata"]["resourceVersion"]
            try:
                answer = await self._client.apply(path, {**body, "metadata": {**meta, "resourceVersion": version}})
                if has_more(answer.get("status") or {}, effect.status):
                    version = answer["metadata"]["resourceVersion"]
                    answer = await self._client.json_patch(path, version, "/status", effect.status)
            except (NotFound, Conflict):
                version = ""
                continue
            self.learn(effect.ref.kind, answer)
            self._store.assume(effect.ref, None)  # It is a fact now.
            return True
        raise ApiError(409, "Conflict", f"{effect.ref} changes faster than its status can be written")

    async def _apply_foreign_status(self, effect: ApplyForeignStatus) -> bool:
        kind = effect.ref.kind
        meta = {"name": effect.ref.name, **({"namespace": effect.ref.namespace} if effect.ref.namespace else {})}
        version = watched_as(kind).on(self._store.capabilities).api_version
        body = {"apiVersion": version, "kind": kind, "status": effect.status}
        for _ in range(TRIES):
            known = self._store.version(effect.ref, effect.uid)
            if not known:
                return False
            head = {**meta, "uid": effect.uid, "resourceVersion": known}
            try:
                answer = await self._client.apply(self._path(effect.ref, "status"), {**body, "metadata": head})
            except NotFound:
                return False
            except Conflict:
                live = await self._live(effect.ref, effect.uid)
                if live is None:
                    return False
                if (change := self._store.apply(kind, live)) is not None:
                    self._sink(change)
                    return False  # Another decision may be right now.
                continue
            log.info("decided", extra={"object": str(effect.ref), "status": effect.status})
            self.learn(kind, answer)
            for event in effect.events:
                await self._recorder.record(event)
            return True
        raise ApiError(409, "Conflict", f"{effect.ref} changes faster than its status can be written")

    async def _adjust(self, effect: Adjust) -> bool:
        patch: Manifest = {"metadata": {"uid": effect.uid}}
        if effect.annotations:
            patch["metadata"]["annotations"] = dict(effect.annotations)
        if effect.replicas is not None:
            patch["spec"] = {"replicas": effect.replicas}
        try:
            answer = await self._client.merge(self._path(effect.ref), patch)
        except (NotFound, Conflict, Invalid):
            if await self._live(effect.ref, effect.uid) is None:
                return False
            raise
        log.info("adjusted", extra={"object": str(effect.ref), "replicas": effect.replicas})
        self.learn(effect.ref.kind, answer)
        return True

    async def _delete(self, effect: Delete) -> bool:
        order = "Foreground" if effect.foreground else "Background"
        options: Manifest = {"preconditions": {"uid": effect.uid}, "propagationPolicy": order}
        if effect.grace is not None:
            options["gracePeriodSeconds"] = effect.grace
        try:
            answer = await self._client.request("DELETE", self._path(effect.ref), options)
        except NotFound:
            self.forget(effect.ref)
            return False
        except Conflict:
            if await self._live(effect.ref, effect.uid) is None:
                return False
            raise
        log.info("deleted", extra={"object": str(effect.ref)})
        self.forget(effect.ref)
        # What ends in its own time is deleted once: the watch may tell of it only after the next pass.
        if answer.get("kind") == effect.ref.kind and answer["metadata"].get("deletionTimestamp"):
            self.learn(effect.ref.kind, answer)
        if effect.event is not None:
            await self._recorder.record(effect.event)
        return True

    async def _patch_node(self, effect: PatchNode) -> bool:
        path = self._path(Ref("Node", "", effect.name))
        patch: Manifest = {"metadata": {"uid": effect.uid} if effect.uid else {}}
        if effect.labels:
            patch["metadata"]["labels"] = dict(effect.labels)
        if effect.taint is not None:
            # The list of taints is replaced as a whole, so it must be the newest.
            live = await self._client.get(path)
            if live is None:
                return False
            others = [t for t in live["spec"].get("taints") or () if t.get("key") != UNDECIDED_TAINT]
            own = [{"key": UNDECIDED_TAINT, "effect": "NoSchedule"}] if effect.taint else []
            patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            patch["spec"] = {"taints": [*others, *own] or None}
        try:
            answer = await self._client.merge(path, patch)
        except (NotFound, Conflict, Invalid):
            if await self._live(Ref("Node", "", effect.name), effect.uid) is None:
                return False
            raise
        self.learn("Node", answer, lambda node: with_record(node, effect.labels, effect.taint))
        told = {"node": effect.name, "labels": dict(effect.labels), "undecided": effect.taint}
        log.info("labelled a node", extra=told)
        return True

    async def _pin_namespace(self, effect: PinNamespace) -> bool:
        ref = Ref("Namespace", "", effect.name)
        # The annotation is one text with the entries of others in it, so it must be the newest.
        live = await self._live(ref, effect.uid)
        if live is None:
            return False
        before = (live["metadata"].get("annotations") or {}).get(effect.annotation) or ""
        after = with_pins(before, effect.labels)
        if before != after:
            head = {"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}
            patch = {"metadata": {**head, "annotations": {effect.annotation: after or None}}}
            live = await self._client.merge(self._path(ref), patch)
            log.info("annotated a namespace", extra={"namespace": effect.name, effect.annotation: after})
        self.learn("Namespace", live)
        return before != after

    def _path(self, ref: Ref, subresource: str = "") -> str:
        return path_of(ref, self._store.capabilities, subresource)

    async def _live(self, ref: Ref, uid: str) -> Manifest | None:
        """Return the object, or None if it was deleted meanwhile, or made anew: its watch event is on its way, and nothing failed.

        A write to such an object gets 404, 409, or 422 because a uid can't be changed. 409 has other reasons, too.
        """
        live = await self._client.get(self._path(ref))
        return None if live is None or (uid and live["metadata"].get("uid") != uid) else live

    async def _dry_run(self, effect: DryRunPod) -> bool:
        namespace = effect.pod["metadata"]["namespace"]
        proof: Proof | None = None
        annotated = self._is_annotated(namespace, effect.policy)
        try:
            await self._client.request("POST", BY_KIND["Pod"].path(namespace), effect.pod, query={"dryRun": "All"})
            canary = Canary(namespace, False, "the API server answered 201", self._clock(), annotated=annotated)
        except (BadRequest, Forbidden, Invalid) as error:
            canary = Canary(namespace, True, error.message, self._clock(), annotated=annotated)
            named = _REVISION.search(error.message)
            if effect.selector is not None and named and named[1] == effect.revision:
                proof = Proof(effect.revision, effect.generation, effect.selector, self._clock())
        except RequestError as error:
            canary = Canary(namespace, False, "", self._clock(), error=str(error)[:300])
        self._store.record_canary(effect.policy, canary, proof)
        return True

    def _is_annotated(self, namespace: str, policy: str) -> bool:
        snapshot = self._store.snapshot()
        found = snapshot.namespaces.get(namespace)
        return found is not None and is_pinned(found, policy, snapshot)


def _is_of_model(metadata: Manifest) -> bool:
    return any(o.get("kind") == "SovereignModel" for o in metadata.get("ownerReferences") or ())


def _is_disowned(metadata: Manifest, wanted: Manifest) -> bool:
    model = (wanted.get("labels") or {}).get(MODEL_LABEL)
    same = (metadata.get("labels") or {}).get(MODEL_LABEL) == model
    return bool(model) and same and not metadata.get("ownerReferences")


def _is_pods(metadata: Manifest) -> bool:
    owners = metadata.get("ownerReferences") or ()
    return bool(owners) and all(o.get("kind") == "Pod" for o in owners)
