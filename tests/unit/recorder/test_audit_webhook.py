"""The audit webhook over TLS: who may send, and what is answered when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import aiohttp
import pytest

from daulat.recorder.audit import webhook
from daulat.recorder.audit.webhook import AuditWebhook, WebhookOptions
from dev.cluster.pki import Authority
from tests.unit.evidence.audits import event_list, refused

from .taking import Log, intake, run

NOW = datetime(2026, 11, 30, tzinfo=UTC)
BODY = event_list(refused())


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    ours, others = Authority.create("ours"), Authority.create("others")
    (directory / "ca.crt").write_bytes(ours.pair.certificate)
    ours.server("recorder", ["127.0.0.1"]).write(directory, "server")
    ours.client("kube-apiserver", ()).write(directory, "apiserver")
    ours.client("alice", ()).write(directory, "alice")
    others.client("kube-apiserver", ()).write(directory, "stranger")
    (directory / "token").write_text("s3cret\n")
    return directory


def options(pki: Path, **changes: object) -> WebhookOptions:
    made = WebhookOptions(pki / "server.crt", pki / "server.key", pki / "ca.crt", host="127.0.0.1", port=0)
    return replace(made, **changes)  # type: ignore[arg-type] # the tests name fields


@asynccontextmanager
async def listening(log: Log, made: WebhookOptions, now: Callable[[], datetime] | None = None) -> AsyncIterator[str]:
    server = AuditWebhook(intake(log), made, now or (lambda: NOW))
    port = await server.start()
    try:
        yield f"https://127.0.0.1:{port}/audit"
    finally:
        await server.stop()


async def post(url: str, pki: Path, user: str = "apiserver", body: bytes = BODY, token: str = "") -> int:
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    if user:
        context.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(url, data=body, ssl=context) as answer,
    ):
        return answer.status


def test_a_batch_is_answered_once_the_log_has_it(pki: Path) -> None:
    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki)) as url:
            assert await post(url, pki) == 200
            assert log.kinds == ["AuditBatch", "Refused"]

    run(scenario())


def test_batches_that_wait_for_the_log_are_limited(pki: Path) -> None:
    async def scenario() -> None:
        log = Log()
        log.waits = asyncio.Event()
        async with listening(log, options(pki)) as url:
            waiting = [asyncio.ensure_future(post(url, pki)) for _ in range(webhook._WAITING + 3)]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert {task.result() for task in done} == {503}
            log.waits.set()
            assert sorted(await asyncio.gather(*waiting)) == [200] * webhook._WAITING + [503] * 3
            assert log.kinds.count("AuditBatch") == 1

    run(scenario())


def test_a_batch_that_the_log_cannot_take_is_answered_503_and_taken_when_it_comes_again(pki: Path) -> None:
    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki)) as url:
            log.full = True
            assert await post(url, pki) == 503
            log.full = False
            assert await post(url, pki) == 200
        assert log.kinds == ["AuditBatch", "Refused"]

    run(scenario())


@pytest.mark.parametrize("user", ["", "stranger"])
def test_a_client_without_a_certificate_of_the_authority_sends_nothing(pki: Path, user: str) -> None:
    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki)) as url:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await post(url, pki, user)
        assert log.drafts == []

    run(scenario())


def test_a_certificate_of_another_user_of_the_same_authority_sends_nothing(pki: Path) -> None:
    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki, client_names=frozenset({"kube-apiserver"}))) as url:
            assert await post(url, pki, "alice") == 401
            assert log.drafts == []
            assert await post(url, pki, "apiserver") == 200

    run(scenario())


@pytest.mark.parametrize(("token", "status"), [("s3cret", 200), ("s3cre", 401), ("", 401), ("s3cret2", 401)])
def test_a_token_may_stand_for_a_certificate(pki: Path, token: str, status: int) -> None:
    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki, client_ca=None, token_file=pki / "token")) as url:
            assert await post(url, pki, "", token=token) == status
        assert bool(log.drafts) == (status == 200)

    run(scenario())


def test_an_empty_or_missing_token_file_lets_nobody_in(pki: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        log = Log()
        (tmp_path / "empty").write_text("\n")
        for name, status in (("empty", 401), ("missing", 503)):
            async with listening(log, options(pki, client_ca=None, token_file=tmp_path / name)) as url:
                assert await post(url, pki, "", token="x") == status
        assert log.drafts == []

    run(scenario())


def test_a_webhook_for_everybody_is_refused(pki: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="client CA or a token"):
            AuditWebhook(intake(Log()), options(pki, client_ca=None))

    run(scenario())


def test_a_body_that_is_too_large_is_recorded_by_its_digest_and_not_repeated(
    pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MOST_BYTES", 100_000)

    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki)) as url:
            assert await post(url, pki, body=b"x" * 300_000) == 200
        (unreadable,) = log.of("AuditUnreadable")
        assert (unreadable["bytes"], unreadable["reason"]) == (300_000, "larger than 100000 bytes")

    run(scenario())


def test_a_body_without_end_is_cut_off(pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_ENDLESS", 200_000)

    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki)) as url:
            assert await post(url, pki, body=b"x" * 300_000) == 413
        assert log.drafts == []

    run(scenario())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff" * 50])
def test_a_body_that_cannot_be_read_is_recorded_and_not_repeated(pki: Path, body: bytes) -> None:
    async def scenario() -> None:
        log = Log()
        async with listening(log, options(pki)) as url:
            assert await post(url, pki, body=body) == 200
        assert log.kinds == ["AuditUnreadable"]

    run(scenario())


def test_a_replica_that_does_not_write_sends_batches_to_another_and_reads_none(pki: Path) -> None:
    async def scenario() -> None:
        log = Log()
        server = AuditWebhook(intake(log), options(pki), writes=lambda: False)
        port = await server.start()
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"https://127.0.0.1:{port}/audit", data=BODY, ssl=context) as answer,
        ):
            assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
            # The next try is over a new connection, which a Service may lead to the replica that writes.
            assert answer.headers["Connection"] == "close"
        await server.stop()
        assert log.drafts == []

    run(scenario())


@pytest.mark.parametrize(("down", "told"), [(timedelta(seconds=60), False), (timedelta(hours=1), True)])
def test_a_gap_is_recorded_where_the_api_server_has_given_batches_up(pki: Path, down: timedelta, told: bool) -> None:
    async def scenario() -> None:
        log = Log()
        there = NOW.astimezone(timezone(timedelta(hours=8)))
        await AuditWebhook(intake(log), options(pki), lambda: there).tell_gap(NOW - down)
        expected = {
            "source": "webhook",
            "reason": "NotListening",
            "since": "2026-11-29T23:00:00Z",
            "until": "2026-11-30T00:00:00Z",
        }
        assert log.of("AuditGap") == ([expected] if told else [])

    run(scenario())


@pytest.mark.parametrize(("seconds", "told"), [(60, 0), (3600, 1)])
def test_a_gap_is_recorded_once_the_log_takes_entries_again(pki: Path, seconds: int, told: int) -> None:
    async def scenario() -> None:
        log, times = Log(), [NOW]
        async with listening(log, options(pki), lambda: times[-1]) as url:
            log.full = True
            assert await post(url, pki) == 503
            times.append(NOW + timedelta(seconds=seconds))
            assert await post(url, pki) == 503
            log.full = False
            assert await post(url, pki) == 200
            assert await post(url, pki, body=event_list()) == 200
        assert [(g["reason"], g["since"]) for g in log.of("AuditGap")] == [("NotTaken", "2026-11-30T00:00:00Z")] * told

    run(scenario())
