"""A witness: keeps the checkpoint that it accepted last of each log, and cosigns those that continue it.

What is kept is flushed to the disk before anything is signed. A failed write therefore refuses the request, and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from http import HTTPStatus

from daulat.ledger import checkpoint, note
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.cosigning import Request, cosignature_lines, parse_request
from daulat.ledger.errors import Malformed
from daulat.ledger.keys import SignerKey, VerifierKey
from daulat.ledger.store import Store
from daulat.ledger.witness import Answer, check_signers, known_logs, refusal, refused

log = logging.getLogger("daulat.witness")

LATEST = "latest"
"""The note that was accepted last, as the log signed it."""
COSIGNED = "checkpoint"
"""The same note with this witness's cosignatures, which monitors read. It may be older than what was accepted last."""


def folder_of(origin: str) -> str:
    """Return where the state of a log is kept, which is also its path for monitors."""
    return sha256(origin.encode()).hexdigest()


class Cosigner:
    """Answers requests. Safe for use by several threads; ``close`` it to release the lock of its state."""

    def __init__(
        self,
        keys: Sequence[SignerKey],
        logs: Sequence[VerifierKey],
        state: Store,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Lock the state. ValueError for keys that don't fit, Locked if another process uses the state."""
        self._logs = known_logs(logs)
        check_signers(keys, self._logs)
        self._keys, self._state, self._clock = tuple(keys), state, clock
        self._one = threading.Lock()
        state.lock()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Return the answer to ``add-checkpoint``. OSError if the state can't be written, Malformed if it can't be read."""
        try:
            request = parse_request(body)
        except Malformed as error:
            return refused(HTTPStatus.BAD_REQUEST, str(error))
        # Comparing with what was kept, and keeping anew, is one step: otherwise an older checkpoint could replace a newer one.
        with self._one:
            return self._decided(request)

    def cosigned(self, folder: str) -> bytes | None:
        """Return the cosigned checkpoint of a log, or None where there is none."""
        known = any(folder_of(origin) == folder for origin in self._logs)
        return self._state.get(f"{folder}/{COSIGNED}") if known else None

    def close(self) -> None:
        """Release the lock."""
        self._state.unlock()

    def _decided(self, request: Request) -> Answer:
        origin = request.head.origin
        keys = self._logs.get(origin, ())
        folder = folder_of(origin)
        latest = self._latest(f"{folder}/{LATEST}") if keys else None
        found = refusal(keys, latest, request)
        if found is not None:
            if found.status is HTTPStatus.UNPROCESSABLE_ENTITY:
                # The log signed it: the request is evidence that it forked.
                log.error("a log submitted another history", extra={"origin": origin, "request": str(request.note)})
            return found
        # Written even if it is the same again: the write before may have failed after it could be read.
        self._state.put(f"{folder}/{LATEST}", bytes(request.note))
        # A time of 0 says that there is none.
        now = max(int(self._clock()), 1)
        signatures = [key.sign(request.note.text, now) for key in self._keys]
        own = [s for s in request.note.signatures if any(key.made(s) for key in keys)]
        self._state.put(f"{folder}/{COSIGNED}", bytes(note.Note(request.note.text, (*own, *signatures))))
        return Answer(HTTPStatus.OK, cosignature_lines(signatures))

    def _latest(self, path: str) -> Checkpoint | None:
        data = self._state.get(path)
        return None if data is None else checkpoint.parse(note.parse(data).text)
