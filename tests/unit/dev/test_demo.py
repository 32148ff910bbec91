"""Where the demo's model answers, what is said where it can't, and what a row says when something else comes of it."""

from __future__ import annotations

import http.client
import io
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from rich.console import Console

from dev.cluster import Cluster, ClusterError, EmbeddedCluster
from dev.cluster.kind import quicker
from dev.cluster.kubernetes import versions
from dev.cluster.node.model import Signer
from dev.cluster.paths import clusters_dir
from dev.demo import __main__ as demo
from dev.demo import answering, removal
from dev.demo.answering import SENTENCE, Answering, Supplies
from dev.demo.row import Row
from dev.demo.table import Rows, explain, table
from dev.deployment import OperatorProcess
from dev.image.oci import Archive


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that can have a real node."""
    monkeypatch.setattr("dev.cluster.node.requirements.missing", lambda: "")


@pytest.mark.usefixtures("able")
def test_a_machine_that_can_have_a_real_node_has_one() -> None:
    assert answering.why_not("embedded", wanted=True) == ""


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("kind", ["kind", "existing"])
def test_a_cluster_that_is_no_process_of_ours_has_none(kind: str) -> None:
    assert f"this cluster is of kind {kind}" in answering.why_not(kind, wanted=True)


@pytest.mark.usefixtures("able")
def test_who_wants_none_is_reminded_of_it() -> None:
    assert answering.why_not("embedded", wanted=False) == "REAL_NODE=no leaves the real node out"


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev.cluster.node.requirements.missing", lambda: "real nodes need root")
    assert answering.why_not("embedded", wanted=True) == "real nodes need root"


@pytest.mark.usefixtures("able")
def test_where_nothing_can_be_built_the_demo_goes_on_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ClusterError("llama.cpp's source can't be fetched: connect to the package index.")

    monkeypatch.setattr("dev.cluster.node.programs.are_built", lambda: False)
    monkeypatch.setattr("dev.cluster.node.programs.ensure", fail)
    cluster = EmbeddedCluster("unit")
    operator = OperatorProcess(cluster, tmp_path)
    assert demo._answer(cluster, operator, Rows(Console(), "")) == (
        operator.where_logged,
        "llama.cpp's source can't be fetched: connect to the package index",
        [],
    )
    said = capsys.readouterr().err
    assert "REAL_NODE=no" in said
    assert "going on without a real node: llama.cpp's source" in said


@pytest.mark.usefixtures("able")
def test_an_older_kubernetes_has_no_real_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(versions.VARIABLE, "1.34")
    assert "this cluster of 1.34" in answering.why_not("embedded", wanted=True)


def test_the_demo_begins_without_a_word_about_an_earlier_one_that_there_never_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(demo, "is_built", lambda: True)
    monkeypatch.setattr(demo, "ensure", lambda _: {})
    monkeypatch.setattr(demo, "_play", lambda *_: 0)
    monkeypatch.setenv("CLUSTER", "embedded")
    assert demo._up("unit", real_node=False) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
    # One that ended in the middle is removed first, and only then is that said.
    (clusters_dir() / "unit").mkdir(parents=True)
    assert demo._up("unit", real_node=False) == 0
    assert "cluster unit is gone" in capsys.readouterr().err
    assert not (clusters_dir() / "unit").exists()


# --- the table

ROWS = [
    Row("a model", "aminah", "placed", "placed", "on ascend-1"),
    Row("a pod that names its node", "own-scheduler", "refused", "refused", "USE-04 " + "spec.nodeName " * 20),
    Row("a third", "aminah", "refused", "refused", "no"),
]


@pytest.mark.parametrize("width", [80, 160])
def test_a_row_is_printed_as_soon_as_it_is_there_and_the_table_is_whole_in_the_end(width: int) -> None:
    file = io.StringIO()
    rows = Rows(Console(file=file, width=width), "Tried")
    seen = []
    with rows:
        for row in ROWS:
            rows.add(row)
            seen.append(file.getvalue())
    started = [f"│  {n} │ {row.attempt[:10]}" in text for n, (row, text) in enumerate(zip(ROWS, seen, strict=True), 1)]
    assert started == [True] * len(ROWS)
    assert [row.attempt[:10] in text for row, text in zip(ROWS[1:], seen, strict=False)] == [False] * 2
    printed = file.getvalue()
    whole = Console(file=io.StringIO(), width=width)
    whole.print(table(ROWS, "Tried", width))
    assert printed == cast(io.StringIO, whole.file).getvalue()
    assert {len(line) for line in printed.splitlines()[1:]} == {width}


def test_a_table_that_goes_on_counts_on() -> None:
    file = io.StringIO()
    first = Rows(Console(file=file, width=100), "First")
    with first:
        first.add(ROWS[0])
    second = first.continued("Second")
    with second:
        second.add(Row("wrong", "aminah", "refused", "let in", "no"))
    assert "│  2 │ wrong" in file.getvalue()
    assert [row.attempt for row in second.wrong] == ["wrong"]


def test_docker_is_a_quicker_way_only_where_it_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert quicker() == ""
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    assert quicker() == ""
    docker.write_text("#!/bin/sh\nexit 0\n")
    assert "install kind and run CLUSTER=kind make demo" in quicker()
    (tmp_path / "kind").write_text("#!/bin/sh\n")
    (tmp_path / "kind").chmod(0o755)
    assert quicker().endswith("to save that time, run CLUSTER=kind make demo")


# --- the rows


class Client:
    """A client of a model's Service that hears what it is told to."""

    port = 80

    def __init__(self, parts: list[str], whole: str) -> None:
        self._parts, self._whole = parts, whole

    def reaches(self) -> bool:
        return True

    def stream(self) -> list[str]:
        return self._parts

    def answer(self) -> str:
        return self._whole


class Tenant:
    """A user in whose namespace every model has this status, and every pod these statuses of containers."""

    def __init__(self, condition: dict[str, str], *containers: dict[str, Any]) -> None:
        self._condition, self._containers = condition, containers

    def create(self, _: dict[str, Any]) -> None:
        pass

    def run(self, *_: str) -> str:
        return json.dumps({"items": [{"status": {"containerStatuses": self._containers}}]})

    def get(self, *_: str) -> dict[str, Any]:
        placed = {"type": "Placed", "message": "1 replica in zone cyberjaya-1"}
        placement = {"nodes": ["real-1"]}
        return {"status": {"phase": "Running", "conditions": [self._condition, placed], "placement": placement}}


READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": "it is ready"}
REFUSED = {
    "type": "Ready",
    "status": "False",
    "reason": "SignatureValidationFailed",
    "message": "nobody trusts these weights",
}
WAITS = {"restartCount": 0, "state": {"waiting": {}}, "lastState": {}}


class OneNode:
    """A cluster with a real node, of which a row only needs the name."""

    kind, name = "embedded", "unit"

    class _Machine:
        name = "real-1"

    machines = (_Machine(),)


Tried = Callable[[Tenant, object], list[Row]]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Tried:
    """Return what makes both rows, of what a user sees and what a client hears; no wait is longer than a look."""

    def made(tenant: Tenant, client: object) -> list[Row]:
        def between(*_: object) -> object:
            if isinstance(client, Exception):
                raise client
            return client

        found: list[Row] = []
        archive = Archive(Path("/"), "registry.example.my/it@sha256:1a")
        everything = dict.fromkeys(("client", answering.SIGNED, answering.CHANGED), archive)
        supplies = Supplies(everything, everything, Signer(b"", ""))
        monkeypatch.setattr(answering, "kubectl", lambda *_: tenant)
        monkeypatch.setattr(answering, "came", lambda _what, question, *_: question())
        monkeypatch.setattr("dev.cluster.node.chat.Chat.between", between)
        Answering(cast(EmbeddedCluster, OneNode()), supplies, found.append).run()
        return found

    return made


def test_an_answer_is_told_with_its_place_and_its_question(rows: Tried) -> None:
    row = rows(Tenant(READY), Client(["In Cyberjaya,", " on a real node."], SENTENCE))[-1]
    assert row.outcome == row.expected == "answered"
    assert row.answer == (
        "1 replica in zone cyberjaya-1, on real-1. A pod of the namespace asked its Service: "
        f'"Where are you?" It answered, whole and in 2 parts: "{SENTENCE}"'
    )


@pytest.mark.parametrize(
    ("client", "outcome", "said"),
    [
        (Client(["In", " Singapore."], "In Singapore."), "another answer", "In Singapore."),
        (Client(["In", " Singapore."], SENTENCE), "two answers", "In Singapore."),
        (Client([SENTENCE], SENTENCE), "not streamed", "in one part"),
        (OSError("503: no endpoints"), "no answer", "503: no endpoints"),
        (TimeoutError(), "no answer", "TimeoutError"),
        (http.client.BadStatusLine("x"), "no answer", "asked, and gave no answer"),
        (KeyError("choices"), "no answer", "KeyError: 'choices'"),
        (ClusterError("pod client is on cpu-1, which is no real node"), "failed", "no real node"),
    ],
)
def test_anything_else_is_a_wrong_row_that_says_where_to_look(
    rows: Tried, client: object, outcome: str, said: str
) -> None:
    row = rows(Tenant(READY), client)[-1]
    assert (row.outcome, row.expected) == (outcome, "answered")
    assert said in row.answer
    assert "kubectl describe smodel,pods --namespace assistant" in row.answer


def test_a_model_that_is_not_ready_is_told_by_its_own_words(rows: Tried) -> None:
    row = rows(Tenant(REFUSED, WAITS), Client([], ""))[-1]
    assert row.outcome == "pending"
    assert row.answer.startswith("nobody trusts these weights")


def test_refused_is_what_the_cluster_says_of_it(rows: Tried) -> None:
    row = rows(Tenant(REFUSED, WAITS), Client([], ""))[0]
    assert (row.outcome, row.answer) == ("refused", "nobody trusts these weights")
    assert rows(Tenant(READY, WAITS), Client([], ""))[0].outcome == "not refused"


@pytest.mark.parametrize(
    "container",
    [
        {**WAITS, "state": {"running": {}}},
        {**WAITS, "state": {"terminated": {}}},
        {**WAITS, "lastState": {"terminated": {}}},
        {**WAITS, "restartCount": 1},
    ],
)
def test_a_refused_model_whose_engine_ever_ran_is_a_wrong_row(rows: Tried, container: dict[str, Any]) -> None:
    assert rows(Tenant(REFUSED, container), Client([], ""))[0].outcome == "served"


# --- what is printed at the end


@dataclass
class Named:
    """A cluster of which only its name and its kubeconfig matter."""

    name: str
    file: Path

    def kubeconfig(self) -> Path:
        return self.file


@pytest.mark.parametrize("folder", ["plain", "with a space"])
def test_the_end_names_the_command_and_the_address_of_the_console_of_this_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    monkeypatch.setattr("dev.demo.table.ensure", lambda announce: {"kubectl": tmp_path / "bin/kubectl"})
    cluster, file = Named("mine", tmp_path / folder / "kubeconfig"), io.StringIO()
    explain(Console(file=file, width=80), cast(Cluster, cluster), "The log is there", [], "", ["verify"])
    lines = file.getvalue().splitlines()
    (line,) = [each.strip() for each in lines if " console " in each]
    *command, listen = shlex.split(line)
    assert f"KUBECONFIG={cluster.file}" in command
    assert f"Then open http://{listen.removeprefix('--listen=')}/" in lines
    # In another folder, and without this test's own PYTHONPATH, it is the console, and reads that file.
    bare = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KUBECONFIG")}
    done = subprocess.run([*command, listen], check=False, capture_output=True, text=True, env=bare, cwd=tmp_path)
    assert done.returncode == 2
    assert str(cluster.file) in done.stderr


def test_an_operator_that_is_slow_to_end_is_killed_and_the_removal_goes_on() -> None:
    done: list[str] = []

    class Slow:
        def terminate(self) -> None:
            done.append("terminate")

        def kill(self) -> None:
            done.append("kill")

        def wait(self, timeout: float) -> None:
            done.append("wait")
            raise psutil.TimeoutExpired(timeout)

    removal._end(cast(psutil.Process, Slow()))
    assert done == ["terminate", "wait", "kill", "wait"]
