"""Tells what is wrong with the input, on standard error and harmless for a terminal, and ends the command for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NoReturn

import click

from .text import printable


def tell(problems: Iterable[object]) -> bool:
    """Write each problem in a line. Return whether there was any."""
    any_told = False
    for problem in problems:
        click.echo(printable(f"error: {problem}"), err=True)
        any_told = True
    return any_told


def end_if(problems: Iterable[object]) -> None:
    """Tell the problems and end with 2 where there are any."""
    if tell(problems):
        sys.exit(2)


def end(problem: object) -> NoReturn:
    """Tell one problem and end with 2."""
    tell([problem])
    sys.exit(2)
