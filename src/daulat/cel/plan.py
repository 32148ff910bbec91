"""How a policy's variables are worked out: in one go with the expression that reads them, or one after the other.

A value that leaves the runtime and comes back is converted twice, which costs more than most controls. So an expression
takes along the variables that it reads (``variables.containers``), bound by ``cel.bind``. These bindings are lazy, as
variables are in the API server: one that is never read can't fail. Only an expression that reads too many for that, as the
one that gathers the violations of all controls, is given their values.

A single text, such as the name of a policy, is given as well: so the policies of a cluster that differ in nothing else share their
programs, of which each takes 50 times the memory of its expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .environment import compiled
from .functions.regex import MATCHES, number_of

_LITERAL = r"""(?:
    (?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
    | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))"""
_TOKEN = re.compile(
    rf"""
    (?P<text> {_LITERAL} | //[^\n]* )
    | (?P<field>\.\s*\??\s*variables\b)
    | \bvariables\s*\.\s*(?P<variable>[A-Za-z_]\w*)
    | (?P<matches>\bmatches\s*\()(?:\s*(?P<pattern>{_LITERAL})\s*\))?
    """,
    re.VERBOSE | re.DOTALL,
)
_TEXT = re.compile(r'"([^"\\]*)"')
_SCALAR = re.compile(r"true|false|[0-9]+")
_BINDINGS = 12
"""How many variables an expression takes along. The runtime's parser goes 32 levels deep, a binding is one, a control up to 18."""


@dataclass(frozen=True)
class Step:
    """A program, and the variables whose values it must be given."""

    program: Any
    given: tuple[str, ...] = ()
    program_if_empty: Any = None
    """The program for when all that it would be given are empty lists: the rule, as most requests break no control."""


class Plan:
    """The variables of one policy, each of which reads only those before it."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        """Take the variables' expressions by name, in order."""
        self.expressions = expressions
        self.texts = {name: found[1] for name, e in expressions.items() if (found := _TEXT.fullmatch(e))}
        """The variables that are single texts, with these."""
        self._order = {name: place for place, name in enumerate(expressions)}
        self._steps: dict[str, Step] = {}

    def step(self, expression: str) -> Step:
        """Return what evaluates the expression. Raises RuntimeError where it isn't CEL."""
        if expression not in self._steps:
            self._steps[expression] = self._step(expression)
        return self._steps[expression]

    def _step(self, expression: str) -> Step:
        reads = _read_by(expression) & self._order.keys() - self.texts.keys()
        taken = self._taken_along(reads)
        if len(taken) <= _BINDINGS:
            try:
                return Step(compiled(self._bound(expression, taken)))
            except RuntimeError:
                pass  # It may be too deep with them; without them it tells what is wrong.
        given = tuple(sorted(reads, key=self._order.__getitem__))
        text = _TOKEN.sub(_matched, expression)
        empty = _TOKEN.sub(lambda token: "[]" if token["variable"] in reads else _matched(token), expression)
        try:
            return Step(compiled(text), given, compiled(empty))
        except RuntimeError:
            return Step(compiled(text), given)  # Not all of them are lists.

    def _taken_along(self, reads: set[str]) -> list[str]:
        """Return these variables and those that they read, but for those that are written out or given."""
        found: set[str] = set()
        pending = list(reads)
        while pending:
            name = pending.pop()
            if name not in found and not _SCALAR.fullmatch(self.expressions[name]):
                found.add(name)
                pending.extend(_read_by(self.expressions[name]) & self._order.keys() - self.texts.keys())
        return sorted(found, key=self._order.__getitem__)

    def _bound(self, expression: str, taken: list[str]) -> str:
        text = self._written(expression)
        for name in reversed(taken):
            text = f"cel.bind(daulat_{name}, {self._written(self.expressions[name])}, {text})"
        return text

    def _written(self, expression: str) -> str:
        """Return the expression with its variables as bound names or as the texts that they are."""

        def write(token: re.Match[str]) -> str:
            name = token["variable"]
            if name not in self.expressions or name in self.texts:
                return _matched(token)
            text = self.expressions[name]
            return text if _SCALAR.fullmatch(text) else f"daulat_{name}"

        return _TOKEN.sub(write, expression)


@lru_cache(maxsize=512)
def plan(variables: tuple[tuple[str, str], ...]) -> Plan:
    """Return the plan for variables given as names and expressions."""
    return Plan(dict(variables))


def _read_by(expression: str) -> set[str]:
    return {token["variable"] for token in _TOKEN.finditer(expression) if token["variable"]}


def _matched(token: re.Match[str]) -> str:
    """Return the token, a call of ``matches`` with the name and the number by which we know it."""
    if not token["matches"]:
        return token[0]
    if not token["pattern"]:
        return f"{MATCHES}("
    return f"{MATCHES}({number_of(compiled(token['pattern']).eval().plain_value())})"
