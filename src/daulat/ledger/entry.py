"""Entries: canonical JSON (RFC 8785) with a version, a kind and a time. What each kind's ``data`` says, its recorder decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, NoReturn

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from .errors import Malformed
from .tiles import MAXIMUM_ENTRY

VERSION: Literal["ledger.daulat.dev/v1"] = "ledger.daulat.dev/v1"
_TIME = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$"


class Entry(BaseModel):
    """The envelope of an entry."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)

    version: Literal["ledger.daulat.dev/v1"] = Field(default=VERSION, alias="apiVersion")
    kind: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
    """What happened, such as ``PodStarted``."""
    time: Annotated[str, StringConstraints(pattern=_TIME)]
    """When it was recorded, in UTC (RFC 3339)."""
    data: dict[str, JsonValue]

    def encode(self) -> bytes:
        """Return the bytes that the log keeps. Malformed over 65,535 bytes: a large fact belongs beside the log, by its digest."""
        encoded = canonical(self.model_dump(by_alias=True))
        if len(encoded) > MAXIMUM_ENTRY:
            raise Malformed(f"an entry of {len(encoded)} bytes; at most {MAXIMUM_ENTRY} fit")
        # A float of 2**53 is written as an integer that no reader takes.
        parse(encoded)
        return encoded


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the value as canonical JSON. Malformed for what canonical JSON can't say, such as integers from 2**53 on."""
    try:
        return rfc8785.dumps(dict(value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise Malformed(f"no canonical JSON: {error}") from error


def digest(facts: bytes) -> str:
    """Return what an entry says of facts that are kept beside the log."""
    return f"sha256:{sha256(facts).hexdigest()}"


def parse(data: bytes) -> Entry:
    """Return the entry. Malformed if it isn't canonical JSON with exactly the envelope's fields."""
    try:
        value = _plain(data)
        if value is None:
            value = json.loads(data)
            if not isinstance(value, dict):
                raise Malformed("not a JSON object")
            if canonical(value) != data:
                raise Malformed("not canonical JSON (RFC 8785)")
        return Entry.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Malformed(f"{'.'.join(map(str, first['loc'])) or 'entry'}: {first['msg']}") from error
    except RecursionError as error:
        raise Malformed("nested too deeply") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Malformed("not JSON") from error


def _plain(data: bytes) -> dict[str, Any] | None:
    """Return the object of most canonical JSON, in a fifth of the time; None where RFC 8785's own rules are needed to tell.

    Python writes the same bytes but for floats, integers from 2**53 on, and the order of keys beyond the BMP.
    """
    if not data.isascii():
        return None
    try:
        value = _DECODER.decode(data.decode())
        return value if isinstance(value, dict) and _ENCODER.encode(value).encode() == data else None
    except ValueError:
        return None


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _small(text: str) -> int:
    if len(text) > 15 or text == "-0":
        raise ValueError(text)
    return int(text)


_DECODER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, parse_int=_small)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
