"""What all kinds share: the base of every spec, label selectors, conditions, country codes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from .frozen import FrozenDict

DEFAULTED: dict[str, JsonValue] = {"x-daulat-default": True}
"""Marks a field whose default the API server fills in. Few do: a filled-in field shows as a difference in GitOps tools."""


class Spec(BaseModel):
    """A frozen value with camelCase fields, which refuses fields that it doesn't know."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )


class Observed(BaseModel):
    """A status block. Unlike a spec it is written by the operator alone, and read back leniently after an upgrade."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )


CountryCode = Annotated[
    str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 country code, upper case.", examples=["MY"])
]
NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
ObjectName = Annotated[str, Field(pattern=NAME, max_length=253)]
LABEL_KEY = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LabelKey = Annotated[str, Field(pattern=LABEL_KEY, max_length=317)]
DURATION = r"^[0-9]{1,6}[smh]$"
Duration = Annotated[str, Field(pattern=DURATION, examples=["60s", "15m"])]
"""A time in seconds, minutes or hours."""
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE, max_length=63)]


def seconds_of(duration: str) -> int:
    """Return such a time in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


class DataClass(StrEnum):
    """How sensitive data is, from least to most."""

    PUBLIC = "public"
    INTERNAL = "internal"
    RESTRICTED = "restricted"
    CONFIDENTIAL = "confidential"

    @property
    def rank(self) -> int:
        """Position in the order public < internal < restricted < confidential."""
        return list(DataClass).index(self)


class LabelSelectorRequirement(Spec):
    """One expression of a label selector."""

    key: LabelKey
    """The label key that the selector applies to."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the key relates to the values."""
    values: tuple[LabelValue, ...] | None = Field(default=None, max_length=64)
    """The values for In and NotIn; left out for Exists and DoesNotExist."""


class LabelSelector(Spec):
    """A label selector as in core Kubernetes: every label and every expression must hold."""

    match_labels: FrozenDict[LabelKey, LabelValue] | None = Field(default=None, max_length=32)
    """Labels that must be present with exactly these values."""
    match_expressions: tuple[LabelSelectorRequirement, ...] | None = Field(default=None, max_length=32)
    """Expressions that must all hold."""

    def label_keys(self) -> frozenset[str]:
        """Return every label key that the selector looks at."""
        return frozenset(self.match_labels or {}) | {e.key for e in self.match_expressions or ()}

    def required_keys(self) -> frozenset[str]:
        """Return the label keys without which nothing matches. NotIn and DoesNotExist match an object that has no labels."""
        positive = (e.key for e in self.match_expressions or () if e.operator in ("In", "Exists"))
        return frozenset(self.match_labels or {}) | frozenset(positive)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether the labels satisfy the selector. An empty selector matches everything, as in Kubernetes."""
        if any(labels.get(key) != value for key, value in (self.match_labels or {}).items()):
            return False
        return all(_holds(expression, labels) for expression in self.match_expressions or ())


def _holds(expression: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value is not None and value in (expression.values or ())
        case "NotIn":
            return value is None or value not in (expression.values or ())
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None


NON_EMPTY_SELECTOR: JsonValue = {
    "rule": "size(self.?matchLabels.orValue({})) > 0 || size(self.?matchExpressions.orValue([])) > 0",
    "message": "the selector must name at least one label: an empty selector would select everything",
}
REQUIRED_LABEL: JsonValue = {
    # has() rather than orValue(), which loses the list's bound: its cost would be estimated for the longest list that there can be.
    "rule": "has(self.matchLabels) && size(self.matchLabels) > 0"
    " || has(self.matchExpressions) && self.matchExpressions.exists(e, e.operator in ['In', 'Exists'])",
    "message": "the selector must require a label, by matchLabels, In or Exists: NotIn and DoesNotExist alone match every node that"
    " has just registered",
}
SELECTOR_VALUES: JsonValue = {
    "rule": "!has(self.matchExpressions) || self.matchExpressions.all(e, "
    "(e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",
    "message": "In and NotIn need values; Exists and DoesNotExist take none",
}


ConditionValue = Literal["True", "False", "Unknown"]


class Condition(Observed):
    """One condition, as in meta/v1."""

    type: str = Field(max_length=316)
    """What the condition is about, in CamelCase."""
    status: ConditionValue
    """Whether the condition holds."""
    reason: str = Field(max_length=1024)
    """Why, as one CamelCase word."""
    message: str = Field(max_length=32768)
    """Why the condition has its status, as a sentence."""
    last_transition_time: str = Field(json_schema_extra={"format": "date-time"})
    """When the status last changed."""
    observed_generation: int | None = Field(default=None, json_schema_extra={"format": "int64"})
    """The metadata.generation that the condition was decided on."""


class ConditionedStatus(Observed):
    """The part of a status that every kind has."""

    observed_generation: int | None = Field(default=None, json_schema_extra={"format": "int64"})
    """The metadata.generation that this status was decided on."""
    conditions: tuple[Condition, ...] = Field(
        default=(), json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    )
    """The conditions of the object. Status True is good, except for conditions that name a weakness."""

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, or None where there is none."""
        for found in self.conditions:  # Read for every model in many passes: a generator costs twice as much.
            if found.type == type_:
                return found
        return None

    def is_true(self, type_: str) -> bool:
        """Return whether there is a condition of that type whose status is True."""
        return any(c.type == type_ and c.status == "True" for c in self.conditions)
