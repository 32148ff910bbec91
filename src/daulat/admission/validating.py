"""Writes one ValidatingAdmissionPolicy from a guard, its controls and the constants they read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.controls.library import Control, Guard

from . import screen
from .literals import TEXT, Constant, literal

_REFERENCE = re.compile(r"\bvariables\.([A-Za-z_][A-Za-z0-9_]*)")
_TEXT = re.compile(TEXT)
_EXTRA = "extra"
"""The variable with the violations that no control finds."""
MESSAGE_BYTES = 5000
"""The API server drops a message of more than 5 KiB (apiserver, celplugin: MaxMessageSize), and with it the reasons."""


@dataclass(frozen=True)
class Exempt:
    """Where and until when a control doesn't apply."""

    namespaces: tuple[str, ...]
    expires_at: str

    def expression(self) -> str:
        """Return CEL that is true where the exemption holds: by the object's own creation time, which a user can't set."""
        return (
            f"(request.namespace in {literal(self.namespaces)} && has(object.metadata.creationTimestamp)"
            f" && timestamp(object.metadata.creationTimestamp) < timestamp({literal(self.expires_at)}))"
        )


@dataclass(frozen=True)
class Addition:
    """What a guard judges beside its controls."""

    violations: str
    """CEL for a list of messages."""
    suspicion: str
    """CEL that is true wherever there is one."""
    conditions: tuple[Manifest, ...] = ()
    """Further match conditions."""


def match_constraints(guard: Guard) -> Manifest:
    """Return matchConstraints, with every default written out so that applying it twice changes nothing.

    Namespaces are the binding's to select. The API server parses a selector for each request, before it looks at the resource. Here
    each guard of each policy would cost every request something; a binding is read only where its policy's resources match.
    """
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": [
            {
                "apiGroups": [r.group],
                "apiVersions": [r.version],
                "operations": list(r.operations),
                "resources": list(r.resources),
                "scope": "*",
            }
            for r in guard.resources
        ],
    }


def spec(
    guard: Guard,
    controls: Sequence[Control],
    constants: Mapping[str, Constant],
    exemptions: Mapping[str, Sequence[Exempt]] | None = None,
    addition: Addition | None = None,
) -> Manifest:
    """Return the spec of a ValidatingAdmissionPolicy with one validation: that all controls together find nothing.

    The message has the controls in the order given, and of each its messages in the order in which it finds them. Where it looks
    at a map, such as labels, that order may differ from one evaluation to the next, as that of Go's maps does.
    """
    exempt = exemptions if exemptions and guard.exemptible else {}
    own = [_control_variable(c, exempt.get(c.id, ())) for c in controls]
    lists = [_messages(c) for c in controls]
    if addition:
        own.append({"name": _EXTRA, "expression": addition.violations})
        lists.append(f"[variables.{_EXTRA}]")
    # Most requests violate nothing. Concatenating empty lists is slower than adding their sizes.
    found = " + ".join(f"size(variables.{v['name']})" for v in own)
    tail = [
        # A list of lists, for no CEL that API servers before 1.35 take makes one list of them.
        {"name": "violations", "expression": f"{found} == 0 ? [] : ({' + '.join(lists)}).filter(l, size(l) > 0)"},
        {"name": "text", "expression": "variables.violations.map(l, l.join(' ')).join(' ').replace('\\n', ' ')"},
    ]
    conditions = [
        *({"name": c.name, "expression": _one_line(c.expression)} for c in guard.conditions),
        *(addition.conditions if addition else ()),
    ]
    if screened := screen.condition(guard, controls, constants, addition.suspicion if addition else ""):
        conditions.append(screened)
    shared = [{"name": v.name, "expression": _one_line(v.expression)} for v in guard.variables]
    # Constants refer to nothing, and some are lists of hundreds of names: only those that are read are written.
    read = {name for v in (*shared, *own, *tail) for name in _read_by(v["expression"])}
    fixed = [{"name": name, "expression": literal(value)} for name, value in sorted(constants.items()) if name in read]
    return {
        "failurePolicy": "Fail",
        "matchConstraints": match_constraints(guard),
        # An empty list is left out by the API server, and what is applied must read back the same.
        **({"matchConditions": conditions} if conditions else {}),
        "variables": _used([*fixed, *shared, *own, *tail], roots=("violations", "text")),
        "validations": [
            {
                "expression": "size(variables.violations) == 0",
                "messageExpression": (
                    f"size(bytes(variables.text)) <= {MESSAGE_BYTES} ? variables.text : "
                    f"variables.text.substring(0, {MESSAGE_BYTES // 4 - 1}) + '...'"
                ),
                "message": f"{guard.title}: refused; the reasons could not be evaluated",
                "reason": "Forbidden",
            }
        ],
    }


def binding_spec(policy: str, action: str, namespace_selector: Manifest) -> Manifest:
    """Return the spec of the binding that puts the policy in force. Enforce refuses, Warn warns, Audit writes it down."""
    actions = {"Enforce": ["Deny"], "Warn": ["Warn", "Audit"], "Audit": ["Audit"]}[action]
    return {"policyName": policy, "matchResources": where(namespace_selector), "validationActions": actions}


def where(namespace_selector: Manifest) -> Manifest:
    """Return a binding's matchResources: the namespaces in which the policy holds, of all that its own constraints match."""
    return {"matchPolicy": "Equivalent", "namespaceSelector": namespace_selector, "objectSelector": {}}


def _messages(control: Control) -> str:
    """Return CEL for what a control found, as a list of lists of messages that begin with its id."""
    found, named = f"variables.{control.variable}", f".map(m, {literal(control.id + ' ')} + m)"
    return f"{found}.map(l, l{named})" if control.nested else f"[{found}{named}]"


def _control_variable(control: Control, exemptions: Iterable[Exempt]) -> dict[str, str]:
    expression = _one_line(control.violations)
    if control.nested:
        expression = f"({expression}).filter(l, size(l) > 0)"
    where = " || ".join(e.expression() for e in exemptions)
    return {"name": control.variable, "expression": f"{where} ? [] : ({expression})" if where else expression}


def _one_line(expression: str) -> str:
    return " ".join(expression.split())


def _used(variables: list[dict[str, str]], roots: Iterable[str]) -> list[dict[str, Any]]:
    """Leave out what nothing refers to: a policy holds only the constants that its own controls read."""
    expressions = {v["name"]: v["expression"] for v in variables}
    needed: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending.extend(_read_by(expressions[name]))
    return [v for v in variables if v["name"] in needed]


def _read_by(expression: str) -> list[str]:
    """Return the variables that an expression reads. A text refers to nothing: a registry may well be called variables.example."""
    return _REFERENCE.findall(_TEXT.sub("", expression))
