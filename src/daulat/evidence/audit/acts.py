"""What one event means: which acts it is evidence of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api.names import GROUP
from daulat.evidence.personal import Pseudonyms, is_person

from .entries import (
    Act,
    Changed,
    Impersonated,
    On,
    Proxied,
    Refused,
    SessionClosed,
    SessionFailed,
    SessionOpened,
    ViolationAdmitted,
)
from .event import Event
from .violations import Objection, admitted, refusal

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
STREAMS = ("exec", "attach", "portforward")
"""Subresources of pods by which a session is opened and closed."""
DEBUG = "ephemeralcontainers"
PROXY = "proxy"
RECORDS = ("nodes", "namespaces")
"""Kinds whose labels decide. Components write them all the time, so changes by people alone are acts."""
SHARED = ("admissionregistration.k8s.io", "apiextensions.k8s.io")
"""Groups in which objects of Daulat's have names that end with its own group."""
_STAGES = frozenset({"ResponseComplete", "Panic"})
_DRY = frozenset({"create", "update", "patch"})
"""Verbs whose options are in the URL alone. Those of a deletion may be in its body, where they count instead."""
_ORDINARY = ("system:authenticated", "system:unauthenticated", "system:nodes", "system:serviceaccounts")
_NAME, _ID, _WORD, _GROUPS = 253, 64, 63, 8


@dataclass(frozen=True)
class Reader:
    """How events are read."""

    pseudonyms: Pseudonyms
    operator: str = ""
    """The user name of Daulat's operator. Its own writes are no acts: what it decides is recorded as such."""

    def acts(self, event: Event, batch: str, revisions: Mapping[str, str]) -> Iterator[Act]:
        """Yield what the event is evidence of. ``revisions`` are those of the policies in force, by name."""
        if event.object_ref.subresource in (*STREAMS, PROXY):
            yield from self._session(event, batch)
        if event.stage not in _STAGES:
            return
        if event.impersonated_user:
            yield Impersonated(**self._who(event, batch), as_groups=_rights(event.impersonated_user.groups))
        if _is_dry(event):
            return
        if refused := refusal(event):
            yield Refused(**self._who(event, batch), **_objected(event, refused, revisions))
        for objection in admitted(event):
            yield ViolationAdmitted(**self._who(event, batch), **_objected(event, objection, revisions))
        if event.response_status.code < 300 and event.verb in WRITES:
            yield from self._written(event, batch)

    def _session(self, event: Event, batch: str) -> Iterator[Act]:
        started, code = event.stage == "ResponseStarted", event.response_status.code
        on = event.object_ref
        if on.subresource == PROXY:
            # The code is that of the pod or kubelet, but where the API server itself refused, which it tells as a failure.
            if started and event.response_status.status != "Failure":
                yield Proxied(**self._who(event, batch), on=_on(event))
            return
        if on.resource != "pods" or event.stage == "RequestReceived":
            return
        said = event.parameters()
        what: dict[str, Any] = {
            **self._who(event, batch),
            "on": _on(event),
            "session": on.subresource,
            "container": _text(said.get("container", ""), _WORD),
        }
        if code >= 400:
            if not started and not refusal(event):
                yield SessionFailed(**what, code=code)
        elif started:
            asked = {name: said.get(name) in ("1", "true") for name in ("stdin", "tty")}
            yield SessionOpened(**what, **asked, command="command" in said)
        else:
            yield SessionClosed(**what, began=event.request_received_timestamp)

    def _written(self, event: Event, batch: str) -> Iterator[Act]:
        on = event.object_ref
        if (on.resource, on.subresource) == ("pods", DEBUG):
            yield SessionOpened(**self._who(event, batch), on=_on(event), session="ephemeralcontainers")
        elif event.user.username != self.operator and _decides(event):
            yield Changed(**self._who(event, batch), on=_on(event), verb=_text(event.verb, _WORD))

    def _who(self, event: Event, batch: str) -> dict[str, Any]:
        user, other = event.user.username, event.impersonated_user
        return {
            "by": _text(self.pseudonyms.user(user), _NAME),
            "as_user": _text(self.pseudonyms.user(other.username), _NAME) if other else "",
            "groups": _rights(event.user.groups),
            "address": self.pseudonyms.address(user, event.address),
            "at": event.stage_timestamp,
            "audit": _text(event.audit_id, _ID),
            "batch": batch,
        }


def _objected(event: Event, objection: Objection, revisions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "verb": _text(event.verb, _WORD),
        "on": _on(event),
        "admission": objection.admission,
        "policy": objection.policy,
        "revision": revisions.get(objection.policy, ""),
        "violations": tuple(_text(v, _NAME) for v in objection.violations),
    }


def _decides(event: Event) -> bool:
    """Return whether the object that was written is one by which Daulat decides."""
    on, by_person = event.object_ref, is_person(event.user.username)
    if on.api_group == "":
        return on.resource in RECORDS and by_person
    if on.subresource == "status":
        return on.api_group == GROUP and by_person
    if on.api_group in SHARED:
        # A deletion of all that a selector finds names none.
        return on.name.endswith(f".{GROUP}") or event.verb == "deletecollection"
    return on.api_group == GROUP


def _is_dry(event: Event) -> bool:
    """Return whether the request changed nothing, whatever became of it."""
    if event.verb not in _DRY or event.object_ref.subresource in (*STREAMS, PROXY):
        return False
    return event.parameters().get("dryRun") == "All"


def _on(event: Event) -> On:
    on = event.object_ref
    return On(
        group=_text(on.api_group, _NAME),
        resource=_text(on.resource, _WORD),
        subresource=_text(on.subresource, _WORD),
        namespace=_text(on.namespace, _WORD),
        name=_text(on.name, _NAME),
    )


def _rights(groups: list[str]) -> tuple[str, ...]:
    found = (g for g in groups if g.startswith("system:") and not g.startswith(_ORDINARY))
    return tuple(_text(g, _NAME) for g in sorted(found))[:_GROUPS]


def _text(value: str, longest: int) -> str:
    """Return text as canonical JSON can say it, cut to what a valid name has: the rest is a client's invention."""
    return value[:longest].encode("utf-8", "backslashreplace").decode()
