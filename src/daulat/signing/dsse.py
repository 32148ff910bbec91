"""DSSE (v1): signs a payload, and says whether a key has signed an envelope.

What is signed is the payload with its type and both lengths, so that bytes that were signed for another purpose don't pass for it.
"""

from __future__ import annotations

import json
from typing import Any

from daulat.ledger import base64
from daulat.ledger.errors import Malformed, Untrusted

from . import keys
from .keys import PrivateKey, PublicKey

IN_TOTO = "application/vnd.in-toto+json"
"""The type of a payload that is an in-toto statement."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding, which is what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signed(payload: bytes, payload_type: str, key: PrivateKey) -> bytes:
    """Return the envelope as JSON."""
    made = keys.sign(key, pae(payload_type, payload))
    envelope = {
        "payloadType": payload_type,
        "payload": base64.encode(payload),
        "signatures": [{"sig": base64.encode(made)}],
    }
    return json.dumps(envelope, indent=2).encode() + b"\n"


def verified(envelope: bytes, payload_type: str, key: PublicKey) -> bytes:
    """Return the payload. Malformed where it is no envelope, Untrusted where the key hasn't signed it, or it has another type."""
    try:
        read: Any = json.loads(envelope)
        kind, payload = str(read["payloadType"]), base64.decode(str(read["payload"]))
        signatures = [base64.decode(str(s["sig"])) for s in read["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed("not a DSSE envelope") from error
    if kind != payload_type:
        raise Untrusted(f"the envelope's payload is of the type {kind[:80]!r}, not {payload_type}")
    message = pae(kind, payload)
    if not any(keys.made(key, signature, message) for signature in signatures):
        raise Untrusted("the envelope isn't signed by the key")
    return payload
