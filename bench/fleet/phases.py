"""What is measured before a zone is revoked: the start, an idle operator, and single changes of nodes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from bench import usage
from bench.api import path
from bench.audit import counted, listed
from bench.fleet import manifests
from bench.fleet.plan import PlannedNode
from bench.fleet.subject import Cost
from bench.fleet.world import World, now, say
from bench.stats import percentile
from bench.verdict import Figure, none, under
from dev.cluster.scenario import SITE_LABEL

START_SECONDS, PEAK_MIB, RESIDENT_MIB = 60, 400, 300
IDLE_PERCENT = 5
OUT_SECONDS, OUT_PROCESSOR_MS = 1, 50
BLOCKED_MS = 100
TRIES = 3
"""How often a measurement is repeated because of a periodic full list."""
ELSEWHERE = "nowhere"
"""A site that no zone selects."""
JUDGED = ("SovereignModel", "SovereigntyPolicy")
PROGRESS_SECONDS = 30.0


async def start(world: World) -> list[Figure]:
    """Start the operator on a cluster where it has never run, then restart it. The aims are for the restart.

    The first start certifies every node and places every model. That happens once, so it has no aim.
    """
    subject = world.subject
    ready, leads = await subject.start()
    say(f"started: ready after {ready:.1f} s, leader after {leads:.1f} s")
    began, used = time.monotonic(), subject.processor()
    reporting = asyncio.create_task(_report(world))
    certified = await world.mirror.until_right(world.limit_seconds)
    labelled = time.monotonic() - began
    served = await _until_served(world, world.limit_seconds - labelled)
    all_served = time.monotonic() - began
    rested = await subject.rest() is not None
    reporting.cancel()
    first = [
        wrong_labels(world, "after the first start", idle=rested),
        Figure("all nodes certified after", labelled if certified else None, "s", note=_late(certified, world)),
        none("models that aren't Ready", len(world.plan.models) - await _served(world), _late(rested, world)),
        Figure("all models Ready after", all_served if served == len(world.plan.models) else None, "s"),
        Figure("processor of the first start, until idle", subject.processor() - used, "s", note=_late(rested, world)),
        Figure("peak memory of the first start", usage.peak_mib(subject.pid), "MiB"),
    ]
    await asyncio.to_thread(subject.stop)
    ready, leads = await subject.start()
    place = subject.audit.end()
    rested = await subject.rest() is not None
    writes = [c for c in subject.audit.since(place) if c.writes]
    return [
        *first,
        under("start to ready and leader", leads, START_SECONDS, "s", f"facts synced after {ready:.1f} s"),
        under("peak memory, a full list included", usage.peak_mib(subject.pid), PEAK_MIB, "MiB"),
        Figure("writes after the second start", len(writes), note=_late(rested, world) or listed(counted(writes))),
    ]


def _late(came: bool, world: World) -> str:
    return "" if came else f"not within {world.limit_seconds:.0f} s"


async def _report(world: World) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        ready = await _served(world)
        say(f"{len(world.mirror.wrong)} nodes wait for labels; {ready} of {len(world.plan.models)} models are Ready")


async def _served(world: World) -> int:
    models = (await world.admin.list(path("SovereignModel")))["items"]
    return sum(_condition(m, "Ready") == "True" for m in models)


def _condition(raw: Mapping[str, Any], type_: str) -> str:
    found = (c["status"] for c in raw.get("status", {}).get("conditions", ()) if c["type"] == type_)
    return next(found, "")


async def _until_served(world: World, seconds: float) -> int:
    """Wait until all models are Ready, and return how many are."""
    deadline = time.monotonic() + seconds
    while (ready := await _served(world)) < len(world.plan.models) and time.monotonic() < deadline:
        await asyncio.sleep(2)
    return ready


async def steady(world: World, seconds: float) -> list[Figure]:
    """Measure the idle operator for so many seconds, which should include a periodic full list."""
    subject = world.subject
    place, used, began = subject.audit.end(), subject.processor(), time.monotonic()
    before = await subject.metrics()
    say(f"nothing changes for {seconds:.0f} s")
    rates = await subject.learn_rest(seconds)
    share = 100 * (subject.processor() - used) / (time.monotonic() - began)
    after = await subject.metrics()
    calls = subject.audit.since(place)
    writes = [c for c in calls if c.writes]
    return [
        under(
            "processor with no changes",
            share,
            IDLE_PERCENT,
            "%",
            f"median second {100 * subject.at_rest:.2g} %, p99 {100 * percentile(0.99)(rates):.2g} %",
        ),
        none(
            "writes with no changes, without the Lease",
            len(writes),
            listed(counted(writes)) if writes else f"of {len(calls)} requests",
        ),
        under("memory with no changes", usage.resident_mib(subject.pid), RESIDENT_MIB, "MiB"),
        Figure(
            "reconciliations with no changes",
            (after.passes - before.passes).total(),
            note=_kinds(after.passes - before.passes),
        ),
        longest_block("longest block of the event loop with no changes", after.blocked_since(before)),
    ]


def wrong_labels(world: World, when: str, idle: bool, also: Iterable[str] = ()) -> Figure:
    """Return how many nodes have wrong labels of record. If the operator is idle, that is a defect, else it's slow.

    ``also``: nodes that had wrong labels for longer than the limit.
    """
    return none(f"nodes with wrong labels, {when}", len({*world.mirror.wrong, *also}), _late(idle, world), exact=idle)


def longest_block(name: str, blocked: tuple[float, bool] | None) -> Figure:
    """Return the longest time for which the event loop was blocked, if the operator measures it."""
    if blocked is None:
        return Figure(name, None, note="this operator doesn't measure it")
    return under(name, 1000 * blocked[0], BLOCKED_MS, "ms", "upper bound" if blocked[1] else "")


def _kinds(passes: Counter[str]) -> str:
    return ", ".join(f"{n} x {kind}" for kind, n in passes.most_common()) or "none"


async def single_changes(world: World, times: int) -> list[Figure]:
    """Change nodes one by one, so many for each kind of change: a label and a status that Daulat ignores, then the site."""
    nodes = list(world.plan.candidates(free=False))
    free = list(world.plan.candidates(free=True))

    def labelled(number: int) -> Callable[[], Awaitable[object]]:
        change = {"metadata": {"labels": {"example.my/rack": f"r{number}-{time.time_ns()}"}}}
        return lambda: world.admin.patch(path("Node", name=nodes[number].name), change)

    def heartbeat(number: int) -> Callable[[], Awaitable[object]]:
        return lambda: beat(world, nodes[times + number].name)

    return [
        *await _unrelated(world, "unrelated label of a node", labelled, times),
        *await _unrelated(world, "heartbeat of a node", heartbeat, times),
        *await _moved_out(world, "node without pods, out of its zone", free, times),
        *await _moved_out(world, "node with governed pods, out of its zone", nodes[2 * times :], times),
    ]


async def beat(world: World, node: str) -> None:
    """Update a node's status as its kubelet does every five minutes."""
    await world.admin.patch(
        path("Node", name=node, subresource="status"), {"status": {"conditions": manifests.conditions(now())}}
    )


async def _unrelated(
    world: World, what: str, change: Callable[[int], Callable[[], Awaitable[object]]], times: int
) -> list[Figure]:
    costs = [await _undisturbed(world, change(n)) for n in range(times)]
    passes: Counter[str] = sum((c.passes for c in costs), Counter())
    judged = sum(passes[kind] for kind in JUDGED)
    return [
        none(
            f"reconciliations of policies and models: {what}",
            judged,
            f"{times} times; {_kinds(passes)}{_unrested(costs)}",
        ),
        Figure(f"processor: {what}", 1000 * statistics.median(c.processor for c in costs), "ms", note=_range(costs)),
    ]


async def _undisturbed(world: World, change: Callable[[], Awaitable[object]]) -> Cost:
    """Return the cost of a change. Repeats it if the operator made a periodic full list meanwhile."""
    for _ in range(TRIES):
        await world.subject.rest()
        cost = await world.subject.cost(change)
        if not cost.relisted:
            break
    return cost


def _range(costs: list[Cost]) -> str:
    used = [1000 * c.processor for c in costs]
    return f"{min(used):.0f} to {max(used):.0f}{_unrested(costs)}" if used else "a full list coincided with each"


def _unrested(costs: list[Cost]) -> str:
    restless = sum(not c.rested for c in costs)
    return f"; {restless} weren't idle in time" if restless else ""


async def _moved_out(world: World, what: str, nodes: list[PlannedNode], times: int) -> list[Figure]:
    """Take nodes out of their zone one by one, and put each back once the operator is idle."""
    delays: list[float] = []
    costs: list[Cost] = []
    late: list[str] = []
    for node in nodes[: times + TRIES]:
        where = path("Node", name=node.name)
        await world.subject.rest()

        async def out(node: PlannedNode = node, where: str = where) -> None:
            world.mirror.want(lambda n: world.plan.labels(n, site=ELSEWHERE if n == node.name else None))
            began = time.time()
            await world.admin.patch(where, {"metadata": {"labels": {SITE_LABEL: ELSEWHERE}}})
            if await world.mirror.until_right(world.limit_seconds):
                delays.append(world.mirror.changed_at - began)
            else:
                late.append(node.name)

        cost = await world.subject.cost(out)
        world.mirror.want(world.plan.labels)
        await world.admin.patch(where, {"metadata": {"labels": {SITE_LABEL: node.site}}})
        if not await world.mirror.until_right(world.limit_seconds):
            late.append(node.name)
        costs += [] if cost.relisted else [cost]
        if len(costs) == times:
            break
    note = f"{len(delays)} nodes, median {1000 * statistics.median(delays):.0f} ms" if delays else ""
    used = 1000 * statistics.median(c.processor for c in costs) if costs else None
    passes: Counter[str] = sum((c.passes for c in costs), Counter())
    return [
        under(f"labels gone: {what}", max(delays) if delays and not late else None, OUT_SECONDS, "s", note),
        wrong_labels(world, what, idle=all(c.rested for c in costs), also=late),
        under(f"processor: {what}", used, OUT_PROCESSOR_MS, "ms", f"{_range(costs)}; {_kinds(passes)}"),
    ]
