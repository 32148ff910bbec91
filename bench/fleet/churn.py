"""Churn: nodes whose labels and statuses change; pods that are created, change and are deleted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from bench import usage
from bench.api import STRATEGIC, T, path
from bench.fleet import manifests
from bench.fleet.phases import RESIDENT_MIB, beat, longest_block, wrong_labels
from bench.fleet.world import World, now, say
from bench.verdict import Figure, none, under

NODES_A_MINUTE = 100
PODS_A_MINUTE = 1000
LIVES_A_MINUTE = 100
"""Pods that are created, bound, started and deleted: four changes each. The other changes are of pods' statuses."""
CHANGES_A_LIFE = 4
LIFE_SECONDS = 5.0
PERCENT = 20


async def churn(world: World, minutes: float) -> list[Figure]:
    """Change nodes and pods evenly for so many minutes, and return what that costs."""
    subject, plan = world.subject, world.plan
    before, used, began = await subject.metrics(), subject.processor(), time.monotonic()
    ends = began + 60 * minutes
    say(f"{NODES_A_MINUTE} changes of nodes and {PODS_A_MINUTE} of pods a minute, for {minutes:g} minutes")
    await asyncio.gather(
        _evenly(NODES_A_MINUTE, ends, _nodes(world)),
        _evenly(PODS_A_MINUTE - CHANGES_A_LIFE * LIVES_A_MINUTE, ends, _statuses(world)),
        _evenly(LIVES_A_MINUTE, ends, _lives(world)),
    )
    share = 100 * (subject.processor() - used) / (time.monotonic() - began)
    after = await subject.metrics()
    events = {
        kind: n
        for kind, n in (
            after.summed("daulat_watch_events_total", "kind") - before.summed("daulat_watch_events_total", "kind")
        ).items()
        if kind in ("Node", "Pod")
    }
    idle = await subject.rest() is not None
    lost = await missing(world, {p.name for p in plan.pods})
    return [
        under(
            "processor during churn",
            share,
            PERCENT,
            "%",
            f"events: {events}; {(after.passes - before.passes).total()} reconciliations",
        ),
        longest_block("longest block of the event loop during churn", after.blocked_since(before)),
        under("memory after churn", usage.resident_mib(subject.pid), RESIDENT_MIB, "MiB"),
        wrong_labels(world, "after churn", idle),
        none("pods that are gone after churn", len(lost), exact=True),
    ]


async def missing(world: World, names: set[str]) -> set[str]:
    """Return which of these pods aren't there, or are on their way out."""
    found = (await world.admin.list(path("Pod"), metadata_only=True))["items"]
    return names - {p["metadata"]["name"] for p in found if not p["metadata"].get("deletionTimestamp")}


Change = Callable[[], Coroutine[Any, Any, None]]


async def _evenly(a_minute: int, ends: float, changes: Iterator[Change]) -> None:
    """Start so many changes a minute until then, and wait for all. A late one is caught up."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            due = began + number * 60 / a_minute
            if due >= ends:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(next(changes)())


def _nodes(world: World) -> Iterator[Change]:
    """Yield changes of nodes that Daulat ignores. Every second one is a heartbeat."""
    for number, node in enumerate(itertools.cycle(world.plan.nodes)):
        label = {"metadata": {"labels": {"example.my/power": f"{number}"}}}
        where = path("Node", name=node.name)
        yield partial(beat, world, node.name) if number % 2 else partial(world.admin.patch, where, label)


def _statuses(world: World) -> Iterator[Change]:
    """Yield changes of pods' statuses as kubelets make them: a pod becomes unready, and ready again."""
    for number, pod in enumerate(_twice(itertools.cycle(world.plan.pods))):
        ready = "True" if number % 2 else "False"
        condition = {"type": "Ready", "status": ready, "lastProbeTime": now(), "lastTransitionTime": now()}
        status = {"status": {"conditions": [condition]}}
        where = path("Pod", pod.namespace, pod.name, "status")
        yield partial(world.admin.patch, where, status, STRATEGIC)


def _twice(items: Iterator[T]) -> Iterator[T]:
    for item in items:
        yield item
        yield item


def _lives(world: World) -> Iterator[Change]:
    """Yield lives of pods: created unbound in a governed namespace, scheduled, and deleted after LIFE_SECONDS."""
    for number, policy in enumerate(itertools.cycle(world.plan.policies)):
        yield partial(_life, world, manifests.unbound(f"passing-{number:05d}", policy))


async def _life(world: World, pod: manifests.Manifest) -> None:
    await world.admin.create(pod)
    await asyncio.sleep(LIFE_SECONDS)
    await world.admin.delete(path("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"]))
