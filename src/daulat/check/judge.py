"""Evaluates the compiled policies on each object, and on each pod and claim that it would make, as the API server would."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import CompiledPolicy
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.names import GROUP
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.catalog.pod_kinds import pod_kinds
from daulat.cel.evaluator import Request, Verdict, evaluate_each, matches_resource
from daulat.manifest.document import Document, line_of
from daulat.manifest.paths import at, dotted, path_of
from daulat.workload.container import with_image_field

from .defaults import defaulted
from .exemptions import without_effect
from .fields import field_in, field_of, in_owner
from .governance import Namespaces
from .modelpods import render
from .nearest import nearest
from .profiles import doubts
from .report import Finding, Judged, Unjudged
from .rules import JudgingPolicy, Rule, judging_policy, pinned, rules_of
from .scopes import Scopes, is_namespaced, is_served, resource_of
from .templates import Made, made
from .unjudged import Devices, outside_pods

ORDINARY_USER = "an-ordinary-user"
"""The user who applies the manifests, where no other is named."""
_VERB = re.compile(r"authorizer\.group\('([^']*)'\)\.resource\('([^']*)'\)(?:\.name\([^()]*\))?\.check\('([^']*)'\)")
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
    strict: bool = False
    """What couldn't be judged is a violation rather than a note."""
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
        scopes: Scopes | None = None,
    ) -> None:
        self._policies = tuple(judging_policy(p) for p in policies)
        guards = compile_cluster_guards()
        self._cluster = rules_of("", guards)
        self._profiles, self._namespaces, self._options, self._scopes = profiles, namespaces, options, scopes or {}
        every = [rule.manifest for p in self._policies for rule in p.rules] + guards
        texts = [str(m) for m in every]
        self._verbs = frozenset("/".join(found) for text in texts for found in _VERB.findall(text))
        # Given to the evaluator only where an expression reads it: it costs a second conversion of the request.
        self._reads_namespace = any("namespaceObject" in text for text in texts)
        self._devices = Devices.of(profiles)
        self._by_namespace: dict[str, _Governing] = {}
        self._doubts = {p.name: p.approved.doubts for p in policies}

    def judge(self, document: Document) -> Judged:
        """Return everything that is found about one object. Raises TooManyValues."""
        own = document.metadata.get("namespace")
        known = is_namespaced(document.group, document.kind, self._scopes)
        namespaced = known is not False
        namespace = str(own or self._options.namespace) if namespaced else ""
        # The API server holds an object that is in no namespace to match every namespace selector.
        governing = self._governing(namespace) if namespaced else _Governing(self._policies)
        subjects, findings, notes = self._subjects(document, namespace, governing)
        pods = [s.made for s in subjects if s.made is not None]
        unjudged = self._unjudged(document, pods) if governing.policies or governing.unknown else []
        for subject in subjects:
            found, later = self._findings(document, subject, namespace, governing.policies)
            if subject.made is not None and not namespaced:
                # What a template of the whole cluster makes is in the namespace of the object that uses it.
                # A policy that reads the namespace can't be evaluated without one.
                told = [_elsewhere(document, f) for f in found if not f.unevaluated]
                unjudged += told or [_elsewhere(document)]
            else:
                findings += found
                unjudged += later
        notes += [note for f in findings if (note := nearest(f))]
        every = (*governing.policies, *governing.unknown)
        if known is None and not own and (unjudged or any(self._is_judged(s, namespace, every) for s in subjects)):
            unjudged.append(_unknown_scope(document, namespace))
        if governing.unknown and (unjudged or any(self._is_judged(s, namespace, governing.unknown) for s in subjects)):
            message = _unknown(namespace, governing.unknown)
            if self._options.strict_namespaces and (own or known is not None):
                line = line_of(document, ("metadata", "namespace"))
                findings.append(Finding("", message, "Enforce", "", "metadata.namespace", line))
            else:
                notes.append(message)
        if self._options.strict:
            findings += [Finding("", u.message, "Enforce", "", u.field, u.line) for u in unjudged]
        else:
            notes += [u.message for u in unjudged]
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
            unjudged=tuple(dict.fromkeys(unjudged)),
        )

    def _unjudged(self, document: Document, pods: Sequence[Made]) -> list[Unjudged]:
        """Return what the object itself shows that no policy is evaluated on."""
        found: list[Unjudged] = []
        group, _, version = document.api_version.rpartition("/")
        if not is_served(group, version):
            message = f'apiVersion: no Kubernetes from 1.30 on serves "{document.api_version}", so {document.kind} isn\'t judged'
            found.append(Unjudged(message, "apiVersion", line_of(document, ("apiVersion",))))
        for path in (path for pod in pods for path in pod.unread):
            message = (
                f"{dotted(path)}: isn't judged: this text changes pods, and it is filled in later or can't be read"
            )
            found.append(Unjudged(message, dotted(path), line_of(document, path)))
        if (
            not found
            and not any(pod.object["kind"] == "Pod" for pod in pods)
            and (document.group, document.kind) in pod_kinds()
        ):
            message = f"spec: the pod template of {document.kind} is in another object, so its pods aren't judged here"
            found.append(Unjudged(message, "spec", line_of(document, ("spec",))))
        return [*found, *outside_pods(document, pods, self._devices)]

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
        is_pod = (document.api_version, document.kind) == ("v1", "Pod")
        itself = defaulted(document.object) if is_pod else document.object
        subjects = [_Subject(itself, resource_of(group, document.kind), group, version)]
        subjects += [_made_subject(m) for m in made(document.object, namespace)]
        if group == GROUP and document.kind == "AcceleratorProfile":
            own = self._profiles[document.name]
            notes = [f"spec.{dotted(path)}: {what}" for path, what in doubts(document.name, own, self._profiles)]
            return subjects, [], notes
        if group == GROUP and document.kind == "SovereigntyPolicy":
            return subjects, [], list(self._doubts.get(document.name, ()))
        if group == GROUP and document.kind == "SovereigntyExemption":
            selectors = {p.name: p.selector for p in self._policies}
            spec = SovereigntyExemptionSpec.model_validate(document.object.get("spec"))
            notes = without_effect(spec, selectors, self._namespaces, self._options.created)
            return (subjects, _refused(document, notes), []) if self._options.strict else (subjects, [], notes)
        if (group, document.kind) != (GROUP, "SovereignModel"):
            return subjects, [], []
        names = [p.name for p in governing.policies]
        rendered = render(document.object, namespace, names, self._profiles, self._options.cluster)
        subjects += [_Subject(p.object, "pods", made=Made(p.path, p.object, rendered=True)) for p in rendered.pods]
        return subjects, _refused(document, rendered.refused) if names else [], list(rendered.notes)

    def _findings(
        self, document: Document, subject: _Subject, namespace: str, policies: Sequence[JudgingPolicy]
    ) -> tuple[list[Finding], list[Unjudged]]:
        request = self._request(subject, namespace)
        # The guards of the whole cluster judge what users write, not the pods that controllers create.
        rules = [r for p in policies for r in p.rules] + (list(self._cluster) if subject.made is None else [])
        matching = {id(r.manifest): r for r in rules if matches_resource(r.manifest, request)}
        if not matching:
            return [], []
        request = pinned(request, policies)
        findings: list[Finding] = []
        later: list[Unjudged] = []
        for manifest, verdict in evaluate_each([r.manifest for r in matching.values()], request):
            if verdict.allowed:
                continue
            rule = matching[id(manifest)]
            for message in _messages(verdict):
                finding = _finding(document, subject, request.object or {}, rule, message, verdict.error)
                if _is_undecided(subject, message):
                    named = "" if finding.field.endswith("image") else f" of {field_of(message).removesuffix('.image')}"
                    note = f"{finding.field}: the image{named} is set later, so it was not judged"
                    later.append(Unjudged(note, finding.field, finding.line, finding.control))
                else:
                    findings.append(finding)
        return findings, later

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


def _refused(document: Document, messages: Iterable[str]) -> list[Finding]:
    """Return violations of no control, each with the field that its message begins with."""
    fields = ((message, field_of(message)) for message in messages)
    return [
        Finding("", message, "Enforce", "", field, line_of(document, path_of(document.object, field)))
        for message, field in fields
    ]


def _made_subject(made_object: Made) -> _Subject:
    group, _, version = str(made_object.object["apiVersion"]).rpartition("/")
    return _Subject(made_object.object, resource_of(group, made_object.object["kind"]), group, version, made_object)


def _messages(verdict: Verdict) -> tuple[str, ...]:
    return verdict.violations or (verdict.message,)


def _finding(
    document: Document, subject: _Subject, judged: Manifest, rule: Rule, message: str, unevaluated: bool
) -> Finding:
    control = _CONTROL.match(message)
    field, path = field_in(message, judged)
    if subject.made is not None:
        path, field = in_owner(subject.made, path, field)
    if subject.made is not None and subject.made.rendered:
        choice: Manifest = at(document.object, subject.made.path)
        own = with_image_field(message, str(choice["profile"]))
        if own != message:
            message, field, path = own, field_of(own), (*subject.made.path, "image")
    name = control[1] if control else ""
    return Finding(name, message, rule.action, rule.policy, field, line_of(document, path), unevaluated)


def _elsewhere(document: Document, finding: Finding | None = None) -> Unjudged:
    """Return a remark on the pods of an object in no namespace, or on what a policy would find in them."""
    if finding is None:
        message = f"{document.kind} is in no namespace: its pods are judged in the namespaces that use it"
        return Unjudged(message, "", line_of(document, ()))
    message = f"where a namespace under {finding.policy} uses {document.kind} {document.name}: {finding.message}"
    return Unjudged(message, finding.field, finding.line)


def _unknown_scope(document: Document, namespace: str) -> Unjudged:
    message = (
        f"metadata.namespace: it isn't known whether {document.kind} of {document.group} is in a namespace; {namespace} is assumed."
        " Set metadata.namespace, or add its CustomResourceDefinition to the input."
    )
    return Unjudged(message, "metadata.namespace", line_of(document, ("metadata",)))


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
