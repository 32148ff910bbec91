"""NodeAttestation: an authority's signed statement of where a node stands, with which accelerators, and until when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .meta import ConditionedStatus, Spec

PAYLOAD_TYPE = "application/vnd.in-toto+json"
BASE64_PATTERN = r"^[A-Za-z0-9+/]+=*$"


class Signature(Spec):
    """One signature of the envelope."""

    keyid: Annotated[str, Field(max_length=256)] | None = None
    """A name of the key, as a note for people. It isn't signed, and nothing is decided by it."""
    sig: Annotated[str, Field(pattern=BASE64_PATTERN, max_length=512)]
    """The signature in base 64: Ed25519, or ECDSA on P-256 with SHA-256."""


class Envelope(Spec):
    """A DSSE envelope with an in-toto statement. Nothing is believed but what is signed: the payload and its type."""

    payload_type: Literal["application/vnd.in-toto+json"]
    """The type of the payload."""
    payload: Annotated[str, Field(pattern=BASE64_PATTERN, max_length=65536)]
    """The statement in base 64, as `daulat attest` writes it."""
    signatures: tuple[Signature, ...] = Field(min_length=1, max_length=8)
    """The signatures of payload and type. One by a trusted key is enough."""


class NodeAttestationSpec(Spec):
    """An authority's signed statement of where a node stands, with which accelerators, and until when."""

    envelope: Envelope
    """The signed statement. What it says is believed by its signature alone, not by the rights of the user who applies it."""


class NodeAttestationStatus(ConditionedStatus):
    """What the statement says, read out of the envelope, and whether it counts. Nothing is decided by what stands here."""

    node: str | None = None
    """The node that the statement is about."""
    system_uuid: str | None = Field(default=None, alias="systemUUID")
    """The node's system UUID."""
    facility: str | None = None
    """The facility that it stands in."""
    country: str | None = None
    """The facility's country."""
    authority: str | None = None
    """The authority that made the statement, as it says."""
    serial_number: str | None = None
    """The authority's number of the statement."""
    digest: str | None = None
    """The statement's digest, by which a policy may revoke it."""
    not_after: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """Until when it is valid."""
    policies: tuple[str, ...] = Field(default=(), max_length=64)
    """The policies for which it is evidence now."""
