"""Records Events. The same Event on the same object isn't recorded again for some minutes, as kubectl's own recorder does it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from daulat.api.names import REPORTER
from daulat.kube.client import Client
from daulat.kube.errors import RequestError
from daulat.kube.resources import watched_as
from daulat.reconcile.result import EmitEvent

log = logging.getLogger("daulat.events")

SAME = 120.0
"""Seconds for which an Event isn't repeated: a pod that comes and goes would be one a change."""
KEPT = 10_000
"""Events that are remembered for that."""


class Recorder:
    """Records Events, once each."""

    def __init__(self, client: Client, clock: Callable[[], float], identity: str) -> None:
        self._client, self._clock, self._identity = client, clock, identity
        self._recorded: dict[tuple[str, str, str, str], float] = {}
        """When each Event was recorded, the oldest first."""

    async def record(self, effect: EmitEvent) -> bool:
        """Record an Event. One that can't be recorded is logged: the status tells the same, and nothing depends on it."""
        now = self._clock()
        key = (effect.uid, effect.type, effect.reason, effect.message)
        if now - self._recorded.get(key, float("-inf")) < SAME:
            return False
        try:
            # Not events.k8s.io: that refuses Events with the times by which `kubectl get events --sort-by=.lastTimestamp` sorts.
            path = f"/api/v1/namespaces/{effect.ref.namespace or 'default'}/events"
            await self._client.request("POST", path, self._event(effect, now))
        except RequestError as error:
            log.warning("could not record an Event", extra={"object": str(effect.ref), "error": str(error)[:200]})
            return False
        self._recorded.pop(key, None)
        self._recorded[key] = now
        self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Forget what may be recorded again, and the oldest where there are too many."""
        while len(self._recorded) > KEPT or now - next(iter(self._recorded.values())) >= SAME:
            del self._recorded[next(iter(self._recorded))]

    def _event(self, effect: EmitEvent, now: float) -> dict[str, Any]:
        # Events about objects without a namespace live in "default".
        namespace = effect.ref.namespace or "default"
        at = datetime.fromtimestamp(now, UTC)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{effect.ref.name}.{uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "firstTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lastTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "count": 1,
            "reportingComponent": REPORTER,
            "reportingInstance": self._identity[:128],
            "source": {"component": REPORTER},
            "action": "Reconcile",
            "type": effect.type,
            "reason": effect.reason,
            "message": effect.message,
            "involvedObject": {
                "apiVersion": effect.api_version or watched_as(effect.ref.kind).api_version,
                "kind": effect.ref.kind,
                "name": effect.ref.name,
                "namespace": effect.ref.namespace,
                "uid": effect.uid,
            },
        }
