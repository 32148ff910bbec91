"""What can be wrong with a statement or a key."""

from __future__ import annotations


class AttestationError(ValueError):
    """A statement, an envelope or a key that can't be used, with the reason."""
