"""Kubernetes' CEL functions that the controls use and the CEL runtime lacks: lists and the authorizer.

Each does what ``k8s.io/apiserver/pkg/cel`` does; the parity tests hold it against a real API server.
"""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel

_DYN, _LIST, _STRING, _BOOL = cel.Type.DYN, cel.Type.LIST, cel.Type.STRING, cel.Type.BOOL


def _flatten(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _distinct(items: list[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _allowed(check: dict[str, Any]) -> bool:
    return f"{check['group']}/{check['resource']}/{check['verb']}" in check["allowed"]


def _member(name: str, result: Any, parameters: list[Any], impl: Any) -> Any:
    return cel.FunctionDecl(name, [cel.Overload(f"daulat_{name}", result, parameters, True, impl)])


def extension() -> Any:
    """Return the functions as an extension of the CEL runtime."""
    return cel.CelExtension(
        "kubernetes",
        [
            _member("sort", _LIST, [_LIST], sorted),
            _member("flatten", _LIST, [_LIST], _flatten),
            _member("distinct", _LIST, [_LIST], _distinct),
            _member("group", _DYN, [_DYN, _STRING], lambda a, group: {**a, "group": group}),
            _member("resource", _DYN, [_DYN, _STRING], lambda a, resource: {**a, "resource": resource}),
            _member("check", _DYN, [_DYN, _STRING], lambda a, verb: {**a, "verb": verb}),
            _member("allowed", _BOOL, [_DYN], _allowed),
        ],
    )
