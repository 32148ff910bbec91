"""Examples at the end of a command's help, in the form that kubectl's own help has."""

from __future__ import annotations


def examples(*shown: tuple[str, str]) -> str:
    """Return the end of a command's help: each example is what it is for, and a command line."""
    return "\b\nExamples:\n" + "\n".join(f"  # {meaning}\n  {command}" for meaning, command in shown)
