"""What a witness answers to a log, decided from the request and from the checkpoint that the witness has accepted last.

Nothing is signed here: the caller first keeps what was accepted, durably, and signs then. So a witness that is killed at any point
has never cosigned two histories of a log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from . import tree
from .checkpoint import Checkpoint
from .cosigning import SIZE_TYPE, Request, size_line
from .keys import KeyType, SignerKey, VerifierKey

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """An answer to a request."""

    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT


def refused(status: HTTPStatus, message: str) -> Answer:
    """Return the answer that refuses a request."""
    return Answer(status, f"{message}\n".encode())


def refusal(keys: Sequence[VerifierKey], latest: Checkpoint | None, request: Request) -> Answer | None:
    """Return why the checkpoint isn't cosigned, or None where it is to be kept and cosigned.

    ``keys`` are those of the log with the checkpoint's origin, none for an unknown log; ``latest`` is what was kept of it last.
    """
    head = request.head
    if not keys:
        return refused(HTTPStatus.NOT_FOUND, "this witness has no such log")
    made = [(key, s) for key in keys for s in request.note.signatures if key.made(s)]
    if not made or not all(key.verifies(request.note, s) for key, s in made):
        return refused(HTTPStatus.FORBIDDEN, "there is no signature by a key of the log, or one isn't valid")
    if request.old > head.size:
        return refused(HTTPStatus.BAD_REQUEST, f"the old size is {request.old}, the checkpoint's {head.size}")
    known = 0 if latest is None else latest.size
    if request.old != known:
        return Answer(HTTPStatus.CONFLICT, size_line(known), SIZE_TYPE)
    root = tree.EMPTY_ROOT if latest is None else latest.root
    if head.size == 0 and head.root != tree.EMPTY_ROOT:
        return refused(HTTPStatus.UNPROCESSABLE_ENTITY, "a log of no entries has another root")
    if not tree.is_consistent(request.old, root, head.size, head.root, request.proof):
        return refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"the checkpoint doesn't continue the {known} entries known")
    return None


def known_logs(keys: Sequence[VerifierKey]) -> Mapping[str, tuple[VerifierKey, ...]]:
    """Return the keys of logs by origin. ValueError for a key that isn't a log's, or that is given twice."""
    if any(key.type is KeyType.COSIGNATURE for key in keys):
        raise ValueError("the key of a log is of type 1 (Ed25519) or 6 (ML-DSA-44)")
    if len({(key.type, key.public) for key in keys}) != len(keys):
        raise ValueError("the same public key is given twice")
    return {name: tuple(key for key in keys if key.name == name) for name in {key.name for key in keys}}


def check_signers(keys: Sequence[SignerKey], logs: Mapping[str, Sequence[VerifierKey]]) -> None:
    """Raise ValueError unless the keys are those of one witness, which isn't one of the logs."""
    if not keys or any(not key.type.is_timed for key in keys):
        raise ValueError("the key of a witness is of type 4 (Ed25519 cosignature) or 6 (ML-DSA-44)")
    if len({key.name for key in keys}) != 1:
        raise ValueError("the keys of a witness have one name")
    public = {key.public for keys_of in logs.values() for key in keys_of}
    if keys[0].name in logs or any(key.verifier().public in public for key in keys):
        raise ValueError("a log can't be its own witness")
