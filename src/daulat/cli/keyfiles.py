"""Reads and writes keys of logs and witnesses that a command is given, as text or as files."""

from __future__ import annotations

import os
from pathlib import Path

from daulat.ledger.errors import Malformed
from daulat.ledger.keys import SignerKey, VerifierKey, parse_signer, parse_verifier

from .errors import fail

_LONGEST = 4096
"""Characters: a verifier key of ML-DSA-44 has 1,800."""


def read(path: Path, limit: int) -> bytes:
    """Return a file's bytes. Exits with 2 if it can't be read or has more than ``limit``."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        fail(f"{path}: {(error.strerror or str(error)).lower()}")
    if len(data) > limit:
        fail(f"{path}: is larger than {limit} bytes")
    return data


def verifier(option: str, text: str) -> VerifierKey:
    """Return the verifier key that an option has, or that is in the file that it names. Exits with 2 if there is none."""
    try:
        return parse_verifier(text.strip())
    except Malformed as error:
        path = Path(text)
        try:
            if not path.is_file():
                fail(f"{option}: {error}")
        except OSError:
            # Text that is too long for a file's name.
            fail(f"{option}: {error}")
    try:
        return parse_verifier(read(path, _LONGEST).decode().strip())
    except (Malformed, UnicodeDecodeError) as error:
        fail(f"{option} {text}: {error}")


def signer(option: str, path: Path) -> SignerKey:
    """Return the private key in a file. Exits with 2 if there is none; the message has nothing of the key."""
    try:
        return parse_signer(read(path, _LONGEST).decode().strip())
    except Malformed as error:
        fail(f"{option} {path}: {error}")
    except UnicodeDecodeError:
        fail(f"{option} {path}: not a private key")


def write(path: Path, key: SignerKey) -> None:
    """Write a private key to a file that only its owner may read, durably. Exits with 2 if it exists or can't be made."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key.text()}\n")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        fail(f"{path}: {(error.strerror or str(error)).lower()}")
