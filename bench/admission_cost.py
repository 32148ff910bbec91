"""What each part of a policy costs the API server: ``make bench-admission-cost``. Prints figures; it judges nothing.

Every variant of the compiled policy governs a namespace of its own on one API server; dry runs of the same pod go to all of
them in turn. Processor time is what is compared: it holds still better than latency where others use the machine.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Sequence

from bench import pods
from bench.apiserver import Server, create, policy, server
from bench.client import Client
from bench.stats import Estimate, added
from bench.variants import Variant, every

ROUNDS, BLOCK = 20, 40
FREE = "free"
POLICIES = (10, 30)


def _request(client: Client, variant: Variant, namespace: str) -> bytes:
    pod = pods.large(variant.name if variant.pinned else "")
    pod["metadata"]["labels"] |= dict(variant.labels)
    return create(client.host, namespace, pod, dry_run=True)


def measure(api: Server, client: Client, variants: Sequence[Variant], rounds: int) -> dict[str, Estimate]:
    """Return by variant the milliseconds of processor that a request costs more than in a namespace without a policy."""
    order = random.Random(1)  # noqa: S311
    found: dict[str, list[float]] = {v.name: [] for v in variants}
    free: list[float] = []
    plain = _request(client, variants[0], FREE)

    def block(raw: bytes) -> float:
        before = api.cpu_seconds()
        for _ in range(BLOCK):
            if (status := client.send(raw)) != 201:
                raise RuntimeError(f"the API server answered {status}")
        return (api.cpu_seconds() - before) * 1000 / BLOCK

    for _ in range(rounds):
        turn = [*((v.name, _request(client, v, v.name)) for v in variants), *[(FREE, plain)] * 3]
        order.shuffle(turn)
        base: list[float] = []
        for name, raw in turn:
            used = block(raw)
            (base if name == FREE else found[name]).append(used)
        free.append(statistics.mean(base))
    print(f"without a policy: {statistics.median(free):.2f} ms of processor a request\n")
    return {name: added(values, free, statistics.mean) for name, values in found.items()}


def bystanders(api: Server, rounds: int) -> None:
    """Print what policies on other namespaces cost a request that none of them governs."""
    api.namespaces([FREE])
    api.quiet()
    client = api.connect()
    raw = create(client.host, FREE, pods.large(), dry_run=True)
    names: list[str] = []
    print("\npolicies on other namespaces, and what a pod without a policy costs (ms of processor):")
    for count in (0, *POLICIES):
        while len(names) < count:
            names.append(f"other-{len(names)}")
            api.apply(policy(names[-1]).manifests)
        api.settle()
        used = []
        for _ in range(rounds):
            before = api.cpu_seconds()
            for _ in range(BLOCK):
                client.send(raw)
            used.append((api.cpu_seconds() - before) * 1000 / BLOCK)
        print(f"{count:4} policies  {statistics.median(used):6.2f}", flush=True)


def _refuses(client: Client, variant: Variant) -> bool:
    raw = create(client.host, variant.name, pods.refused(variant.name), dry_run=True)
    return client.send(raw) == 403


def _judges(variant: Variant) -> bool:
    return any(
        m["kind"] == "ValidatingAdmissionPolicy"
        and ".pods." in m["metadata"]["name"]
        and m["spec"]["validations"][0]["expression"] != "true"
        for m in variant.manifests
    )


def main() -> None:
    """Print a line a variant, and what policies cost the others."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with server() as api:
        bystanders(api, rounds)
    with server() as api:
        variants = every()
        api.namespaces([FREE, *(v.name for v in variants)])
        api.quiet()
        client = api.connect()
        for variant in variants:
            api.apply(variant.manifests)
        for variant in variants:
            if _judges(variant):
                api.wait(f"{variant.title} to be in force", lambda v=variant: _refuses(client, v))  # type: ignore[misc]
        api.settle()
        results = measure(api, client, variants, rounds)
        print(f"{'added by':44}{'ms of processor a request':>30}")
        for variant in variants:
            print(f"{variant.title:44}{f'{results[variant.name]:.2f}':>30}")
        whole = next(v for v in variants if v.title == "the whole policy")
        size = sum(len(json.dumps(m)) for m in whole.manifests)
        print(f"\nthe whole policy: {len(whole.manifests)} manifests, {size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
