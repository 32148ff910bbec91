"""How long the console's pages take to make from facts that were read: ``make bench``. Prints figures; it judges nothing."""

from __future__ import annotations

import statistics
import time

from bench.reconcile import cluster
from daulat.console.outlines import shipped
from daulat.console.site import Site
from daulat.status.facts import Facts

NODES, MODELS, PODS = 5000, 1000, 10_000
ROUNDS = 5
PAGES = ("index.html", "zones.html", "zone/cyberjaya-1.html", "models.html", "policies.html")


def main() -> None:
    """Print the time and the size of the first page of a fresh reading, and of others after it."""
    print(f"{NODES} nodes, {MODELS} models, {PODS} pods; median of {ROUNDS} readings")
    times: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    shipped()  # Once a process.
    for _ in range(ROUNDS):
        # A snapshot shares what is worked out with later ones, so each round needs a store of its own.
        facts = Facts(cluster(NODES, MODELS, PODS).snapshot(), time.time())
        began = time.perf_counter()
        site = Site(facts, shipped())
        for path in PAGES:
            page = site.render(path)
            if page is None:
                raise AssertionError(f"no page {path}")
            ended = time.perf_counter()
            times.setdefault(path, []).append(ended - began)
            sizes[path] = len(page.encode())
            began = ended
    for path in PAGES:
        print(f"{path:28} {statistics.median(times[path]) * 1000:8.1f} ms {sizes[path] / 1024:8.1f} KiB")


if __name__ == "__main__":
    main()
