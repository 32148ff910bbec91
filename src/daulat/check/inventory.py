"""Sorts objects: what judges, what is known of namespaces, and what is to be judged. Daulat's own kinds are read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from daulat.admission.policy import CompiledPolicy, PolicyError, compile_policy, selected_though_protected
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.forms import FORMS
from daulat.api.inventory import AcceleratorInventorySpec
from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import AUTHORITY_LABEL, GROUP, VERSION
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.catalog.kubernetes import Capabilities
from daulat.manifest.document import Document, Problem, line_of
from daulat.manifest.paths import Path, dotted, path_of

from .authorities import unusable
from .chips import chip_mistakes
from .exemptions import never_in_force
from .profiles import mistakes

_KINDS = {kind.kind: kind for kind in KINDS}
_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass
class Inventory:
    """What objects are judged by. Names are looked up as in a cluster, so each may be there once."""

    policies: dict[str, SovereigntyPolicySpec] = field(default_factory=dict)
    zones: dict[str, SovereignZoneSpec] = field(default_factory=dict)
    profiles: dict[str, AcceleratorProfileSpec] = field(default_factory=dict)
    exemptions: dict[str, SovereigntyExemptionSpec] = field(default_factory=dict)
    chips: dict[str, AcceleratorInventorySpec] = field(default_factory=dict)
    namespaces: dict[str, Manifest] = field(default_factory=dict)
    scopes: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Whether objects of a kind are in a namespace, by API group and kind, as CustomResourceDefinitions say."""
    _places: dict[tuple[str, str], Document] = field(default_factory=dict, repr=False)

    def take(self, document: Document) -> list[Problem]:
        """Take in an object that others are judged by; another one is only looked at. Return what is wrong with it."""
        if document.group == GROUP:
            problems, spec = parse_own(document)
            if problems:
                return problems
            shelf: dict[str, dict[str, Any]] = {
                "SovereigntyPolicy": self.policies,
                "SovereignZone": self.zones,
                "AcceleratorProfile": self.profiles,
                "SovereigntyExemption": self.exemptions,
                "AcceleratorInventory": self.chips,
            }
            if isinstance(spec, AcceleratorProfileSpec) and (found := _profile_problems(document, spec)):
                return found
            if isinstance(spec, SovereigntyPolicySpec) and (found := _key_problems(document, spec)):
                return found
            if document.kind in shelf:
                return self._put(shelf[document.kind], document, spec)
        elif document.kind == "Namespace" and document.api_version == "v1":
            return self._put(self.namespaces, document, document.object)
        elif (document.group, document.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
            self._define(document.object.get("spec"))
        return []

    def _define(self, spec: Any) -> None:
        names = spec.get("names") if isinstance(spec, dict) else None
        if isinstance(names, dict) and spec.get("scope") in ("Namespaced", "Cluster"):
            self.scopes[str(spec.get("group")), str(names.get("kind"))] = spec["scope"] == "Namespaced"

    def adopt(self, other: Inventory) -> None:
        """Take over what only the other one knows, such as the cluster's objects."""
        for mine, theirs in (
            (self.policies, other.policies),
            (self.zones, other.zones),
            (self.profiles, other.profiles),
            (self.exemptions, other.exemptions),
            (self.chips, other.chips),
            (self.namespaces, other.namespaces),
            (self.scopes, other.scopes),
            (self._places, other._places),
        ):
            _fill(mine, theirs)

    @property
    def known_profiles(self) -> Mapping[str, AcceleratorProfileSpec]:
        """The profiles that are shipped, and those that were given in their place or beside them."""
        return {**accelerators.shipped(), **self.profiles}

    def compiled(self, now: float, cluster: Capabilities) -> tuple[list[CompiledPolicy], list[Problem]]:
        """Return every policy compiled for a cluster, and what is wrong with those that can't be.

        ``now`` counts seconds since the epoch.
        """
        done: list[CompiledPolicy] = []
        problems: list[Problem] = []
        exemptions = [
            spec for name, spec in sorted(self.exemptions.items()) if not spec.expired(now) and not self._foreign(name)
        ]
        for name, spec in sorted(self.policies.items()):
            try:
                policy = compile_policy(
                    name, spec, self.known_profiles, exemptions, zones=self.zones, capabilities=cluster
                )
            except PolicyError as error:
                problems.append(self._problem("SovereigntyPolicy", name, str(error)))
                continue
            problems += [
                self._problem(
                    "SovereigntyPolicy", name, f'AcceleratorProfile "{missing}" not found', "spec.accelerators"
                )
                for missing in policy.missing_profiles
            ]
            done.append(policy)
        return done, problems

    def refused(self, protected: Mapping[str, Mapping[str, str]]) -> list[Problem]:
        """Return what the operator would refuse. ``protected``: labels of the namespaces that no policy may govern."""
        field = "spec.namespaceSelector"
        found = [
            self._problem("SovereigntyPolicy", name, why.removeprefix(f"{field} "), field)
            for name, policy in sorted(self.policies.items())
            if (why := selected_though_protected(policy.namespace_selector, protected))
        ]
        found += [
            self._problem("SovereigntyExemption", name, message, of)
            for name, exemption in sorted(self.exemptions.items())
            for of, message in never_in_force(exemption, self.policies)
        ]
        found += [
            self._problem(
                "SovereigntyExemption",
                name,
                f"policy {spec.policy} is of authority {authority}, and exemptions from it need the label"
                f" {AUTHORITY_LABEL}={authority}, which its administrators set",
                "metadata.labels",
            )
            for name, spec in sorted(self.exemptions.items())
            if (authority := self._foreign(name))
        ]
        found += [
            self._problem("AcceleratorInventory", name, message, of)
            for name, of, message in chip_mistakes(self.chips, self.zones)
        ]
        return found

    def authority(self, kind: str, name: str) -> str:
        """Return the authority whose label an object carries; empty where it carries none."""
        document = self.place(kind, name)
        labels = document.metadata.get("labels") if document else None
        return str(labels.get(AUTHORITY_LABEL) or "") if isinstance(labels, dict) else ""

    def _foreign(self, exemption: str) -> str:
        """Return the authority of an exemption's policy where the exemption isn't of it: it takes nothing away then."""
        of_policy = self.authority("SovereigntyPolicy", self.exemptions[exemption].policy)
        return of_policy if of_policy != self.authority("SovereigntyExemption", exemption) else ""

    def place(self, kind: str, name: str) -> Document | None:
        """Return the document that an object of the inventory was read from."""
        return self._places.get((kind, name))

    def _put(self, shelf: dict[str, Any], document: Document, value: Any) -> list[Problem]:
        name = document.name
        if not document.metadata.get("name"):
            return [Problem(document.chunk.file, line_of(document, ("metadata",)), "is required", "metadata.name")]
        before = self._places.get((document.kind, name))
        if before is not None and shelf[name] != value:
            line = line_of(before, ())
            where = f"{before.chunk.file}:{line}" if line else before.chunk.file
            message = f'duplicate {document.kind} "{name}" with different contents; the first is at {where}'
            return [Problem(document.chunk.file, line_of(document, ("metadata", "name")), message, "metadata.name")]
        shelf[name] = value
        self._places[document.kind, name] = document
        return []

    def _problem(self, kind: str, name: str, message: str, path: str = "") -> Problem:
        document = self._places.get((kind, name))
        if document is None:
            return Problem(f"{kind} {name}", 0, message, path)
        return Problem(document.chunk.file, line_of(document, path_of(document.object, path)), message, path)


def _fill(mine: dict[Any, Any], theirs: dict[Any, Any]) -> None:
    for name, value in theirs.items():
        mine.setdefault(name, value)


def parse_own(document: Document) -> tuple[list[Problem], Any]:
    """Read an object of a daulat.dev kind. Return everything that is wrong with it, or its spec."""
    file = document.chunk.file
    kind = _KINDS.get(document.kind)
    if kind is None:
        message = f'unknown kind "{document.kind}" in {GROUP}; known kinds: {", ".join(sorted(_KINDS))}'
        return [Problem(file, line_of(document, ("kind",)), message, "kind")], None
    if document.api_version != f"{GROUP}/{VERSION}":
        message = f'unknown version "{document.api_version}"; known version: {GROUP}/{VERSION}'
        return [Problem(file, line_of(document, ("apiVersion",)), message, "apiVersion")], None
    problems = [
        Problem(file, line_of(document, (key,)), "unknown field", key) for key in document.object if key not in _FIELDS
    ]
    try:
        # As the API server reads it: no text for a number, and no other spelling of a field.
        text = json.dumps(document.object.get("spec"))
        spec = kind.spec.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        return [*problems, *_spec_problems(document, error)], None
    return problems, spec


def _profile_problems(document: Document, spec: AcceleratorProfileSpec) -> list[Problem]:
    found = [(("spec", *path), message) for path, message in mistakes(spec)]
    return [Problem(document.chunk.file, line_of(document, path), message, dotted(path)) for path, message in found]


def _key_problems(document: Document, spec: SovereigntyPolicySpec) -> list[Problem]:
    found = [(("spec", *path), message) for path, message in unusable(spec.zones)]
    return [Problem(document.chunk.file, line_of(document, path), message, dotted(path)) for path, message in found]


def _spec_problems(document: Document, error: ValidationError) -> list[Problem]:
    found = error.errors(include_url=False, include_input=False)
    # An item with an error is left out of its list, which would then be reported as too short as well.
    broken = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    problems = []
    for each in found:
        if each["type"] == "too_short" and each["loc"] in broken:
            continue
        path: Path = ("spec", *(p for p in each["loc"] if p != "[key]"))
        problems.append(Problem(document.chunk.file, line_of(document, path), _message(each), dotted(path)))
    return sorted(problems, key=lambda problem: problem.line)


def _message(each: ErrorDetails) -> str:
    match each["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "is required"
        case "too_short":
            fewest = each["ctx"]["min_length"]
            return f"must have at least {fewest} {'item' if fewest == 1 else 'items'}"
        case "string_pattern_mismatch":
            pattern = each["ctx"]["pattern"]
            return FORMS.get(pattern, f"must match {pattern}")
    return _sentence(each["msg"])


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should ", "must ")
    return message[:1].lower() + message[1:]
