"""Records of clusters that died, and processes that only look like ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dev.cluster import processes, state
from dev.cluster.components import ETCD, ORDER
from dev.cluster.connect import connect
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.cluster.locking import exclusive, interrupts_deferred
from dev.cluster.processes import Started

# Ends by itself when its stdin does, should a test forget it.
IDLE = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture(autouse=True)
def _a_home_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CLUSTER", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(IDLE, stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def quiet(_message: str) -> None:
    pass


def cluster_with(*started: Started) -> EmbeddedCluster:
    record = state.Record("embedded", "https://127.0.0.1:1", {"kube-apiserver": 1}, processes=started)
    state.save(state.directory("c"), record)
    return EmbeddedCluster("c", say=quiet)


def started_as(process: subprocess.Popen[bytes], *, seconds_earlier: float = 0.0) -> Started:
    began = processes.start_time(psutil.Process(process.pid))
    return Started(ETCD, process.pid, began - seconds_earlier, tuple(IDLE))


def test_a_pid_that_another_process_got_is_left_alone(bystander: subprocess.Popen[bytes]) -> None:
    cluster = cluster_with(started_as(bystander, seconds_earlier=60))
    assert cluster.status().components[0].pid is None
    cluster.down()
    assert bystander.poll() is None
    assert not state.directory("c").exists()


def test_a_recorded_process_is_ended(bystander: subprocess.Popen[bytes]) -> None:
    cluster = cluster_with(started_as(bystander))
    assert cluster.status().components[0].pid == bystander.pid
    cluster.down()
    assert not psutil.pid_exists(bystander.pid)


def test_a_cluster_whose_processes_are_dead_is_not_ready_and_can_go(bystander: subprocess.Popen[bytes]) -> None:
    started = started_as(bystander)
    bystander.kill()
    bystander.wait()
    cluster = cluster_with(*(replace(started, name=name) for name in ORDER))
    assert not cluster.status().ready
    cluster.down()
    assert state.names() == []


def test_a_process_that_ended_unwaited_for_does_not_run(tmp_path: Path) -> None:
    started = processes.start("x", [sys.executable, "-c", ""], tmp_path / "log")
    processes._children[started.pid].wait()
    assert processes.find(started) is None


def test_a_started_process_outlives_ctrl_c_and_is_stopped_by_us(tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    started = processes.start("x", [sys.executable, "-c", script], tmp_path / "log")
    assert os.getsid(started.pid) == started.pid
    assert processes.find(started) is not None
    processes.stop([started], kill=True)
    assert processes.find(started) is None


def test_a_process_is_found_after_the_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = processes.start("x", ["sleep", "60"], tmp_path / "log")
    try:
        booted = psutil.boot_time()
        monkeypatch.setattr("psutil._psplatform.boot_time", lambda: booted + 3600)
        assert psutil.Process(started.pid).create_time() > time.time() + 3000, "psutil reads the boot time elsewhere"
        assert processes.find(started) is not None
    finally:
        processes.stop([started], kill=True)


def test_a_damaged_record_is_no_record() -> None:
    directory = state.directory("c")
    directory.mkdir(parents=True)
    for text in ("", "{", "[]", '{"kind": "embedded"}', '{"processes": [{"pid": 1}]}'):
        (directory / state.FILE).write_text(text)
        assert state.load(directory) is None


def test_a_record_is_read_as_it_was_written() -> None:
    record = state.Record("embedded", "s", {"etcd": 1}, ("--a=b",), "", (Started(ETCD, 1, 2.5, ("etcd", "-x")),))
    state.save(state.directory("c"), record)
    assert state.load(state.directory("c")) == record


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 41])
def test_a_name_that_is_no_directory_name_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="is no cluster name"):
        EmbeddedCluster(name)


def test_a_cluster_that_is_not_there_says_so() -> None:
    with pytest.raises(ClusterError, match="there is no cluster c: bring it up first"):
        EmbeddedCluster("c").kubeconfig()


def test_a_cluster_of_another_kind_is_not_taken_over() -> None:
    state.save(state.directory("c"), state.Record("existing"))
    with pytest.raises(ClusterError, match="is of kind existing, not embedded"):
        EmbeddedCluster("c", say=quiet).down()


def kubeconfig_for(directory: Path, server: str) -> str:
    path = directory / "kubeconfig"
    path.write_text(
        f"current-context: c\ncontexts: [{{name: c, context: {{cluster: k}}}}]\n"
        f"clusters: [{{name: k, cluster: {{server: '{server}'}}}}]\n"
    )
    return str(path)


def test_a_distant_cluster_is_not_used_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig_for(tmp_path, "https://prod.example.com"))
    with pytest.raises(ClusterError, match="set CLUSTER=existing if fake nodes may be added there"):
        connect()
    monkeypatch.setenv("CLUSTER", "existing")
    assert connect().kind == "existing"
    monkeypatch.setenv("CLUSTER", "embedded")
    assert connect().kind == "embedded"


def test_a_cluster_on_this_machine_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig_for(tmp_path, "https://127.0.0.1:6443"))
    assert connect().kind == "existing"


def test_our_own_kubeconfig_means_no_existing_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(state.directory("gone") / "kubeconfigs" / "admin.yaml"))
    assert connect().kind == "embedded"


def test_a_cluster_stays_what_it_was_brought_up_as(monkeypatch: pytest.MonkeyPatch) -> None:
    state.save(state.directory("c"), state.Record("kind"))
    monkeypatch.setenv("CLUSTER", "embedded")
    assert connect(name="c").kind == "kind"


def test_only_one_holds_a_lock_and_the_other_says_that_it_waits(tmp_path: Path) -> None:
    lock, said, order = tmp_path / "lock", threading.Event(), []

    def second() -> None:
        with exclusive(lock, lambda _message: said.set(), "works"):
            order.append("second")

    with exclusive(lock, quiet, "works"):
        thread = threading.Thread(target=second)
        thread.start()
        assert said.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert not lock.exists()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, as at a terminal: a shell that starts something in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    finished = []

    def work() -> None:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
            finished.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert finished
