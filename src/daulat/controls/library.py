"""Reads the controls and the guards that they hang on. A malformed file is an error of the package, told with its name."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from daulat.api.packaged import load, load_folder
from daulat.api.policy import ControlId


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(_Data):
    """A named CEL expression: a match condition or a variable."""

    name: str
    expression: str


class Resources(_Data):
    """The resources and operations that a guard is asked about."""

    group: str
    version: str
    resources: tuple[str, ...]
    operations: tuple[Literal["CREATE", "UPDATE", "DELETE", "CONNECT"], ...]


class Screen(_Data):
    """How a guard finds the requests to which a control might object, for less than the controls cost."""

    shared: tuple[Named, ...] = ()
    """What the parts read, by name."""
    parts: tuple[Named, ...]
    """Where to look: CEL in which ``any`` stands for whatever the controls hold suspicious there."""


class Guard(_Data):
    """What is judged together: the requests, when they are looked at, and the variables that its controls share."""

    guard: str
    title: str
    scope: Literal["policy", "namespaces", "policies", "cluster"]
    """What it is compiled with: each policy for itself, each policy with the names of the namespaces that it governs, all policies
    together, or none."""
    resources: tuple[Resources, ...]
    conditions: tuple[Named, ...]
    variables: tuple[Named, ...]
    screen: Screen | None = None
    """Where left out, every request is judged that meets the conditions."""
    action: Literal["Enforce", "Warn"] = "Enforce"
    """What a cluster's guard does with what it finds. A policy says that itself."""
    exemptible: bool = True
    """Whether exemptions hold here. They end by the object's creation time, which a Binding or an exec doesn't have."""
    operator_namespace: bool = Field(default=False, alias="operatorNamespace")
    """Whether it looks at the operator's own namespace alone. Only a cluster's guard can."""


class Example(_Data):
    """A request that a control must pass (no violations) or refuse with exactly these messages."""

    name: str
    object: dict[str, Any] = Field(default_factory=dict)
    """Merged (RFC 7386) over the guard's base object; not looked at for DELETE, which has an oldObject alone."""
    oldObject: dict[str, Any] | None = None  # noqa: N815 - the name in an AdmissionReview
    policy: dict[str, Any] = Field(default_factory=dict)
    """Merged over the base policy's spec."""
    zones: dict[str, Any] = Field(default_factory=dict)
    """Merged over the base zones."""
    profiles: dict[str, Any] = Field(default_factory=dict)
    """Merged over the specs of the shipped AcceleratorProfiles, by name."""
    user: str = "tenant"
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"] = "CREATE"
    resource: str | None = None
    """The resource where it isn't the guard's first one."""
    groups: tuple[str, ...] = ()
    """The user's groups, beside system:authenticated."""
    extra: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What else is known of the user, such as the node that a ServiceAccount's pod runs on."""
    namespace_labels: dict[str, str] = Field(default_factory=dict, alias="namespaceLabels")
    """Labels of the namespace that the request is made in."""
    allowed: tuple[str, ...] = ()
    """GROUP/RESOURCE/VERB that the user is authorized for."""
    setup: tuple[dict[str, Any], ...] = ()
    """Objects that must exist in the cluster for the request to reach admission."""
    since: str = ""
    """The first minor version of Kubernetes that takes such a request up; every supported one where left out."""
    pinned: bool = False
    """Admission mends the request before it is judged: on an API server it is allowed."""
    violations: tuple[str, ...] = ()


class Control(_Data):
    """One rule: an expression that returns the list of violations as messages, empty where the request is fine."""

    id: ControlId
    title: str
    axis: Literal["stored", "managed", "used"]
    guard: str
    why: str
    requires: tuple[str, ...] = ()
    """Fields of a policy's spec of which one must be set for the control to apply; none means always."""
    needs: tuple[str, ...] = ()
    """Features of Kubernetes (``catalog/kubernetes.yaml``) that it depends on: it is left out where one is missing."""
    trial: bool = False
    """Whether it only warns where a policy refuses, until the policy names it in ``controls``: what it refuses was taken before."""
    nested: bool = False
    """Whether ``violations`` returns a list of lists of messages. A control that looks at a list in each element of a list does:
    before Kubernetes 1.35, CEL has nothing that makes one list of them."""
    screen: dict[str, str] = Field(default_factory=dict)
    """By part of its guard's screen, CEL that is true wherever the control may find a violation. Of ``variables`` it reads the
    policy's constants alone."""
    violations: str
    examples: tuple[Example, ...]

    @property
    def variable(self) -> str:
        """The name of the CEL variable that holds its violations."""
        return self.id.replace("-", "_")


T = TypeVar("T", bound=_Data)


@cache
def controls() -> tuple[Control, ...]:
    """Return every control, by guard and id."""
    found = [_read(name, content, Control) for name, content in load_folder(__package__) if name != "base.yaml"]
    for control in found:
        _check_screen(control)
    return tuple(sorted(found, key=lambda c: (c.guard, c.id)))


@cache
def guards() -> dict[str, Guard]:
    """Return every guard by name."""
    found = [_read(name, content, Guard) for name, content in load_folder(__package__, "guards")]
    return {g.guard: g for g in sorted(found, key=lambda g: g.guard)}


@cache
def ids() -> frozenset[str]:
    """Return every control's id."""
    return frozenset(c.id for c in controls())


@cache
def exemptible_ids() -> frozenset[str]:
    """Return the ids of the controls from which a namespace can be exempted."""
    return frozenset(c.id for c in controls() if (g := guards()[c.guard]).exemptible and g.scope == "policy")


def base() -> dict[str, Any]:
    """Return what examples are merged over: a policy's spec, the zones, and one object a guard."""
    data: dict[str, Any] = load((resources.files(__package__) / "base.yaml").read_text())
    return data


def _check_screen(control: Control) -> None:
    """Raise ValueError where a control of a screened guard has no screen, or one of a part that doesn't exist."""
    screen = guards()[control.guard].screen
    parts = {p.name for p in screen.parts} if screen else set()
    if (screen and not control.screen) or not control.screen.keys() <= parts:
        known = ", ".join(sorted(parts)) or "none"
        raise ValueError(f"{control.id}.{control.guard}.yaml: screen: needs parts of its guard's screen ({known})")


def _read(name: str, content: Any, model: type[T]) -> T:
    try:
        return model.model_validate(content)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
