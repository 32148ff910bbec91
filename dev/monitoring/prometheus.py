"""A real Prometheus for tests: the programs, and a server that scrapes what a test names."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.cluster import announce
from dev.cluster.errors import ClusterError
from dev.cluster.node.debian import unpacked
from dev.cluster.ports import choose
from dev.deployment import poll

PACKAGES = ("prometheus",)


def program(name: str) -> Path:
    """Return ``prometheus`` or ``promtool``: that of the PATH, or Debian's. ClusterError where neither can be had."""
    found = shutil.which(name)
    if found:
        return Path(found)
    return unpacked(PACKAGES, "tests of alerts and dashboards need Prometheus", announce) / "usr" / "bin" / name


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    """Run promtool and return what it prints, findings included. ClusterError where it fails."""
    command = [str(program("promtool")), *map(str, arguments)]
    done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"`promtool {arguments[0]}` failed: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Prometheus:
    """A server with its data in a directory of the test's own."""

    def __init__(self, directory: Path, scrapes: Sequence[Mapping[str, Any]], rules: Sequence[Path]) -> None:
        """Take the directory, entries of scrape_configs, and rule files."""
        self._directory = directory
        self._port = choose(("prometheus",), {})["prometheus"]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": list(scrapes),
        }
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [
            str(program("prometheus")),
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        poll("Prometheus to be ready", self._ready)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series of an expression at this moment."""
        found = self.get("query", query=expr)["result"]
        return [dict(series) for series in found]

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data that its API answers on a path."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False
