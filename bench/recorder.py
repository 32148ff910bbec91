"""What recording costs: ``python -m bench.recorder [--nodes N] [--pods N] [--runs N]``. Prints each figure beside its aim.

A store of facts as the recorder's, filled with nodes and pods that run; then the recorder's first look at them, which makes an
entry of each, then runs that come and go. Nothing of Kubernetes is involved, so the figures are those of the recorder alone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from daulat.api.names import NODE_PREFIX
from daulat.evidence.index import Index
from daulat.evidence.personal import SALT_BYTES, Pseudonyms
from daulat.facts.store import Store
from daulat.ledger.folder import Folder
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.trust import Trust, trusted
from daulat.recorder.keeper import Keeper, Place
from daulat.recorder.process import parse
from daulat.recorder.recorder import Recorder

KEY = SignerKey("daulat.example.my/bench", KeyType.ED25519, b"\x01" * 32)
IMAGE = "registry.example.my/vllm@sha256:"
ZONES = 10
RUNS_A_MONTH = 100_000
"""Of the issue's cluster of 5,000 nodes."""


class Clock:
    """A clock that goes on with the runs."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def node(n: int) -> dict[str, Any]:
    info = {
        "systemUUID": f"4c4c4544-0000-0000-0000-{n:012x}",
        "bootID": f"00000000-0000-4000-8000-{n:012x}",
        "kubeletVersion": "v1.36.2",
        "containerRuntimeVersion": "containerd://2.1.4",
    }
    labels = {NODE_PREFIX + "site": f"site-{n % ZONES}", NODE_PREFIX + "zone": f"zone-{n % ZONES}"}
    return {
        "metadata": {
            "name": f"node-{n}",
            "uid": f"00000000-0000-4000-9000-{n:012x}",
            "labels": labels,
            "resourceVersion": "1",
        },
        "spec": {},
        "status": {"allocatable": {"huawei.com/Ascend910": "8"}, "nodeInfo": info},
    }


def zone(n: int) -> dict[str, Any]:
    spec = {
        "country": "MY",
        "facility": {"name": f"Hall {n}"},
        "operator": {"legalName": "Example Sdn Bhd", "country": "MY", "ultimateParentCountry": "MY"},
        "maximumDataClass": "confidential",
        "nodeSelector": {"matchLabels": {NODE_PREFIX + "site": f"site-{n}"}},
    }
    return {
        "metadata": {"name": f"zone-{n}", "uid": f"zone-{n}", "generation": 1, "resourceVersion": "1"},
        "spec": spec,
    }


def pod(n: int, nodes: int, version: int, phase: str = "Running") -> dict[str, Any]:
    state = {"startedAt": "2027-01-15T08:00:00Z"}
    state |= {"finishedAt": "2027-01-15T09:00:00Z"} if phase != "Running" else {}
    container = {
        "name": "engine",
        "imageID": f"{IMAGE}{n % 40:064x}",
        "state": {"running" if phase == "Running" else "terminated": state},
    }
    return {
        "metadata": {
            "name": f"deepseek-r1-{n:x}",
            "namespace": f"team-{n % 50}",
            "uid": f"00000000-0000-4000-a000-{n:012x}",
            "resourceVersion": str(version),
            "labels": {"daulat.dev/model": "deepseek-r1"},
        },
        "spec": {
            "nodeName": f"node-{n % nodes}",
            "nodeSelector": {NODE_PREFIX + "confidential": "eligible"},
            "containers": [{"name": "engine", "resources": {"limits": {"huawei.com/Ascend910": "2"}}}],
        },
        "status": {"phase": phase, "containerStatuses": [container]},
    }


def fill(store: Store, nodes: int, pods: int) -> None:
    """Fill a store as lists of the API server would."""
    spec = {"namespaceSelector": {"matchLabels": {"class": "c"}}, "zones": {"countries": ["MY"]}}
    meta = {"name": "confidential", "uid": "policy", "generation": 1, "resourceVersion": "1"}
    store.apply("SovereigntyPolicy", {"metadata": meta, "spec": spec, "status": {"revision": "1f" * 6}})
    for n in range(ZONES):
        store.apply("SovereignZone", zone(n))
    for n in range(50):
        store.apply("Namespace", {"metadata": {"name": f"team-{n}", "labels": {"class": "c"}, "resourceVersion": "1"}})
    for n in range(nodes):
        store.apply("Node", node(n))
    for n in range(pods):
        store.apply("Pod", pod(n, nodes, 2))


def memory() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


async def measure(folder: Path, nodes: int, pods: int, runs: int) -> None:
    clock, start = Clock(), memory()
    store = Store("daulat-system", parse=parse)
    fill(store, nodes, pods)
    keeper = Keeper(Place(Folder(folder / "log"), [KEY], index=folder / "index.sqlite"), clock)
    recorder = Recorder(store, keeper, Pseudonyms(lambda name: bytes(SALT_BYTES)), clock)
    filled = memory()
    clocked, used = time.perf_counter(), time.process_time()
    await recorder.begin(lambda last: ())
    await recorder.flush()
    clocked, used = time.perf_counter() - clocked, time.process_time() - used
    parts = f"of which {start:.0f} of the program, {filled - start:.0f} of facts"
    print(f"{nodes} nodes, {pods} pods: {memory():.0f} MiB (aim: 200), {parts}")
    print(f"all of them recorded for the first time: {clocked:.1f} s, {used:.1f} s of processor")
    before, version = keeper.size, 3
    clocked, used = time.perf_counter(), time.process_time()
    for first in range(pods, pods + runs, 200):
        for n in range(first, min(first + 200, pods + runs)):
            for phase in ("Running", "Succeeded"):
                version += 1
                if (change := store.apply("Pod", pod(n, nodes, version, phase))) is not None:
                    recorder.changed(change)
                if n % 200 == 199:
                    clock.now += 1
                    await recorder.look(whole=False, statuses=False)
                    await recorder.flush()
        clock.now += 1
        await recorder.look(whole=False, statuses=False)
        await recorder.flush()
    clocked, used = time.perf_counter() - clocked, time.process_time() - used
    count = keeper.size - before
    size = sum(f.stat().st_size for f in (folder / "log").rglob("*") if f.is_file())
    each = size / keeper.size
    rate = f"{count / clocked:.0f} a second (aim: 1,000), {used / count * 1e6:.0f} µs of processor each"
    print(f"{runs} runs that begin and end: {count} entries, {rate}")
    print(f"on disk: {each:.0f} bytes an entry with its share of tiles, {size / 2**20:.1f} MiB in all (aim: 300)")
    year = 12 * RUNS_A_MONTH * 2 + 365 * 288
    print(
        f"a year of {RUNS_A_MONTH} runs a month with a heartbeat every five minutes: {year * each / 2**30:.2f} GiB, {year} entries"
    )
    head = trusted(Folder(folder / "log").get(CHECKPOINT) or b"", Trust((KEY.verifier(),)))
    await recorder.stop()
    clocked, used = time.perf_counter(), time.process_time()
    index = Index(folder / "again.sqlite")
    index.update(Folder(folder / "log"), head)
    clocked, used = time.perf_counter() - clocked, time.process_time() - used
    made = (folder / "again.sqlite").stat().st_size / 2**20
    million = f"{clocked * 1e6 / head.size:.0f} s for a million entries (aim: 120)"
    print(f"the index made anew: {clocked:.1f} s, {used:.1f} s of processor, {made:.0f} MiB; {million}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=100_000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="daulat-bench-") as name:
        asyncio.run(measure(Path(name), given.nodes, given.pods, given.runs))


if __name__ == "__main__":
    main(sys.argv[1:])
