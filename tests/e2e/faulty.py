"""A cluster in which things fail, and what must hold after each failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dev.deployment import poll

from .between import Asked, Between
from .hall import PREFIX, Hall, hall
from .world import Manifest, World


@dataclass
class Faulty:
    """A cluster, and what stands between its operator and its API server."""

    world: World
    between: Between

    @contextmanager
    def hall(self, size: int = 2, nodes: list[Manifest] | None = None, **spec: object) -> Iterator[Hall]:
        """A hall for as long as the block lasts. At its end nothing runs where it may not, nothing was evicted twice, and nothing
        lost a label but what was closed."""
        start = len(self.between.asked)
        with hall(self.world, size, nodes, **spec) as own:
            yield own
            strays = own.running(*own.closed) if own.closed else []
            assert [p["metadata"]["name"] for p in strays] == []
            # What isn't answered is asked once more, for the same uid: the pod ends no earlier for it.
            uids = Counter(a.precondition for a in self.deletions(start, own.namespace) if not a.lost)
            assert {uid: count for uid, count in uids.items() if count > 1} == {}
            assert self.labels_taken(start, own.label) <= own.closed
            poll("the labels to be as they should be", lambda: set(own.eligible()) == set(own.nodes) - own.closed)

    def deletions(self, start: int, namespace: str) -> list[Asked]:
        """Return the deletions of pods that the API server has begun since then."""
        path = f"/namespaces/{namespace}/pods/"
        return [a for a in self.between.asked[start:] if a.method == "DELETE" and path in a.path and a.status == 200]

    def labels_taken(self, start: int, label: str) -> set[str]:
        """Return the nodes from which a label was taken since then."""
        found = set()
        for asked in self.between.asked[start:]:
            labels = ((asked.body or {}).get("metadata") or {}).get("labels") or {}
            if asked.path.startswith("/api/v1/nodes/") and label in labels and labels[label] is None:
                found.add(asked.path.rpartition("/")[2])
        return found

    def restart(self) -> int:
        """Kill the operator and start it again, without waiting until it is ready. Return how much was asked to write before."""
        self.world.operator.kill()
        before = len(self.between.asked)
        self.world.operator.start(wait=False)
        return before

    def leads(self) -> None:
        """Wait until the operator is ready and leads."""
        operator = self.world.operator
        poll("the operator to lead", lambda: self.world.metric(operator, "daulat_leader") == 1)


__all__ = ["PREFIX", "Faulty"]
