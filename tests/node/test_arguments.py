"""llama.cpp's server takes each command line that is rendered for it, comes up with it, answers, and ends when it is told to.

A process of this machine: what a container adds is in the other tests here. Images for GPUs take the same arguments.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from daulat.catalog.engines import engine
from daulat.workload.container import CACHE
from dev.cluster.node import engine as llama
from dev.cluster.node.model import write_model
from dev.deployment import ROOT, poll
from dev.engines.lines import containers, rendered
from tests.e2e.world import Manifest

from .models import FIRST

NAME, DATA = "llama.cpp", engine("llama.cpp")
KEY = "a-key-of-clients"
GOLDEN = ROOT / "tests" / "unit" / "workload" / "golden"


def _lines() -> dict[str, Manifest]:
    """Return the engine's containers by where each comes from; one for each command line."""
    files = [*sorted(GOLDEN.glob(f"*{NAME}*")), *sorted(ROOT.glob(f"examples/{NAME}*"))]
    every = [(file.name, made) for file in files for made in containers(yaml.safe_load_all(file.read_text()))]
    shipped = [
        (" ".join([a.profile, *a.arguments[len(DATA.args) :]]), {"args": list(a.arguments)}) for a in rendered(NAME)
    ]
    found: dict[tuple[str, ...], tuple[str, Manifest]] = {}
    for name, made in [*every, *shipped]:
        found.setdefault(tuple(made["args"]), (name, made))
    return dict(found.values())


@dataclass(frozen=True)
class Server:
    """An engine that runs."""

    port: int
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: Manifest | None = None, key: str = "") -> tuple[int, str]:
        """Return the status of an answer and what it says; 0 where there is none."""
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET" if body is None else "POST", path, content, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()


@contextlib.contextmanager
def started(container: Manifest, weights: Path, room: Path) -> Iterator[Server]:
    """Run the engine with a container's arguments and variables, and nothing else. What is this machine's is put in their place."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = list(container["args"])
    for option, value in (("--model", str(weights)), ("--host", "127.0.0.1"), ("--port", str(port))):
        arguments[arguments.index(option) + 1] = value
    if "--threads" in arguments:
        # More threads than cores wait for each other by turning in circles.
        arguments[arguments.index("--threads") + 1] = "1"
    # What comes from elsewhere is the clients' key.
    variables = {e["name"]: e.get("value", KEY).replace(CACHE, str(room)) for e in container.get("env", ())}
    with (room / "log").open("wb") as log:
        command = [llama.ensure(print), *arguments]
        process = subprocess.Popen(command, env=variables, cwd=room, stdout=log, stderr=log)
    try:
        yield Server(port, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that can be made here."""
    if lack := llama.lacks():
        pytest.skip(f"the engine is built here, and needs {', '.join(lack)}")
    return write_model(tmp_path_factory.mktemp("weights"), FIRST)


LINES = _lines()


@pytest.mark.parametrize("line", LINES)
def test_the_engine_comes_up_with_what_is_rendered_for_it(line: str, weights: Path, tmp_path: Path) -> None:
    container = LINES[line]
    closed = any(e["name"] == DATA.api_key_env for e in container.get("env", ()))
    key = KEY if closed else ""
    alias = container["args"][container["args"].index("--alias") + 1]
    question = {"model": alias, "messages": [{"role": "user", "content": "Where are you?"}]}
    with started(container, weights, tmp_path) as server:

        def is_healthy() -> bool:
            assert server.process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            # Without a key: the kubelet has none.
            return server.ask(DATA.health_path)[0] == 200

        poll("the engine to come up", is_healthy)
        status, told = server.ask("/v1/chat/completions", question, key)
        assert status == 200
        answer = json.loads(told)
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == (alias, FIRST)
        status, told = server.ask(DATA.metrics_path, key=key)
        assert (status, [m for m in DATA.metrics.values() if m not in told]) == (200, [])
        if closed:
            assert server.ask("/v1/chat/completions", question)[0] == 401
            assert (server.ask(DATA.metrics_path)[0] == 401) == DATA.metrics_need_key
        server.process.terminate()
        assert server.process.wait(timeout=10) == 0


def test_there_are_lines_of_goldens_examples_and_profiles() -> None:
    """An argument that the engine doesn't know would be seen: `make verify-engines` asks it about one."""
    assert any(name.startswith("nvidia-") for name in LINES)
    assert {"llama.cpp.yaml", "llama.cpp-cpu.yaml"} <= LINES.keys()
    assert any("--parallel" in name for name in LINES)
    assert any(DATA.api_key_env in (e["name"] for e in made.get("env", ())) for made in LINES.values())
