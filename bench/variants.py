"""The compiled policy with a part taken away, or written otherwise: what each part costs is the difference."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.apiserver import policy
from daulat.admission.literals import TEXT
from daulat.controls import library

Manifest = dict[str, Any]
_OBJECT = re.compile(r"\b(object|oldObject|request|variables|namespaceObject)\b")
_TEXT = re.compile(TEXT)
# A text comes first, so that a variable is never looked for inside one.
_VARIABLE = re.compile(rf"{_TEXT.pattern}|\bvariables\.([A-Za-z_][A-Za-z0-9_]*)")
_LONG_LIST = 6


@dataclass(frozen=True)
class Variant:
    """One way to write the policy; its name is that of its namespace too."""

    name: str
    title: str
    manifests: tuple[Manifest, ...]
    pinned: bool = True
    """Whether pods come pinned; else admission pins them."""
    labels: tuple[tuple[str, str], ...] = ()
    """Further labels of the pods that are sent."""


def every() -> list[Variant]:
    """Return the variants. Each is compared with a namespace that has no policy at all."""
    made: list[Variant] = []

    def add(title: str, change: Callable[[str], Sequence[Manifest]], **options: Any) -> None:
        name = f"v{len(made):02}"
        made.append(Variant(name, title, tuple(change(name)), **options))

    add("nothing (chance alone)", lambda name: [])
    add("the whole policy", lambda name: policy(name).manifests)
    add("guards of other objects", _other_guards)
    add("pin, where the pod has it", _pin)
    add("pin, left aside by a label", _pin_by_label, labels=(("daulat.dev/pinned", "true"),))
    add("pods' guard", _guard)
    add("pods' guard, no messageExpression", lambda name: _guard(name, _without_message))
    add("pods' guard, no matchConditions", lambda name: _guard(name, _without_conditions))
    add("pods' guard, nothing but `true`", lambda name: _guard(name, _trivial))
    add("constants inlined", lambda name: _guard(name, inline_constants))
    add("constants inlined, lists as maps", lambda name: _guard(name, lists_as_maps, inline_constants))
    add("the same, controls inlined", lambda name: _guard(name, lists_as_maps, inline_constants, _inline_controls))
    add("judged in matchConditions", lambda name: _guard(name, _judge_in_conditions))
    add(
        "in matchConditions, lists as maps",
        lambda name: _guard(name, lists_as_maps, _judge_in_conditions),
    )
    for control in library.controls():
        if control.guard == "pods":
            add(f"pods' guard without {control.id}", lambda name, c=control.id: _guard(name, off=(c,)))  # type: ignore[misc]
    add("pin, unpinned pod", _pin, pinned=False)
    add("pin never again, unpinned pod", _pin_never_again, pinned=False)
    return made


def _of(name: str, kind: str, guard: str, off: Sequence[str] = ()) -> list[Manifest]:
    """Return the policy of one guard and its binding, or the pin and its."""
    full = f"{name}.{guard}.daulat.dev"
    found = {m["kind"]: m for m in policy(name, off).manifests if m["metadata"]["name"] == full}
    return [found[kind], found[f"{kind}Binding"]]


def _other_guards(name: str) -> list[Manifest]:
    return [
        m
        for m in policy(name).manifests
        if m["kind"].startswith("Validating") and m["metadata"]["name"] != f"{name}.pods.daulat.dev"
    ]


def _guard(name: str, *changes: Callable[[Manifest], None], off: Sequence[str] = ()) -> list[Manifest]:
    manifests = copy.deepcopy(_of(name, "ValidatingAdmissionPolicy", "pods", off))
    for change in changes:
        change(manifests[0]["spec"])
    return manifests


def _pin(name: str) -> list[Manifest]:
    return copy.deepcopy(_of(name, "MutatingAdmissionPolicy", "pin"))


def _pin_by_label(name: str) -> list[Manifest]:
    manifests = _pin(name)
    unlabelled = {"matchExpressions": [{"key": "daulat.dev/pinned", "operator": "DoesNotExist"}]}
    manifests[0]["spec"]["matchConstraints"]["objectSelector"] = unlabelled
    return manifests


def _pin_never_again(name: str) -> list[Manifest]:
    manifests = _pin(name)
    manifests[0]["spec"]["reinvocationPolicy"] = "Never"
    return manifests


def _without_message(spec: Manifest) -> None:
    del spec["validations"][0]["messageExpression"]


def _without_conditions(spec: Manifest) -> None:
    del spec["matchConditions"]


def _trivial(spec: Manifest) -> None:
    del spec["matchConditions"]
    spec["variables"] = []
    spec["validations"] = [{"expression": "true"}]


def inline_constants(spec: Manifest) -> None:
    """Write constants where they are used, instead of as variables that are evaluated anew for each request."""
    fixed = {v["name"]: v["expression"] for v in spec["variables"] if _is_constant(v["expression"])}
    spec["variables"] = [
        {**v, "expression": _replaced(v["expression"], fixed)} for v in spec["variables"] if v["name"] not in fixed
    ]


def lists_as_maps(spec: Manifest) -> None:
    """Ask whether a name is among many of a map, which looks it up, instead of a list, which compares them all."""
    for variable in spec["variables"]:
        if variable["expression"].startswith('["') and variable["expression"].count('", "') >= _LONG_LIST:
            as_map = "{" + variable["expression"][1:-1].replace('", "', '": true, "') + ": true}"
            membership = re.compile(rf"\bin variables\.{variable['name']}\b")
            for other in spec["variables"]:
                other["expression"] = membership.sub(lambda _, m=as_map: f"in {m}", other["expression"])  # type: ignore[misc]


def _inline_controls(spec: Manifest) -> None:
    own = {v["name"]: v["expression"] for v in spec["variables"] if re.fullmatch(r"[A-Z]{3}_\d\d", v["name"])}
    spec["variables"] = [
        {**v, "expression": _replaced(v["expression"], own)} for v in spec["variables"] if v["name"] not in own
    ]


def _judge_in_conditions(spec: Manifest) -> None:
    """Look for violations in a match condition, once; the validation then only says which, for what is refused.

    There are no variables in match conditions: shared ones become the variables of loops over a single value.
    """
    inline_constants(spec)
    _inline_controls(spec)
    shared = [v for v in spec["variables"] if v["name"] not in ("violations", "text")]
    found = next(v["expression"] for v in spec["variables"] if v["name"] == "violations")
    condition = f"size({found}) > 0"
    for variable in reversed(shared):
        condition = f"[{variable['expression']}].exists({variable['name']}, {condition})"
    condition = _replaced(condition, {v["name"]: v["name"] for v in shared})
    spec["matchConditions"].append({"name": "something-is-found", "expression": condition})


def _is_constant(expression: str) -> bool:
    return not _OBJECT.search(_TEXT.sub("", expression))


def _replaced(expression: str, by: dict[str, str]) -> str:
    """Put expressions in the place of variables, outside texts."""

    def value(match: re.Match[str]) -> str:
        return f"({by[match[1]]})" if match[1] in by else match[0]

    return _VARIABLE.sub(value, expression)
