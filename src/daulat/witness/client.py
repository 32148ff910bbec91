"""Has a log's checkpoints cosigned by several witnesses at once, and keeps how that went.

Called from the thread that writes the log: requests run in a thread of their own, and each has a time-out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp

from daulat.ledger.cosigning import MAXIMUM_ANSWER, Submission, parse_cosignatures, parse_size, request
from daulat.ledger.errors import LedgerError
from daulat.ledger.keys import VerifierKey, parse_verifier
from daulat.ledger.note import Signature

from .standing import Outcome, Standing, Standings

log = logging.getLogger("daulat.witness")

TIMEOUT = 10.0
"""Seconds that a witness has for its answers to one checkpoint, the second request included."""
PAUSE = 5.0
"""Seconds for which a witness that didn't answer is left out, so that it doesn't delay every checkpoint. Doubled each time."""
LONGEST_PAUSE = 300.0
_REFUSALS: Mapping[int, Outcome] = {
    HTTPStatus.FORBIDDEN: Outcome.SIGNATURE_REFUSED,
    HTTPStatus.NOT_FOUND: Outcome.UNKNOWN_LOG,
    HTTPStatus.UNPROCESSABLE_ENTITY: Outcome.INCONSISTENT,
}
_UNANSWERED = frozenset({Outcome.UNREACHABLE, Outcome.TIMED_OUT})


@dataclass(frozen=True)
class Witness:
    """A witness: where it is, and its verifier keys, of which one at least has to cosign."""

    url: str
    """Its submission prefix, to which ``/add-checkpoint`` is added."""
    keys: tuple[VerifierKey, ...]

    def __post_init__(self) -> None:
        if len({key.name for key in self.keys}) != 1 or any(not key.type.is_timed for key in self.keys):
            raise ValueError("the keys of a witness have one name, and are of type 4 (Ed25519) or 6 (ML-DSA-44)")
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"the URL of the witness {self.name} begins with https:// or http://")

    @property
    def name(self) -> str:
        """The name of its keys."""
        return self.keys[0].name


def parse_witnesses(texts: Sequence[str]) -> tuple[Witness, ...]:
    """Return the witnesses of texts ``VKEY URL``, as lines of C2SP's tlog-policy end; those with one URL are keys of one witness.

    ValueError if one can't be read.
    """
    keys: dict[str, list[VerifierKey]] = {}
    for text in texts:
        words = text.split()
        if len(words) != 2:
            raise ValueError(f"a witness is written VKEY URL, not {text[:80]!r}")
        keys.setdefault(words[1].rstrip("/"), []).append(parse_verifier(words[0]))
    return tuple(Witness(url, tuple(of)) for url, of in keys.items())


class Witnesses:
    """What a ``Writer`` calls as ``cosign``. Close it after the writer."""

    def __init__(
        self,
        witnesses: Sequence[Witness],
        quorum: int,
        observe: Callable[[str, Outcome], None] = lambda name, outcome: None,
        timeout: float = TIMEOUT,
        pause: float = PAUSE,
    ) -> None:
        """Start the thread. ``observe`` is called with each witness's name and outcome, such as to count them.

        ValueError if names repeat, or if the quorum can't be met.
        """
        names = [w.name for w in witnesses]
        if len(set(names)) != len(names):
            raise ValueError("two witnesses have one name")
        if not 0 <= quorum <= len(names):
            raise ValueError(f"a quorum of {quorum} among {len(names)} witnesses")
        self._witnesses, self._observe, self._timeout, self._pause = tuple(witnesses), observe, timeout, pause
        self._standings = Standings(quorum, tuple(Standing(name) for name in names))
        self._pauses: dict[str, tuple[float, float]] = {}
        """By name: until when, in the loop's time, and how long the pause was."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="witnesses", daemon=True)
        self._thread.start()
        self._session: aiohttp.ClientSession | None = None

    @property
    def standings(self) -> Standings:
        """How the last submission went, and since when the quorum is missed. May be read from any thread."""
        return self._standings

    def __call__(self, submission: Submission) -> Sequence[Signature]:
        """Submit a checkpoint to every witness and return the valid cosignatures."""
        found = asyncio.run_coroutine_threadsafe(self._submit(submission), self._loop).result()
        answers = {w.name: answer for w, answer in zip(self._witnesses, found, strict=True)}
        before = self._standings
        self._standings = before.after(submission.head.size, {n: a.outcome for n, a in answers.items()}, _now())
        for standing in self._standings.witnesses:
            self._observe(standing.name, answers[standing.name].outcome)
            if standing.outcome is not before.of(standing.name).outcome:
                self._log(standing, answers[standing.name].message)
        if self._standings.missed_since is not None and before.missed_since is None:
            log.warning("too few witnesses cosigned a checkpoint", extra={"quorum": self._standings.quorum})
        return [signature for answer in answers.values() for signature in answer.signatures]

    def close(self) -> None:
        """End the thread."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _submit(self, submission: Submission) -> list[_Result]:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return await asyncio.gather(*(self._ask(self._session, w, submission) for w in self._witnesses))

    async def _disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, session: aiohttp.ClientSession, witness: Witness, submission: Submission) -> _Result:
        until, length = self._pauses.get(witness.name, (0.0, 0.0))
        if self._loop.time() < until:
            return _Result(Outcome.PAUSED, "it didn't answer before")
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._asked(session, witness, submission)
        except TimeoutError:
            result = _Result(Outcome.TIMED_OUT, f"no answer within {self._timeout:g} seconds")
        except (aiohttp.ClientError, UnicodeError) as error:
            # Of a name that DNS can't have, the resolver of names says so in its own way.
            result = _Result(Outcome.UNREACHABLE, str(error))
        except (LedgerError, OSError) as error:
            result = _Result(Outcome.UNPROVED, str(error))
        if result.outcome in _UNANSWERED:
            length = min(length * 2 or self._pause, LONGEST_PAUSE)
            self._pauses[witness.name] = (self._loop.time() + length, length)
        else:
            self._pauses.pop(witness.name, None)
        return result

    async def _asked(self, session: aiohttp.ClientSession, witness: Witness, submission: Submission) -> _Result:
        old = self._standings.of(witness.name).size
        if old is None or old > submission.head.size:
            old = submission.previous
        result = await self._once(session, witness, submission, old)
        if result.known is not None and result.known != old and result.known <= submission.head.size:
            # A witness that lags, was added later, or answered when the answer couldn't be kept.
            result = await self._once(session, witness, submission, result.known)
        return result

    async def _once(
        self, session: aiohttp.ClientSession, witness: Witness, submission: Submission, old: int
    ) -> _Result:
        # Hashes come from where the log is kept, which may be a bucket.
        body = bytes(await asyncio.to_thread(request, submission, old))
        url = f"{witness.url.rstrip('/')}/add-checkpoint"
        async with session.post(url, data=body, allow_redirects=False) as response:
            return _read(response.status, await _bounded(response.content), submission, witness)

    def _log(self, standing: Standing, message: str) -> None:
        extra = {"witness": standing.name, "outcome": str(standing.outcome), "why": message}
        if standing.outcome is Outcome.COSIGNED:
            log.info("a witness cosigns", extra=extra)
        elif standing.outcome is Outcome.PAUSED:
            log.debug("a witness is left out", extra=extra)
        else:
            # A witness that knows another history shows a log that was forked or set back, or a key that was stolen.
            level = logging.ERROR if standing.outcome in (Outcome.INCONSISTENT, Outcome.AHEAD) else logging.WARNING
            log.log(level, "a witness doesn't cosign", extra=extra)


@dataclass(frozen=True)
class _Result:
    outcome: Outcome
    message: str = ""
    signatures: tuple[Signature, ...] = ()
    known: int | None = None
    """Entries that the witness has cosigned, where it named them."""


def _read(status: int, body: bytes, submission: Submission, witness: Witness) -> _Result:
    """Return what an answer says."""
    size = submission.head.size
    try:
        if len(body) > MAXIMUM_ANSWER:
            return _Result(Outcome.INVALID_ANSWER, f"an answer of more than {MAXIMUM_ANSWER} bytes")
        if status == HTTPStatus.OK:
            return _Result(Outcome.COSIGNED, signatures=parse_cosignatures(body, submission.note, witness.keys))
        if status == HTTPStatus.CONFLICT:
            known = parse_size(body)
            outcome = Outcome.AHEAD if known > size else Outcome.CONFLICT
            return _Result(outcome, f"it has cosigned {known} entries; this checkpoint has {size}", known=known)
    except LedgerError as error:
        return _Result(Outcome.INVALID_ANSWER, str(error))
    text = body[:200].decode(errors="replace").strip()
    return _Result(_REFUSALS.get(status, Outcome.FAILED), f"{status} {text!r}")


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """Return the body, or its first bytes where there are more than the limit."""
    read = bytearray()
    while len(read) <= MAXIMUM_ANSWER and (part := await content.read(MAXIMUM_ANSWER)):
        read += part
    return bytes(read)


def _now() -> int:
    return int(time.time())
