"""Errors of a command: written to standard error, one a line. Exit code 2 says that input or usage is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NoReturn

import click

from .text import printable


def print_errors(problems: Iterable[object]) -> bool:
    """Write each problem in a line. Return whether there was any."""
    any_written = False
    for problem in problems:
        click.echo(printable(f"error: {problem}"), err=True)
        any_written = True
    return any_written


def fail_if(problems: Iterable[object]) -> None:
    """Write the problems, and exit with 2 if there are any."""
    if print_errors(problems):
        sys.exit(2)


def fail(problem: object) -> NoReturn:
    """Write one problem and exit with 2."""
    print_errors([problem])
    sys.exit(2)
