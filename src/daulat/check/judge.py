"""Evaluates the compiled policies on each object, and on each pod and claim that it would make, as the API server would."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import CompiledPolicy
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.names import GROUP
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.cel.evaluator import Request, Verdict, evaluate_each, matches_resource
from daulat.manifest.document import Document, line_of
from daulat.manifest.paths import dotted, path_of

from .exemptions import without_effect
from .fields import field_of, in_owner
from .governance import Namespaces
from .modelpods import render
from .nearest import nearest
from .profiles import doubts
from .report import Finding, Judged
from .rules import JudgingPolicy, Rule, judging_policy, pinned, rules_of
from .scopes import is_cluster_scoped, resource_of
from .templates import Made, made

ORDINARY_USER = "an-ordinary-user"
"""The user who applies the manifests, where no other is named."""
_VERB = re.compile(r"authorizer\.group\('([^']*)'\)\.resource\('([^']*)'\)\.check\('([^']*)'\)")
_CONTROL = re.compile(r"^([A-Z]{3}-[0-9]{2}) ")


@dataclass(frozen=True)
class Options:
    """How to judge."""

    created: str
    """The time at which the objects would be created, in RFC 3339."""
    namespace: str = "default"
    """The namespace of objects that name none."""
    user: str = ""
    """Who applies the manifests; if empty, a user with every verb that the guards check."""
    groups: tuple[str, ...] = ()
    strict_namespaces: bool = False
    """A namespace whose labels aren't known is a violation rather than a note."""
    cluster: Capabilities = DEFAULT
    """What the cluster offers that the objects are for."""
    operator_namespace: str = "daulat-system"
    """The operator's namespace, which no policy may govern."""


@dataclass(frozen=True)
class _Subject:
    """What is judged: the object itself, or one that is made of it."""

    object: Manifest
    resource: str
    group: str = ""
    version: str = "v1"
    made: Made | None = None


@dataclass(frozen=True)
class _Governing:
    """The policies that govern one namespace, and those that may."""

    policies: tuple[JudgingPolicy, ...]
    unknown: tuple[JudgingPolicy, ...] = ()


class Judge:
    """Judges objects under compiled policies."""

    def __init__(
        self,
        policies: Sequence[CompiledPolicy],
        profiles: Mapping[str, AcceleratorProfileSpec],
        namespaces: Namespaces,
        options: Options,
    ) -> None:
        self._policies = tuple(judging_policy(p) for p in policies)
        guards = compile_cluster_guards()
        self._cluster = rules_of("", guards)
        self._profiles, self._namespaces, self._options = profiles, namespaces, options
        every = [rule.manifest for p in self._policies for rule in p.rules] + guards
        texts = [str(m) for m in every]
        self._verbs = frozenset("/".join(found) for text in texts for found in _VERB.findall(text))
        # Given to the evaluator only where an expression reads it: it costs a second conversion of the request.
        self._reads_namespace = any("namespaceObject" in text for text in texts)
        self._by_namespace: dict[str, _Governing] = {}
        self._doubts = {p.name: p.approved.doubts for p in policies}

    def judge(self, document: Document) -> Judged:
        """Return everything that is found about one object. Raises TooManyValues."""
        namespaced = not is_cluster_scoped(document.group, document.kind)
        own = document.metadata.get("namespace")
        namespace = str(own or self._options.namespace) if namespaced else ""
        # The API server holds an object that is in no namespace to match every namespace selector.
        governing = self._governing(namespace) if namespaced else _Governing(self._policies)
        subjects, findings, notes = self._subjects(document, namespace, governing)
        for subject in subjects:
            found, undecided = self._findings(document, subject, namespace, governing.policies)
            findings += found
            notes += undecided
        if governing.unknown and any(self._is_judged(s, namespace, governing.unknown) for s in subjects):
            message = _unknown(namespace, governing.unknown)
            if self._options.strict_namespaces:
                line = line_of(document, ("metadata", "namespace"))
                findings.append(Finding("", message, "Enforce", "", "metadata.namespace", line))
            else:
                notes.append(message)
        return Judged(
            file=document.chunk.file,
            line=line_of(document, ()),
            api_version=document.api_version,
            kind=document.kind,
            namespace=namespace,
            name=document.name,
            origin=document.chunk.origin,
            policies=tuple(p.name for p in governing.policies) if namespaced else (),
            findings=tuple(sorted(set(findings), key=lambda f: (f.line, f.control, f.message, f.policy))),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _governing(self, namespace: str) -> _Governing:
        if namespace not in self._by_namespace:
            selected = [(p, self._namespaces.selected(p.selector, namespace)) for p in self._policies]
            self._by_namespace[namespace] = _Governing(
                tuple(p for p, governs in selected if governs), tuple(p for p, governs in selected if governs is None)
            )
        return self._by_namespace[namespace]

    def _subjects(
        self, document: Document, namespace: str, governing: _Governing
    ) -> tuple[list[_Subject], list[Finding], list[str]]:
        """Return what is to be judged for one object, and what is found while it is worked out."""
        group, _, version = document.api_version.rpartition("/")
        subjects = [_Subject(document.object, resource_of(group, document.kind), group, version)]
        subjects += [
            _Subject(m.object, resource_of("", m.object["kind"]), made=m) for m in made(document.object, namespace)
        ]
        if group == GROUP and document.kind == "AcceleratorProfile":
            own = self._profiles[document.name]
            notes = [f"spec.{dotted(path)}: {what}" for path, what in doubts(document.name, own, self._profiles)]
            return subjects, [], notes
        if group == GROUP and document.kind == "SovereigntyPolicy":
            return subjects, [], list(self._doubts.get(document.name, ()))
        if group == GROUP and document.kind == "SovereigntyExemption":
            selectors = {p.name: p.selector for p in self._policies}
            spec = SovereigntyExemptionSpec.model_validate(document.object.get("spec"))
            return subjects, [], without_effect(spec, selectors, self._namespaces, self._options.created)
        if (group, document.kind) != (GROUP, "SovereignModel"):
            return subjects, [], []
        names = [p.name for p in governing.policies]
        rendered = render(document.object, namespace, names, self._profiles, self._options.cluster)
        subjects += [_Subject(p.object, "pods", made=Made(p.path, p.object, rendered=True)) for p in rendered.pods]
        findings = [
            Finding("", message, "Enforce", "", field, line_of(document, path_of(document.object, field)))
            for message, field in ((m, field_of(m)) for m in rendered.refused)
            if names
        ]
        return subjects, findings, list(rendered.notes)

    def _findings(
        self, document: Document, subject: _Subject, namespace: str, policies: Sequence[JudgingPolicy]
    ) -> tuple[list[Finding], list[str]]:
        request = self._request(subject, namespace)
        # The guards of the whole cluster judge what users write, not the pods that controllers create.
        rules = [r for p in policies for r in p.rules] + (list(self._cluster) if subject.made is None else [])
        matching = {id(r.manifest): r for r in rules if matches_resource(r.manifest, request)}
        if not matching:
            return [], []
        request = pinned(request, policies)
        findings: list[Finding] = []
        notes: list[str] = []
        for manifest, verdict in evaluate_each([r.manifest for r in matching.values()], request):
            if verdict.allowed:
                continue
            rule = matching[id(manifest)]
            for message in _messages(verdict):
                finding = _finding(document, subject, request.object or {}, rule, message)
                if _is_undecided(subject, message):
                    notes.append(f"{finding.field}: the image is set later, so it was not judged")
                else:
                    findings.append(finding)
                    notes += [note] if (note := nearest(finding)) else []
        return findings, notes

    def _is_judged(self, subject: _Subject, namespace: str, policies: Sequence[JudgingPolicy]) -> bool:
        request = self._request(subject, namespace)
        return any(matches_resource(rule.manifest, request) for p in policies for rule in p.rules)

    def _request(self, subject: _Subject, namespace: str) -> Request:
        options = self._options
        stamped = {**(subject.object.get("metadata") or {}), "creationTimestamp": options.created}
        if namespace:
            stamped["namespace"] = namespace
        return Request(
            object={**subject.object, "metadata": stamped},
            resource=subject.resource,
            group=subject.group,
            version=subject.version,
            namespace=namespace,
            user=options.user or _requester(subject.object) or ORDINARY_USER,
            user_groups=options.groups,
            allowed=frozenset() if options.user else self._verbs,
            namespace_object=self._namespaces.manifest(namespace) if self._reads_namespace and namespace else None,
        )


def _messages(verdict: Verdict) -> tuple[str, ...]:
    return verdict.violations or (verdict.message,)


def _finding(document: Document, subject: _Subject, judged: Manifest, rule: Rule, message: str) -> Finding:
    control, field = _CONTROL.match(message), field_of(message)
    path = path_of(judged, field)
    if subject.made is not None:
        path, field = in_owner(subject.made, path, field)
    name = control[1] if control else ""
    return Finding(name, message, rule.action, rule.policy, field, line_of(document, path))


def _is_undecided(subject: _Subject, message: str) -> bool:
    """Say whether the message is about an image that a controller sets later."""
    names = subject.made.undecided if subject.made else ()
    return any(field_of(message) == f'spec.containers["{name}"].image' for name in names)


def _requester(raw: Manifest) -> str:
    """Return the user who writes an object, where the object says so: the requester of an exemption."""
    spec = raw.get("spec")
    if raw.get("kind") == "SovereigntyExemption" and isinstance(spec, dict):
        return str(spec.get("requestedBy") or "")
    return ""


def _unknown(namespace: str, policies: Sequence[JudgingPolicy]) -> str:
    names = ", ".join(p.name for p in policies)
    return (
        f"metadata.namespace: the labels of namespace {namespace} aren't known, so policy {names} may govern it."
        f" Add the Namespace to the input, or set --namespace-labels {namespace}=KEY=VALUE."
    )
