"""Which of Daulat's admission policies objected to a request, and to what: from the API server's answer, or from its annotation.

Of a message only the controls and fields are taken. What was found in the field may be a name or a secret, and stays in the audit
log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from daulat.admission.static import static_name
from daulat.api.names import GROUP
from daulat.controls import library

from .event import Event

ANNOTATION = "validation.policy.admission.k8s.io/validation_failure"
"""On a request that a policy with the action Warn or Audit objected to."""
_SUFFIXES = (f".{GROUP}", static_name(f".{GROUP}"))
"""What names of Daulat's admission policies end with, in the API and as static ones."""
# The API server quotes names as Go does, so that none of them can end the quotation and continue as a policy's answer.
_REFUSAL = re.compile(
    r'[a-z0-9.-]+(?: "(?:[^"\\]|\\.)*")? is forbidden: '
    r"ValidatingAdmissionPolicy '(?P<name>[a-z0-9.-]+)' with binding '[a-z0-9.-]+' denied request: (?P<text>.*)",
    re.DOTALL,
)
_VIOLATION = re.compile(r"""(?:^|\s)([A-Z]{3}-\d\d) ([A-Za-z](?:"[^"]*"|[^\s:"])*)""")
_QUOTED = re.compile(r'"[^"]*"')
_AT_MOST = 8


@dataclass(frozen=True)
class Objection:
    """What one admission policy objected to."""

    admission: str
    """The name of the ValidatingAdmissionPolicy."""
    policy: str
    """The SovereigntyPolicy that it was compiled from; empty for a guard of the cluster."""
    violations: tuple[str, ...]
    """Such as ``USE-04 spec.nodeName``, the first eight. Quoted names within fields are left out: a user's may be among them."""


class _Failure(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    policy: str
    message: str = ""
    actions: list[str] = Field(default=[], alias="validationActions")


_FAILURES = TypeAdapter(list[_Failure])


def refusal(event: Event) -> Objection | None:
    """Return what a policy of Daulat refused the request for; None if it was answered otherwise."""
    if event.response_status.code < 400:
        return None
    found = _REFUSAL.fullmatch(event.response_status.message)
    return _objection(found["name"], found["text"]) if found else None


def admitted(event: Event) -> list[Objection]:
    """Return what policies of Daulat objected to in a request that they let in, since their action is Warn or Audit."""
    said = event.annotations.get(ANNOTATION)
    if not said or event.response_status.code >= 400:
        return []
    try:
        failures = _FAILURES.validate_json(said)
    except ValidationError:
        return []
    found = (_objection(f.policy, f.message) for f in failures if "Deny" not in f.actions)
    return [objection for objection in found if objection]


def _objection(admission: str, text: str) -> Objection | None:
    suffix = next((s for s in _SUFFIXES if admission.endswith(s)), None)
    if suffix is None:
        return None
    return Objection(admission[:253], _policy(admission.removesuffix(suffix)), _violations(text))


def _policy(name: str) -> str:
    """Return the SovereigntyPolicy in ``<policy>.<guard>`` or ``<policy>.<guard>.<action>``."""
    parts = name.split(".")
    if parts[-1] in ("warn", "audit"):
        parts.pop()
    return ".".join(parts[:-1]) if parts[-1] in library.guards() else ""


def _violations(text: str) -> tuple[str, ...]:
    known = library.ids()
    found = (f"{i} {_QUOTED.sub('', field)}" for i, field in _VIOLATION.findall(text) if i in known)
    return tuple(dict.fromkeys(found))[:_AT_MOST]
