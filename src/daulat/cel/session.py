"""One request before the CEL runtime: its objects are converted once, for every expression of every policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cel_expr_python import cel

from .environment import environment
from .plan import Plan, plan

FAILURES = (RuntimeError, ValueError, TypeError, KeyError, OverflowError)
"""What the runtime raises, and what a manifest or a request raises that isn't one."""


class Session:
    """Evaluates expressions on one request."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Take what the expressions see by name, but for the policy's variables."""
        self._data = data
        self._without_variables = environment().Activation(dict(data))
        self._activation = self._without_variables
        self._plan: Plan = plan(())
        self._known: dict[str, Any] = {}
        self._failed: dict[str, str] = {}

    def declare(self, variables: Iterable[Mapping[str, str]]) -> None:
        """Begin with another policy: these are its variables, and those of the one before are gone."""
        self._plan = plan(tuple((v["name"], v["expression"]) for v in variables))
        self._activation = self._with(self._plan.texts) if self._plan.texts else self._without_variables
        self._known = {}
        self._failed = {}

    def value(self, expression: str) -> Any:
        """Return an expression's value as plain Python. Raises one of FAILURES where it has none."""
        step = self._plan.step(expression)
        program, activation = step.program, self._activation
        if step.given:
            values = self._values(step.given)
            if (
                step.program_if_empty is not None
                and len(values) == len(step.given)
                and all(v == [] for v in values.values())
            ):
                program = step.program_if_empty
            else:
                activation = self._with({**self._plan.texts, **values})
        result = program.eval(activation=activation)
        if result.type() == cel.Type.ERROR:
            why = [self._failed[name] for name in step.given if name in self._failed]
            raise ValueError(" ".join([*why, str(result.plain_value())]))
        return result.plain_value()

    def _with(self, variables: Mapping[str, Any]) -> Any:
        return environment().Activation({**self._data, "variables": dict(variables)})

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of those variables that have one. As in the API server, the others matter only where they are read."""
        for name in names:
            if name not in self._known and name not in self._failed:
                try:
                    self._known[name] = self.value(self._plan.expressions[name])
                except FAILURES as error:
                    self._failed[name] = f"variable {name}: {error}"
        return {name: self._known[name] for name in names if name in self._known}
