"""A log's checkpoints are cosigned by the witnesses that can be reached, and what the others answered is known."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aiohttp import web

from daulat.ledger import reader
from daulat.ledger.cosigning import MAXIMUM_ANSWER, cosignature_lines, parse_request
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.trust import Trust, examine
from daulat.ledger.writer import Writer
from daulat.witness.client import Witness, Witnesses, parse_witnesses
from daulat.witness.cosigner import Cosigner
from daulat.witness.server import application
from daulat.witness.standing import Outcome, Standing, Standings
from tests.unit.ledger.logs import KEY, NOW, STRANGER, WITNESSES, Memory, entries, log

from .servers import Handler, answering, serving

FIRST, SECOND, THIRD = WITNESSES
LOG = [KEY.verifier()]


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def witness(servers: ExitStack, key: SignerKey, state: Memory | None = None) -> Witness:
    """Return a real witness of the log."""
    cosigner = Cosigner([key], LOG, state or Memory(), lambda: NOW)
    servers.callback(cosigner.close)
    return Witness(servers.enter_context(serving(application(cosigner))), (key.verifier(),))


def answers(servers: ExitStack, key: SignerKey, handler: Handler) -> Witness:
    """Return a witness that answers in a way of its own."""
    return Witness(servers.enter_context(serving(answering(handler))), (key.verifier(),))


def unreachable(key: SignerKey) -> Witness:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return Witness(f"http://127.0.0.1:{port}", (key.verifier(),))


def witnessed(store: Memory) -> list[str]:
    found = examine(store.files["checkpoint"], Trust(tuple(LOG), tuple(w.verifier() for w in WITNESSES), 0))
    assert not found.doubts
    return [w.name for w in found.witnessed]


def outcomes(witnesses: Witnesses) -> list[Outcome | None]:
    return [standing.outcome for standing in witnesses.standings.witnesses]


def test_witnesses_cosign_a_log_as_it_grows(servers: ExitStack) -> None:
    known = [witness(servers, key) for key in WITNESSES]
    store = Memory()
    with Witnesses(known, 2) as witnesses, Writer.create(store, [KEY], NOW, witnesses) as writer:
        for start, count in [(0, 5), (5, 300), (305, 1)]:
            writer.append(entries(count, start), NOW)
            assert witnessed(store) == [w.name for w in WITNESSES]
            assert witnesses.standings.missed_since is None
        assert {s.size for s in witnesses.standings.witnesses} == {306}


def test_a_witness_that_was_away_or_is_new_catches_up(servers: ExitStack) -> None:
    state = Memory()
    known = witness(servers, FIRST, state)
    store = log(7)
    with Writer.open(store, [KEY], NOW) as writer:
        writer.append(entries(3, 7), NOW)
    # It has never seen the log, which continues from 10.
    with Witnesses([known], 1) as witnesses, Writer.open(store, [KEY], NOW, witnesses) as writer:
        writer.append(entries(10, 10), NOW)
        assert witnessed(store) == [FIRST.name]
    # It has seen 20, and the log continues from 30.
    with Writer.open(store, [KEY], NOW) as writer:
        writer.append(entries(10, 20), NOW)
    with Witnesses([known], 1) as witnesses, Writer.open(store, [KEY], NOW, witnesses) as writer:
        writer.append(entries(300, 30), NOW)
        assert witnessed(store) == [FIRST.name]


@pytest.mark.parametrize("url", ["http://a..b", f"http://{'a' * 70}.example", "http://[::1", "http://x:99999"])
def test_a_witness_at_an_impossible_address_stops_no_log(url: str) -> None:
    with Witnesses([Witness(url, (FIRST.verifier(),))], 1) as witnesses:
        with Writer.create(Memory(), [KEY], NOW, witnesses) as writer:
            writer.append(entries(1), NOW)
            assert writer.head.size == 1
        assert outcomes(witnesses)[0] in (Outcome.UNREACHABLE, Outcome.PAUSED)


def test_an_idle_log_is_submitted_again(servers: ExitStack) -> None:
    store = log(5, witnesses=[SECOND])
    known = [witness(servers, FIRST), unreachable(SECOND)]
    with Witnesses(known, 2) as witnesses, Writer.open(store, [KEY], NOW, witnesses) as writer:
        before = writer.head
        writer.cosign(NOW)
        assert writer.head == before
    # What the other witness cosigned before is still there.
    assert sorted(witnessed(store)) == [FIRST.name, SECOND.name]


def test_what_the_checkpoint_has_is_published_where_too_few_cosign(servers: ExitStack) -> None:
    known = [witness(servers, FIRST), unreachable(SECOND), unreachable(THIRD)]
    store = Memory()
    counted = []
    with (
        Witnesses(known, 2, lambda name, outcome: counted.append((name, outcome))) as witnesses,
        Writer.create(store, [KEY], NOW, witnesses) as writer,
    ):
        writer.append(entries(5), NOW)
        assert witnessed(store) == [FIRST.name]
        since = witnesses.standings.missed_since
        assert since is not None
        assert witnesses.standings.cosigned == 1
        assert outcomes(witnesses) == [Outcome.COSIGNED, Outcome.PAUSED, Outcome.PAUSED]
    assert counted.count((SECOND.name, Outcome.UNREACHABLE)) == 1
    assert counted.count((SECOND.name, Outcome.PAUSED)) == 1
    assert reader.entry(store, 4, 5) == entries(1, 4)[0]


def test_a_witness_that_doesnt_answer_is_left_out_for_a_while(servers: ExitStack) -> None:
    asked = []

    async def hangs(request: web.Request) -> web.Response:
        asked.append(await request.read())
        await asyncio.sleep(60)
        raise AssertionError

    known = answers(servers, FIRST, hangs)
    with (
        Witnesses([known], 1, timeout=0.2, pause=3600) as witnesses,
        Writer.create(Memory(), [KEY], NOW, witnesses) as writer,
    ):
        assert outcomes(witnesses) == [Outcome.TIMED_OUT]
        writer.append(entries(1), NOW)
        assert outcomes(witnesses) == [Outcome.PAUSED]
    assert len(asked) == 1


def test_a_witness_that_answers_without_an_end_is_timed_out(servers: ExitStack) -> None:
    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    with Witnesses([answers(servers, FIRST, drips)], 0, timeout=0.3) as witnesses:
        Writer.create(Memory(), [KEY], NOW, witnesses).close()
        assert outcomes(witnesses) == [Outcome.TIMED_OUT]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (403, b"", Outcome.SIGNATURE_REFUSED),
        (404, b"", Outcome.UNKNOWN_LOG),
        (422, b"", Outcome.INCONSISTENT),
        (500, b"\x00\xff", Outcome.FAILED),
        (302, b"", Outcome.FAILED),
        (599, b"", Outcome.FAILED),
        (200, b"", Outcome.INVALID_ANSWER),
        (200, b"x" * (MAXIMUM_ANSWER + 1), Outcome.INVALID_ANSWER),
        (409, b"x\n", Outcome.INVALID_ANSWER),
        (409, b"1000\n", Outcome.AHEAD),
        (409, b"3\n", Outcome.CONFLICT),
        (409, b"0\n", Outcome.CONFLICT),
    ],
)
def test_an_answer_without_a_cosignature_has_a_reason(
    servers: ExitStack, status: int, body: bytes, outcome: Outcome
) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(parse_request(await request.read()).old)
        return web.Response(status=status, body=body, headers={"Location": "/add-checkpoint"})

    store = log(5)
    with (
        Witnesses([answers(servers, FIRST, handler)], 1) as witnesses,
        Writer.open(store, [KEY], NOW, witnesses) as writer,
    ):
        writer.append(entries(5, 5), NOW)
        assert outcomes(witnesses) == [outcome]
        assert witnesses.standings.missed_since is not None
    # A second request is made once, from the size that the witness named.
    assert asked == ([5, int(body)] if outcome is Outcome.CONFLICT else [5])
    assert witnessed(store) == []


def test_a_cosignature_by_another_key_isnt_added(servers: ExitStack) -> None:
    async def forges(request: web.Request) -> web.Response:
        text = parse_request(await request.read()).note.text
        made = SignerKey(FIRST.name, FIRST.type, b"\7" * 32).sign(text, NOW)
        return web.Response(body=cosignature_lines([made, KEY.sign(text, NOW), STRANGER.sign(text, NOW)]))

    store = log(5)
    with (
        Witnesses([answers(servers, FIRST, forges)], 1) as witnesses,
        Writer.open(store, [KEY], NOW, witnesses) as writer,
    ):
        writer.append(entries(1, 5), NOW)
        assert outcomes(witnesses) == [Outcome.INVALID_ANSWER]
    assert b"STRANGER" not in store.files["checkpoint"]
    assert store.files["checkpoint"].count("\u2014".encode()) == 1


def test_a_log_that_was_set_back_isnt_cosigned_again(servers: ExitStack) -> None:
    known = witness(servers, FIRST)
    store = log(5)
    backup = store.copy()
    with Witnesses([known], 1) as witnesses:
        with Writer.open(store, [KEY], NOW, witnesses) as writer:
            writer.append(entries(10, 5), NOW)
            assert outcomes(witnesses) == [Outcome.COSIGNED]
        with Writer.open(backup, [KEY], NOW, witnesses) as writer:
            writer.append(entries(2, 100), NOW)
            assert outcomes(witnesses) == [Outcome.AHEAD]
            writer.append(entries(20, 102), NOW)
            assert outcomes(witnesses) == [Outcome.INCONSISTENT]
    assert witnessed(backup) == []


MISSED = Standings(1, (Standing("w"),)).after(5, {"w": Outcome.TIMED_OUT}, 100)


def test_a_missed_quorum_is_known_since_the_first_checkpoint_that_missed_it() -> None:
    assert MISSED.missed_since == 100
    again = MISSED.after(6, {"w": Outcome.PAUSED}, 200)
    assert again.missed_since == 100
    met = again.after(7, {"w": Outcome.COSIGNED}, 300)
    assert (met.missed_since, met.of("w").size) == (None, 7)
    assert met.after(8, {"w": Outcome.FAILED}, 400) == Standings(1, (Standing("w", 7, Outcome.FAILED),), 400)


def test_witnesses_are_read_from_lines() -> None:
    quantum = SignerKey(FIRST.name, KeyType.ML_DSA_44, b"\x20" * 32).verifier()
    lines = [
        f"{FIRST.verifier()} https://a.example/w/",
        f"{SECOND.verifier()}\thttp://b.example ",
        f"{quantum} https://a.example/w",
    ]
    assert parse_witnesses(lines) == (
        Witness("https://a.example/w", (FIRST.verifier(), quantum)),
        Witness("http://b.example", (SECOND.verifier(),)),
    )


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        [str(FIRST.verifier())],
        ["https://a.example"],
        [f"https://a.example {FIRST.verifier()}"],
        [f"{KEY.verifier()} https://a.example"],
        [f"{FIRST.verifier()} https://a.example", f"{SECOND.verifier()} https://a.example"],
    ],
)
def test_lines_that_are_no_witnesses_are_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"witness|key"):
        parse_witnesses(lines)


@pytest.mark.parametrize("quorum", [-1, 2])
def test_a_quorum_that_cant_be_met_is_refused(quorum: int) -> None:
    with pytest.raises(ValueError, match="quorum"):
        Witnesses([unreachable(FIRST)], quorum)


def test_witnesses_that_cant_be_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        Witnesses([unreachable(FIRST), unreachable(FIRST)], 1)
    for keys in ((), (KEY.verifier(),), (FIRST.verifier(), SECOND.verifier())):
        with pytest.raises(ValueError, match="keys"):
            Witness("http://127.0.0.1", keys)
    with pytest.raises(ValueError, match="URL"):
        Witness("ftp://127.0.0.1", (FIRST.verifier(),))
