"""One case of the corpus: a request, and what the policies that are in force say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from daulat.controls.library import Control, Example, guards

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class Written(BaseModel):
    """A case as a file says it, like a control's example but for what is expected. Rows make one case each."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    rows: tuple[dict[str, Any], ...] = ({},)
    """Each row's values take the place of {key} in every text of the case, and of a text that is just {key}, as they are."""
    object: dict[str, Any] = Field(default_factory=dict)
    container: dict[str, Any] | None = None
    """Merged over the base's one container, which a patch of a list would replace."""
    oldObject: dict[str, Any] | None = None  # noqa: N815 - the name in an AdmissionReview
    policy: dict[str, Any] = Field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """More policies on the same namespace: patches over the base policy's spec by name."""
    zones: dict[str, Any] = Field(default_factory=dict)
    profiles: dict[str, Any] = Field(default_factory=dict)
    exemptions: tuple[dict[str, Any], ...] = ()
    """Merged over an exemption in force, which says only which controls it is about."""
    user: str = "tenant"
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    operation: Operation = "CREATE"
    resource: str | None = None
    namespace_labels: dict[str, str] = Field(default_factory=dict, alias="namespaceLabels")
    allowed: tuple[str, ...] = ()
    setup: tuple[dict[str, Any], ...] = ()
    since: str = ""
    """The first minor version of Kubernetes that takes such a request up; every supported one where left out."""
    pinned: bool = False
    """Admission pins the pod before it is judged."""
    refused: tuple[str, ...] = ()
    """The ids of the controls that refuse it; none where it is let through."""
    warned: tuple[str, ...] = ()
    """The ids of the controls that warn of it."""
    audited: tuple[str, ...] = ()
    """The ids of the controls that only write it to the audit log."""
    says: tuple[str, ...] = ()
    """Texts that stand in what is said."""
    invalid: str = ""
    """The API server refuses the request by itself, before any policy is asked, and says this."""
    costly: bool = False
    """The API server gives up judging it, for its cost, and so refuses it. The evaluator has no such limit. Before 1.32 the API
    server doesn't count the cost of all functions."""

    @model_validator(mode="after")
    def _sane(self) -> Written:
        if self.operation in {"UPDATE", "DELETE"} and self.oldObject is None:
            raise ValueError(f"{self.name}: {self.operation} needs an oldObject")
        return self


@dataclass(frozen=True, eq=False)
class Case:
    """A request and what is expected. Patches are merged over the base objects of the guard."""

    name: str
    guard: str
    asked: Example
    """The request. What it says of violations isn't looked at."""
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    exemptions: tuple[dict[str, Any], ...] = ()
    refused: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    audited: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    messages: tuple[str, ...] | None = None
    """Everything that is said, word for word, where the case says it."""
    invalid: str = ""
    costly: bool = False
    pinned: bool = False


def of_example(control: Control, example: Example) -> Case:
    """Return the case that a control's own example is: by its own policy, as it is sent, without being mended."""
    ids = tuple(sorted({message.partition(" ")[0] for message in example.violations}))
    warns = guards()[control.guard].action == "Warn"
    return Case(
        name=f"{control.id}.{control.guard}: {example.name}",
        guard=control.guard,
        asked=example,
        refused=() if warns else ids,
        warned=ids if warns else (),
        messages=example.violations,
    )


def of_file(guard: str, written: Written) -> Case:
    """Return the case that a file says, with its rows filled in already."""
    fields = {
        name: getattr(written, name)
        for name in (
            "object",
            "oldObject",
            "policy",
            "zones",
            "profiles",
            "user",
            "groups",
            "extra",
            "operation",
            "resource",
            "allowed",
            "since",
        )
    }
    return Case(
        name=f"{guard}: {written.name}",
        guard=guard,
        asked=Example(name=written.name, **fields, namespaceLabels=written.namespace_labels, setup=written.setup),
        policies=written.policies,
        exemptions=written.exemptions,
        refused=written.refused,
        warned=written.warned,
        audited=written.audited,
        says=written.says,
        invalid=written.invalid,
        costly=written.costly,
        pinned=written.pinned,
    )
