"""A Gateway of the Gateway API: its class, and where it listens. Somebody else makes it; Daulat only leads a route to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Listener:
    """One listener. Its hostname is empty where it takes any."""

    name: str
    hostname: str
    protocol: str
    port: int


@dataclass(frozen=True)
class Gateway:
    """A Gateway, with the addresses that its controller has given it."""

    namespace: str
    name: str
    gateway_class: str
    listeners: tuple[Listener, ...]
    addresses: tuple[str, ...] = ()


def parse_gateway(raw: Mapping[str, Any]) -> Gateway:
    """Read a Gateway."""
    meta, spec, status = raw.get("metadata") or {}, raw.get("spec") or {}, raw.get("status") or {}
    return Gateway(
        namespace=str(meta.get("namespace") or ""),
        name=str(meta.get("name") or ""),
        gateway_class=str(spec.get("gatewayClassName") or ""),
        listeners=tuple(
            Listener(
                str(listener.get("name") or ""),
                str(listener.get("hostname") or ""),
                str(listener.get("protocol") or ""),
                int(listener.get("port") or 0),
            )
            for listener in spec.get("listeners") or ()
        ),
        addresses=tuple(str(a.get("value")) for a in status.get("addresses") or () if a.get("value")),
    )
