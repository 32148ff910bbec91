"""Fetches exporters' metrics: from files, from exporters, and from Prometheus."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from daulat.recorder.exporters import QUERY, Reading, read_exporter, read_prometheus

LIMIT = 64 << 20
"""Bytes of one answer or file: Prometheus' answer for 40,000 chips with four metrics each is about 50 MB."""
SECONDS = 30
PARALLEL = 16


class MetricsUnreadable(Exception):
    """Metrics that couldn't be fetched or read. The text is the sentence for the user."""


@dataclass(frozen=True)
class Source:
    """A file, or an exporter's address, and the node where it runs; empty where its labels say it."""

    where: str
    node: str = ""

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read ``[NODE=]FILE|URL``. An address may have a ``=`` after its ``?``, and a node's name has no slash."""
        node, sign, where = text.partition("=")
        return cls(where, node) if sign and not set("/?:") & set(node) else cls(text)


@dataclass(frozen=True)
class Access:
    """What requests carry."""

    token: str = ""
    ca_file: str | None = None


def read_all(sources: Sequence[Source], prometheus: Sequence[str], access: Access) -> Reading:
    """Return what all of them show. Raises MetricsUnreadable for the first one that can't be read."""
    found = asyncio.run(_read_all(sources, prometheus, access))
    return Reading(
        tuple(chip for reading in found for chip in reading.chips),
        tuple(name for reading in found for name in reading.nameless),
    )


async def _read_all(sources: Sequence[Source], prometheus: Sequence[str], access: Access) -> list[Reading]:
    context = ssl.create_default_context(cafile=access.ca_file)
    headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    connector = aiohttp.TCPConnector(ssl=context, limit=PARALLEL)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout, trust_env=True) as session:
        exporters = (_exporter(session, source) for source in sources)
        servers = (_prometheus(session, url) for url in prometheus)
        return list(await asyncio.gather(*exporters, *servers))


async def _exporter(session: aiohttp.ClientSession, source: Source) -> Reading:
    if source.where.startswith(("http://", "https://")):
        text = await _get(session, source.where, {})
    else:
        try:
            text = Path(source.where).read_bytes()
        except OSError as error:
            raise MetricsUnreadable(f"{source.where}: {(error.strerror or str(error)).lower()}") from error
    try:
        return read_exporter(text.decode(), source.node)
    except ValueError as error:
        raise MetricsUnreadable(f"{source.where}: can't be read as metrics: {error}") from error


async def _prometheus(session: aiohttp.ClientSession, url: str) -> Reading:
    body = await _get(session, f"{url.rstrip('/')}/api/v1/query", {"query": QUERY})
    try:
        return read_prometheus(json.loads(body))
    except ValueError as error:
        raise MetricsUnreadable(f"{url}: {error}") from error


async def _get(session: aiohttp.ClientSession, url: str, parameters: dict[str, str]) -> bytes:
    body = bytearray()
    try:
        # A redirect would take the token to another server.
        async with session.get(url, params=parameters, allow_redirects=False) as response:
            async for part in response.content.iter_chunked(1 << 16):
                body += part
                if len(body) > LIMIT:
                    raise MetricsUnreadable(f"{url}: is larger than {LIMIT >> 20} MiB")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise MetricsUnreadable(f"{url}: {str(error) or type(error).__name__}") from error
    # Prometheus says in the body what is wrong with a query.
    if response.status != 200 and not (parameters and response.status in (400, 422)):
        raise MetricsUnreadable(f"{url}: status {response.status}")
    return bytes(body)
