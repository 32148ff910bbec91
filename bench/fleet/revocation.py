"""Evictions: a zone of 500 nodes is revoked without a limit, then another one under the default limit."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterable, Set

from bench.api import path
from bench.audit import Call
from bench.fleet.churn import missing
from bench.fleet.phases import wrong_labels
from bench.fleet.world import World, say
from bench.verdict import Figure, none, under
from daulat.api.names import NODE_PREFIX

LABELS_SECONDS, EVICTION_SECONDS = 10, 1
GRACE_SECONDS = 60.0
DEFAULT_LIMIT = 0.2
"""Of a policy's running governed pods, at least one, in ten minutes."""
HOLDS_SECONDS = 30.0
"""How long evictions are counted after the grace period."""
POLL_SECONDS = 2.0
STAMP_SECONDS = 1.0
"""The status records the start of the grace period in whole seconds, so it may end up to a second early."""


async def revoke(world: World) -> list[Figure]:
    """Let the first zone select no node any more; measure when its labels are gone, and check which pods are evicted."""
    subject, plan, zone = world.subject, world.plan, world.plan.sites[0]
    planned = {p.name for p in plan.pods}
    present = planned - await missing(world, planned)
    doomed = present & {p.name for p in plan.on(zone)}
    say(f"zone {zone} is revoked: {plan.size.revoked} nodes with {len(doomed)} pods")
    await subject.rest()
    place, used = subject.audit.end(), subject.processor()
    world.mirror.want(lambda node: plan.labels(node, gone={zone}))
    began = time.time()
    await _revoke(world, zone)
    right = await world.mirror.until_right(world.limit_seconds)
    labels = world.mirror.changed_at - began if right else None
    processor = subject.processor() - used
    left = await _until_gone(world, doomed, GRACE_SECONDS + world.limit_seconds)
    gone = time.time() - began - GRACE_SECONDS
    idle = await subject.rest() is not None
    after = [c.at - began - GRACE_SECONDS for c in evictions(subject.audit.since(place), doomed)]
    return [
        under(
            f"labels of a zone of {plan.size.revoked} nodes gone",
            labels,
            LABELS_SECONDS,
            "s",
            f"{processor:.1f} s of processor",
        ),
        wrong_labels(world, "after the revocation", idle),
        none("evictions before the grace period ends", sum(s < -STAMP_SECONDS for s in after), exact=True),
        Figure("first eviction after the grace period", min(after, default=None), "s", EVICTION_SECONDS),
        Figure(
            "all pods of the zone gone after the grace period",
            None if left else gone,
            "s",
            note=f"{len(left)} of {len(doomed)} are left" if left else f"{len(doomed)} pods",
        ),
        none("evicted pods of other zones", len(await missing(world, present - doomed)), exact=True),
    ]


async def _revoke(world: World, zone: str) -> None:
    """Decide that no node stands in the zone any more. To delete the zone would leave its nodes undecided."""
    closed = {"spec": {"nodeSelector": {"matchLabels": {f"{NODE_PREFIX}site": f"{zone}-closed"}}}}
    await world.admin.patch(path("SovereignZone", name=zone), closed)


def evictions(calls: Iterable[Call], names: Set[str]) -> list[Call]:
    """Return the evictions of these pods. A model's pods may go earlier, once another replica serves elsewhere."""
    ways = {("delete", ""), ("create", "eviction")}
    return [
        c for c in calls if c.resource == "pods" and c.name in names and c.writes and (c.verb, c.subresource) in ways
    ]


async def _until_gone(world: World, names: set[str], seconds: float) -> set[str]:
    """Wait until the pods are gone, and return those that aren't in time."""
    deadline = time.monotonic() + seconds
    while True:
        left = names - await missing(world, names)
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(POLL_SECONDS)


async def brake(world: World) -> list[Figure]:
    """Let the second zone select no node any more, under the default limit; check the evictions and the policies' conditions.

    Evictions from the first zone within the last ten minutes count towards the limit, so there may be none.
    """
    plan, zone, gone = world.plan, world.plan.sites[1], set(world.plan.sites[:2])
    say(f"zone {zone} is revoked under the default limit")
    for policy in plan.policies:
        change = {"spec": {"drift": {"limit": None}}}
        await world.admin.patch(path("SovereigntyPolicy", name=policy.name), change)
    await world.subject.rest()
    gone_before = await missing(world, {p.name for p in plan.pods})
    running = Counter(p.policy.name for p in plan.pods if p.name not in gone_before)
    running.update(policy.name for _, policy in plan.models)
    allowed = allowances(running)
    place = world.subject.audit.end()
    world.mirror.want(lambda node: plan.labels(node, gone=gone))
    await _revoke(world, zone)
    await world.mirror.until_right(world.limit_seconds)
    await asyncio.sleep(GRACE_SECONDS + HOLDS_SECONDS)
    idle = await world.subject.rest() is not None
    planned = {p.name: p.policy.name for p in plan.on(zone)}
    evicted = Counter(planned[c.name] for c in evictions(world.subject.audit.since(place), planned.keys()))
    over = {name: n for name, n in evicted.items() if n > allowed[name]}
    expected = {name for name, n in Counter(p.policy.name for p in plan.on(zone)).items() if n > allowed[name]}
    held = {
        p["metadata"]["name"]
        for p in (await world.admin.list(path("SovereigntyPolicy")))["items"]
        if any(
            (c["type"], c.get("reason")) == ("Upheld", "BrakeHeld") for c in p.get("status", {}).get("conditions", ())
        )
    }
    return [
        none(
            "policies that evicted more than their limit",
            len(over),
            f"{evicted.total()} evicted; {over or ''}",
            exact=True,
        ),
        none(
            "policies without BrakeHeld although they have to hold",
            len(expected - held),
            f"{len(held)} have it, {len(expected)} have to",
            exact=True,
        ),
        wrong_labels(world, "with the brake held", idle),
    ]


def allowances(running: Counter[str]) -> dict[str, int]:
    """Return how many pods each policy may evict under the default limit, by how many run under it."""
    return {name: max(1, math.floor(DEFAULT_LIMIT * n)) for name, n in running.items()}
