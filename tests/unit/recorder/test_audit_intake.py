"""The intake: a batch is remembered once the log has it, and not before."""

from __future__ import annotations

import asyncio

import pytest

from daulat.evidence.audit.batch import Origin
from daulat.evidence.audit.entries import Source
from daulat.recorder.audit.intake import Unavailable
from tests.unit.evidence.audits import event_list, refused, session

from .taking import Log, intake, run

BODY = event_list(refused())
WEBHOOK = Origin(Source.WEBHOOK)


def test_a_batch_that_the_log_refused_is_recorded_when_it_comes_again() -> None:
    async def scenario() -> None:
        log = Log()
        taking = intake(log)
        log.full = True
        with pytest.raises(Unavailable):
            await taking.take(BODY, WEBHOOK)
        assert log.drafts == []
        log.full = False
        await taking.take(BODY, WEBHOOK)
        assert log.kinds == ["AuditBatch", "Refused"]

    run(scenario())


def test_a_batch_that_is_repeated_leaves_no_trace() -> None:
    async def scenario() -> None:
        log = Log()
        taking = intake(log)
        await taking.take(BODY, WEBHOOK)
        await taking.take(BODY, WEBHOOK)
        assert log.kinds == ["AuditBatch", "Refused"]

    run(scenario())


def test_a_batch_that_is_repeated_while_it_is_being_accepted_is_recorded_once() -> None:
    async def scenario() -> None:
        log = Log()
        log.waits = asyncio.Event()
        taking = intake(log)
        first = asyncio.create_task(taking.take(BODY, WEBHOOK))
        second = asyncio.create_task(taking.take(BODY, WEBHOOK))
        log.waits.set()
        await asyncio.gather(first, second)
        assert log.kinds == ["AuditBatch", "Refused"]

    run(scenario())


def test_a_batch_that_was_recorded_before_a_restart_is_known_by_its_digest() -> None:
    async def scenario() -> None:
        before, log = Log(), Log()
        recorded = await intake(before).take(BODY, WEBHOOK)
        taking = intake(log)
        taking.remember([recorded.digest])
        await taking.take(BODY, WEBHOOK)
        assert log.drafts == []
        # Its events are known as well, should they come in another batch.
        await taking.take(event_list(refused(), session("ResponseStarted")), WEBHOOK)
        assert log.kinds == ["AuditBatch", "SessionOpened"]

    run(scenario())
