"""The demo does what the README says: every attempt ends as it should, told in one table, and nothing is left after it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from dev.cluster.node import cgroups, requirements
from dev.cluster.paths import clusters_dir
from dev.demo.answering import SENTENCE
from dev.demo.removal import directory
from dev.deployment import ROOT, operators

from .world import unique

CONTROLS = ("SUP-08", "STO-07", "USE-04", "USE-15", "USE-16", "STO-03", "SUP-01", "MGD-02", "MGD-13")


def test_the_demo_places_refuses_answers_and_goes_away_again(tmp_path: Path) -> None:
    name, why_not = unique("demo"), requirements.missing()
    up = demo("up", name, 400)
    try:
        assert up.returncode == 0, up.stderr
        outcomes = column(up.stdout, "outcome")
        assert (outcomes.count("placed"), outcomes.count("pinned"), outcomes.count("not run")) == (2, 2, 1)
        answers = column(up.stdout, "answer")
        assert len(answers) == len(outcomes)
        for control in CONTROLS:
            assert any(control in answer for answer in answers)
        assert "nvidia-h20 in zone cyberjaya-1" in answers[1]
        assert f"make demo-down NAME={name}" in up.stdout
        if why_not:
            assert (outcomes.count("refused"), outcomes.count("answered")) == (10, 0)
            assert f"\nNo model answers here: {why_not}.\n" in up.stdout
        else:
            assert (outcomes.count("refused"), outcomes[-2:]) == (11, ["refused", "answered"])
            assert "doesn't trust these weights" in answers[-2]
            assert "in zone cyberjaya-1, on real-1." in answers[-1]
            assert answers[-1].endswith(f'"{SENTENCE}"')
            assert "service/tiny" in up.stdout
            assert cgroups.places(name)
        # With a real node the operator is in pods there; the recorder is a process.
        processes = operators(directory(name))
        assert len(processes) == 1 + bool(why_not)
        # The log names what the table says was placed, and the command that is printed verifies it.
        assert re.search(r"treasury/deepseek-r1-\S+ +deepseek-r1 +ascend-1 +cyberjaya-1 +MY +running", up.stdout)
        assert "entries, verified" in printed(up.stdout, "ledger verify")
        # The same command as is printed, but for the folder that it writes to, so that it ends.
        assert "pages: open" in printed(up.stdout, "console", "--output-dir", str(tmp_path / "site"), "--what-if=1")
        assert re.search(r"^Then open http://127\.0\.0\.1:8765/$", up.stdout, re.MULTILINE)
    finally:
        down = demo("down", name, 60)
    assert down.returncode == 0, down.stderr
    assert not any(operator.is_running() for operator in processes)
    assert not (clusters_dir() / name).exists()
    assert not directory(name).exists()
    assert cgroups.places(name) == []


def printed(output: str, command: str, *more: str) -> str:
    """Return what a command says that the demo has printed, in a shell and a folder of its own."""
    (line,) = re.findall(rf"^  (env \S.* {command} .*)$", output, re.MULTILINE)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KUBECONFIG")}
    words = [*shlex.split(line), *more]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd="/", env=environment)
    return done.stdout + done.stderr


def demo(command: str, name: str, seconds: float) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "dev.demo", command, "--name", name]
    return subprocess.run(argv, check=False, cwd=ROOT, capture_output=True, text=True, timeout=seconds)


def column(table: str, heading: str) -> list[str]:
    """Return the cells of a column of the table, each in one line."""
    lines = [line for line in table.splitlines() if line[:1] in {"┃", "│"}]
    headings, *rest = [[cell.strip() for cell in re.split("[┃│]", line)[1:-1]] for line in lines]
    found: list[str] = []
    for cells in rest:
        if cells == headings:
            continue
        # A row begins with its number; what has none goes on with the row before.
        if cells[0]:
            found.append("")
        found[-1] = f"{found[-1]} {cells[headings.index(heading)]}".strip()
    return found
