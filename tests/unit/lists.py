"""Lists of fake clients as the informer reads them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from daulat.kube.page import Listed
from daulat.kube.resources import Resource


class Lists(ABC):
    """A fake client that lists."""

    @abstractmethod
    def pages(self, resource: Resource) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """Yield the objects of a kind page by page, each with the resource version of the list."""

    async def unread_pages(self, resource: Resource) -> AsyncIterator[tuple[Sequence[Listed], int]]:
        """Yield the same pages as the real client does."""
        async for items, version in self.pages(resource):
            yield [Listed(msgspec.Raw(json.dumps(item).encode())) for item in items], version
