"""Says of each policy of the input, and of each exemption from one, whether it only narrows the national policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from daulat.admission.policy import PolicyError, called_for
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.meta import LabelSelector
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import presets
from daulat.manifest.document import Document, Problem, line_of

from ..inventory import Inventory
from ..report import Finding, Judged, Narrowing
from . import selectors
from .actions import SCOPES, action_of
from .difference import Difference, Grade, Pair, listed
from .policies import compare

_FACTS = ("SovereignZone", "AcceleratorProfile")
_KIND = "SovereigntyPolicy"
_EXEMPTION = "SovereigntyExemption"


@dataclass(frozen=True)
class Narrowings:
    """What is found of the objects of the input."""

    findings: Mapping[tuple[str, str], tuple[Finding, ...]]
    """By kind and name."""
    notes: Mapping[str, tuple[str, ...]]
    """By policy."""
    policies: frozenset[str]
    """The policies that were compared."""
    uncovered: tuple[Judged, ...] = ()
    """National policies whose namespaces no policy of the input governs."""

    def added_to(self, objects: Sequence[Judged], inventory: Inventory) -> list[Judged]:
        """Return the report on objects with what is found here. What only judges is reported on as well where it is compared."""
        left = set(self.findings) | {(_KIND, name) for name in self.policies}
        result = []
        for judged in objects:
            key = (judged.kind, judged.name)
            result.append(self._with(judged, key))
            left.discard(key)
        for kind, name in sorted(left):
            document = inventory.place(kind, name)
            if document is not None:
                result.append(self._with(_judged(document), (kind, name)))
        return [*result, *self.uncovered]

    def _with(self, judged: Judged, key: tuple[str, str]) -> Judged:
        if judged.kind not in (_KIND, _EXEMPTION, *_FACTS):
            return judged
        notes = self.notes.get(key[1], ()) if key[0] == _KIND else ()
        findings = judged.findings + self.findings.get(key, ())
        return replace(judged, findings=findings, notes=judged.notes + notes)


def usable(inventory: Inventory) -> tuple[dict[str, SovereigntyPolicySpec], list[Problem]]:
    """Return the policies with the rules of their presets filled in, and what is wrong with the others."""
    done: dict[str, SovereigntyPolicySpec] = {}
    problems = []
    for name, spec in sorted(inventory.policies.items()):
        try:
            full = presets.expanded(spec)
            called_for(full)
        except (presets.PresetError, PolicyError) as error:
            document = inventory.place(_KIND, name)
            file = document.chunk.file if document else f"{_KIND} {name}"
            problems.append(Problem(file, line_of(document, ("spec",)) if document else 0, str(error), "spec"))
        else:
            done[name] = full
    return done, problems


def narrowings(
    national: Mapping[str, SovereigntyPolicySpec], authority: Inventory, inventory: Inventory, now: float
) -> Narrowings:
    """Compare every policy of the input with every national one. ``now`` counts seconds since the epoch."""
    local, _ = usable(inventory)
    found: dict[tuple[str, str], list[Finding]] = {}
    notes: dict[str, list[str]] = {}
    uncovered = []
    profiles = {**inventory.known_profiles, **authority.profiles}
    zones = {**inventory.zones, **authority.zones}
    for name, spec in national.items():
        concerned = {n: own for n, own in local.items() if _may_share(spec.namespace_selector, own.namespace_selector)}
        for own_name, own in concerned.items():
            differences = compare(Pair(spec, own, profiles, zones))
            _add(found, inventory, own_name, name, differences)
        for own_name in sorted(local.keys() - concerned.keys()):
            notes.setdefault(own_name, []).append(
                f"spec.namespaceSelector: national policy {name} governs none of these namespaces, so it isn't compared with."
            )
        gap = _gap(spec.namespace_selector, [own.namespace_selector for own in concerned.values()])
        if gap is not None and concerned:
            for own_name in concerned:
                _add(found, inventory, own_name, name, [gap])
        elif gap is not None and (document := authority.place(_KIND, name)) is not None:
            uncovered.append(replace(_judged(document), findings=(_finding(document, name, gap),)))
    for name, exemption in sorted(inventory.exemptions.items()):
        document = inventory.place(_EXEMPTION, name)
        if document is not None and not exemption.expired(now):
            differences_of = list(_exempted(exemption, national, local, authority))
            for policy, difference in differences_of:
                found.setdefault((_EXEMPTION, name), []).append(_finding(document, policy, difference))
    _facts(found, authority, inventory)
    return Narrowings(
        {key: tuple(each) for key, each in found.items()},
        {name: tuple(each) for name, each in notes.items()},
        frozenset(local),
        tuple(uncovered),
    )


def _add(
    found: dict[tuple[str, str], list[Finding]],
    inventory: Inventory,
    name: str,
    national: str,
    differences: Sequence[Difference],
) -> None:
    document = inventory.place(_KIND, name)
    if document is not None and differences:
        found.setdefault((_KIND, name), []).extend(_finding(document, national, d) for d in differences)


def _finding(document: Document, national: str, difference: Difference) -> Finding:
    path = ("spec", *difference.field.split("."))
    line = line_of(document, path if difference.item is None else (*path, difference.item))
    action = "Warn" if difference.grade is Grade.SIDE_EFFECT else "Enforce"
    narrowing = Narrowing(difference.grade.value, difference.national, difference.local)
    field = f"spec.{difference.field}"
    return Finding("", difference.message(national), action, national, field, line, narrowing=narrowing)


def _judged(document: Document) -> Judged:
    line = line_of(document, ())
    return Judged(document.chunk.file, line, document.api_version, document.kind, "", document.name)


def _may_share(one: LabelSelector, other: LabelSelector) -> bool:
    """Say whether a namespace may be governed by both; also where that can't be decided."""
    try:
        return selectors.shared(one, other) is not None
    except selectors.Undecided:
        return True


def _gap(national: LabelSelector, local: Sequence[LabelSelector]) -> Difference | None:
    """Return what no local policy governs of the national policy's namespaces."""
    values = selectors.text(national), " or ".join(map(selectors.text, local)) or "none"
    remedy = "Add a policy that does, or a copy of the national one."
    try:
        labels = selectors.left_over(national, local)
    except selectors.Undecided:
        found = "the selectors have too many combinations to compare"
        allowed = f"governs {values[0]}"
        return Difference("namespaceSelector", Grade.UNDECIDED, found, allowed, "Select by fewer labels.", *values)
    if labels is None:
        return None
    found = f"no policy of the input governs a namespace with {selectors.labels_text(labels)}"
    return Difference("namespaceSelector", Grade.WIDER, found, "does", remedy, *values)


def _exempted(
    exemption: SovereigntyExemptionSpec,
    national: Mapping[str, SovereigntyPolicySpec],
    local: Mapping[str, SovereigntyPolicySpec],
    authority: Inventory,
) -> Iterator[tuple[str, Difference]]:
    """Yield what an exemption, once it is approved, takes away that the national policies require, each with the policy."""
    for name, spec in national.items():
        if exemption.policy == name and exemption not in authority.exemptions.values():
            said = f'"{name}" was set'
            allowed = "is the authority's, and so are exemptions from it"
            yield name, Difference("policy", Grade.WIDER, said, allowed, "Ask the authority for one.", name, name)
            continue
        own = local.get(exemption.policy)
        if own is None or not _may_share(spec.namespace_selector, own.namespace_selector):
            continue
        called = {c.control.id for scope in SCOPES for c in called_for(spec, scope)}
        lost = [
            c
            for c in exemption.controls
            if c in called and action_of(spec, c) != "Off" and not _also_exempt(c, name, exemption, authority)
        ]
        if lost:
            said = f"{listed(lost)} {'is' if len(lost) == 1 else 'are'} exempt in {listed(exemption.namespaces)}"
            allowed = "has no such exemption"
            remedy = f"Remove {listed(lost)}, or ask the authority for an exemption that lasts as long."
            yield name, Difference("controls", Grade.WIDER, said, allowed, remedy, "none", listed(exemption.controls))


def _also_exempt(control: str, national: str, exemption: SovereigntyExemptionSpec, authority: Inventory) -> bool:
    return any(
        e.policy == national
        and control in e.controls
        and set(exemption.namespaces) <= set(e.namespaces)
        and exemption.expiry <= e.expiry
        for e in authority.exemptions.values()
    )


def _facts(found: dict[tuple[str, str], list[Finding]], authority: Inventory, inventory: Inventory) -> None:
    """Note zones and profiles of the input that differ from the authority's of the same name."""
    for kind, theirs, ours in (
        ("SovereignZone", authority.zones, inventory.zones),
        ("AcceleratorProfile", authority.profiles, inventory.profiles),
    ):
        for name in sorted(theirs.keys() & ours.keys()):
            document = inventory.place(kind, name)
            if theirs[name] != ours[name] and document is not None:
                message = f"spec: differs from the authority's {kind} {name}, on which the comparison rests. Copy that."
                narrowing = Narrowing(Grade.WIDER.value, "", "")
                line = line_of(document, ("spec",))
                found.setdefault((kind, name), []).append(
                    Finding("", message, "Enforce", "", "spec", line, narrowing=narrowing)
                )
