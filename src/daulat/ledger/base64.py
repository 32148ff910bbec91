"""Base 64 (RFC 4648 section 4) with one spelling for each value, so that a changed file can't pass for the original."""

from __future__ import annotations

import binascii

from .errors import Malformed


def encode(data: bytes) -> str:
    """Return the data as one line without a line end."""
    return binascii.b2a_base64(data, newline=False).decode()


def decode(text: str) -> bytes:
    """Return what the text encodes. Malformed for characters outside the alphabet, missing padding, or bits left over."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"invalid base64: {error}") from error
    if encode(data) != text:
        raise Malformed("invalid base64: another text encodes the same bytes")
    return data
