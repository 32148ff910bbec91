"""The CEL functions that Kubernetes adds and the CEL runtime lacks, for every expression of an admission policy.

Each does what ``k8s.io/apiserver/pkg/cel/library`` of 1.37 does, errors included; ``tests/e2e/test_cel_functions.py``
holds them against a real API server. ``sets``, ``strings`` and optional values come with the runtime. Not all of these may be
used in a control: ``ip`` is writable from 1.31 on, ``includes`` from 1.38.

cel-expr-python 0.1.3 never releases what a function written in Python is given or returns (but for small integers), and
ends the process where that is an optional value. So these are for what the runtime can't do itself.
"""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel

from . import authorizer, convert, ip, lists, quantity, regex, url

__all__ = ["extension"]


def extension() -> Any:
    """Return the functions as an extension of the CEL runtime."""
    declared: dict[str, list[Any]] = {}
    for library in (authorizer, convert, ip, lists, quantity, regex, url):
        for function in library.FUNCTIONS:
            overloads = declared.setdefault(function.name, [])
            overloads.append(function.overload(f"daulat_{function.name.replace('.', '_')}_{len(overloads)}"))
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, found) for name, found in declared.items()])
