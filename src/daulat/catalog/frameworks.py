"""Which requirements of public frameworks the controls relate to, as dated data. It claims no compliance."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .presets import presets
from .sources import Grade

Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Relation = Literal["implements", "supports", "evidence"]
"""How directly a control relates to a requirement. Implements: it enforces the technical part of it, in governed namespaces.
Supports: it enforces something that the requirement's measures depend on. Evidence: it only has something put on record."""
Confidence = Literal["high", "medium", "low"]
"""How sure this project is of its own reading."""
_FORMS = {
    "iso-27001": r"A\.[5-8]\.[1-9][0-9]?",
    "nist-800-53": r"[A-Z]{2}-[1-9][0-9]?(\([1-9][0-9]?\))?",
    "bsi-c5": r"[A-Z]{2,3}-[0-9]{2}",
    "eu-csf": r"SOV-[1-8]",
    "my-nccp": r"[a-z]+\.[A-Za-z]+",
}
"""What identifiers of each framework look like. Those of the last are fields of its preset: it has no numbers of clauses."""
_OWN = "our own choice"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Framework(_Data):
    """A framework, with those of its requirements that something relates to."""

    name: str
    title: str
    dated: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$")
    """The month in which this version was published."""
    source: str = ""
    """Where identifiers and titles were read."""
    url: str = ""
    """Where the source is."""
    read: Day | None = None
    """The day on which it was read."""
    grade: Grade | None = None
    """How sure the identifiers and titles are."""
    requirements: dict[str, str] = Field(default_factory=dict)
    """Titles by identifier."""
    preset: str | None = None
    """The preset whose citations are the requirements, instead of the fields above: their sources stand there."""

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the requirements by identifier, or what the preset cites by field, but for what Daulat itself chose."""
        if self.preset is None:
            return dict(self.requirements)
        cited: dict[str, list[str]] = {}
        for citation in presets()[self.preset].citations:
            if citation.grade != _OWN:
                cited.setdefault(citation.field, []).append(citation.rule)
        return {field: " ".join(said) for field, said in cited.items()}

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        own = (self.source, self.url, self.read, self.grade, self.requirements)
        if (self.preset is None and not all(own)) or (self.preset is not None and any(own)):
            raise ValueError(f"{self.name} needs either a preset, or source, url, read, grade and requirements")
        if self.name not in _FORMS:
            raise ValueError(f"{self.name}: no form of identifiers is known")
        if wrong := [r for r in self.titles if not re.fullmatch(_FORMS[self.name], r)]:
            raise ValueError(f"{self.name} has no identifiers such as {', '.join(wrong)}")
        return self


class Mapping(_Data):
    """Controls that relate to requirements in one way."""

    controls: tuple[Annotated[str, Field(pattern=r"^[A-Z]{3}-[0-9]{2}$")], ...] = Field(min_length=1)
    relation: Relation
    confidence: Confidence
    requirements: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Identifiers by the framework's name."""
    because: str = Field(min_length=1)
    """Why, and with which limit."""


class Frameworks(_Data):
    """All frameworks and mappings."""

    frameworks: tuple[Framework, ...]
    mappings: tuple[Mapping, ...]
    unmapped: dict[str, str] = Field(default_factory=dict)
    """Controls that relate to nothing, each with the reason."""
    left_out: tuple[str, ...] = ()
    """What isn't mapped, and why."""

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        known = {f.name: f.titles for f in self.frameworks}
        used: dict[str, set[str]] = {name: set() for name in known}
        for mapping in self.mappings:
            for name, identifiers in mapping.requirements.items():
                if name not in known or (wrong := {*identifiers} - {*known[name]}):
                    raise ValueError(
                        f"{', '.join(mapping.controls)} name what isn't in {name}: {wrong if name in known else name}"
                    )
                used[name] |= {*identifiers}
        for framework in self.frameworks:
            if idle := {*framework.requirements} - used[framework.name]:
                raise ValueError(f"{framework.name}: nothing relates to {', '.join(sorted(idle))}")
        if both := {*self.unmapped} & {c for m in self.mappings for c in m.controls}:
            raise ValueError(f"mapped and unmapped: {', '.join(sorted(both))}")
        return self


@cache
def frameworks() -> Frameworks:
    """Return what is shipped. ValueError where it contradicts itself."""
    text = (resources.files("daulat.catalog") / "frameworks.yaml").read_text(encoding="utf-8")
    return Frameworks.model_validate(yaml.safe_load(text))
