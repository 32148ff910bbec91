"""Signed notes (C2SP signed-note): a text and signature lines. Which signatures hold is decided in ``keys``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import base64
from .errors import Malformed

MAXIMUM_NOTE = 1_000_000
"""Bytes of a note that is read: 100 signatures of ML-DSA-44 are 330,000."""
MAXIMUM_SIGNATURES = 100
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class Signature:
    """One signature line: whose key, and the bytes that its algorithm made."""

    name: str
    key_id: bytes
    """4 bytes."""
    signature: bytes

    @property
    def line(self) -> str:
        """The line with its end."""
        return f"\u2014 {self.name} {base64.encode(self.key_id + self.signature)}\n"


@dataclass(frozen=True)
class Note:
    """A text that ends with a line end, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(s.line for s in self.signatures)

    def __bytes__(self) -> bytes:
        return str(self).encode()

    def signed_by(self, more: Sequence[Signature]) -> Note:
        """Return the note with more signatures behind its own. One by a key that has signed replaces the earlier one."""
        replaced = {(s.name, s.key_id) for s in more}
        kept = [s for s in self.signatures if (s.name, s.key_id) not in replaced]
        return Note(self.text, (*kept, *more))


def check_name(name: str) -> None:
    """Raise Malformed if the name of a key is empty, or has spaces, control characters or a plus sign."""
    if not name or "+" in name or any(c.isspace() for c in name) or not name.isprintable():
        raise Malformed(f"invalid key name {name!r}: it must not be empty, nor have spaces, control characters or +")


def parse(data: bytes) -> Note:
    """Return the note, whose signatures aren't verified. Malformed if it isn't one."""
    if len(data) > MAXIMUM_NOTE:
        raise Malformed(f"a note of more than {MAXIMUM_NOTE} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a note that isn't UTF-8") from error
    if _CONTROL.search(whole):
        raise Malformed("a note with control characters")
    # The text may have empty lines: the last one separates it from the signatures.
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise Malformed("a note without signatures")
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MAXIMUM_SIGNATURES:
        raise Malformed(f"a note with more than {MAXIMUM_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(signatures))


def _signature(line: str) -> Signature:
    dash, name, encoded = [*line.split(" "), "", ""][:3]
    if dash != "\u2014" or line.count(" ") != 2:
        raise Malformed(f"not a signature line: {line[:80]!r}")
    check_name(name)
    data = base64.decode(encoded)
    if len(data) < 5:
        raise Malformed(f"a signature of {len(data)} bytes by {name}")
    return Signature(name, data[:4], data[4:])
