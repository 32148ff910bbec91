"""Events of audit.k8s.io/v1 as far as entries are made of them, and their strict reading from bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Literal
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

_Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")]


class Unreadable(Exception):
    """Bytes that aren't what an API server sends."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", alias_generator=to_camel)


class User(_Part):
    """Who sent the request, or in whose name."""

    username: str = ""
    groups: list[str] = []


class Target(_Part):
    """What the request was for, as its URL says."""

    api_group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class Status(_Part):
    """How it was answered."""

    code: Annotated[int, Field(ge=0, le=999)] = 0
    status: str = ""
    message: str = ""


class Event(_Part):
    """One stage of one request."""

    audit_id: Annotated[str, StringConstraints(min_length=1)] = Field(alias="auditID")
    """It may be the client's: the API server takes over a header ``Audit-ID`` as it is, so it identifies nothing."""
    stage: Literal["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]
    verb: str
    request_uri: str = Field(alias="requestURI")
    user: User
    impersonated_user: User | None = None
    source_ips: list[str] = Field(default=[], alias="sourceIPs")
    object_ref: Target = Target()
    response_status: Status = Status()
    request_received_timestamp: _Time
    stage_timestamp: _Time
    annotations: dict[str, str] = {}

    @property
    def identity(self) -> bytes:
        """A digest that two events share only if one is a repetition of the other.

        It has the API server's times, to the microsecond: a client that repeats an ``Audit-ID`` doesn't make its requests
        repetitions.
        """
        as_user = self.impersonated_user.username if self.impersonated_user else ""
        said = [self.audit_id, self.stage, self.verb, self.request_uri, self.user.username, as_user]
        times = [self.request_received_timestamp, self.stage_timestamp, self.response_status.code]
        return sha256(json.dumps([*said, *times]).encode()).digest()

    @property
    def address(self) -> str:
        """The address that the connection came from: the last one. Those before it are from headers, which a client can write."""
        return self.source_ips[-1] if self.source_ips else ""

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the URL by name; of repeated ones the first, as the API server reads them."""
        found: dict[str, str] = {}
        for pair in self.request_uri.partition("?")[2].split("&"):
            key, _, value = pair.partition("=")
            found.setdefault(unquote_plus(key), unquote_plus(value))
        return found


def items_of_list(data: bytes) -> list[JsonValue]:
    """Return the items of an EventList. Unreadable if it isn't one."""
    value = _json(data)
    if not isinstance(value, dict) or (value.get("kind"), value.get("apiVersion")) != ("EventList", "audit.k8s.io/v1"):
        raise Unreadable("not an EventList of audit.k8s.io/v1")
    items = value.get("items")
    if not isinstance(items, list):
        raise Unreadable("items: not a list")
    return items


def items_of_lines(data: bytes) -> Iterator[JsonValue | Unreadable]:
    """Yield the JSON value of each line that isn't empty, or why it has none."""
    for line in data.split(b"\n"):
        if line.strip():
            try:
                yield _json(line)
            except Unreadable as error:
                yield error


def event(item: JsonValue) -> Event:
    """Return an event. Unreadable if it isn't one, with the field that says so."""
    try:
        return Event.model_validate(item, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Of the reason only what the model says: a value from the event doesn't belong in the log.
        raise Unreadable(f"{'.'.join(map(str, first['loc']))[:64]}: {first['type']}") from error


def _json(data: bytes) -> JsonValue:
    try:
        value: JsonValue = from_json(data)
    except ValueError as error:
        raise Unreadable(f"not JSON: {str(error)[:100]}") from error
    return value
