"""What a cluster of dev.cluster does about components that a test or a benchmark has stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.cluster import ClusterError, EmbeddedCluster, processes, state


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedCluster]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = EmbeddedCluster("stopped")
    runs = processes.start("kube-controller-manager", ["sleep", "60"], tmp_path / "log")
    ended = processes.Started("kube-scheduler", runs.pid, runs.start_time - 3600, ("true",))
    folder = state.directory("stopped")
    folder.mkdir(parents=True)
    state.save(folder, state.Record("embedded", processes=(runs, ended)))
    yield made
    processes.stop([runs], kill=True)


def test_a_start_waits_for_its_component_while_another_one_stays_stopped(cluster: EmbeddedCluster) -> None:
    answers = iter([False, True])
    cluster._await("it", lambda: next(answers), "kube-controller-manager")


def test_a_cluster_that_comes_up_needs_all_of_its_components(cluster: EmbeddedCluster) -> None:
    with pytest.raises(ClusterError, match="kube-scheduler ended at once"):
        cluster._await("it", lambda: False)
