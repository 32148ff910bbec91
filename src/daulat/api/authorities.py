"""Authorities that attest where nodes stand: whom a policy trusts, by which keys, and which statements are revoked."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from .meta import Duration, ObjectName, Spec, seconds_of

KEY_PATTERN = r"^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?$"
PublicKey = Annotated[str, Field(pattern=KEY_PATTERN, max_length=1024)]
TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
SERIAL_PATTERN = r"^[A-Za-z0-9][-A-Za-z0-9._:]*$"


def posix(time: str) -> float:
    """Return a time such as 2026-12-01T00:00:00Z in seconds since the epoch. ValueError where there is no such time."""
    if re.match(TIME_PATTERN, time) is None:
        raise ValueError(f"{time[:40]} isn't a time in UTC such as 2026-12-01T00:00:00Z")
    return datetime.fromisoformat(time).timestamp()


def _exists(time: str) -> str:
    posix(time)
    return time


Time = Annotated[
    str,
    Field(
        # No pattern: to CEL a date-time is no text. The length leaves no other form than that in UTC.
        min_length=20,
        max_length=20,
        description="A time in UTC.",
        examples=["2026-12-01T00:00:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
    AfterValidator(_exists),
]
SerialNumber = Annotated[str, Field(pattern=SERIAL_PATTERN, max_length=128)]


class EvidenceTier(StrEnum):
    """How it is known that a node stands in its zone, from the weakest to the strongest."""

    DECLARED = "declared"
    OBSERVED = "observed"
    ATTESTED = "attested"

    @property
    def rank(self) -> int:
        """Position in the order declared < observed < attested."""
        return list(EvidenceTier).index(self)


class AuthorityKey(Spec):
    """A public key of an authority, and the time for which it may sign."""

    public_key: PublicKey
    """The key as PEM: Ed25519, or ECDSA on P-256."""
    not_before: Time | None = None
    """If set, a statement whose validity begins earlier isn't accepted."""
    not_after: Time | None = None
    """If set, a statement whose validity ends later isn't accepted."""

    def covers(self, not_before: float, not_after: float) -> bool:
        """Say whether the key is good for all of a statement's time, in seconds since the epoch."""
        return (self.not_before is None or posix(self.not_before) <= not_before) and (
            self.not_after is None or not_after <= posix(self.not_after)
        )


class TrustedAuthority(Spec):
    """An authority whose statements about nodes are trusted."""

    name: ObjectName
    """The name of the authority, as in its statements."""
    keys: tuple[AuthorityKey, ...] = Field(min_length=1, max_length=8)
    """Its public keys. A statement must be signed by one of them. To rotate a key, add the new one, have the nodes attested
    again, and remove the old one."""
    revoked: tuple[SerialNumber, ...] = Field(default=(), max_length=1024)
    """Revoked statements of the authority, by serial number, or by digest as sha256:DIGEST. A node that only revoked statements
    attest isn't eligible."""


class AttestationRequirements(Spec):
    """The authorities whose NodeAttestations are evidence."""

    authorities: tuple[TrustedAuthority, ...] = Field(
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """The authorities that are trusted."""
    max_duration: Annotated[Duration, Field(max_length=7)] | None = None
    """The longest validity of a statement, in s, m or h, such as 2160h for 90 days. A statement with a longer validity isn't
    accepted; left out, any validity is accepted."""

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        names = [authority.name for authority in self.authorities]
        if len(set(names)) < len(names):
            raise ValueError("each authority is named once")
        return self

    def authority(self, name: str) -> TrustedAuthority | None:
        """Return the authority of that name, or None where it isn't trusted."""
        return next((a for a in self.authorities if a.name == name), None)

    @property
    def max_seconds(self) -> float:
        """The longest validity in seconds."""
        return float("inf") if self.max_duration is None else seconds_of(self.max_duration)
