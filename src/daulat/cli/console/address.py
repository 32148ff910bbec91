"""The address to listen on. Only this machine's own: the pages show what the user of the kubeconfig may read."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

LOCALHOST = "localhost"
LOOPBACK = frozenset({LOCALHOST, "127.0.0.1", "[::1]"})
"""The names of this machine in a Host header, without a port."""


class AddressError(Exception):
    """The address can't be used. The text is the sentence for the user."""


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    def url(self, port: int | None = None, scheme: str = "http") -> str:
        """Return the URL of the first page, at the port that was taken where the system chose one."""
        return f"{scheme}://{_bracketed(self.host)}:{port or self.port}/"

    def hosts(self, port: int) -> frozenset[str]:
        """Return what the Host header of a request may be.

        A page of another site can be made to resolve to this machine (DNS rebinding). Its requests have that site's name.
        """
        names = LOOPBACK | {_bracketed(self.host)}
        return frozenset({f"{name}:{port}" for name in names} | (names if port == 80 else set()))


def parse(text: str, *, anywhere: bool = False) -> Address:
    """Read HOST:PORT. Raises AddressError, also for an address that other machines can reach, unless ``anywhere`` allows one."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise AddressError(f"{text!r} isn't HOST:PORT, such as 127.0.0.1:8765 or [::1]:8765")
    if host != LOCALHOST:
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            raise AddressError(f"{host!r} is neither an IP address nor {LOCALHOST}") from None
        if not (loopback or anywhere):
            raise AddressError(
                f"{host} can be reached from other machines, and the console doesn't check who reads it: it listens on loopback "
                "addresses only. For others, serve it over TLS with --authenticate and --tls-certificate, or write a static site "
                "with --output-dir and publish it where access is controlled"
            )
    return Address(host, int(port))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
