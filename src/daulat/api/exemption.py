"""SovereigntyExemption: these controls don't apply to these namespaces until then, for this reason."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, field_validator

from .meta import ConditionedStatus, ObjectName, Spec
from .policy import ControlId
from .requirements import UserName


class Approval(Spec):
    """One user's approval. Admission lets only that user write it."""

    user: UserName
    """The user name of the approver in this cluster, which must not be the requester's."""
    reference: str = Field(min_length=1, max_length=512)
    """Where the decision is filed, such as a ticket."""


class SovereigntyExemptionSpec(Spec):
    """Controls that don't apply, where, until when, and why."""

    policy: ObjectName
    """The SovereigntyPolicy that is relaxed."""
    controls: tuple[ControlId, ...] = Field(min_length=1, max_length=32)
    """The controls that don't apply."""
    namespaces: tuple[ObjectName, ...] = Field(min_length=1, max_length=64)
    """The namespaces where they don't apply, by name."""
    reason: str = Field(min_length=10, max_length=1024)
    """Why."""
    requested_by: UserName
    """The user name of the requester. Admission compares it with the user of the request."""
    approvals: tuple[Approval, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["user"]},
    )
    """Who approved it. Without an approval nothing is exempt."""
    expires_at: str = Field(json_schema_extra={"format": "date-time"}, max_length=40)
    """When it ends. Pods made later are judged in full, with the operator down too."""

    @field_validator("expires_at")
    @classmethod
    def _has_a_zone(cls, value: str) -> str:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("needs a time zone, such as Z")
        try:
            at.astimezone(UTC)
        except OverflowError:
            raise ValueError("is before the year 1 or after the year 9999 in UTC") from None
        return value

    @property
    def approved(self) -> bool:
        """Whether somebody else than the requester approved it."""
        return any(a.user != self.requested_by for a in self.approvals)

    @property
    def expiry(self) -> str:
        """When it ends, in UTC. ValueError where it isn't a time."""
        at = datetime.fromisoformat(self.expires_at)
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def expired(self, now: float) -> bool:
        """Say whether it is over at this time, in seconds since the epoch."""
        return self.seconds_left(now) <= 0

    def seconds_left(self, now: float) -> float:
        """Return how long it still holds at this time, in seconds since the epoch."""
        return datetime.fromisoformat(self.expires_at).timestamp() - now


class SovereigntyExemptionStatus(ConditionedStatus):
    """Whether the exemption is in force."""
