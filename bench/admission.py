"""What a policy costs at admission: ``make bench-admission``. Prints figures; it judges nothing.

Every kind of request goes in turn to a governed and to an ungoverned namespace of one API server, over the same connection,
so that what disturbs the machine disturbs both. The policy has every section set.
"""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import pods
from bench.apiserver import SCHEDULER_USER, Manifest, Server, create, policy, server
from bench.client import Client
from bench.stats import added, percentile, ratio

GOVERNED, FREE, FREE_TOO = "governed", "free", "free-too"
NODE = "ascend-1"
ROUNDS = 1000
BLOCKS, BLOCK = 12, 80
CONNECTIONS = 4


@dataclass(frozen=True)
class Pair:
    """The same request to the governed and to an ungoverned namespace."""

    name: str
    user: str
    governed: bytes
    free: bytes
    status: int
    """What the governed namespace answers."""
    throughput: bool = True


def pairs(host: str) -> list[Pair]:
    """Return what is compared. The first is no comparison at all: it shows how much is chance."""
    pinned, unpinned, refused = pods.large(GOVERNED), pods.large(), pods.refused(GOVERNED)

    def both(name: str, body: Manifest, status: int = 201, other: str = GOVERNED) -> Pair:
        return Pair(name, "admin", create(host, other, body), create(host, FREE, body), status)

    return [
        both("ungoverned twice", pinned, other=FREE_TOO),
        both("pinned pod", pinned),
        both("unpinned pod", unpinned),
        both("refused pod", refused, 403),
        Pair("binding", SCHEDULER_USER, _binding(host, GOVERNED), _binding(host, FREE), 201, throughput=False),
    ]


def _binding(host: str, namespace: str) -> bytes:
    body: Manifest = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"}}
    body["target"] = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    return create(host, namespace, body, dry_run=True, resource="pods/bound/binding")


def latencies(client: Client, pair: Pair, rounds: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each request, governed and ungoverned, one after the other in an order by chance."""
    order = random.Random(1)  # noqa: S311
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side in order.sample((0, 1), 2):
            began = time.perf_counter_ns()
            status = client.send(pair.free if side else pair.governed)
            found[side].append((time.perf_counter_ns() - began) / 1e6)
            expected = 201 if side else pair.status
            if status != expected:
                raise RuntimeError(f"{pair.name}: the API server answered {status}, not {expected}")
    return found


def processor(api: Server, client: Client, pair: Pair) -> tuple[list[float], list[float]]:
    """Return the milliseconds of processor that the API server spent a request, by blocks in turn."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(BLOCKS):
        for side in (0, 1) if number % 2 else (1, 0):
            raw = pair.free if side else pair.governed
            before = api.cpu_seconds()
            for _ in range(BLOCK):
                client.send(raw)
            found[side].append((api.cpu_seconds() - before) * 1000 / BLOCK)
    return found


def throughput(clients: Sequence[Client], pair: Pair) -> tuple[list[float], list[float]]:
    """Return requests a second over several connections at once, by blocks in turn."""
    found: tuple[list[float], list[float]] = ([], [])

    def send(client: Client, raw: bytes) -> None:
        for _ in range(BLOCK):
            client.send(raw)

    for number in range(BLOCKS):
        for side in (0, 1) if number % 2 else (1, 0):
            raw = pair.free if side else pair.governed
            threads = [threading.Thread(target=send, args=(c, raw)) for c in clients]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            found[side].append(BLOCK * len(clients) / (time.perf_counter() - began))
    return found


def govern(api: Server) -> None:
    """Put the policy in force in one of three namespaces, each with a pod that waits to be bound."""
    api.namespaces([GOVERNED, FREE, FREE_TOO])
    waiting = pods.large(GOVERNED)
    for namespace in (GOVERNED, FREE):
        spec = {**waiting["spec"], "schedulerName": "default-scheduler"}
        api.apply([{**waiting, "metadata": {"name": "bound", "namespace": namespace}, "spec": spec}])
    api.apply(policy(GOVERNED).manifests)


def wait_until_in_force(api: Server, client: Client) -> None:
    """Wait until a bad pod is refused and an unpinned one is pinned."""
    bad = create(client.host, GOVERNED, pods.refused(GOVERNED), dry_run=True)
    plain = create(client.host, GOVERNED, pods.large(), dry_run=True)
    api.wait("the policy to be in force", lambda: client.send(bad) == 403 and client.send(plain) == 201)
    api.settle()


def measure(api: Server, rounds: int) -> None:
    """Print one line a pair."""
    admin = api.connect()
    wait_until_in_force(api, admin)
    columns = ("ungoverned p50", "added at p50, ms", "added at p99, ms", "CPU added, ms", "throughput, ratio")
    print(f"{'':18}{columns[0]:>16}" + "".join(f"{c:>22}" for c in columns[1:]), flush=True)
    for pair in pairs(admin.host):
        print(f"{pair.name:18}" + _row(api, pair, rounds), flush=True)


def _row(api: Server, pair: Pair, rounds: int) -> str:
    client = api.connect(pair.user)
    latencies(client, pair, 50)
    governed, free = latencies(client, pair, rounds)
    median, worst = percentile(0.5), percentile(0.99)
    cells = [f"{added(governed, free, s):.2f}" for s in (median, worst)]
    used, used_free = processor(api, client, pair)
    cells.append(f"{added(used, used_free, statistics.median):.2f}")
    client.close()
    if pair.throughput:
        clients = [api.connect(pair.user) for _ in range(CONNECTIONS)]
        cells.append(f"{ratio(*throughput(clients, pair)):.2f}")
        for connection in clients:
            connection.close()
    return f"{median(free):16.2f}" + "".join(f"{c:>22}" for c in cells)


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with server() as api:
        govern(api)
        api.quiet()
        measure(api, rounds)


if __name__ == "__main__":
    main()
