"""How long the console's pages take to make from facts that were read: ``make bench``. Prints figures; it judges nothing.

The figures are processor time, which other work on the machine doesn't change. The log has a run of each model, ended and begun
anew until it has so many entries. The first reading makes its index; the others find it made.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from bench.reconcile import cluster
from daulat.console.further import Further
from daulat.console.log import read_log
from daulat.console.outlines import shipped
from daulat.console.runs import AtCheckpoint, find
from daulat.console.site import Site
from daulat.doctor.finding import Finding, Report, Severity
from daulat.evidence.index import Index
from daulat.ledger.entry import Entry
from daulat.ledger.folder import Folder
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.trust import Trust
from daulat.ledger.writer import Writer
from daulat.status.facts import Facts
from tests.unit.world import inventory

NODES, MODELS, PODS = 5000, 1000, 10_000
ROUNDS = 5
ENTRIES = 100_000
PAGES = (
    "index.html",
    "zones.html",
    "zone/cyberjaya-1.html",
    "models.html",
    "model/{model}.html",
    "policies.html",
    "chips.html",
    "inventory/delivered.html",
    "weaknesses.html",
    "log.html",
)
KEY = SignerKey("daulat.example.my/bench", KeyType.ED25519, b"\x01" * 32)
TRUST = Trust((KEY.verifier(),))
SIGNED_AT = 1_800_000_000
BATCH = 1000


def logged(folder: Path, models: Sequence[tuple[str, str, str]]) -> None:
    """Write a log of runs of models, by namespace, name and uid."""
    with Writer.create(Folder(folder), [KEY], SIGNED_AT) as writer:
        made = entries(models)
        while batch := list(islice(made, BATCH)):
            writer.append(batch, SIGNED_AT)


def entries(models: Sequence[tuple[str, str, str]]) -> Iterator[bytes]:
    """Yield the entries about the models, and about a run of each of them in turn."""
    for namespace, name, uid in models:
        yield entry("ModelRecorded", namespace=namespace, name=name, uid=uid, generation=1)
    for n in range((ENTRIES - len(models)) // 2):
        number = n % len(models)
        namespace, name, _ = models[number]
        where: dict[str, JsonValue] = {"node": f"npu-host-{n % NODES}", "zone": "cyberjaya-1", "country": "MY"}
        run: dict[str, JsonValue] = {"namespace": namespace, "pod": f"{name}-{n:x}", "uid": f"run-{n}", "model": name}
        yield entry("RunStarted", **run, **where, modelEntry=number, started="2027-01-15T08:00:00Z")
        yield entry("RunEnded", uid=f"run-{n}", reason="Deleted")


def entry(kind: str, **data: JsonValue) -> bytes:
    """Return an entry's bytes."""
    return Entry(kind=kind, time="2027-01-15T08:00:00.000Z", data=data).encode()


def weaknesses() -> Report:
    """Return a report of as many findings as there are models."""
    found = Finding(
        "DOC-20", "Open policies", Severity.MEDIUM, "it selects by team", ("Namespace x",), "so", "Relabel."
    )
    return Report("v1.37.2", (found,) * MODELS, (), ())


def tracked() -> dict[str, Any]:
    """Return an inventory with a chip on each node."""
    chips = [f"SN-{n:05}" for n in range(NODES)]
    places = [
        {"node": f"node-{n}", "zone": "cyberjaya-1", "since": "2026-06-01T00:00:00Z", "chips": [chip]}
        for n, chip in enumerate(chips)
    ]
    status = {"declared": NODES, "seen": NODES, "places": places}
    return {**inventory("delivered", *chips), "status": status}


def main() -> None:
    """Print the time and the size of the first page of a fresh reading, and of others after it."""
    print(
        f"{NODES} nodes and chips, {MODELS} models, {PODS} pods, {ENTRIES} entries in the log; median of {ROUNDS} readings"
    )
    times: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    shipped()  # Once a process.
    with tempfile.TemporaryDirectory(prefix="daulat-bench-") as name:
        folder = Path(name) / "log"
        index = Index()
        for round_ in range(ROUNDS):
            # A snapshot shares what is worked out with later ones, so each round needs a store of its own.
            store = cluster(NODES, MODELS, PODS)
            store.apply("AcceleratorInventory", tracked())
            facts = Facts(store.snapshot(), time.time())
            models = [(ref.namespace, ref.name, model.uid) for ref, model in sorted(facts.snapshot.models.items())]
            if not round_:
                logged(folder, models)
            began = time.process_time()
            log = read_log(Folder(folder), TRUST)
            if log.head is None:
                raise AssertionError(log.problems)
            fixed = AtCheckpoint(Folder(folder), log.signed)
            runs = find(index, fixed, TRUST, log.head, [(namespace, name) for namespace, name, _ in models])
            ended = time.process_time()
            times.setdefault("the log, indexed before" if round_ else "the log, and making its index", []).append(
                ended - began
            )
            began = time.process_time()
            site = Site(facts, shipped(), further=Further(weaknesses(), replace(log, runs=runs)))
            for path in PAGES:
                page = site.render(path.format(model="/".join(models[0][:2])))
                if page is None:
                    raise AssertionError(f"no page {path}")
                ended = time.process_time()
                times.setdefault(path, []).append(ended - began)
                sizes[path] = len(page.encode())
                began = ended
    for what, taken in times.items():
        size = f" {sizes[what] / 1024:8.1f} KiB" if what in sizes else ""
        print(f"{what:30} {statistics.median(taken) * 1000:8.1f} ms{size}")


if __name__ == "__main__":
    main()
