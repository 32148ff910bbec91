"""Decodes a page of a list: the name and the resource version of each object first, the whole object on demand.

A list of 20,000 pods is a hundred megabytes of JSON, half of it managedFields. Most of what a periodic list brings is known
already, which name and resource version tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from daulat.api.kinds import Manifest

from .errors import NoAnswer


class _Head(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct):
    metadata: _Head


class _ListHead(msgspec.Struct, rename="camel"):
    resource_version: str
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListHead
    items: list[msgspec.Raw] | None = None


_LIST = msgspec.json.Decoder(_List)
_OBJECT = msgspec.json.Decoder(_Object)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class Listed:
    """An object of a list. Only its name, namespace (empty for cluster-scoped kinds) and resource version are read at first."""

    __slots__ = ("_raw", "name", "namespace", "version")

    def __init__(self, raw: msgspec.Raw) -> None:
        """Take its JSON. Raises msgspec.DecodeError where that is no object of Kubernetes."""
        head = _OBJECT.decode(raw).metadata
        self.name, self.namespace, self.version = head.name, head.namespace, head.resource_version
        self._raw = raw

    def read(self) -> Manifest:
        """Return the whole object, without managedFields. Raises NoAnswer where it isn't valid JSON."""
        try:
            fields = _FIELDS.decode(self._raw)
            meta = _FIELDS.decode(fields.pop("metadata"))
            found: Manifest = {"metadata": {k: _ANY.decode(v) for k, v in meta.items() if k != "managedFields"}}
            return found | {k: _ANY.decode(v) for k, v in fields.items()}
        except ValueError as error:
            raise NoAnswer(f"{self.name} in the list can't be read: {error}") from error


@dataclass(frozen=True)
class Page:
    """Some of the objects of a list."""

    items: Sequence[Listed]
    version: int
    """The resource version of the list."""
    next: str
    """What asks for the next page; empty on the last."""


def read_page(text: bytes) -> Page:
    """Return the page that an API server has answered with. Raises NoAnswer where that is no list, such as a proxy's own page."""
    try:
        page = _LIST.decode(text)
        items = [Listed(raw) for raw in page.items or ()]
        return Page(items, int(page.metadata.resource_version), page.metadata.continue_)
    except ValueError as error:
        raise NoAnswer(f"the answer isn't a list: {error}") from error
