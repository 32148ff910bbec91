"""Drives the reconcilers on the copy in virtual time, as the leader does in a cluster, until nothing changes any more."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from itertools import count

from daulat.api.timestamps import seconds
from daulat.facts.change import Change
from daulat.facts.charge import Charge
from daulat.kube.ref import Ref
from daulat.reconcile.registry import BY_KIND, everything, reconcile, woken

from .change import Changes, LoseNode, Put, Remove, RevokeZone, revoked
from .effects import Effects
from .pods import Pods
from .world import Cluster, World

QUIET = 900.0
"""Seconds without a change after which a fixed point is reached: longer than a brake's window and the recheck of a policy."""
_AFTER_POLICIES = 1.0
"""Seconds after which models are looked at at first, as a leader looks at them after all policies."""
PASSES_PER_OBJECT = 40
"""Passes beyond which a simulation gives up. A revocation takes two or three an object."""
STEP = 200
"""Passes between two reports of progress."""

Progress = Callable[[int, float], None]
"""Is called now and then with the passes so far and the virtual time. What it raises ends the simulation."""


class Simulation:
    """A copy of a cluster that can be changed."""

    def __init__(self, cluster: Cluster, progress: Progress = lambda passes, passed: None) -> None:
        self._queue: list[tuple[float, int, int]] = []
        self._order = count()
        self._due: dict[Ref, tuple[float, int]] = {}
        self._calls: dict[int, Callable[[], None]] = {}
        self._keys: dict[int, Ref] = {}
        self.world = World.of(cluster)
        self.pods = Pods(self.world, self._later)
        self._effects = Effects(self.world, self.pods)
        self._progress = progress
        self.passes = 0
        self._passed: set[Ref] = set()
        self._news: list[Change] = []
        self.last_change = self.world.now
        """When a fact changed last, in virtual time."""
        self.world.sink, self.world.touched = self._changed, self.pods.touched
        self._take_over()
        self.pods.start()
        for key in everything(self.world.snapshot):
            if BY_KIND[key.kind].kind == "SovereignModel":
                self._later(_AFTER_POLICIES, partial(self._first, key))
            else:
                self._add(key)

    def _first(self, key: Ref) -> None:
        if key not in self._passed:
            self._add(key)

    def change(self, change: Changes) -> None:
        """Make a change."""
        match change:
            case Put():
                if change.kind == "Pod" and Ref.of("Pod", change.manifest) not in self.world.objects:
                    self.pods.admit({"status": {}, **change.manifest})
                else:
                    self.world.apply(change.kind, change.manifest)
            case Remove(ref) if ref.kind == "Node":
                self.pods.lose(ref.name)
            case Remove(ref) if ref.kind == "Pod":
                self.pods.end(ref, (), "it is deleted", counts=False)
            case Remove(ref):
                gone = self.world.objects[ref]
                self.world.remove(ref)
                if ref.kind in ("SovereignModel", "Namespace"):
                    self.pods.collect(gone)
            case LoseNode(name):
                self.pods.lose(name)
            case RevokeZone(name):
                zone = self.world.objects[Ref("SovereignZone", "", name)]
                self.world.apply("SovereignZone", revoked(zone))

    def settle(self, within: float) -> bool:
        """Let virtual time pass until nothing changes any more, at most so many seconds. Return whether that point was reached."""
        began, limit = self.world.now, self.passes + PASSES_PER_OBJECT * (len(self.world.objects) + 100)
        self.last_change = began
        while self.passes < limit:
            if self._news and not (
                self._queue and self._queue[0][0] <= self.world.now and self._queue[0][1] in self._calls
            ):
                self._wake()
            if not self._queue:
                break
            due, order, _ = self._queue[0]
            if due > began + within or due - self.last_change > max(QUIET, self._longest_wait()):
                break
            heapq.heappop(self._queue)
            call, key = self._calls.pop(order, None), self._keys.pop(order, None)
            if key is not None and self._due.get(key, (0.0, -1))[1] != order:
                continue  # It was put forward.
            self.world.wait(due)
            if call is not None:
                call()
            elif key is not None:
                del self._due[key]
                self._pass(key)
        return self.passes < limit and self.world.now - self.last_change < within

    def _longest_wait(self) -> float:
        """Return the longest grace period of a policy that has found drift: nothing changes until it is over."""
        waits = [
            p.spec.drift.grace_seconds for p in self.world.snapshot.known_policies.values() if p.spec.drift is not None
        ]
        return max(waits, default=0) + QUIET

    def _pass(self, key: Ref) -> None:
        self.passes += 1
        self._passed.add(key)
        if self.passes % STEP == 0:
            self._progress(self.passes, self.world.now)
        world, run = self.world, self._effects.run
        result = reconcile(key, world.snapshot, world.now)
        for delete in result.evict:
            self._effects.charge(delete)
        for effect in (*result.reserve, *result.apply, *result.prove, *result.evict, *result.sweep):
            run(effect)
        if result.prove:
            # What was proved counts at once.
            result = reconcile(key, world.snapshot, world.now)
        for status in result.status:
            run(status)
        for other in result.enqueue:
            self._add(other)
        if result.requeue_after is not None:
            self._add(key, result.requeue_after)

    def _changed(self, change: Change) -> None:
        self.last_change = self.world.now
        self._news.append(change)

    def _wake(self) -> None:
        """Wake the keys that the changes since the last time concern: together, since each snapshot costs a copy of them."""
        if self._news:
            news, self._news = self._news, []
            snapshot = self.world.snapshot
            for change in news:
                for key, settle in woken(change, snapshot):
                    self._add(key, settle)

    def _take_over(self) -> None:
        """Count what the operator has evicted within the brakes' window, as the statuses add it up."""
        for policy in self.world.snapshot.known_policies.values():
            brake = policy.status.brake
            if brake is not None and brake.evicted and brake.last_eviction_time:
                self.world.store.record_charge(
                    policy.name, Charge("", brake.evicted, seconds(brake.last_eviction_time))
                )

    def _later(self, after: float, call: Callable[[], None]) -> None:
        order = next(self._order)
        self._calls[order] = call
        heapq.heappush(self._queue, (self.world.now + after, order, 0))

    def _add(self, key: Ref, after: float = 0.0) -> None:
        due = self.world.now + after
        known = self._due.get(key)
        if known is not None and known[0] <= due:
            return
        order = next(self._order)
        self._due[key], self._keys[order] = (due, order), key
        heapq.heappush(self._queue, (due, order, 0))
