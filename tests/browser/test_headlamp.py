"""The Headlamp plugin passes its own tests, in TypeScript, and can be built."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dev.deployment import ROOT

PLUGIN = ROOT / "ui" / "headlamp"
SECONDS = 600


def _npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["npm", *arguments],
        cwd=PLUGIN,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture(scope="module")
def plugin() -> Path:
    """The plugin with the packages of its lock."""
    node = (
        subprocess.run(["node", "--version"], check=False, capture_output=True, text=True)
        if shutil.which("npm")
        else None
    )
    if node is None or int(node.stdout.strip().lstrip("v").partition(".")[0] or 0) < 20:
        pytest.skip("the plugin's tests need Node.js 20 with npm")
    lock, installed = PLUGIN / "package-lock.json", PLUGIN / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        try:
            done = _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
        except subprocess.TimeoutExpired:
            pytest.skip(f"the plugin's packages can't be installed within {SECONDS} s")
        if done.returncode:
            pytest.skip(f"the plugin's packages can't be installed: {done.stdout.strip()[-300:]}")
    return PLUGIN


def test_the_headlamp_plugin_passes_its_tests_and_can_be_built(plugin: Path) -> None:
    for script in (["run", "lint"], ["run", "tsc"], ["test"], ["run", "build"]):
        done = _npm(*script)
        assert done.returncode == 0, f"npm {' '.join(script)}: {done.stdout[-3000:]}"
    assert (plugin / "dist" / "main.js").stat().st_size > 1000
