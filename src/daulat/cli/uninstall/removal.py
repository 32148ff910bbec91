"""Carries a plan out, step by step: where one fails, those after it don't begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from daulat.admission.node_selector import with_pins
from daulat.api.kinds import Manifest
from daulat.api.names import UNDECIDED_TAINT
from daulat.kube.client import Client
from daulat.kube.errors import NotFound, RequestError

from ..cluster import sentence
from .plan import Removal, Step


@dataclass(frozen=True)
class Outcome:
    """How far it came."""

    removed: int
    errors: tuple[str, ...] = ()
    stopped: bool = False
    """Whether it ended before anything that enforces policies was removed."""


async def remove(client: Client, removals: Sequence[Removal]) -> Outcome:
    """Remove all of it, in the order of the plan. What is gone meanwhile counts as removed."""
    removed = 0
    for step, group in groupby(removals, key=lambda r: r.step):
        errors: list[str] = []
        for removal in group:
            try:
                await _remove(client, removal)
            except NotFound:
                removed += 1
            except RequestError as error:
                errors.append(f"{removal}: {sentence(error)}")
                # What keeps the cluster closed is removed in order, so that the last of it never goes alone.
                if step >= Step.GUARDS:
                    break
            else:
                removed += 1
        if errors:
            return Outcome(removed, tuple(errors), stopped=step < Step.GUARDS)
    return Outcome(removed)


async def _remove(client: Client, removal: Removal) -> None:
    path = removal.resource.path(removal.namespace, removal.name)
    if removal.deletes:
        body = {"preconditions": {"uid": removal.uid}, "propagationPolicy": "Background"}
        await client.request("DELETE", path, body)
        return
    live = await client.get(path)
    if live is not None and live["metadata"].get("uid") == removal.uid:
        await client.merge(path, _patch(live, removal))


def _patch(live: Manifest, removal: Removal) -> Manifest:
    meta = live["metadata"]
    # An annotation and the taints are changed as a whole, so they must be the newest.
    head: Manifest = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    patch: Manifest = {"metadata": head}
    if removal.labels:
        head["labels"] = dict.fromkeys(removal.labels)
    if removal.annotations:
        notes = meta.get("annotations") or {}
        head["annotations"] = {a: with_pins(str(notes.get(a) or ""), ()) or None for a in removal.annotations}
    if removal.taint:
        others = [t for t in (live.get("spec") or {}).get("taints") or () if t.get("key") != UNDECIDED_TAINT]
        patch["spec"] = {"taints": others or None}
    return patch
