"""Writes an explanation for people: sections of lines, with reasons indented below what they are about."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from daulat.api.counted import counted, few
from daulat.api.kinds import Manifest

from ..text import Page

_COLOURS = {
    "refused": "red",
    "warned": "yellow",
    "audited": "blue",
    "satisfied": "green",
    "allowed": "green",
    "rejected": "red",
    "not valid": "red",
    "undecided": "yellow",
    "eligible": "green",
    "accepted": "green",
    "approved": "green",
    "in force": "green",
    "not judged": "yellow",
    "not evaluated": "red",
}
_RESULTS = {"unjudged": "not judged", "unevaluated": "not evaluated"}
"""How results that aren't words are written."""
_VERDICT = 10
"""Columns of a verdict before the text."""
_SAMPLE = 5
_NODES = 8
"""How many nodes of an accelerator in a zone are shown; JSON and YAML have all of them."""


class Outline(Page):
    """A page of sections, with the reasons below what they are about."""

    def title(self, text: str, verdict: str = "") -> None:
        """Add the first line."""
        self.line(self.styled(text, bold=True), *(("  ", self._verdict(verdict)) if verdict else ()))

    def section(self, text: str) -> None:
        """Add the title of a section."""
        self.line()
        self.line(self.styled(text, bold=True))

    def item(self, text: str, depth: int = 1, verdict: str = "") -> None:
        """Add a text to the section, behind a verdict where it has one. ``depth`` counts levels of indentation."""
        indent = "  " * depth
        if not verdict:
            self.wrapped(text, indent, indent + "  ")
            return
        # Colours take no room on the terminal, so they are added once the lines are wrapped.
        blank, start = indent + " " * _VERDICT, len(self.lines)
        self.wrapped(text, blank)
        if len(self.lines) == start:
            self.line()
        self.lines[start] = indent + self._verdict(verdict) + self.lines[start][len(indent) + len(verdict) :]

    def items(self, texts: Iterable[str], depth: int = 1) -> None:
        """Add texts to the section."""
        for text in texts:
            self.item(text, depth)

    def _verdict(self, verdict: str) -> str:
        return self.styled(verdict, fg=_COLOURS.get(verdict))


def render(explained: Manifest, page: Outline) -> str:
    """Return an explanation of a control, a policy or an object as text."""
    if "control" in explained:
        _control(page, explained)
    elif "check" in explained:
        _check(page, explained)
    elif "preset" in explained and "policy" not in explained:
        _preset(page, explained)
    elif "policy" in explained:
        _policy(page, explained)
    else:
        _object(page, explained)
    return str(page)


def _control(page: Outline, explained: Manifest) -> None:
    page.title(f"{explained['control']} ({', '.join(explained['axis'])})")
    for guard in explained["guards"]:
        page.section(f"{guard['guard']}: {guard['title']}")
        page.item(guard["why"])
        page.item(f"judges {', '.join(guard['resources'])} on {', '.join(guard['operations'])}")
        called = ", or ".join(guard["calledForBy"])
        if guard["scope"] == "policy":
            page.item(f"called for by {called}" if called else "every policy calls for it")
            page.item("exemptions hold" if guard["exemptible"] else "no exemption holds")
        else:
            page.item("guards the whole cluster: no policy calls for it, and no exemption holds")
        for example in guard["examples"]:
            page.item(f"{example['operation']} {example['name']}", verdict=example["verdict"])
            page.items(example["messages"], 7)


def _check(page: Outline, explained: Manifest) -> None:
    page.title(f"{explained['check']} {explained['title']} ({explained['severity']})")
    page.section("why")
    page.item(explained["why"])
    page.section("what to do")
    page.item(explained["remedy"])
    page.section("what daulat doctor reads for it")
    page.item(", ".join(explained["reads"]))


def _preset(page: Outline, explained: Manifest) -> None:
    page.title(f"preset {explained['preset']}")
    page.items([explained["title"], f"status: {explained['status']}", explained["note"]])
    page.items(f"not covered: {text}" for text in explained["open"])
    for group in explained["rules"]:
        page.section(f"rules for {group['dataClass']} data" if group["dataClass"] else "rules")
        page.items(f"{rule['field']}: {_value(rule['value'])}" for rule in group["rules"])
    page.section("sources")
    for cited in explained["citations"]:
        classes = f" ({', '.join(cited['dataClasses'])})" if cited["dataClasses"] else ""
        page.item(f"{cited['field']}{classes}: {cited['rule']}")
        page.item(f"{cited['source']}, {cited['dated']}; read {cited['read']}, {cited['grade']}", 3)


def _policy(page: Outline, explained: Manifest) -> None:
    page.title(f"SovereigntyPolicy {explained['policy']}, {explained['action']}, revision {explained['revision']}")
    if preset := explained["preset"]:
        of_class = f" for {preset['dataClass']} data" if preset["dataClass"] else ""
        page.section(f"preset {preset['name']}{of_class}")
        page.items([preset["title"], f"status: {preset['status']}", preset["note"]])
        page.items(f"not covered: {' '.join(text.split())}" for text in preset["open"])
    page.section("rules")
    for rule in explained["rules"]:
        page.item(f"{rule['field']}: {_value(rule['value'])}  [{rule['from']}]")
        if "overrides" in rule:
            page.item(f"overrides the preset's {_value(rule['overrides'])}", 3)
        for cited in rule.get("citations", ()):
            page.item(f"{cited['rule']} {cited['source']}, {cited['dated']}; read {cited['read']}, {cited['grade']}", 3)
    page.section("controls in force")
    for control in explained["controls"]["inForce"]:
        page.item(f"{control['id']} {control['guard']}: {control['title']}  [{control['action']}]")
    for word, key in (
        ("turned off", "off"),
        ("left out on this Kubernetes", "leftOut"),
        ("not called for by what the policy sets", "notCalledFor"),
    ):
        if explained["controls"][key]:
            page.item(f"{word}: {', '.join(explained['controls'][key])}")
    if explained["pin"]:
        page.section("nodeSelector of pods that lack it")
        adds = "refused, with the line to add" if explained["pin"] == "Refuse" else f"added by {explained['pin']}"
        page.item(adds)
    page.section("label of eligible nodes")
    page.items(explained["nodeLabels"])
    page.section("zones")
    page.item(f"accepted: {', '.join(explained['zones']['accepted']) or 'none'}")
    page.items(f"rejected: {each['reason']}" for each in explained["zones"]["rejected"])
    page.section("accelerators")
    for each in explained["accelerators"]["approved"]:
        page.item(f"{each['profile']}: {', '.join(each['resources'])}")
    page.items(
        f"{name}: there is no such AcceleratorProfile, so nothing of it is approved"
        for name in explained["accelerators"]["missing"]
    )
    for each in explained["accelerators"]["unreadable"]:
        page.item(f"{each['profile']}: it can't be read, so nothing of it is approved: {each['reason']}")
    if not explained["accelerators"]["approved"]:
        page.item("none is approved")
    for each in explained["accelerators"]["notApproved"]:
        page.item(f"not approved, because the profile {each['reason']}: {', '.join(each['profiles'])}")
    page.items(
        f"{each['field']}: no AcceleratorProfile has {each['value']}" for each in explained["accelerators"]["unmatched"]
    )
    if explained["accelerators"]["otherResources"]:
        page.item(f"other resources: {', '.join(explained['accelerators']['otherResources'])}")
    page.section("governed namespaces")
    page.item(", ".join(explained["namespaces"]) or "none that is known")
    page.section("exemptions")
    for each in explained["exemptions"]:
        where, until = ", ".join(each["namespaces"]), each["until"]
        page.item(f"{each['name']}, {each['state']}: {', '.join(each['controls'])} in {where} until {until}")
        page.item(
            f"{each['reason']} (requested by {each['requestedBy']}, approved by {', '.join(each['approvedBy']) or 'none'})",
            3,
        )
    if not explained["exemptions"]:
        page.item("none")


def _object(page: Outline, explained: Manifest) -> None:
    where = f"{explained['file']}:{explained['line']}" if explained["line"] else explained["file"]
    if where == f"cluster: {explained['object']}":
        where = "in the cluster"
    result = str(explained["result"])
    page.title(f"{explained['object']}, {where}", _RESULTS.get(result, result))
    if explained["policies"]:
        page.item(f"governed by {', '.join(explained['policies'])}")
    elif not explained["about"]:
        page.item("no policy governs it")
    for section in explained["about"]:
        page.section(section["title"])
        for item in section["items"]:
            page.item(item["text"], verdict=item.get("verdict", ""))
    if explained["controls"]:
        page.section("controls")
    for control in explained["controls"]:
        by = f"  [{control['policy'] or 'the whole cluster'}]"
        page.item(f"{control['id']} {control['title']}{by}".strip(), verdict=control["verdict"])
        page.items(control["messages"], 7)
    for place in explained["placements"]:
        page.section(f"where {place['of']} would run")
        page.item(place["message"])
        if place["nodeLabels"]:
            page.item(
                f"label{'s' if len(place['nodeLabels']) > 1 else ''} of eligible nodes: {', '.join(place['nodeLabels'])}"
            )
        shown = _tree(page, place)
        if place["nodes"]:
            page.item(f"takes it: {_names(place['nodes'])}")
        for group in place["rejected"]:
            if names := [name for name in group["nodes"] if name not in shown]:
                page.item(f"not {_names(names)}: {group['reason']}")
        if place["notLookedAt"]:
            page.item(f"not looked at: {', '.join(place['notLookedAt'])}")
        if place.get("changes"):
            page.section("what would change it")
            page.items(place["changes"])
    if explained.get("conditions"):
        page.section("what its status says")
        page.items(f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in explained["conditions"])
    if explained["notes"]:
        page.section("notes")
        page.items(explained["notes"])


def _tree(page: Outline, place: Manifest) -> set[str]:
    """Write zones, accelerators and nodes below each other, and return the nodes that are in it."""
    for zone in place.get("zones", ()):
        page.item(f"zone {zone['zone']}")
        for each in zone["accelerators"]:
            word = "chosen" if each["chosen"] else f"room for {each['room']} of {each['replicas']} replicas"
            spread = f"on each of {each['nodesEach']} nodes" if each["nodesEach"] > 1 else "each"
            page.item(f"{each['profile']}: {word}, with {each['devices']} {each['resource']} {spread}", 2)
            for node in each["nodes"][:_NODES]:
                page.item(_node(node), 3)
            if (more := len(each["nodes"]) - _NODES) > 0:
                page.item(f"and {counted(more, 'more node')}", 3)
    for each in place.get("unusable", ()):
        page.item(f"not {each['profile']}: {each['reason']}")
    zones = place.get("zones", ())
    return {node["node"] for zone in zones for each in zone["accelerators"] for node in each["nodes"]}


def _node(node: Manifest) -> str:
    text = f"{node['node']}: {node['free']} of {node['offered']} free"
    holders = [
        f"{h['count']} {'promised to' if h['promised'] else 'by'} {h['kind']} {h['namespace']}/{h['name']}"
        for h in node["holders"]
    ]
    if holders:
        text += f", held {few(holders, _SAMPLE)}"
    return text + (f"; {node['takesNoPods']}" if node["takesNoPods"] else "")


def _names(names: list[str]) -> str:
    return few(names, _SAMPLE)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
