"""Writes the guard of other projects' routes and its control from the catalog's data: CEL walks no path that is data itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from daulat.api.packaged import load

GUARD = Path("src/daulat/controls/guards/foreign-routes.yaml")
CONTROL = Path("src/daulat/controls/USE-09.foreign-routes.yaml")
_VARIABLES = {
    "routeKind": "object.kind + '.' + object.apiVersion.split('/')[0]",
    "ownNamespaces": "[request.namespace] + variables.routeNamespaces",
    "ownSuffixes": (
        "variables.ownNamespaces + variables.ownNamespaces.map(n, n + '.svc')"
        " + variables.ownNamespaces.map(n, n + '.svc.cluster.local')"
    ),
    "within": (
        "'policy ' + variables.policy + ' lets routes lead to Services of the namespace itself'"
        " + (size(variables.routeNamespaces) == 0 ? '' : ' and of ' + variables.routeNamespaces.join(', ')) + ' alone. '"
    ),
    "underDomains": "'policy ' + variables.policy + ' allows ' + variables.routeDomains.join(', ') + ' and names under them. '",
}
_WITHIN = "' + variables.within + '"
_DOMAINS = "' + variables.underDomains + '"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Judged(_Data):
    """What the fields of a kind say: see the head of ``catalog/routes.yaml``."""

    hosts: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    kinds: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    absent: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


class Project(_Data):
    """The kinds of one API group."""

    project: str
    source: str
    group: str
    kinds: dict[str, str]
    judged: dict[str, Judged] = Field(default_factory=dict)


def projects() -> tuple[Project, ...]:
    """Return every project's kinds."""
    raw: list[Any] = load((resources.files("daulat.catalog") / "routes.yaml").read_text())
    return tuple(Project.model_validate(p) for p in raw)


def written(control: str) -> dict[Path, str]:
    """Return the guard, and the control with its expression written anew."""
    head, _, rest = control.partition("violations: >-\n")
    _, _, examples = rest.partition("examples:\n")
    lines = " ".join(_violations().split("\n"))
    return {GUARD: _guard(), CONTROL: f"{head}violations: >-\n  {lines}\nexamples:\n{examples}"}


def _guard() -> str:
    lines = ["# Written by `make generate` from src/daulat/catalog/routes.yaml.", "guard: foreign-routes"]
    lines += ["title: Routes of other projects in governed namespaces", "scope: policy", "resources:"]
    lines += [
        f'  - {{group: {p.group}, version: "*", resources: [{", ".join(p.kinds.values())}], operations: [CREATE, UPDATE]}}'
        for p in projects()
    ]
    lines += ["conditions:", "  - name: content-changes"]
    # Not every kind has a spec: a ServiceExport is one by being there.
    changes = (
        "request.operation != 'UPDATE' || (has(object.spec) != has(oldObject.spec)"
        " || has(object.spec) && object.spec != oldObject.spec)"
    )
    lines += [f"    expression: {changes}", "variables:"]
    for name, expression in _VARIABLES.items():
        lines += [f"  - name: {name}", "    expression: >-", f"      {expression}"]
    return "\n".join(lines) + "\n"


def _violations() -> str:
    allowed = "(size(variables.routeKinds) == 0 ? 'no route of another project' : variables.routeKinds.join(', '))"
    refused = (
        "variables.routeKind in variables.routeKinds ? [] : ['kind: a ' + variables.routeKind + ' was made; policy '"
        f" + variables.policy + ' allows ' + {allowed} + '. Use a route of the Gateway API.']"
    )
    kinds: dict[str, tuple[list[str], Judged]] = {}
    for project in projects():
        for kind, judged in project.judged.items():
            kinds.setdefault(f"{kind} {judged.model_dump_json()}", ([], judged))[0].append(f"{kind}.{project.group}")
    # A list of lists rather than a sum: parsers of CEL stop at 32 levels, and a sum has one for each part.
    parts = [refused]
    for names, judged in kinds.values():
        listed = ", ".join(f"'{n}'" for n in names)
        found = ", ".join(f"{test} ? '{message}' : ''" for test, message in _rules(judged))
        parts.append(f"variables.routeKind in [{listed}] ? [{found}] : []")
    return f"[{', '.join(parts)}].map(l, l.filter(m, m != ''))"


def _rules(judged: Judged) -> Iterator[tuple[str, str]]:
    """Yield CEL that says whether a rule is broken, and the message within quotes."""
    for path in judged.hosts:
        test = _any(path, lambda v: f"!{_known_host(v)}")
        yield (
            f"size(variables.routeDomains) > 0 && {test}",
            f"{path}: another name was set; {_DOMAINS}Choose one of them.",
        )
    for path in judged.unread:
        yield (
            f"size(variables.routeDomains) > 0 && {_any(path, lambda _: 'true')}",
            f"{path}: host names in it aren\\'t read; {_DOMAINS}Use a route of the Gateway API.",
        )
    for path in judged.services:
        yield (
            _any(path, lambda v: f"!{_own_service(v)}"),
            f"{path}: a name outside the namespace was set; {_WITHIN}Choose one.",
        )
    for path in judged.namespaces:
        test = _any(path, lambda v: f"{v} != '' && !({v} in variables.ownNamespaces)")
        yield test, f"{path}: another namespace was named; {_WITHIN}Remove it."
    for path in judged.names:
        yield (
            _any(path, lambda v: f"{v}.contains('@') || {v}.contains('/')"),
            f"{path}: a name with @ or / was set; {_WITHIN}Choose one.",
        )
    for path in judged.gateways:
        test = _any(path, lambda v: f"{v}.contains('/') && {v}.split('/')[0] != request.namespace")
        yield (
            test,
            (
                f"{path}: a Gateway of another namespace was named; policy ' + variables.policy"
                " + ' allows Gateways of the namespace itself alone. Make a Gateway here."
            ),
        )
    for path, kinds in judged.kinds.items():
        yield (
            _any(path, _none_of(kinds)),
            f"{path}: another kind than a Service was named; {_WITHIN}Name one.",
        )
    for path in judged.absent:
        yield _any(path, lambda _: "true"), f"{path}: this can send requests elsewhere; {_WITHIN}Remove it."
    classes = "(size(variables.ingressClasses) == 0 ? 'none' : variables.ingressClasses.join(', '))"
    for path in judged.classes:
        test = _any(path, lambda v: f"!({v} in variables.ingressClasses)")
        allowed = f"policy ' + variables.policy + ' allows ' + {classes} + '. Choose an approved class."
        yield test, f"{path}: another class was set; {allowed}"


def _none_of(values: tuple[str, ...]) -> Callable[[str], str]:
    listed = ", ".join(f"'{v}'" for v in values)
    return lambda v: f"!({v} in [{listed}])"


def _any(path: str, holds: Callable[[str], str], at: str = "object", depth: int = 0) -> str:
    """Return CEL that says whether a condition holds at the path, for any item of the lists in it."""
    name, _, rest = path.partition(".")
    field = f"{at}.{name.removesuffix('[]')}"
    if name.endswith("[]"):
        item = f"v{depth}"
        inner = _any(rest, holds, item, depth + 1) if rest else f"({holds(item)})"
        return f"has({field}) && {field}.exists({item}, {inner})"
    return f"has({field}) && {_any(rest, holds, field, depth) if rest else f'({holds(field)})'}"


def _known_host(value: str) -> str:
    """Return CEL for a name under an approved domain, or a Service's own. Istio writes NAMESPACE/NAME in Gateways."""
    name = f"{value}.substring({value}.lastIndexOf('/') + 1)"
    return f"(variables.routeDomains.exists(d, {name} == d || {name}.endsWith('.' + d)) || {value} != '*' && {_own_service(value)})"


def _own_service(value: str) -> str:
    return f"(!{value}.contains('.') || {value}.substring({value}.indexOf('.') + 1) in variables.ownSuffixes)"
