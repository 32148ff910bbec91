"""The declared facts: an object of one of Daulat's kinds, its spec and its status parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from daulat.api.forms import FORMS
from daulat.api.kinds import Manifest, by_kind
from daulat.api.meta import ConditionedStatus, Spec
from daulat.api.names import AUTHORITY_LABEL
from daulat.api.network import EgressScope
from daulat.api.policy import SovereigntyPolicySpec, SovereigntyPolicyStatus
from daulat.api.status import read_status
from daulat.catalog import presets

from .unknown import Unknown

S = TypeVar("S", bound=Spec)
T = TypeVar("T", bound=ConditionedStatus)


@dataclass(frozen=True)
class Declared(Generic[S, T]):
    """An object of Daulat's own. Its status is left out of comparisons: it never causes work by itself."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    deleting: bool
    spec: S
    status: T = field(compare=False, hash=False, repr=False)
    """What decisions read. What can't be read of the stored status is absent."""
    stored: Manifest = field(compare=False, hash=False, repr=False)
    """The status as it is stored, with what can't be read. Only what is to be written is compared with it."""
    authority: str = ""
    """The authority whose label it carries; empty for none."""


@dataclass(frozen=True)
class Unparsable(Unknown, Generic[T]):
    """An object of Daulat's own that can't be read, as after a downgrade. It stays visible, with the reason."""

    namespace: str
    name: str
    uid: str
    generation: int
    status: T = field(compare=False, hash=False, repr=False)
    stored: Manifest = field(compare=False, hash=False, repr=False)
    """The status as it is stored. Its fields beside the conditions stay, byte for byte."""


def parse_declared(kind: str, raw: Mapping[str, Any]) -> Declared[Any, Any] | Unparsable[Any]:
    """Read an object of one of Daulat's kinds. Whatever its status holds, the object can be read."""
    meta = raw.get("metadata") or {}
    namespace, name, uid = (str(meta.get(key) or "") for key in ("namespace", "name", "uid"))
    generation, of_kind = int(meta.get("generation") or 0), by_kind(kind)
    found = raw.get("status")
    stored: Manifest = found if isinstance(found, dict) else {}
    status = read_status(of_kind.status, stored)
    try:
        spec = of_kind.spec.model_validate(raw.get("spec"))
    except ValidationError as error:
        problems = "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {_words(e)}" for e in error.errors())
        return Unparsable(problems, namespace, name, uid, generation, status, stored)
    if isinstance(spec, SovereigntyPolicySpec):
        try:
            spec = _as_in_force(spec, presets.expanded(spec), status)
        except presets.PresetError as error:
            return Unparsable(f"spec.preset: {error}", namespace, name, uid, generation, status, stored)
    created = str(meta.get("creationTimestamp") or "")
    deleting = bool(meta.get("deletionTimestamp"))
    authority = str((meta.get("labels") or {}).get(AUTHORITY_LABEL) or "")
    return Declared(namespace, name, uid, generation, created, deleting, spec, status, stored, authority)


def _words(error: ErrorDetails) -> str:
    """Return what is wrong. A long regular expression tells nobody anything."""
    pattern = error.get("ctx", {}).get("pattern")
    return FORMS.get(pattern, error["msg"]) if isinstance(pattern, str) else error["msg"]


def _as_in_force(
    own: SovereigntyPolicySpec, expanded: SovereigntyPolicySpec, status: ConditionedStatus
) -> SovereigntyPolicySpec:
    """Return the policy with its preset, but for a scope of egress that came to the preset after the policy was in force.

    An upgrade never cuts pods off: such a policy keeps the scope in its status, which before that was recorded was Models.
    """
    section = expanded.egress
    if section is None or not section.whole_namespace or (own.egress is not None and own.egress.scope is not None):
        return expanded
    assert isinstance(status, SovereigntyPolicyStatus)  # noqa: S101 - the kind's own
    kept = status.egress_scope or (EgressScope.MODELS if status.revision else EgressScope.NAMESPACE)
    return expanded.model_copy(update={"egress": section.model_copy(update={"scope": kept})})
