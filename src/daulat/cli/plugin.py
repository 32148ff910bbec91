"""``kubectl daulat``: the same commands as a plugin of kubectl, and what completes their command lines there."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem, ShellComplete

from .main import main as program

NAME = "kubectl daulat"
_FILES, _NO_FILES = 0, 4
"""What kubectl is to do beside the given words (cobra's ShellCompDirective): complete names of files, or not."""


def main() -> None:
    """Run a command under the name that users typed, so that help and errors show it."""
    program(prog_name=NAME)


def complete() -> None:
    """Write completions of the last argument, one a line, and then what kubectl is to do beside them."""
    click.echo(completions(sys.argv[1:]), nl=False)


def completions(words: Sequence[str]) -> str:
    """Return what kubectl reads."""
    *before, incomplete = words or ("",)
    found = ShellComplete(program, {}, NAME, "").get_completions([*before], incomplete)
    files = any(item.type in ("file", "dir") for item in found)
    lines = [_line(item) for item in found if item.type == "plain"]
    return "".join(f"{line}\n" for line in [*lines, f":{_FILES if files else _NO_FILES}"])


def _line(item: CompletionItem) -> str:
    value = str(item.value)
    return f"{value}\t{' '.join(item.help.split())}" if item.help else value
