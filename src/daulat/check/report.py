"""The report of a check: findings on objects, notes, and errors in the input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from daulat.manifest.document import Problem

Level = Literal["error", "warning", "note"]
LEVELS: dict[str, Level] = {"Enforce": "error", "Warn": "warning", "Audit": "note"}
"""The level of a finding, by the action that the policy gives the control."""

Result = Literal["allowed", "unjudged", "audited", "warned", "refused", "unevaluated"]


@dataclass(frozen=True)
class Narrowing:
    """How a field of a policy differs from a national policy's."""

    grade: str
    """``wider``, ``undecided`` where that can't be decided from the input, or ``side effect``, which isn't a violation."""
    national: str
    """The national policy's value, as text."""
    local: str
    """The value that is compared with it."""


@dataclass(frozen=True)
class Finding:
    """One violation of one control."""

    control: str
    """The control's id; empty where a policy couldn't be evaluated, or where it isn't known what governs the object."""
    message: str
    """The sentence, as the API server says it."""
    action: str
    """Enforce, Warn or Audit."""
    policy: str
    """The SovereigntyPolicy; empty for a guard of the whole cluster."""
    field: str
    """The field in the object as it is in the file."""
    line: int
    unevaluated: bool = False
    """Whether it is no violation: the policy couldn't be evaluated. The API server may come to another verdict."""
    narrowing: Narrowing | None = None
    """Set where no control was violated: the object isn't proved to narrow the national policy that ``policy`` names."""

    @property
    def level(self) -> Level:
        """The finding's level."""
        return LEVELS[self.action]


@dataclass(frozen=True)
class Unjudged:
    """Something in an object that policies govern and that couldn't be judged."""

    message: str
    field: str
    line: int
    control: str = ""
    """The control that couldn't judge it; empty where none was evaluated."""


@dataclass(frozen=True)
class Judged:
    """One object of the input, with everything that was found about it."""

    file: str
    line: int
    api_version: str
    kind: str
    namespace: str
    name: str
    origin: str = ""
    """The template that Helm rendered it from, where the input says so."""
    policies: tuple[str, ...] = ()
    """The policies that govern it, or that may."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    """What couldn't be decided offline, with the sentences of what wasn't judged."""
    unjudged: tuple[Unjudged, ...] = ()
    """What wasn't judged, so that the verdict isn't about the whole object."""

    @property
    def title(self) -> str:
        """Kind, namespace and name."""
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"

    @property
    def result(self) -> Result:
        """What the API server would do, or why that isn't known: ``unevaluated`` and ``unjudged``."""
        if any(f.unevaluated for f in self.findings):
            return "unevaluated"
        levels = {f.level for f in self.findings}
        if "error" in levels:
            return "refused"
        if "warning" in levels:
            return "warned"
        if levels:
            return "audited"
        return "unjudged" if self.unjudged else "allowed"


@dataclass
class Report:
    """The report of a whole run."""

    policies: tuple[str, ...] = ()
    objects: list[Judged] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: int = 0
    """Documents and files in directories that hold no Kubernetes object."""
    unbuilt: tuple[str, ...] = ()
    """Remarks on charts and kustomizations in directories, which aren't built and so not judged in full."""
    strict: bool = False
    """Whether what isn't judged is a violation."""
    narrower_than: tuple[str, ...] = ()
    """The national policies that policies were compared with."""

    def count(self, result: Result) -> int:
        """Return how many objects came out so."""
        return sum(o.result == result for o in self.objects)

    def exit_code(self, warn_exit_code: int) -> int:
        """Return 2 for input that can't be used or judged, 1 for violations, the given code for warnings alone, else 0."""
        if self.problems or self.count("unevaluated"):
            return 2
        if self.count("refused") or (self.strict and self.unbuilt):
            return 1
        return warn_exit_code if self.count("warned") else 0
