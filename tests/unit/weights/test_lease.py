"""One replica fetches while others wait: for as long as it lives and no longer than the limit, and they say for whom."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daulat.api.weights import parse
from daulat.weights import lease
from daulat.weights.lease import held
from daulat.weights.load import Order, load
from daulat.weights.problem import WeightsProblem
from dev.deployment import ROOT

from .servers import Site, serving
from .signing import FILES
from .stalling import Fault, faulty

HOLD = """
import socket, sys, time
from pathlib import Path
host, duration, marker = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
if host:
    socket.gethostname = lambda: host
from daulat.weights import lease
lease.LEASE_SECONDS = duration
with lease.held(marker, "weights", lambda: "?"):
    print("held", flush=True)
    sys.stdin.read()
"""
FETCH = """
import socket, sys
from pathlib import Path
socket.gethostname = lambda: "r1-7d9f-x2x4k"
from daulat.api.weights import parse
from daulat.weights.load import Order, load
load(Order(parse(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
"""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LEASE_SECONDS": 3.0, "REPORT_SECONDS": 0.5, "POLL_SECONDS": 0.05}.items():
        monkeypatch.setattr(lease, name, seconds)


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", code, *(str(a) for a in arguments)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "HOME": "/tmp"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def holder(marker: Path, host: str = "") -> Iterator[subprocess.Popen[str]]:
    """Hold the lease in another process, on this machine or as if on another one."""
    with process(HOLD, host, lease.LEASE_SECONDS, marker) as found:
        assert found.stdout is not None
        assert found.stdout.readline() == "held\n"
        yield found


def take(marker: Path) -> float:
    """Take the lease and return how many seconds it took."""
    started = time.monotonic()
    with held(marker, "weights", lambda: "?"):
        return time.monotonic() - started


def test_a_holder_that_was_killed_in_this_pod_is_followed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 600.0)
    with holder(tmp_path / "lease") as other:
        other.kill()
        other.wait()
        assert take(tmp_path / "lease") < 60


@pytest.mark.parametrize("exchanges", [True, False], ids=["local", "as NFS and SMB"])
def test_a_holder_whose_node_is_gone_is_followed_when_its_lease_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        # What the library's call to renameat2 comes to where the server has no RENAME_EXCHANGE.
        monkeypatch.setattr("filelock._soft.exchange_names", lambda source, target: False)
        monkeypatch.setattr("filelock._util.exchange_names", lambda source, target: False)
    with holder(tmp_path / "lease", host="another-node") as other:
        other.kill()
        other.wait()
        assert (tmp_path / "lease").exists()
        assert take(tmp_path / "lease") >= 1
    assert not [p for p in tmp_path.iterdir() if p.name == "lease"]


def test_a_holder_that_lives_keeps_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "WAIT_SECONDS", 8.0)
    with (
        holder(tmp_path / "lease", host="another-node"),
        pytest.raises(WeightsProblem, match=r"FetchFailed: weights: waited \d+ s for"),
    ):
        take(tmp_path / "lease")


def test_a_replica_waits_no_longer_than_the_limit_and_says_for_whom_and_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 180.0)
    monkeypatch.setattr(lease, "WAIT_SECONDS", 2.0)
    uri = "s3://models/r1"
    with (
        faulty(Site(s3={"models": {"r1/x": b"x"}}), Fault(silent=True)) as site,
        process(FETCH, uri, tmp_path, site.url),
    ):
        while not site.asked:
            time.sleep(0.01)
        started = time.monotonic()
        with caplog.at_level(logging.WARNING), pytest.raises(WeightsProblem) as told:
            load(Order(parse(uri), tmp_path, site.url))
        assert time.monotonic() - started < 20
    assert told.value.word == "FetchFailed"
    words = told.value.sentence
    assert words.startswith("s3://models/r1: waited 2 s for pod r1-7d9f-x2x4k, which fetches it since 20")
    assert words.endswith("(0 min)")
    assert "s3://models/r1: waiting for pod r1-7d9f-x2x4k, which fetches it since 20" in caplog.text
    assert "1 s of at most 2 s" in caplog.text


def test_what_is_published_is_checked_without_waiting_for_anybody(tmp_path: Path) -> None:
    with serving(Site(s3={"models": {f"r1/{n}": c for n, c in FILES.items()}})) as site:
        order = Order(parse("s3://models/r1"), tmp_path, site.url)
        folder = load(order)
        with holder(tmp_path / f".{order.source.key}.lease"):
            assert load(order) == folder


def test_a_pod_that_is_killed_while_it_fetches_is_followed_by_another(tmp_path: Path) -> None:
    uri = "s3://models/r1"
    site = Site(s3={"models": {f"r1/{n}": c for n, c in FILES.items()}})
    fault = Fault(on=lambda path: "safetensors" in path, after=100, times=1)
    with faulty(site, fault), process(FETCH, uri, tmp_path, site.url) as killed:
        while not fault.hits:
            time.sleep(0.01)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        # The lease lasts 180 s there; here it was held by a name that isn't this machine's.
        marker = tmp_path / f".{parse(uri).key}.lease"
        marker.write_text(marker.read_text().replace("duration=180.0", f"duration={lease.LEASE_SECONDS}"))
        folder = load(Order(parse(uri), tmp_path, site.url))
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == FILES
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]
