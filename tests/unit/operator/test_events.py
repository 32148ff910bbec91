"""Events are recorded so that `kubectl get events` sorts them by their time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from daulat.kube.client import Client
from daulat.kube.ref import Ref
from daulat.operator.events import Recorder
from daulat.reconcile.result import EmitEvent

AT = 1_800_000_000.5


class Server:
    """An API server that takes Events."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []

    async def request(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert method == "POST"
        self.made.append((path, body))
        return body


def recorded(ref: Ref) -> tuple[str, dict[str, Any]]:
    server = Server()
    recorder = Recorder(cast("Client", server), lambda: AT, "daulat-0")
    asyncio.run(recorder.record(EmitEvent(ref, "u", "Warning", "OutOfSync", "it differs")))
    ((path, body),) = server.made
    return path, body


def test_an_event_has_the_times_that_kubectl_sorts_by() -> None:
    path, event = recorded(Ref("SovereignModel", "treasury", "deepseek"))
    assert path == "/api/v1/namespaces/treasury/events"
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2027-01-15T08:00:00Z"
    assert (event["count"], event["eventTime"]) == (1, "2027-01-15T08:00:00.500000Z")
    assert (event["message"], event["involvedObject"]["uid"]) == ("it differs", "u")


def test_an_event_about_an_object_without_a_namespace_is_in_default() -> None:
    path, event = recorded(Ref("SovereigntyPolicy", "", "confidential"))
    assert path == "/api/v1/namespaces/default/events"
    assert event["metadata"]["namespace"] == "default"
