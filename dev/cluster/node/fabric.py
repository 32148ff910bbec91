"""The network between a cluster's real nodes: a bridge in a network namespace of its own, which goes when this process does.

The machine's own network is left as it is. What has to come in or go out passes through this process: nodes reach the
API server on a port of the bridge; the API server reaches kubelets and pods by a proxy on a UNIX socket
(HTTP CONNECT, as its egress configuration names it).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import subprocess
from pathlib import Path

from dev.cluster.node import netns
from dev.cluster.node.addresses import API_PORT, FABRIC, NODES, PODS

BRIDGE = "nodes"
SOCKET = "egress.sock"
CHUNK = 1 << 16


class Fabric:
    """The process's two sides: the namespace of the nodes, where it is, and that of the machine."""

    def __init__(self, api_port: int, socket: Path) -> None:
        self._api_port, self._socket = api_port, socket
        self._outside = netns.here()

    async def run(self) -> None:
        """Serve until a signal."""
        netns.leave()
        _set_up_bridge()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await asyncio.start_server(self._to_apiserver, FABRIC, API_PORT)
        self._socket.unlink(missing_ok=True)
        await asyncio.start_unix_server(self._from_apiserver, self._socket)
        await stop.wait()

    async def _to_apiserver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._join(reader, writer, "127.0.0.1", self._api_port, outside=True)

    async def _from_apiserver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            host, _, port = target.rpartition(":")
            if method == "CONNECT":
                await self._join(reader, writer, host, int(port), outside=not _is_inside(host), greets=True)
        writer.close()

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        port: int,
        outside: bool,
        greets: bool = False,
    ) -> None:
        """Connect to an address on one of the two sides, and hand on what either end says until both are done."""
        try:
            if outside:
                found = netns.stream_socket(self._outside)
                await asyncio.get_running_loop().sock_connect(found, (host, port))
                there, back = await asyncio.open_connection(sock=found)
            else:
                there, back = await asyncio.open_connection(host, port)
        except OSError as error:
            if greets:
                writer.write(f"HTTP/1.1 502 {error.strerror or 'unreachable'}\r\n\r\n".encode())
            writer.close()
            return
        if greets:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


def _is_inside(host: str) -> bool:
    address = ipaddress.ip_address(host.strip("[]"))
    return address in NODES or address in PODS


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if sink.can_write_eof():
            sink.write_eof()
        else:
            sink.close()


def _set_up_bridge() -> None:
    for command in (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"address add {FABRIC}/{NODES.prefixlen} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def egress_configuration(socket: Path) -> dict[str, object]:
    """Return what the API server reads to send what it asks of nodes, pods and Services through this process."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api-port", type=int, required=True, help="the API server's port on 127.0.0.1")
    parser.add_argument("--socket", type=Path, required=True, help="where the API server finds the proxy")
    options = parser.parse_args()
    asyncio.run(Fabric(options.api_port, options.socket).run())


if __name__ == "__main__":
    main()
