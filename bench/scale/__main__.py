"""How a thousand models come to their final state: ``make bench-scale``. Status 1 where something isn't exact or didn't come.

In one run, on one control plane: the models with the operator, then the same pods and devices as plain Deployments with nothing but
Kubernetes at work, then these with all the objects that a model has. Then the operator is watched with nothing to do.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import replace

from rich.table import Table

from bench import usage
from bench.audit import Call, counted, listed
from bench.scale import manifests
from bench.scale.exactness import exact
from bench.scale.rounds import Bench, Round, bench, components
from bench.scale.settle import of_deployment, of_model, waiting_for_room
from bench.verdict import Figure, none, show, tell, under, wrong

MEDIAN_SHARE = 0.5
CALLS_A_MODEL = 8
RATIO = 1.3
CHILDREN = ("ServiceAccount", "Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment")


async def run(options: argparse.Namespace) -> int:
    """Measure, print, and return 1 where the placement wasn't exact or something didn't come."""
    async with bench(options.devices) as it:
        found = [f for number in range(options.rounds) for f in await _round(it, options, number)]
    return 1 if wrong(found) else 0


async def _round(it: Bench, options: argparse.Namespace, number: int) -> list[Figure]:
    """Bring up the models, then the same without an operator; print and return the figures."""
    models = manifests.models(options.models)
    if number:
        await asyncio.to_thread(it.operator.start)
    place = it.audit.end()
    first = await it.measured("models", models, "SovereignModel", len(models), of_model)
    calls, peak = it.audit.since(place), usage.peak_mib(it.operator.pid)
    states(first)
    placed, made = await it.ours("SovereignModel"), await it.ours("Deployment")
    nodes = (await it.admin.list("/api/v1/nodes"))["items"]
    faults = exact(await it.ours("Pod"), nodes, placed, options.devices)
    idle = [await _idle(it, options.idle)] if number == options.rounds - 1 and options.idle else []
    await it.remove(["SovereignModel"])
    await asyncio.to_thread(it.operator.stop)
    plain = [manifests.plain(d) for d in made]
    names = {d["metadata"]["name"] for d in made}
    whole = [o for m in models if m["metadata"]["name"] in names for o in manifests.beside(m)] + plain
    rounds = [first]
    for way, objects in (("plain Deployments", plain), ("Deployments with all that a model has", whole)):
        measured = await it.measured(way, objects, "Deployment", len(plain), of_deployment)
        rounds.append(_excused(measured, waiting_for_room(await it.ours("Pod"), manifests.PLAIN)))
        states(rounds[-1])
        await it.remove(CHILDREN, manifests.PLAIN)
    costs(rounds)
    figures = [*_figures(rounds, calls, peak, faults), *idle]
    tell(f"{len(models)} models at once", figures)
    for fault in faults[:20]:
        print(f"NOT EXACT: {fault}")
    return figures


def _excused(found: Round, waits: set[str]) -> Round:
    """Return the round with the state of those that find no node: no room is kept for a large plain pod among small ones."""
    excused = {name: "waits for room" for name, state in found.states.items() if not state and name in waits}
    states = {**found.states, **excused}
    return replace(found, states=states, problem=found.problem if "" in states.values() else "")


def _figures(rounds: list[Round], calls: list[Call], peak: float, faults: list[str]) -> list[Figure]:
    first, plain, whole = rounds
    number = len(first.states) or 1
    own = [c for c in calls if not c.is_lease and c.verb not in ("watch", "list")]
    late = [f"{r.way}: {r.problem}" for r in rounds if r.problem]
    return [
        none("wrong placements", len(faults), exact=True),
        none("ways that didn't come to an end", len(late), "; ".join(late), exact=True),
        Figure("time until all models are in their final state", first.seconds, "s"),
        Figure(
            "median time to Ready, of that",
            first.median / first.seconds,
            "",
            MEDIAN_SHARE,
            note=f"{first.median:.1f} s",
        ),
        Figure("times that of the same objects without an operator", first.seconds / whole.seconds, "", RATIO),
        Figure("times that of plain Deployments", first.seconds / plain.seconds),
        under("API calls of the operator a model", len(own) / number, CALLS_A_MODEL, "", listed(counted(own))),
        Figure("operator's peak memory", peak, "MiB"),
    ]


def states(found: Round) -> None:
    """Print a way as soon as it's measured."""
    print(
        f"{found.way}: {found.seconds:.1f} s; {dict(Counter(s or 'not final' for s in found.states.values()))}",
        flush=True,
    )
    if found.problem:
        print(
            f"  {found.problem}; the first: {', '.join(n for n, s in found.states.items() if not s)[:200]}", flush=True
        )


def costs(rounds: list[Round]) -> None:
    """Print where the time goes: seconds of processor by component, and what the cores had to spare."""
    table = Table(title="seconds of processor", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    for found in rounds:
        table.add_column(found.way, justify="right")
    for name, used in components(rounds):
        table.add_row(name, *(f"{seconds:.1f}" for seconds in used))
    cores = os.cpu_count() or 1
    spare = [cores * r.seconds - sum(r.cpu.values()) for r in rounds]
    table.add_row(f"all else, and idle ({cores} cores)", *(f"{s:.1f}" for s in spare))
    table.add_row("time by the clock", *(f"{r.seconds:.1f}" for r in rounds))
    show(table)


async def _idle(it: Bench, seconds: float) -> Figure:
    """Watch the operator with nothing to do, and return what it writes."""
    place, before, began = it.audit.end(), usage.processor_seconds(it.operator.pid), time.monotonic()
    await asyncio.sleep(seconds)
    share = 100 * (usage.processor_seconds(it.operator.pid) - before) / (time.monotonic() - began)
    writes = [c for c in it.audit.since(place) if c.writes]
    note = f"in {seconds:.0f} s, at {share:.2g} % of a core" + (f": {listed(counted(writes))}" if writes else "")
    return none("writes with nothing to do, without the Lease", len(writes), note)


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--idle", type=float, default=400.0, help="seconds to watch the operator with nothing to do")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
