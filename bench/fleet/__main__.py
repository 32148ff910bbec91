"""What the operator takes of a large cluster: ``make bench-fleet``. Status 1 where something is wrong, not where an aim is missed.

A real control plane holds 5,000 nodes that KWOK plays, 20,000 governed pods, 300 models, 10 policies and 8 zones. The operator
runs as it ships, as a process with its chart's own ServiceAccount. It is measured by its processor time, its memory, its metrics
and the API server's audit log. ``--source`` measures the operator of another checkout by the same rules.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from bench.fleet import phases
from bench.fleet.churn import churn
from bench.fleet.plan import Size, plan
from bench.fleet.revocation import brake, revoke
from bench.fleet.world import World, fleet
from bench.verdict import Figure, tell, wrong
from dev.deployment import ROOT

PHASES = ("steady", "changes", "churn", "revoke", "brake")


async def run(options: argparse.Namespace) -> int:
    """Measure phase by phase; print each phase's table as soon as it is there."""
    task = asyncio.current_task()
    assert task is not None
    # Ended by SIGTERM too, it takes its control plane away.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    size = Size(options.nodes, options.pods, options.models, options.policies, options.revoked or options.nodes // 10)
    found: list[Figure] = []
    async with fleet(plan(size), options.source.resolve(), options.limit, options.certified) as world:
        for title, phase in _phases(world, options):
            figures = await phase()
            tell(title, figures)
            found += figures
    if defects := wrong(found):
        print(f"WRONG: {'; '.join(f.name for f in defects)}")
        return 1
    missed = [f.name for f in found if f.met is False]
    print(f"exact; missed aims: {'; '.join(missed)}" if missed else "exact, and every aim is met")
    return 0


def _phases(world: World, options: argparse.Namespace) -> list[tuple[str, Callable[[], Awaitable[list[Figure]]]]]:
    every: dict[str, tuple[str, Callable[[], Awaitable[list[Figure]]]]] = {
        "steady": (f"{options.steady:.0f} s without changes", partial(phases.steady, world, options.steady)),
        "changes": ("single changes", partial(phases.single_changes, world, options.times)),
        "churn": (f"{options.minutes:g} minutes of churn", partial(churn, world, options.minutes)),
        "revoke": ("a zone is revoked", partial(revoke, world)),
        "brake": ("a zone is revoked, under the default limit", partial(brake, world)),
    }
    wanted = [p for p in PHASES if p in options.phases and (p != "brake" or world.has_limit)]
    return [("start", partial(phases.start, world)), *(every[p] for p in wanted)]


def main() -> int:
    """Read the arguments and run."""
    size = Size()
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--nodes", type=int, default=size.nodes)
    parser.add_argument("--pods", type=int, default=size.pods)
    parser.add_argument("--models", type=int, default=size.models)
    parser.add_argument("--policies", type=int, default=size.policies)
    parser.add_argument("--revoked", type=int, help="nodes of the zone that is revoked (default: a tenth)")
    parser.add_argument("--source", type=Path, default=ROOT, help="the checkout whose operator and chart are measured")
    parser.add_argument("--certified", action="store_true", help="nodes carry their labels of record from the start")
    parser.add_argument("--phases", nargs="*", choices=PHASES, default=PHASES, help="what follows the start")
    parser.add_argument(
        "--steady", type=float, default=330.0, help="seconds without changes; a full list is every 300 s"
    )
    parser.add_argument(
        "--times", type=int, default=5, help="nodes that are changed one by one, for each kind of change"
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="minutes of churn")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that are waited for anything at most")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
