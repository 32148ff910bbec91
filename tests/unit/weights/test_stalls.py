"""A server that stalls fails a fetch in bounded time, with the reason; one that is slow, or breaks off and resumes, doesn't."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev.deployment import ROOT

from .servers import Site
from .stalling import LONGEST, Fault, faulty

FILES = {"config.json": b"{}", "a/model.safetensors": b"weights" * 300_000}
SOURCES = ["oci", "s3", "hf", "ms"]
LOAD = """
import json, os, sys
from pathlib import Path
from daulat.api.weights import Source, parse
from daulat.weights import network
network.CONNECT_SECONDS = network.LONGEST_PAUSE_SECONDS = 1
network.READ_SECONDS, network.RETRIES = 2, 1
from daulat.weights.load import Order, load
from daulat.weights.problem import WeightsProblem
uri, endpoint, target, location, digest = sys.argv[1:]
source = Source(uri, "oci", location, "", digest) if uri.startswith("oci") else parse(uri)
try:
    load(Order(source, Path(target), endpoint=endpoint, insecure_registry=True))
except WeightsProblem as problem:
    print(json.dumps([problem.word, problem.sentence]), file=sys.stderr)
    sys.exit(1)
"""


def loaded(
    scheme: str, fault: Fault, where: Path, files: dict[str, bytes] = FILES, token_lives: int = 0
) -> tuple[str, str]:
    """Load in a process of its own: libraries read time limits when they're imported. Return word and sentence, if it failed."""
    site = Site(
        s3={"models": {f"r1/{n}": c for n, c in files.items()}},
        hf={"o/n": files},
        ms={"o/n": files},
        token_lives=token_lives,
    )
    digest = site.artifact("models/r1", files).removeprefix("sha256:")
    uris = {"oci": "oci://registry/models/r1", "s3": "s3://models/r1", "hf": "hf://o/n:main", "ms": "ms://o/n"}
    with faulty(site, fault):
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", LOAD, uris[scheme], site.url, str(where), f"{site.host}/models/r1", digest],
            env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(where.parent), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=LONGEST * 3,
            check=False,
        )
        assert time.monotonic() - started < LONGEST, "it waited until the server ended the connection"
    if done.returncode == 0:
        assert {
            str(p.relative_to(f)): p.read_bytes() for f in where.iterdir() for p in f.rglob("*") if p.is_file()
        } == files
        return "", ""
    assert list(where.iterdir()) == []
    word, sentence = json.loads(done.stderr.splitlines()[-1])
    return word, sentence


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "models"
    path.mkdir()
    return path


def large(path: str) -> bool:
    """Pick the requests for files' content."""
    return "model.safetensors" in path or "/blobs/" in path


@pytest.mark.parametrize("scheme", SOURCES)
def test_a_server_that_accepts_and_says_nothing_is_given_up(scheme: str, target: Path) -> None:
    word, sentence = loaded(scheme, Fault(silent=True), target)
    assert word == "FetchFailed"
    assert "127.0.0.1" in sentence
    assert "timed out" in sentence.lower() or "timeout" in sentence.lower()


@pytest.mark.parametrize("scheme", SOURCES)
def test_a_server_that_stalls_within_a_file_for_good_is_given_up(scheme: str, target: Path) -> None:
    word, sentence = loaded(scheme, Fault(on=large, after=1000), target)
    assert word == "FetchFailed"
    assert "timed out" in sentence.lower() or "timeout" in sentence.lower()


@pytest.mark.parametrize("scheme", SOURCES)
@pytest.mark.parametrize("ends", [False, True], ids=["stalls", "breaks off"])
def test_a_file_that_stops_once_is_resumed(scheme: str, ends: bool, target: Path) -> None:
    fault = Fault(on=large, after=1_500_000, times=1, ends=ends)
    assert loaded(scheme, fault, target) == ("", "")
    assert max(fault.hits.values()) > 1


@pytest.mark.parametrize("scheme", SOURCES)
def test_a_slow_server_is_waited_for_as_long_as_it_sends(scheme: str, target: Path) -> None:
    """Each piece comes within the time limit, the file as a whole takes longer than that."""
    assert loaded(scheme, Fault(on=large, pause=0.4), target) == ("", "")


def test_a_registry_that_doesnt_resume_sends_the_blob_again(target: Path) -> None:
    fault = Fault(on=large, after=1_500_000, times=1, ranges=False)
    assert loaded("oci", fault, target) == ("", "")


def test_a_blob_of_which_each_attempt_brings_more_is_fetched_to_its_end(target: Path) -> None:
    fault = Fault(on=large, after=1_100_000, ends=True)
    files = {"model": b"0123456789" * 500_000}
    assert loaded("oci", fault, target, files) == ("", "")
    assert max(fault.hits.values()) > 3


def test_a_registrys_server_of_tokens_that_says_nothing_is_given_up(target: Path) -> None:
    word, sentence = loaded("oci", Fault(on=lambda path: path.startswith("/token"), silent=True), target, token_lives=9)
    assert word == "FetchFailed"
    assert "timed out" in sentence


@pytest.mark.parametrize(
    ("scheme", "picked"),
    [
        ("oci", "/blobs/"),
        ("oci", "/manifests/"),
        ("hf", "model.safetensors"),
        ("hf", "/api/models"),
        ("ms", "FilePath"),
    ],
)
def test_a_server_that_says_to_come_back_next_week_is_asked_again_sooner(
    scheme: str, picked: str, target: Path
) -> None:
    fault = Fault(on=lambda path: picked in path, cooldown=7 * 24 * 3600, times=1)
    loaded(scheme, fault, target)
    assert fault.hits


def test_a_loader_ends_at_once_when_its_pod_is_deleted(tmp_path: Path) -> None:
    site, fault, target = Site(hf={"o/n": FILES}), Fault(silent=True), tmp_path / "models"
    target.mkdir()
    with faulty(site, fault) as server:
        env = {"WEIGHTS_URI": "hf://o/n:main", "WEIGHTS_ENDPOINT": server.url, "WEIGHTS_TARGET": str(target)}
        loader = subprocess.Popen(
            [sys.executable, "-m", "daulat.cli.main", "weights", "load"],
            env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path), "PATH": "", **env},
        )
        try:
            deadline = time.monotonic() + LONGEST / 2
            while not fault.hits and time.monotonic() < deadline:
                time.sleep(0.05)
            assert fault.hits
            loader.send_signal(signal.SIGTERM)
            # Not -15: the default action doesn't exist for the first process of a container.
            assert loader.wait(10) == 143
        finally:
            loader.kill()
