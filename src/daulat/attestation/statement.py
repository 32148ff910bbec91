"""What an authority states about a node: an in-toto statement (v1) with a predicate of Daulat's own.

It is read strictly. A field that isn't known may be a restriction, so it is an error; and so is a name that is there twice, of
which two readers may take different ones.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

import rfc8785
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from daulat.api.authorities import SerialNumber, Time, posix
from daulat.api.meta import CountryCode, ObjectName

from .errors import AttestationError

STRICT = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")
"""The statement's values have slots and no dictionaries: a fleet of 5,000 nodes has tens of thousands of them."""
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://daulat.dev/attestations/node-location/v1"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
PLACEHOLDERS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
    }
)
"""System UUIDs of firmware whose maker has set none. They name no machine."""


def _names_a_machine(uuid: str) -> str:
    if uuid in PLACEHOLDERS:
        raise ValueError("is the placeholder of firmware that has no UUID, and names no machine")
    return uuid


SystemUUID = Annotated[str, Field(pattern=_UUID), AfterValidator(_names_a_machine)]
Text = Annotated[str, Field(min_length=1, max_length=256)]
Name = Annotated[Text, AfterValidator(sys.intern)]
"""A text that many statements share."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class DigestSet:
    """The digest of a subject."""

    sha256: Digest
    """64 hexadecimal digits."""


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class Subject:
    """What the statement is about: a node, by its name and by the digest of its system UUID."""

    name: ObjectName
    """The node's name."""
    digest: DigestSet
    """SHA-256 of the system UUID in lower case."""


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class Facility:
    """Where the node stands."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """The facility's name of record, as spec.facility.name of its zone."""
    country: CountryCode
    """The country where it stands."""
    zone: ObjectName | None = None
    """The SovereignZone, where the authority names one."""


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class Chip:
    """An accelerator that was found in the node."""

    vendor: Name
    """The vendor."""
    product: Name
    """What it is."""
    id: Text
    """Its UUID or serial number, as its driver reports it."""


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class Tpm:
    """The node's Trusted Platform Module."""

    ek_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    """SHA-256 of the public endorsement key (DER, SubjectPublicKeyInfo)."""


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class NodeLocation:
    """The predicate: where the node stands, as the authority has found it."""

    system_uuid: SystemUUID = Field(alias="systemUUID")
    """The node's system UUID in lower case, as SMBIOS and status.nodeInfo have it."""
    facility: Facility
    """Where it stands."""
    operator: Name | None = None
    """The legal name of who runs the facility."""
    tpm: Tpm | None = None
    """The node's TPM. It is on record for an auditor; the operator compares it with nothing."""
    chips: tuple[Chip, ...] = Field(default=(), max_length=256)
    """The accelerators in the node; left out, the statement says nothing of them."""
    not_before: Time
    """From when on the statement is valid."""
    not_after: Time
    """Until when."""
    authority: ObjectName
    """The authority that states it."""
    serial_number: SerialNumber
    """The authority's number of the statement, by which it can be revoked."""

    @field_validator("chips")
    @classmethod
    def _each_once(cls, chips: tuple[Chip, ...]) -> tuple[Chip, ...]:
        if len({chip.id for chip in chips}) < len(chips):
            raise ValueError("duplicate chip")
        return chips

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if posix(self.not_after) <= posix(self.not_before):
            raise ValueError("notAfter isn't later than notBefore")
        return self


@dataclass(config=STRICT, frozen=True, slots=True, kw_only=True)
class Statement:
    """The statement as it is signed."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_TYPE, alias="_type")
    """The version of in-toto's statements."""
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=1)]
    """The node."""
    predicate_type: Literal["https://daulat.dev/attestations/node-location/v1"] = PREDICATE_TYPE
    """What is stated."""
    predicate: NodeLocation
    """The statement itself."""

    @model_validator(mode="after")
    def _is_of_its_subject(self) -> Self:
        if self.subject[0].digest.sha256 != uuid_digest(self.predicate.system_uuid):
            raise ValueError("the subject's digest isn't that of predicate.systemUUID")
        return self

    @property
    def node(self) -> str:
        """The node's name."""
        return self.subject[0].name

    @property
    def begins(self) -> float:
        """From when on it is valid, in seconds since the epoch."""
        return posix(self.predicate.not_before)

    @property
    def ends(self) -> float:
        """Until when it is valid, in seconds since the epoch: at that moment it isn't any more."""
        return posix(self.predicate.not_after)


STATEMENT: TypeAdapter[Statement] = TypeAdapter(Statement)
PREDICATE: TypeAdapter[NodeLocation] = TypeAdapter(NodeLocation)


def uuid_digest(system_uuid: str) -> str:
    """Return the digest of a system UUID that names the subject."""
    return sha256(system_uuid.lower().encode()).hexdigest()


def statement_of(node: str, predicate: NodeLocation) -> Statement:
    """Return the statement about a node. AttestationError for a name that no node has."""
    try:
        digest = DigestSet(sha256=uuid_digest(predicate.system_uuid))
        return Statement(subject=(Subject(name=node, digest=digest),), predicate=predicate)
    except ValidationError as error:
        raise AttestationError(problems(error)) from error


def written(statement: Statement) -> bytes:
    """Return the bytes to sign: canonical JSON (RFC 8785)."""
    return rfc8785.dumps(as_value(statement))


def as_value(statement: Statement) -> dict[str, Any]:
    """Return the statement as plain data, as it is signed. What isn't stated is left out."""
    found: dict[str, Any] = STATEMENT.dump_python(statement, by_alias=True, exclude_none=True, mode="json")
    if not statement.predicate.chips:
        del found["predicate"]["chips"]
    return found


def read(payload: bytes) -> Statement:
    """Return the statement in a payload. AttestationError where it is anything else."""
    try:
        raw = json.loads(payload.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        return STATEMENT.validate_python(raw)
    except ValidationError as error:
        raise AttestationError(problems(error)) from error
    except (ValueError, RecursionError) as error:
        raise AttestationError(f"the payload isn't the JSON of a statement: {str(error)[:200]}") from error


def problems(error: ValidationError) -> str:
    """Return what is wrong, each with its field."""
    found = (f"{'.'.join(map(str, e['loc'])) or 'statement'}: {e['msg']}" for e in error.errors())
    return "; ".join(found)[:1000]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate key in an object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
