"""How a model is reached from outside the cluster: by a Gateway of its own namespace, and by nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .accelerator import UrlPath
from .meta import ObjectName, Spec

ServiceName = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
HOST_PATTERN = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
Hostname = Annotated[
    str,
    Field(
        pattern=HOST_PATTERN,
        max_length=253,
        examples=["deepseek.example.my"],
    ),
]


class EndpointPicker(Spec):
    """Who chooses the replica for each request, as the Gateway API's inference extension has it."""

    service: ServiceName
    """The endpoint picker's Service, in the model's namespace."""
    port: int = Field(default=9002, ge=1, le=65535, json_schema_extra={"format": "int32"})
    """Its port."""


class ModelExposure(Spec):
    """A route to the model from a Gateway of its own namespace. Its class must be approved by every policy and on record of the
    zone where the model runs, or there is no route."""

    gateway: ObjectName
    """The Gateway, in the model's namespace."""
    listener: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None = Field(
        default=None, max_length=253
    )
    """The listener of the Gateway; left out, every listener that accepts the route."""
    hostnames: tuple[Hostname, ...] = Field(default=(), max_length=16)
    """The host names that clients use; left out, those of the listener."""
    paths: tuple[UrlPath, ...] = Field(default=("/v1",), min_length=1, max_length=8)
    """The path prefixes that the route matches. An engine's metrics and administrative endpoints aren't among them."""
    timeout_seconds: int = Field(default=3600, ge=0, le=86400, json_schema_extra={"format": "int32"})
    """Seconds from the first byte of a request to the last byte of its response; 0 means no limit."""
    endpoint_picker: EndpointPicker | None = None
    """Who chooses the replica for each request; left out, the Service does."""
