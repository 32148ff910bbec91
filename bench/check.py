"""``daulat check`` beside ``gator test`` and ``kyverno apply``: ``make bench-check``. Prints figures; it judges nothing.

Every tool gets the same files and the same four rules, in turn: no host path, no node name, images from one registry, images
by digest. What each finds is held against the truth. Daulat runs once more with its whole library.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench import pods
from bench.peers.build import binary, version
from dev.cluster.cluster import announce

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "bench" / "rules"
COUNTS = (1, 1000, 10000)
TURNS = {1: 9, 1000: 5, 10000: 3}
POLICY = "bench"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
CONTROLS = {"STO-03": "host-path", "USE-04": "node-name", "STO-07": "registry", "SUP-01": "digest"}

Found = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Tool:
    """A command that is given a file, and what it says it found: pod and rule."""

    name: str
    command: Callable[[Path], Sequence[str]]
    found: Callable[[str], Found]


@dataclass(frozen=True)
class Run:
    """One run of a tool."""

    wall: float
    cpu: float
    mebibytes: float
    status: int
    output: str


def run(command: Sequence[str]) -> Run:
    """Run a command to its end: seconds by the clock, seconds of processor, and the most memory it held."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    # Linux counts in KiB, macOS in bytes.
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Run(wall, usage.ru_utime + usage.ru_stime, peak, process.returncode, text)


def tools(directory: Path) -> list[Tool]:
    """Return the tools, with their rules in files under the directory. Daulat comes first: the others are its multiples."""
    four, whole = _policies(directory)
    gator, kyverno = str(binary("gator")), str(binary("kyverno"))
    daulat = [sys.executable, "-m", "daulat.cli.main", "check"]

    def kyverno_with(rules: str) -> Callable[[Path], Sequence[str]]:
        return lambda file: [kyverno, "apply", str(RULES / rules), "-r", str(file), "--remove-color"]

    return [
        Tool("daulat check", lambda f: [*daulat, str(f), "--policy-dir", str(four), "-o", "json"], daulat_found),
        Tool(
            f"gator {version('gator')}, CEL",
            lambda f: [gator, "test", "-f", str(RULES / "gator.yaml"), "-f", str(f)],
            gator_found,
        ),
        Tool(f"kyverno {version('kyverno')}, patterns", kyverno_with("kyverno-patterns.yaml"), kyverno_found),
        Tool(f"kyverno {version('kyverno')}, CEL", kyverno_with("kyverno-cel.yaml"), kyverno_found),
        Tool(
            "daulat check, every control",
            lambda f: [*daulat, str(f), "--policy-dir", str(whole), "-o", "json"],
            daulat_found,
        ),
    ]


def _policies(directory: Path) -> tuple[Path, Path]:
    """Write Daulat's policy with four controls and with all, each in a folder with the namespace that it governs."""
    # Asked of another process, so that this one stays small, see main.
    ask = "from daulat.controls import library; print(*library.ids())"
    known = set(subprocess.check_output([sys.executable, "-c", ask], text=True, env=ENVIRONMENT).split())
    policy = yaml.safe_load((RULES / "policy.yaml").read_text())
    labels = {"daulat.dev/data-class": "confidential"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": pods.NAMESPACE, "labels": labels}}
    folders = []
    for name, off in (("four", sorted(known - set(CONTROLS))), ("whole", [])):
        folder = directory / name
        folder.mkdir()
        manifest = {**policy, "spec": {**policy["spec"], "controls": dict.fromkeys(off, "Off")}}
        (folder / "policy.yaml").write_text(yaml.safe_dump_all([manifest, namespace]))
        folders.append(folder)
    return folders[0], folders[1]


def daulat_found(output: str) -> Found:
    """Read Daulat's JSON. Controls that the others have no rule for don't count."""
    report: dict[str, Any] = json.loads(output)
    return frozenset(
        (judged["name"], CONTROLS[finding["control"]])
        for judged in report["objects"]
        for finding in judged["findings"]
        if finding["control"] in CONTROLS
    )


def gator_found(output: str) -> Found:
    """Read gator's lines."""
    return frozenset(re.findall(r'Pod \S+/(\S+): \[.*\] Message: "([a-z-]+)"', output))


def kyverno_found(output: str) -> Found:
    """Read kyverno's lines: one with the pod, then one for each rule that failed."""
    found, pod = set(), ""
    for line in output.splitlines():
        if heading := re.search(r"-> resource \S+/Pod/(\S+) failed", line):
            pod = heading[1]
        elif rule := re.match(r"^\d+ -\s+([a-z-]+)(?: validation error.*|\s*)$", line):
            found.add((pod, rule[1]))
    return frozenset(found)


def measure(count: int, file: Path, competitors: Sequence[Tool], turns: int) -> None:
    """Print one line a tool for a file with this many pods."""
    truth = pods.violations(count)
    runs: dict[str, list[Run]] = {t.name: [] for t in competitors}
    for turn in range(turns):
        # Each turn starts with another tool, so that none always comes after the same one.
        for tool in [*competitors[turn % len(competitors) :], *competitors[: turn % len(competitors)]]:
            runs[tool.name].append(run(tool.command(file)))
    size = file.stat().st_size / (1 << 20)
    title = f"{count} pod{'s'[: count > 1]}, {size:.1f} MiB, {len(truth)} violations, {turns} turns"
    print(f"\n{title:42}{'wall, s':>9}{'CPU, s':>9}{'MiB':>7}{'exit':>6}{'found':>7}{'wrong':>7}{'wall':>8}{'CPU':>7}")
    first = runs[competitors[0].name]
    for tool in competitors:
        mine = runs[tool.name]
        found = tool.found(mine[-1].output)
        wall, cpu = (statistics.median(r.wall for r in mine), statistics.median(r.cpu for r in mine))
        against = [statistics.median(a.wall / b.wall for a, b in zip(mine, first, strict=True))]
        against.append(statistics.median(a.cpu / b.cpu for a, b in zip(mine, first, strict=True)))
        print(
            f"{tool.name:42}{wall:9.2f}{cpu:9.2f}{max(r.mebibytes for r in mine):7.0f}{mine[-1].status:6}"
            f"{len(found & truth):7}{len(found - truth):7}{against[0]:7.1f}x{against[1]:6.1f}x",
            flush=True,
        )


def main() -> None:
    """Print a table a size of file."""
    counts = [int(a) for a in sys.argv[1:]] or list(COUNTS)
    for peer in ("gator", "kyverno"):
        announce(f"{peer}: {binary(peer)}")
    with tempfile.TemporaryDirectory() as place:
        competitors = tools(Path(place))
        for count in counts:
            file = Path(place) / f"pods-{count}.yaml"
            # A child starts with its parent's peak of memory on record: what is large must not be made in this process.
            subprocess.run([sys.executable, "-m", "bench.pods", str(count), POLICY, str(file)], check=True, cwd=ROOT)
            measure(count, file, competitors, TURNS.get(count, 3))


if __name__ == "__main__":
    main()
