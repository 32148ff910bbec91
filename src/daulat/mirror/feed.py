"""Kopf as the informer: it watches, and hands every event on. It decides nothing and writes nothing.

Handlers of events only: Kopf's higher handlers write annotations and finalizers, and a change of one object would not reach
the others that it concerns.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import kopf

# Not exported, though kopf.operator takes it as an argument.
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from daulat.catalog.kubernetes import Capabilities
from daulat.kube.resources import WATCHED, Resource

log = logging.getLogger("daulat.feed")

Sink = Callable[[str, str | None, dict[str, Any]], None]
"""Takes a kind, the type of a watch event (None for one of the first list), and the object."""


class _Forever:
    """Seconds between tries of a request that fails: more each time up to a limit, and without an end.

    With an end, Kopf gives up on one kind that can't be listed or watched for a minute, and ends the watches of all others.
    """

    def __iter__(self) -> Iterator[int]:
        return itertools.chain((1, 1, 2, 3, 5, 8, 13), itertools.repeat(20))


class Feed:
    """Kopf in a thread and an event loop of its own: on exit it cancels every task of its loop."""

    def __init__(
        self,
        sink: Sink,
        failed: Callable[[], None],
        cluster: Capabilities,
        resources: Sequence[Resource] = WATCHED,
    ) -> None:
        """Take the sink, what to call where the watches end by themselves, and what the cluster offers.

        A kind that the cluster serves in a beta alone isn't watched: an upgrade takes that version away, and with the first watch
        that is answered with 404 Kopf ends all of them. The informer lists such a kind instead.
        """
        self._sink, self._failed = sink, failed
        self._resources = tuple(resource for resource in resources if resource.on(cluster) == resource)
        self._stop = threading.Event()
        self._was_stopped = False
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, and wait a moment for the streams to close."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except Exception:
            log.exception("the watches ended")
        if not self._was_stopped:
            self._failed()

    async def _watch(self) -> None:
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=_settings(self._resources),
                memories=_NoMemories(),
                standalone=True,
                clusterwide=True,
                stop_flag=self._stop,
            )
        finally:
            self._was_stopped = self._stop.is_set()
            # A thread of the loop's executor waits for the flag, and asyncio.run for that thread: without this, watches that end by
            # themselves, as when a kind is withdrawn, would end unnoticed.
            self._stop.set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, errors=kopf.ErrorsMode.TEMPORARY)(_login)
        for resource in self._resources:
            kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.kind)(
                self._handler(resource)
            )
        return registry

    def _handler(self, resource: Resource) -> Callable[..., Any]:
        async def handle(event: kopf.RawEvent, **_: Any) -> None:
            self._sink(resource.kind, event.get("type"), dict(event["object"]))

        return handle


class _NoMemories(ResourceMemories):
    """Keeps nothing of objects beyond their event. Kopf would keep a record of each for daemons, timers and memos: 1 KiB."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Return a record for one event."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


class _NoEssence(kopf.DiffBaseStorage):
    """Keeps no state of objects to compare with. Kopf would copy each object for it, event by event."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers, for none is tried again."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    found: kopf.ConnectionInfo | None = kopf.login_with_kubeconfig(**kwargs)
    if found is None and (account := kopf.login_with_service_account(**kwargs)):
        found = dataclasses.replace(account, server=in_cluster_server(os.environ) or account.server)
    return found


def in_cluster_server(environment: Mapping[str, str]) -> str:
    """Return the URL of the API server as the kubelet tells each container; empty outside of a pod.

    Kopf takes the name kubernetes.default.svc instead: its watches would stop with the cluster's DNS.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return ""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _settings(resources: Sequence[Resource]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoEssence()
    settings.persistence.progress_storage = _NoProgress()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    # Kopf keeps a task for each object for a while after its last event. With a limit, a burst waits until such tasks
    # have been idle for long enough: 50 of them for 5 s let 10 objects a second through.
    settings.queueing.worker_limit = None
    # The task keeps the object, so its time is what a burst of pods costs in memory.
    settings.queueing.idle_timeout = 0.1
    settings.networking.request_timeout = 20
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = _Forever()
    # Kopf would kill the process, which may go on with other watches.
    settings.process.ultimate_exiting_timeout = None
    for resource in resources:
        key = (resource.group, resource.version, resource.plural)
        if resource.labels:
            settings.watching.label_selectors[key] = resource.labels
        if resource.fields:
            settings.watching.field_selectors[key] = resource.fields
    return settings
