"""Identifiers that OSCAL asks for, made of names alone so that the same report has the same ones (RFC 9562, version 5)."""

from __future__ import annotations

from hashlib import sha1

_URL = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")
"""The namespace of names that are URLs."""


def uuid5(*names: str) -> str:
    """Return the UUID of a name under Daulat's own URL."""
    name = "/".join(["https://daulat.dev/reports", *names])
    # It identifies, and protects nothing.
    made = bytearray(sha1(_URL + name.encode("utf-8", "backslashreplace"), usedforsecurity=False).digest()[:16])
    made[6] = made[6] & 0x0F | 0x50
    made[8] = made[8] & 0x3F | 0x80
    text = made.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
