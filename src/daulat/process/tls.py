"""The TLS side of a server: a certificate that is read again when it is renewed, and clients known by a certificate of theirs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

log = logging.getLogger("daulat.process")

RELOAD_SECONDS = 60.0
"""Seconds from one look at the certificate's file to the next."""


@dataclass(frozen=True)
class ServerTls:
    """How a server proves who it is, and whose client certificates it takes."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """The authority of client certificates; None if they aren't asked for."""
    client_required: bool = True
    """Whether a client without a certificate of that authority is refused in the handshake."""

    def context(self) -> ssl.SSLContext:
        """Return a context for a server. OSError or ssl.SSLError if a file can't be read."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self.client_required else ssl.CERT_OPTIONAL
        return context

    async def reload(self, context: ssl.SSLContext, interval: float = RELOAD_SECONDS) -> None:
        """Put a renewed certificate into the context, for connections that are made from then on. Runs until cancelled."""
        known = self.certificate.stat().st_mtime_ns
        while True:
            await asyncio.sleep(interval)
            try:
                found = self.certificate.stat().st_mtime_ns
                if found != known:
                    context.load_cert_chain(self.certificate, self.key)
                    known = found
            except OSError as error:
                log.warning("the server's certificate can't be read", extra={"error": str(error)})


def common_name(request: web.Request) -> str:
    """Return the common name of the client's certificate, which the handshake has verified; empty without one."""
    peer = request.transport.get_extra_info("peercert") if request.transport else None
    subject = {key: value for part in (peer or {}).get("subject", ()) for key, value in part}
    return str(subject.get("commonName", ""))
