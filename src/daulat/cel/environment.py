"""The CEL runtime with what Kubernetes adds to it: one environment for the process, each text compiled once, when asked."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from . import functions

ROOTS = ("object", "oldObject", "namespaceObject", "request", "authorizer", "variables")
_CONFIG = """
name: kubernetes
extensions: [{name: bindings}, {name: lists}, {name: optional}, {name: sets}, {name: strings}, {name: two-var-comprehensions}]
"""


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
