"""The demo does what the README says: every attempt ends as it should, told in one table, and nothing is left after it."""

from __future__ import annotations

import re
import subprocess
import sys

import psutil

from dev.cluster.paths import clusters_dir
from dev.deployment import ROOT

from .world import unique


def test_the_demo_places_refuses_and_explains_and_goes_away_again() -> None:
    name = unique("demo")
    command = [sys.executable, "-m", "dev.demo"]
    up = subprocess.run(
        [*command, "up", "--name", name], check=False, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    try:
        assert up.returncode == 0, up.stderr
        outcomes = re.findall(r"^  (placed|pinned|refused|told why): ", up.stderr, re.MULTILINE)
        assert (outcomes.count("placed"), outcomes.count("pinned"), outcomes.count("told why")) == (2, 2, 1)
        assert outcomes.count("refused") == 10
        for control in ("SUP-08", "STO-07", "USE-04", "USE-15", "USE-16", "STO-03", "SUP-01", "MGD-02", "MGD-13"):
            assert control in up.stdout
        assert "nvidia-h20 in zone cyberjaya-1" in up.stdout
        assert f"make demo-down NAME={name}" in up.stdout
        pid = int((clusters_dir().parent / "operators" / name / "pid").read_text())
        assert psutil.pid_exists(pid)
    finally:
        down = subprocess.run(
            [*command, "down", "--name", name], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
    assert down.returncode == 0, down.stderr
    assert not psutil.pid_exists(pid)
    assert not (clusters_dir() / name).exists()
