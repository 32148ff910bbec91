"""Explains an object: what each control in force says of it, and where it or its pods would run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daulat.admission.policy import in_force
from daulat.api.kinds import Manifest
from daulat.api.meta import ConditionedStatus
from daulat.api.names import GROUP
from daulat.api.status import read_status
from daulat.catalog.kubernetes import Capabilities
from daulat.check.judge import Judge
from daulat.check.report import Judged
from daulat.check.scopes import resource_of
from daulat.check.templates import made
from daulat.controls import library
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.manifest.document import Document

from .declared import about
from .placement import model_placement, pod_placement

NO_NODES = "there is no Node in the input, so where it would run is unknown"


def explain_object(document: Document, judge: Judge, snapshot: Snapshot, now: float) -> Manifest:
    """Return the explanation of an object that is to be created. ``now`` is in seconds since the epoch."""
    judged = judge.judge(document)
    policies = [snapshot.known_policies[name] for name in judged.policies if name in snapshot.known_policies]
    return {
        "object": judged.title,
        "file": judged.file,
        "line": judged.line,
        "result": judged.result,
        "policies": list(judged.policies),
        "about": about(document.kind, document.name, snapshot, now) if _is_judged_by(document) else [],
        "controls": _controls(document, judged, policies, snapshot.capabilities),
        "placements": _placements(document, judged, policies, snapshot),
        "notes": list(judged.notes),
        **({"conditions": _conditions(document)} if document.group == GROUP else {}),
    }


def _controls(document: Document, judged: Judged, policies: Sequence[Policy], cluster: Capabilities) -> list[Manifest]:
    asked = _asked(document, judged.namespace)
    found: list[Manifest] = []
    told: dict[tuple[str, str], list[str]] = {}
    for finding in judged.findings:
        told.setdefault((finding.policy, finding.control), []).append(finding.message)
    for policy in policies:
        own = {
            (c.control.id, c.action): c.control.title
            for c in in_force(policy.spec, cluster)
            if _guards(c.control.guard) & asked
        }
        for (control, action), title in sorted(own.items()):
            messages = told.pop((policy.name, control), [])
            found.append(_verdict(control, policy.name, action, title, messages))
    # What the guards of the whole cluster say, and what couldn't be judged.
    titles = {c.id: c.title for c in library.controls()}
    for (name, control), messages in sorted(told.items()):
        found.append(_verdict(control, name, "Enforce", titles.get(control, ""), messages))
    return found


def _conditions(document: Document) -> list[Manifest]:
    """Return what the operator has written into the object's status, where the input has one."""
    status = read_status(ConditionedStatus, document.object.get("status"))
    return [{"type": c.type, "status": c.status, "reason": c.reason, "message": c.message} for c in status.conditions]


def _verdict(control: str, policy: str, action: str, title: str, messages: Sequence[str]) -> Manifest:
    words = {"Enforce": "refused", "Warn": "warned", "Audit": "audited"}
    verdict = words[action] if messages else "satisfied"
    return {
        "id": control,
        "policy": policy,
        "action": action,
        "title": title,
        "verdict": verdict,
        "messages": list(messages),
    }


def _asked(document: Document, namespace: str) -> set[tuple[str, str]]:
    """Return the resources that are created with the object: its own, and those of what it makes."""
    found = {(document.group, resource_of(document.group, document.kind))}
    found |= {("", resource_of("", m.object["kind"])) for m in made(document.object, namespace)}
    if _is_model(document):
        found.add(("", "pods"))
    return found


def _guards(name: str) -> set[tuple[str, str]]:
    return {(r.group, resource) for r in library.guards()[name].resources for resource in r.resources}


def _placements(document: Document, judged: Judged, policies: Sequence[Policy], snapshot: Snapshot) -> list[Manifest]:
    found: list[Manifest] = []
    if _is_model(document):
        model = snapshot.models.get(Ref("SovereignModel", judged.namespace, document.name))
        if isinstance(model, Declared) and policies:
            found.append({"of": judged.title, **model_placement(model, policies, snapshot)})
    for title, pod in _pods(document, judged):
        found.append({"of": title, **pod_placement(pod, policies, snapshot)})
    if found and not snapshot.nodes:
        known = {"of": found[0]["of"], "nodeLabels": found[0]["nodeLabels"]}
        return [{**known, "message": NO_NODES, "nodes": [], "rejected": [], "notLookedAt": []}]
    return found


def _pods(document: Document, judged: Judged) -> Iterable[tuple[str, Manifest]]:
    if (document.api_version, document.kind) == ("v1", "Pod"):
        yield judged.title, document.object
    for each in made(document.object, judged.namespace):
        if each.object["kind"] == "Pod":
            where = ".".join(map(str, each.path))
            yield f"the pods of {judged.title}" + (f" ({where})" if where else ""), each.object


def _is_model(document: Document) -> bool:
    return (document.group, document.kind) == (GROUP, "SovereignModel")


def _is_judged_by(document: Document) -> bool:
    return document.group == GROUP or document.api_version == "v1"
