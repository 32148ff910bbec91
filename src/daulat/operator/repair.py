"""Brings an object that was made for a model back to what was rendered, where it differs. Not for ever: each change of a template
rolls pods, so what differs again and again is left as it is for a while, and told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from daulat.api.kinds import Manifest
from daulat.kube.client import Client
from daulat.kube.errors import NotFound, Rejected
from daulat.kube.ref import Ref

from .merged import WRITTEN_BY_OTHERS, others_in_spec
from .rendered import Defaults, comparable, differences

log = logging.getLogger("daulat.executor")

REPAIRS, WITHIN = 2, 600.0
"""Times that an object is brought back within so many seconds."""


class NotAsApplied(Exception):
    """An object isn't as it was applied, since another writer or a webhook changes it."""


@dataclass(frozen=True)
class Rendered:
    """A spec as the API server and its webhooks would make it today."""

    spec: Manifest
    unstable: frozenset[str] = frozenset()
    """The fields that come out otherwise each time."""

    def difference(self, kind: str, live: Manifest) -> str:
        """Return the first field in which a live object differs; empty where none does."""
        found = differences(comparable(kind, live["spec"]), self.spec)
        return next((field for field in found if field not in self.unstable), "")


class Repair:
    """Compares objects with what was rendered, and brings them back."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        self._defaults = Defaults()
        self._tries: dict[Ref, tuple[Manifest, Rendered | None]] = {}
        """By object that differed: the manifest, and what a dry run made of it."""
        self._repairs: dict[Ref, list[float]] = {}
        """By object: when it was brought back."""

    def forget(self, ref: Ref) -> None:
        """Forget an object that is gone."""
        self._tries.pop(ref, None)
        self._repairs.pop(ref, None)

    def learn(self, manifest: Manifest, made: Manifest) -> None:
        """Take in what a new object has beyond what was rendered: nothing of other writers can be in it."""
        if "spec" in manifest:
            self._defaults.learn(manifest["kind"], made["spec"], manifest["spec"])

    def is_as_rendered(self, manifest: Manifest, live: Manifest) -> bool:
        """Say whether it is known, without any request, that an object is as it was rendered."""
        kind = manifest["kind"]
        return "spec" not in manifest or self._defaults.explain(kind, live["spec"], manifest["spec"])

    def may_replace(self, ref: Ref) -> bool:
        """Say whether an object may be brought back now. One that was changed again soon after two repairs may not."""
        return ref.kind not in WRITTEN_BY_OTHERS and len(self._recent(ref)) < REPAIRS

    def count(self, ref: Ref) -> None:
        """Take in that an object was brought back."""
        self._repairs[ref] = [*self._recent(ref), self._clock()]

    def _recent(self, ref: Ref) -> list[float]:
        return [at for at in self._repairs.get(ref, ()) if self._clock() - at < WITHIN]

    async def bring_back(self, ref: Ref, collection: str, path: str, manifest: Manifest, live: Manifest) -> Manifest:
        """Return the object as it is once it is as it was rendered. Raises NotAsApplied where it isn't, RequestError."""
        rendered = await self._rendered(ref, collection, manifest, live)
        if rendered is None:
            return await self._without_others(ref, path, manifest, live)
        if not (field := rendered.difference(ref.kind, live)):
            return live
        told = f"{ref} isn't as it was applied: {_who(ref, live)} changes its spec ({field})"
        live = await self._replace(ref, path, live, rendered.spec, told)
        if rendered.difference(ref.kind, live):
            raise NotAsApplied(told)
        return live

    async def _without_others(self, ref: Ref, path: str, manifest: Manifest, live: Manifest) -> Manifest:
        """Take away what other field managers have in the spec, where it can't be known how the API server would make it."""
        if not others_in_spec(ref.kind, live):
            return live
        told = f"{ref} isn't as it was applied: {_who(ref, live)} changes its spec"
        live = await self._replace(ref, path, live, manifest["spec"], told)
        if others_in_spec(ref.kind, live):
            raise NotAsApplied(told)
        return live

    async def _replace(self, ref: Ref, path: str, live: Manifest, spec: Manifest, told: str) -> Manifest:
        if len(self._recent(ref)) >= REPAIRS:
            raise NotAsApplied(f"{told} again after {REPAIRS} repairs; the next one is {WITHIN / 60:.0f} minutes later")
        answer = await self._client.json_patch(path, live["metadata"]["resourceVersion"], "/spec", spec)
        self.count(ref)
        log.warning("reverted", extra={"object": str(ref), "why": told})
        return answer

    async def _rendered(self, ref: Ref, collection: str, manifest: Manifest, live: Manifest) -> Rendered | None:
        """Return how the API server would make the object; None where it doesn't say."""
        if ref.kind in WRITTEN_BY_OTHERS:
            return None
        before, known = self._tries.get(ref, ({}, None))
        if before != manifest:
            known = await self._dry_run(ref.kind, collection, manifest, live)
            self._tries[ref] = (manifest, known)
        if known is not None and not known.unstable and not known.difference(ref.kind, live):
            self._defaults.learn(ref.kind, live["spec"], manifest["spec"])
            self._tries.pop(ref, None)
        return known

    async def _dry_run(self, kind: str, collection: str, manifest: Manifest, live: Manifest) -> Rendered | None:
        metadata = {k: v for k, v in manifest["metadata"].items() if k != "name"}
        body = {**manifest, "metadata": {**metadata, "generateName": "daulat-"}}

        async def one() -> Manifest:
            answer = await self._client.request("POST", collection, body, query={"dryRun": "All"})
            return comparable(kind, answer["spec"])

        try:
            first = Rendered(await one())
            if not first.difference(kind, live):
                return first
            # What a webhook makes of the name, or of chance, says nothing of other writers.
            return Rendered(first.spec, frozenset(differences(first.spec, await one())))
        except (Rejected, NotFound):
            return None  # A quota, for instance, or a webhook that wants no second object.


def _who(ref: Ref, live: Manifest) -> str:
    return ", ".join(others_in_spec(ref.kind, live)) or "another writer or a mutating webhook"
