"""One replica: it keeps its Lease while it opens the log, and takes no audit batch before it knows which are recorded."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, cast

import pytest

from daulat.evidence.personal import Pseudonyms
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.recorder.auditing import Auditing, AuditOptions
from daulat.recorder.keeper import Place
from daulat.recorder.observers import State
from daulat.recorder.process import Options, Process
from tests.unit.ledger.logs import KEY, Memory
from tests.unit.world import policy

from .taking import Log

PSEUDONYMS = Pseudonyms(lambda name: name.encode().ljust(32))


class FakeClient:
    """Has no namespace kube-system."""

    async def get(self, path: str) -> None:
        return None


class FakeLease:
    """Is held, and lost when it is told to."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    async def acquire(self) -> None:
        return None

    async def keep(self) -> None:
        await self.lost.wait()

    async def good(self) -> None:
        return None


def test_a_replica_keeps_its_lease_while_it_opens_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        options = Options("daulat-system", "r-0", Place(Memory(), [KEY]), PSEUDONYMS)
        process = Process(cast("Client", FakeClient()), options)
        lease, opens = FakeLease(), asyncio.Event()

        async def begin(drafts: Any) -> None:
            opens.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(process, "_lease", lease)
        monkeypatch.setattr(process._recorder, "begin", begin)
        process._follower.informer.synced.set()
        writing = asyncio.ensure_future(process._write())
        await opens.wait()
        lease.lost.set()
        assert await asyncio.wait_for(writing, 10) == "the lease was lost"

    asyncio.run(scenario())


def test_a_policy_that_can_not_be_read_is_a_gap() -> None:
    async def scenario() -> None:
        options = Options("daulat-system", "r-0", Place(Memory(), [KEY]), PSEUDONYMS)
        process = Process(cast("Client", FakeClient()), options)
        process._follower.informer.answered = time.monotonic()
        process._store.apply("SovereigntyPolicy", policy())
        assert process._mirrored() == State()
        broken = policy()
        broken["spec"]["action"] = "Someday"
        broken["metadata"]["resourceVersion"] = "2"
        process._store.apply("SovereigntyPolicy", broken)
        assert "confidential" in process._mirrored().reason

    asyncio.run(scenario())


def test_no_batch_is_taken_before_it_is_known_which_ones_are_recorded() -> None:
    async def scenario() -> None:
        auditing = Auditing(AuditOptions(), PSEUDONYMS, Store("daulat-system"), Log().accept, lambda: True)
        assert not auditing.takes()
        running = asyncio.ensure_future(auditing.run([], None))
        await asyncio.sleep(0)
        assert auditing.takes()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_a_position_that_can_not_be_read_stops_the_audit_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "position.json").write_text("nonsense")
    options = AuditOptions(file=tmp_path / "audit.log", position=tmp_path / "position.json")

    async def scenario() -> None:
        auditing = Auditing(options, PSEUDONYMS, Store("daulat-system"), Log().accept, lambda: True)
        running = asyncio.create_task(auditing.run([], None))
        await asyncio.sleep(0.05)
        assert not running.done()
        assert "isn't a position in an audit log" in auditing.problem
        running.cancel()

    asyncio.run(scenario())
