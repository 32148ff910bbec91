"""What a log costs: ``python -m bench.ledger [--entries N]``. Prints each figure beside its aim; it judges nothing.

The log is written to a temporary folder (TMPDIR chooses the disk) by batches of 1,000 entries of the size of a run's, each with a
checkpoint. It is verified by the command, as an auditor would, in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from pydantic import JsonValue

from daulat.ledger.entry import Entry
from daulat.ledger.folder import Folder
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.proof import prove
from daulat.ledger.writer import Writer

KEY = SignerKey("daulat.example.my/bench", KeyType.ED25519, b"\x01" * 32)
NOW = 1_800_000_000
BATCH = 1000


def entry(n: int) -> bytes:
    """Return an entry of about 300 bytes."""
    data: dict[str, JsonValue] = {
        "image": f"sha256:{n:064x}",
        "node": {"name": f"npu-host-{n % 5000}", "uid": f"00000000-0000-4000-8000-{n % 5000:012x}"},
        "pod": f"treasury/deepseek-r1-{n:x}",
        "zone": "cyberjaya-1",
    }
    return Entry(kind="PodStarted", time="2027-01-15T08:00:00Z", data=data).encode()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds by the clock and of this process's processor time that work takes."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def write(folder: Path, count: int) -> tuple[float, float]:
    """Write the log. Return the seconds by the clock and of processor time, without making the entries."""
    clock = processor = 0.0
    with Writer.create(Folder(folder), [KEY], NOW) as writer:
        for start in range(0, count, BATCH):
            batch = [entry(n) for n in range(start, min(start + BATCH, count))]
            taken = timed(lambda batch=batch: writer.append(batch, NOW))  # type: ignore[misc]
            clock, processor = clock + taken[0], processor + taken[1]
    return clock, processor


def verify(folder: Path) -> tuple[float, float, float]:
    """Return the seconds by the clock and of processor time, and the peak MiB, of the command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "daulat.cli.main", "ledger", "verify", str(folder), "--key", str(KEY.verifier())]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    clock = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return clock, processor, after.ru_maxrss / 1024


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    count = parser.parse_args(arguments).entries
    with tempfile.TemporaryDirectory(prefix="daulat-bench-") as name:
        folder = Path(name) / "log"
        clock, processor = write(folder, count)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        bundles = sum(file.stat().st_size for file in folder.glob("tile/entries/**/*") if file.is_file())
        print(f"{count} entries, {len(entry(count))} bytes each")
        print(f"written: {clock:.1f} s, {processor:.1f} s of processor, {count / clock:.0f} a second (aim: 1,000)")
        print(f"on disk: {bundles / count:.0f} bytes an entry, {(size - bundles) / count:.0f} of tiles")
        clock, processor, peak = verify(folder)
        aim = "aim for 1,000,000: 60 s, 500 MiB"
        print(f"verified: {clock:.1f} s, {processor:.1f} s of processor, {peak:.0f} MiB at most ({aim})")
        proofs = [timed(lambda n=n: prove(Folder(folder), n))[0] for n in range(0, count, max(count // 50, 1))]  # type: ignore[misc]
        print(f"a proof: {median(proofs) * 1000:.1f} ms, {max(proofs) * 1000:.1f} ms at most (aim: 50 ms)")


if __name__ == "__main__":
    main(sys.argv[1:])
