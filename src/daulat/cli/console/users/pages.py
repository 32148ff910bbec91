"""The pages of each user: made from the facts of one reading, limited to what the user may list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daulat.console.site import Site

from ...reading import Gathered, Rights

MOST = 8
"""Sites that are kept of one reading. Users with the same rights share one; a site of 5,000 nodes takes some 100 MiB."""


class Pages:
    """The sites of the last reading, by the rights of those who see them."""

    def __init__(self, make: Callable[[Gathered, Rights], Site]) -> None:
        """Take how a site is made. It raises ClusterUnreadable where the rights show none of Daulat's kinds."""
        self._make = make
        self._of: Gathered | None = None
        self._sites: dict[Rights, asyncio.Task[Site]] = {}

    async def site(self, gathered: Gathered, rights: Rights) -> Site:
        """Return the site of a reading for a user with these rights. Requests at the same time share the work."""
        if gathered is not self._of:
            self._of, self._sites = gathered, {}
        found = self._sites.get(rights)
        if found is None:
            while len(self._sites) >= MOST:
                del self._sites[next(iter(self._sites))]
            # In a thread, so that probes and other users are answered meanwhile.
            found = self._sites[rights] = asyncio.ensure_future(asyncio.to_thread(self._make, gathered, rights))
        return await asyncio.shield(found)
