"""Asks one HTTPS endpoint on this machine whether it is ready, with a client certificate where it wants one."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Endpoint:
    """A server whose certificate our authority signed."""

    host: str
    port: int
    authority: Path
    certificate: Path | None = None
    key: Path | None = None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        if self.certificate and self.key:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def answers(self, path: str) -> bool:
        """Whether GET `path` is answered with 200; anything else, and no answer at all, is no."""
        return self.get(path) is not None

    def get(self, path: str) -> bytes | None:
        """What GET `path` is answered with; None for another status than 200, and for no answer at all."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self._context, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.read() if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
