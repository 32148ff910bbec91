"""Decides which replica writes, by a Lease. A replica that can't renew in time stops before another may start.

The client's own leader election compares its clock with another machine's; this one, as client-go does, only measures how
long it saw the Lease unchanged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from daulat.api.kinds import Manifest
from daulat.kube.client import TIMEOUT, Client
from daulat.kube.errors import RequestError

log = logging.getLogger("daulat.lease")

DURATION = 20.0
"""Seconds for which a Lease is good after its last renewal."""
RENEW = 4.0
RETRY = 1.0
"""Seconds between tries to renew while the Lease isn't good."""
DEADLINE = DURATION - TIMEOUT - 1
"""Seconds since the last renewal after which nothing is begun: what was begun ends within a request's time-out."""


class Lease:
    """A Lease in the process' own namespace, held by one replica at most."""

    def __init__(
        self, client: Client, namespace: str, identity: str, name: str, led: Callable[[bool], None] = lambda held: None
    ) -> None:
        """Take what is called with whether this replica holds the Lease, for metrics."""
        self._client, self._identity = client, identity
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._meta = {"name": name, "namespace": namespace}
        self._led = led
        self._renewed = float("-inf")
        self._seen: tuple[str, float] = ("", time.monotonic())
        self._taken = False
        self.notes: Callable[[], dict[str, str]] = dict
        """Returns the annotations that the holder keeps on it, for the next one."""
        self.found: dict[str, str] = {}
        """The annotations that were on it when this replica last read it."""

    def held(self) -> bool:
        """Whether this replica may begin a write."""
        return time.monotonic() - self._renewed < DEADLINE

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease."""
        while not await self._try():
            await asyncio.sleep(RENEW / 2)
        self._led(True)
        log.info("leading", extra={"identity": self._identity})

    async def keep(self) -> None:
        """Renew until another replica has the Lease; then return, and the process must end.

        While the API server is away no other replica can take it, so a replica that couldn't renew in time goes on where it was
        once it can. Until then it isn't held, and nothing is begun.
        """
        while not self._taken:
            await asyncio.sleep(RENEW if self.held() else RETRY)
            await self._try()
            self._led(self.held())

    async def good(self) -> None:
        """Wait until this replica may begin a write."""
        while not self.held():
            await asyncio.sleep(RETRY / 4)

    async def release(self) -> None:
        """Give the Lease back, so that another replica needn't wait for it to run out."""
        if not self.held():
            return
        self._renewed = float("-inf")
        try:
            live = await self._client.get(self._path)
            if live is not None and live["spec"].get("holderIdentity") == self._identity:
                spec = {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.request("PUT", self._path, {**live, "spec": spec})
        except RequestError:
            log.info("the lease runs out by itself")

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._meta['name']}"

    async def _try(self) -> bool:
        started = time.monotonic()
        self._taken = False
        try:
            live = await self._client.get(self._path)
            self.found = dict((live or {}).get("metadata", {}).get("annotations") or {})
            if live is None:
                await self._client.request("POST", self._collection, self._body({}, {}, transitions=0))
            elif self._mine_or_free(live):
                spec = live.get("spec") or {}
                same = spec.get("holderIdentity") == self._identity
                transitions = int(spec.get("leaseTransitions") or 0) + (not same)
                await self._client.request(
                    "PUT", self._path, self._body(live["metadata"], spec if same else {}, transitions)
                )
            else:
                self._taken = True
                return False
        except RequestError as error:
            log.warning("could not renew the lease", extra={"error": str(error)[:200]})
            return False
        self._renewed = started
        return True

    def _mine_or_free(self, live: Manifest) -> bool:
        spec, version = live.get("spec") or {}, str(live["metadata"]["resourceVersion"])
        if version != self._seen[0]:
            self._seen = (version, time.monotonic())
        if spec.get("holderIdentity") in (self._identity, "", None):
            return True
        return time.monotonic() - self._seen[1] > float(spec.get("leaseDurationSeconds") or DURATION)

    def _body(self, meta: Manifest, spec: Manifest, transitions: int) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**meta, **self._meta, "annotations": {**(meta.get("annotations") or {}), **self.notes()}},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "acquireTime": spec.get("acquireTime") or now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
