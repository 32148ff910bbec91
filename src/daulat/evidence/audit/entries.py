"""What entries from the audit log say, by kind. A field that is empty is left out of the entry."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from daulat.evidence.record import Record


class Source(StrEnum):
    """How a batch reached the recorder."""

    WEBHOOK = "webhook"
    FILE = "file"


# --- batches


class Batch(Record):
    """The bytes that entries come from."""

    batch: str
    """The SHA-256 of the bytes: of the body of a webhook's request, or of whole lines of the file."""
    bytes: int
    source: Source
    file: str = ""
    """The name of the file without its folder."""
    offset: int = 0
    """Where in the file the bytes begin."""


class AuditBatch(Batch):
    """A batch was read. The entries from it follow, and have its digest."""

    events: int = 0
    first: str = ""
    """The ID of its first event, and of its last one. It may be the client's."""
    last: str = ""
    since: str = ""
    """The earliest time of an event, and the latest, by the API server's clock."""
    until: str = ""
    repeated: int = 0
    """Events that were in an earlier batch: a webhook's request is repeated until it is answered."""
    unreadable: int = 0


class AuditUnreadable(Batch):
    """A batch, or events of one, can't be read. Their content isn't in the log."""

    count: int = 0
    """The events that can't be read; 0 if the batch as a whole can't."""
    reason: str
    """Of the first one."""


class Doubt(StrEnum):
    """Why events may be missing."""

    NOT_LISTENING = "NotListening"
    """The webhook was down for longer than the API server retries."""
    NOT_TAKEN = "NotTaken"
    """The log took no entries for longer than the API server retries."""
    ROTATED_AWAY = "RotatedAway"
    """The file that was being read isn't there any more."""
    CUT_OFF = "CutOff"
    """The file became shorter than what was read of it."""
    DAMAGED = "Damaged"
    """An older file can't be decompressed to its end."""


class AuditGap(Record):
    """Events of a span of time may be missing."""

    source: Source
    reason: Doubt
    since: str
    """The latest time up to which events were read."""
    until: str = ""
    """The time from which they are read again; empty if it isn't known yet."""
    file: str = ""


# --- requests


class On(BaseModel):
    """What a request was for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class Act(Record):
    """A request, or several that differ in their time alone."""

    by: str = ""
    """Who sent it: a person as a digest, others by name. Empty if the API server didn't know."""
    as_user: str = Field(default="", alias="as")
    """In whose name, if that is another."""
    groups: tuple[str, ...] = ()
    """Those of the user's groups that are Kubernetes' own and give rights, such as ``system:masters``."""
    address: str = ""
    """Where it came from, as a digest under the salt of who sent it."""
    at: str
    """When it was answered, by the API server's clock."""
    until: str = ""
    """When the last one was answered, if there are several."""
    count: int = 1
    audit: str = ""
    """The ID of the event; of the first one if there are several. It may be the client's."""
    batch: str
    """The digest of the batch that has the event."""


class Objected(Act):
    """What an admission policy objected to."""

    verb: str = ""
    on: On = On()
    admission: str
    """The ValidatingAdmissionPolicy."""
    policy: str = ""
    """The SovereigntyPolicy that it comes from; empty for a guard of the cluster."""
    revision: str = ""
    """The policy's revision in force when the batch was read."""
    violations: tuple[str, ...] = ()
    """Controls and fields, such as ``USE-04 spec.nodeName``."""


class Refused(Objected):
    """A request was refused by one of Daulat's admission policies."""


class ViolationAdmitted(Objected):
    """A request broke a control of a policy with the action Warn or Audit, and was admitted."""


class Session(Act):
    """A session with a running pod."""

    on: On = On()
    session: Literal["exec", "attach", "portforward", "ephemeralcontainers"]
    container: str = ""


class SessionOpened(Session):
    """A session was opened, or a debugging container was added to a pod."""

    command: bool = False
    """Whether a command was given. Its text may hold secrets, and isn't recorded."""
    stdin: bool = False
    tty: bool = False


class SessionClosed(Session):
    """A session ended."""

    began: str = ""
    """When it was requested."""


class SessionFailed(Session):
    """A session was requested and not opened, for a cause other than Daulat's policies."""

    code: int
    """The HTTP status."""


class Proxied(Act):
    """Requests went through the API server to a pod, a Service or a kubelet."""

    on: On = On()


class Impersonated(Act):
    """Requests were sent in another user's name, with any outcome."""

    as_groups: tuple[str, ...] = ()
    """Those of the other user's groups that are Kubernetes' own and give rights."""


class Changed(Act):
    """An object that Daulat bases decisions on was changed. Other entries have its new content."""

    verb: str = ""
    on: On = On()


ENTRIES: tuple[type[Record], ...] = (
    AuditBatch,
    AuditUnreadable,
    AuditGap,
    Refused,
    ViolationAdmitted,
    SessionOpened,
    SessionClosed,
    SessionFailed,
    Proxied,
    Impersonated,
    Changed,
)
"""The kinds of entries that come from the audit log."""
