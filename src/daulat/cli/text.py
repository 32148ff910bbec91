"""Makes text from elsewhere harmless for a terminal or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text with every character that could steer a terminal written as an escape, line ends too."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
