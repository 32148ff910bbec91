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
    """A name of the key, for information only. It isn't signed, and no decision depends on it."""
    sig: Annotated[str, Field(pattern=BASE64_PATTERN, max_length=512)]
    """The signature in base 64: Ed25519, or ECDSA on P-256 with SHA-256."""


class Envelope(Spec):
    """A DSSE envelope with an in-toto statement. Only what is signed is trusted: the payload and its type."""

    payload_type: Literal["application/vnd.in-toto+json"]
    """The type of the payload."""
    payload: Annotated[str, Field(pattern=BASE64_PATTERN, max_length=65536)]
    """The statement in base 64, as `daulat attest` writes it."""
    signatures: tuple[Signature, ...] = Field(min_length=1, max_length=8)
    """The signatures of payload and type. One by a trusted key is enough."""


class NodeAttestationSpec(Spec):
    """An authority's signed statement of the facility where a node is, of its accelerators, and of the time for which it is
    valid."""

    envelope: Envelope
    """The signed statement. Only its signature decides whether it is trusted, not the rights of the user who applies it."""


class NodeAttestationStatus(ConditionedStatus):
    """The content of the statement, as read from the envelope, and whether a policy accepts it as evidence. No decision depends
    on this status."""

    node: str | None = None
    """The node that the statement is about."""
    system_uuid: str | None = Field(default=None, alias="systemUUID")
    """The node's system UUID."""
    facility: str | None = None
    """The facility where the node is."""
    country: str | None = None
    """The facility's country."""
    authority: str | None = None
    """The authority that the statement names as its issuer."""
    serial_number: str | None = None
    """The authority's number of the statement."""
    digest: str | None = None
    """The statement's digest, by which a policy may revoke it."""
    not_after: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """The end of the statement's validity."""
    policies: tuple[str, ...] = Field(default=(), max_length=64)
    """The policies for which it is evidence now."""
