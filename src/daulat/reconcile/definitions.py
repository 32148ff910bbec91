"""Makes a status one that the cluster's CustomResourceDefinition takes, where that is of another release, and says so in it.

The API server refuses a status as a whole for one field that the definition doesn't declare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daulat.api import reasons
from daulat.api.counted import few
from daulat.api.kinds import Manifest
from daulat.api.status import read_status
from daulat.api.timestamps import stamp
from daulat.facts.definition import STEP, Definition
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import OWN_KINDS
from daulat.kube.ref import Ref

from .conditions import AnyDeclared, cut, same_status
from .result import ApplyStatus, EmitEvent, Result


def as_defined(key: Ref, result: Result, snapshot: Snapshot, now: float) -> Result:
    """Return the result with a status that the API server takes; the same result where the definition lacks nothing."""
    definition = snapshot.definitions.get(key.kind)
    if definition is None or not definition.missing:
        return result
    objects: Mapping[Any, AnyDeclared] = getattr(snapshot, OWN_KINDS[key.kind])
    declared = objects.get(key if key.namespace else key.name)
    if declared is None:
        return result
    message = describe(key.kind, definition)
    given = result.status or (ApplyStatus(key, declared.uid, dict(declared.stored), declared.status),)
    status = tuple(_told(one, declared, definition, message, now) for one in given)
    changed = tuple(one for one in status if not same_status(one.status, declared.stored))
    reserve = tuple(_told(one, declared, definition, message, now) for one in result.reserve)
    events = result.events
    # One Event a kind is enough: a thousand models tell the same.
    if declared.status.condition(reasons.SCHEMA_CURRENT) is None and declared is objects[min(objects)]:
        told = f"{reasons.SCHEMA_CURRENT}=False: {message}"
        events = (*events, EmitEvent(key, declared.uid, "Warning", reasons.DEFINITION_OUTDATED, cut(told)))
    return replace(result, status=changed, reserve=reserve, events=events)


def describe(kind: str, definition: Definition) -> str:
    """Return what the definition of a kind lacks, what comes of it and what to do."""
    fields, dropped = sorted(definition.missing), definition.missing_of_spec
    some = few(fields, 5)
    lost = (
        f"The API server drops {', '.join(dropped[:5])} from what users apply, and the operator"
        if dropped
        else "The operator"
    )
    what = f"the CustomResourceDefinition of {kind} is of another release and lacks {some}"
    return f"{what}. {lost} doesn't write the missing fields of the status; all else goes on. To end that, {STEP}"


def _told(one: ApplyStatus, declared: AnyDeclared, definition: Definition, message: str, now: float) -> ApplyStatus:
    status = definition.writable(one.status)
    stored = declared.status.condition(reasons.SCHEMA_CURRENT)
    since = stored.last_transition_time if stored is not None else stamp(now)
    mine: Manifest = {
        "type": str(reasons.SCHEMA_CURRENT),
        "status": "False",
        "reason": str(reasons.DEFINITION_OUTDATED),
        "message": cut(message),
        "lastTransitionTime": since,
        "observedGeneration": declared.generation,
    }
    others = [c for c in status.get("conditions") or () if c.get("type") != mine["type"]]
    written: Manifest = {**status, "conditions": [*others, mine]}
    return replace(one, status=written, decided=read_status(type(one.decided), written))
