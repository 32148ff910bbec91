"""The CEL runtime with what Kubernetes adds to it: one environment for the process, each text compiled once, when asked."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from . import functions

ROOTS = ("object", "oldObject", "namespaceObject", "request", "authorizer", "variables")
_CONFIG = """
name: kubernetes
extensions: [{name: bindings}, {name: optional}, {name: sets}, {name: strings}]
"""
"""Without lists (flatten, sort, distinct ...) and comprehensions of two variables, which API servers before 1.35 and 1.33 don't
take in a new policy: what a control may not use is unknown here, too. ``bindings`` is for ``plan.py`` alone."""


@lru_cache(maxsize=4096)  # A process sees new revisions for as long as it lives.
def compiled(text: str) -> Any:
    """Return the text's program. Raises RuntimeError where it isn't CEL."""
    return environment().compile(text)


@cache
def environment() -> Any:
    """Return the CEL environment."""
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_CONFIG),
        variables=dict.fromkeys(ROOTS, cel.Type.DYN),
        extensions=[functions.extension()],
    )
