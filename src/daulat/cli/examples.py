"""Examples at the end of a command's help, in the form that kubectl's own help has."""

from __future__ import annotations

import re

WIDTH = 74
"""Characters of a line, so that with its indent and a backslash it fits a terminal of 80 columns."""


def examples(*shown: tuple[str, str]) -> str:
    """Return the end of a command's help: each example is what it is for, and a command line.

    A line that is too long for a terminal of 80 columns is continued in the next, as a shell reads it.
    """
    return "\b\nExamples:\n" + "\n".join(f"  # {meaning}\n  {_folded(command)}" for meaning, command in shown)


def _folded(command: str) -> str:
    return "\n".join(_line(line) for line in command.split("\n"))


def _line(line: str) -> str:
    if len(line) <= WIDTH:
        return line
    lines: list[str] = []
    for part in re.split(r" (?=--|> |\| )", line):
        if lines and len(lines[-1]) + 1 + len(part) <= WIDTH:
            lines[-1] += f" {part}"
        else:
            lines.append(f"    {part}" if lines else part)
    return " \\\n  ".join(lines)
