"""The pages of each user: made from the facts of one reading, limited to what the user may list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from daulat.console.further import Further
from daulat.console.log import Log
from daulat.console.outlines import Outlines
from daulat.console.site import Site
from daulat.console.whatif import WhatIf

from ...reading import Gathered, Rights

MOST = 8
"""Sites that are kept of one reading. Users with the same rights share one; a site of 5,000 nodes takes some 100 MiB."""


@dataclass(frozen=True)
class Taken:
    """One reading."""

    gathered: Gathered
    log: Log | None = None
    """The log, with the runs of all models; None where none was given."""


def made(taken: Taken, rights: Rights, outlines: Outlines, title: str) -> Site:
    """Return the pages for a user with these rights. Raises ClusterUnreadable where they show none of Daulat's kinds."""
    return Site(
        taken.gathered.facts(rights),
        outlines,
        title,
        Further(log=_visible(taken.log, rights), whatif=WhatIf(live=True)),
    )


def _visible(log: Log | None, rights: Rights) -> Log | None:
    """Return the log with the runs of namespaces whose models and pods the user may list: its entries name the pod of a run.

    The checkpoint names no object.
    """
    if log is None or log.runs is None:
        return log
    return replace(
        log, runs=log.runs.within(lambda name: rights.may("SovereignModel", name) and rights.may("Pod", name))
    )


class Pages:
    """The sites of the last reading, by the rights of those who see them."""

    def __init__(self, make: Callable[[Taken, Rights], Site]) -> None:
        """Take how a site is made. It raises ClusterUnreadable where the rights show none of Daulat's kinds."""
        self._make = make
        self._of: Taken | None = None
        self._sites: dict[Rights, asyncio.Task[Site]] = {}

    async def site(self, taken: Taken, rights: Rights) -> Site:
        """Return the site of a reading for a user with these rights. Requests at the same time share the work."""
        if taken is not self._of:
            self._of, self._sites = taken, {}
        found = self._sites.get(rights)
        if found is None:
            while len(self._sites) >= MOST:
                del self._sites[next(iter(self._sites))]
            # In a thread, so that probes and other users are answered meanwhile.
            found = self._sites[rights] = asyncio.ensure_future(asyncio.to_thread(self._make, taken, rights))
        return await asyncio.shield(found)
