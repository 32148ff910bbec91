"""The recorder on a real API server, under the chart's own rights: what ran where, from whatever happens in the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daulat.ledger import entry
from daulat.ledger.checkpoint import parse as parse_checkpoint
from daulat.ledger.folder import Folder
from daulat.ledger.keys import parse_verifier
from daulat.ledger.reader import CHECKPOINT, entries
from daulat.ledger.trust import Trust, trusted
from daulat.ledger.verification import verify
from dev.deployment import RecorderProcess, helm, poll

from .world import NAMESPACE, World, model_manifest

pytestmark = pytest.mark.e2e


def logged(recorder: RecorderProcess, *kinds: str) -> list[dict[str, Any]]:
    """Return the data of the log's entries of these kinds, each with its index as ``entry``."""
    files = Folder(recorder.ledger)
    data = files.get(CHECKPOINT)
    if data is None:
        return []
    head = trusted(data, Trust((parse_verifier(recorder.verifier.read_text()),)))
    found = enumerate(map(entry.parse, entries(files, head.size)))
    return [{**e.data, "entry": n, "kind": e.kind, "time": e.time} for n, e in found if e.kind in kinds or not kinds]


@pytest.fixture(scope="module")
def recorder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecorderProcess]:
    settings = (
        "--reuse-values",
        "--set=recorder.enabled=true",
        "--set=recorder.key.secretName=log",
        "--set=recorder.replicas=0",
    )
    helm(world.cluster.kubeconfig(), "upgrade", "daulat", "charts/daulat", "--set=replicas=0", *settings)
    process = RecorderProcess(world.cluster, tmp_path_factory.mktemp("recorder"))
    process.start()
    poll("the recorder to write", lambda: world.metric(process, "daulat_leader") == 1, 60)
    yield process
    process.stop()
    helm(world.cluster.kubeconfig(), "upgrade", "daulat", "charts/daulat", "--set=replicas=0", "--reset-values")


def test_a_model_runs_and_its_log_says_where(world: World, recorder: RecorderProcess) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)

        def run() -> dict[str, Any] | None:
            return next((r for r in logged(recorder, "RunStarted") if r["namespace"] == namespace), None)

        poll("the run to be recorded", lambda: run() is not None)
        found = run()
        print(json.dumps(logged(recorder), indent=1)[-6000:])
        assert found is not None
