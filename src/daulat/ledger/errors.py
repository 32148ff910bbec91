"""Errors of the log: text that isn't in its format, signatures that don't hold, folders that can't be written to."""

from __future__ import annotations


class LedgerError(Exception):
    """Base of all errors of the log."""


class Malformed(LedgerError, ValueError):
    """Bytes or text that aren't in the format that they should be in."""


class Untrusted(LedgerError):
    """A checkpoint or proof that isn't signed, witnessed or proved as required."""


class Inconsistent(LedgerError):
    """Files that disagree with the checkpoint beside them. The writer doesn't open such a log."""


class Rotated(Inconsistent):
    """The log was handed over to other keys than those that it is opened with."""


class Locked(LedgerError):
    """Another process writes to the log."""


class Closed(LedgerError):
    """The writer is closed, or a write has failed and what is stored has to be read again."""
