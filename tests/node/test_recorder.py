"""The log says of a real node what is seen there by the machine's own process table and the kubelet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dev.deployment import CHART, RECORDER, RecorderProcess, helm, poll
from tests.e2e.test_recorder import logged, once, where

from .models import Served, pods_of
from .observer import Observer, Seen
from .world import RealWorld


@pytest.fixture(scope="module")
def recorder(real: RealWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecorderProcess]:
    kubeconfig = real.cluster.kubeconfig()
    helm(kubeconfig, "upgrade", "daulat", str(CHART), "--reuse-values", *RECORDER)
    process = RecorderProcess(real.cluster, tmp_path_factory.mktemp("recorder"))
    process.start()
    yield process
    process.stop()
    helm(kubeconfig, "upgrade", "daulat", str(CHART), "--reuse-values", "--set=recorder.enabled=false")


def test_the_log_names_the_machine_the_boot_the_images_and_the_weights_that_are_really_there(
    real: RealWorld, served: Served, recorder: RecorderProcess
) -> None:
    (pod,) = pods_of(real, served.namespace)
    run = once(recorder, "RunStarted", uid=pod["metadata"]["uid"])
    node = next(e for e in logged(recorder, "NodeRecorded") if e["entry"] == run["nodeEntry"])
    info = real.get("node", run["node"])["status"]["nodeInfo"]
    assert (node["systemUUID"], node["bootID"]) == (info["systemUUID"], info["bootID"])
    assert node["systemUUID"]
    statuses = [*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"]]
    reported = {s["name"]: re.search(r"sha256:[0-9a-f]{64}$", s["imageID"]) for s in statuses}
    assert run["containers"] == {name: found[0] for name, found in reported.items() if found}
    # What the init container checked is what the model pins.
    pinned = real.get("sovereignmodel", served.name, namespace=served.namespace)["spec"]["model"]["uri"]
    assert run["weights"] == run["loaded"] == f"sha256:{pinned.partition('@sha256:')[2]}"
    assert run["country"] == "MY"


def test_every_program_that_ran_belongs_to_a_run_of_the_log(
    real: RealWorld, served: Served, recorder: RecorderProcess
) -> None:
    (pod,) = pods_of(real, served.namespace)
    before = once(recorder, "RunStarted", uid=pod["metadata"]["uid"])
    seen: set[tuple[str, str]] = set()

    def note(what: Seen) -> bool:
        seen.add((what.node, what.pod))
        return False

    with Observer(real, served.namespace) as observer:
        observer.forbid(note)
        real.admin.run("delete", "pod", pod["metadata"]["name"], "-n", served.namespace)
        ended = once(recorder, "RunEnded", uid=pod["metadata"]["uid"])
        poll("another pod to serve", lambda: bool(ready(real, served, pod)))
        (next_pod,) = ready(real, served, pod)
        after = once(recorder, "RunStarted", uid=next_pod["metadata"]["uid"])
    assert ended["runEntry"] == before["entry"]
    runs = {(r["node"], r["pod"]) for r in where(recorder, "-n", served.namespace)["runs"]}
    assert seen <= runs
    assert {(before["node"], before["pod"]), (after["node"], after["pod"])} <= runs
    assert seen


def ready(real: RealWorld, served: Served, without: dict[str, Any]) -> list[dict[str, Any]]:
    found = [p for p in pods_of(real, served.namespace) if p["metadata"]["uid"] != without["metadata"]["uid"]]
    return [
        p
        for p in found
        if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions") or ())
    ]
