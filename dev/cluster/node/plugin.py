"""A device plugin whose devices aren't there: it offers what a file says (`devices.py`) to a kubelet, as a vendor's would.

Every ``interval`` it compares what is with what should be, and mends that: so it doesn't matter in which order the kubelet, its
directory and the file come, go and change. It may run outside of the node's namespaces: sockets with a path are the
same in each, and the kubelet is told only the file's name.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from dev.cluster.node.devices import ALLOCATIONS, DevicesError, Injection, Offer, parse

# Compiled as it is imported (grpcio-tools), so that there is no generated code to keep.
messages, stubs = grpc.protos_and_services("dev/cluster/node/deviceplugin.proto")

VERSION = "v1beta1"
SERVICE = "v1beta1.DevicePlugin"
KUBELET = "kubelet.sock"
HARMLESS = "/dev/null"
"""What every device file in a container really is."""
INTERVAL = 0.1
PATIENCE_SECONDS = 10.0
"""For which the kubelet itself tries to connect back before it answers."""
NAME_LENGTH = 40
"""Of a resource, in the name of its socket: with the kubelet's directory a path of a socket has 107 bytes at most."""
_bindings = itertools.count()


def log(event: str, **facts: object) -> None:
    """Say what happened, as a line of JSON."""
    print(json.dumps({"time": round(time.time(), 3), "event": event, **facts}), flush=True)


class Endpoint:
    """One resource on a socket of its own, of which the kubelet is told."""

    def __init__(self, directory: Path, record: Path, offered: Offer) -> None:
        self._directory, self._record, self._offer = directory, record, offered
        self._changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None
        self._handle = -1
        self._name = ""
        self._known_to: tuple[int, int] | None = None
        self._complaint = ""

    def update(self, offered: Offer) -> None:
        """Offer something else, and tell the kubelet."""
        if offered == self._offer:
            return
        self._offer = offered
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def mend(self) -> None:
        """Listen where nothing listens, and register with a kubelet that doesn't know."""
        try:
            await self._mend()
        except OSError as error:
            self._complain("not listening", str(error))
        except grpc.aio.AioRpcError as error:
            self._complain("not registered", error.details() or error.code().name)
        else:
            self._complaint = ""

    async def _mend(self) -> None:
        if not self._directory.is_dir():
            return
        # A kubelet that starts removes all sockets from its directory, and only then makes its own.
        if self._server is None or not (self._directory / self._name).exists():
            await self.stop()
            await self._listen()
        kubelet = _identity(self._directory / KUBELET)
        if kubelet is not None and kubelet != self._known_to:
            await self._register()
            self._known_to = kubelet

    async def stop(self) -> None:
        """End, and remove the socket. To the kubelet all devices are unhealthy then."""
        if self._server is None:
            return
        await self._server.stop(None)
        self._server = None
        (self._directory / self._name).unlink(missing_ok=True)
        os.close(self._handle)

    async def _listen(self) -> None:
        # A name is never used twice: a kubelet that still has the old connection refuses a second one by the same name
        # ("device plugin already connected").
        resource = self._offer.resource.rpartition("/")[2][:NAME_LENGTH]
        self._name = f"{resource}.{os.getpid()}-{next(_bindings)}.sock"
        self._known_to = None
        # From outside of the node the directory's path alone may be too long for a socket's.
        self._handle = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            self._server.add_insecure_port(self._address(self._name))
        except RuntimeError as error:
            await self.stop()
            raise OSError(str(error)) from error
        await self._server.start()
        log("listening", resource=self._offer.resource, socket=self._name)

    def _address(self, name: str) -> str:
        return f"unix:/proc/self/fd/{self._handle}/{name}"

    async def _register(self) -> None:
        request = messages.RegisterRequest(
            version=VERSION, endpoint=self._name, resource_name=self._offer.resource, options=_OPTIONS
        )
        # Else a failed attempt makes the next ones wait, ever longer.
        apart = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(self._address(KUBELET), options=apart) as channel:
            await stubs.RegistrationStub(channel).Register(request, timeout=PATIENCE_SECONDS)
        log("registered", resource=self._offer.resource, socket=self._name)

    def _complain(self, event: str, why: str) -> None:
        """Log what keeps it from its work, once for as long as it is the same."""
        if why != self._complaint:
            log(event, resource=self._offer.resource, why=why)
        self._complaint = why

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "GetDevicePluginOptions": grpc.unary_unary_rpc_method_handler(
                    self._options,
                    messages.Empty.FromString,
                    messages.DevicePluginOptions.SerializeToString,
                ),
                "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                    self._list_and_watch,
                    messages.Empty.FromString,
                    messages.ListAndWatchResponse.SerializeToString,
                ),
                "Allocate": grpc.unary_unary_rpc_method_handler(
                    self._allocate,
                    messages.AllocateRequest.FromString,
                    messages.AllocateResponse.SerializeToString,
                ),
            },
        )

    async def _options(self, _request: Any, _context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        return _OPTIONS

    async def _list_and_watch(self, _request: Any, _context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        while True:
            changed = self._changed  # Before the list is made: what changes in between isn't missed.
            healthy = {device.id: device.healthy for device in self._offer.present}
            log("listed", resource=self._offer.resource, healthy=healthy)
            yield _listed(self._offer)
            await changed.wait()

    async def _allocate(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        resource, answers = self._offer.resource, []
        for container in request.container_requests:
            ids = list(container.devices_ids)
            with self._record.open("a") as file:
                file.write(json.dumps({"time": time.time(), "resource": resource, "ids": ids}) + "\n")
            try:
                given = self._offer.given(ids)
            except DevicesError as error:
                log("refused", resource=resource, ids=ids, why=str(error))
                await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            log("allocated", resource=resource, ids=ids, environment=dict(given.environment))
            answers.append(_answer(given))
        return messages.AllocateResponse(container_responses=answers)


_OPTIONS = messages.DevicePluginOptions()


def _identity(socket: Path) -> tuple[int, int] | None:
    """Return what tells a socket from one that took its place; a number of a file is soon used again."""
    with contextlib.suppress(FileNotFoundError):
        found = socket.stat()
        return found.st_ino, found.st_mtime_ns
    return None


def _listed(offered: Offer) -> Any:
    devices = []
    for device in offered.present:
        listed = messages.Device(ID=device.id, health="Healthy" if device.healthy else "Unhealthy")
        if device.numa is not None:
            listed.topology.nodes.add(ID=device.numa)
        devices.append(listed)
    return messages.ListAndWatchResponse(devices=devices)


def _answer(given: Injection) -> Any:
    files = [messages.DeviceSpec(container_path=path, host_path=HARMLESS, permissions="rw") for path in given.files]
    return messages.ContainerAllocateResponse(envs=dict(given.environment), devices=files)


class Plugin:
    """All resources of the file, each on an endpoint."""

    def __init__(self, directory: Path, config: Path, record: Path, interval: float = INTERVAL) -> None:
        self._directory, self._config, self._record, self._interval = directory, config, record, interval
        self._endpoints: dict[str, Endpoint] = {}
        self._read = ""
        self._complaint = ""

    async def run(self) -> None:
        """Serve until cancelled; then no socket is left."""
        try:
            while True:
                await self._heed()
                for endpoint in self._endpoints.values():
                    await endpoint.mend()
                await asyncio.sleep(self._interval)
        finally:
            for endpoint in self._endpoints.values():
                await endpoint.stop()
            log("ended")

    async def _heed(self) -> None:
        """Offer what the file says, where it says something new that can be used."""
        try:
            text = self._config.read_text()
            if text == self._read:
                return
            self._read = text
            offers = {one.resource: one for one in parse(text)}
        except (OSError, UnicodeDecodeError, DevicesError) as error:
            if str(error) != self._complaint:
                log("kept what was offered", why=str(error))
            self._complaint = str(error)
            return
        self._complaint = ""
        for resource in set(self._endpoints) - set(offers):
            await self._endpoints.pop(resource).stop()
            log("withdrawn", resource=resource)
        for resource, offered in offers.items():
            if resource in self._endpoints:
                self._endpoints[resource].update(offered)
            else:
                self._endpoints[resource] = Endpoint(self._directory, self._record, offered)


def main() -> None:
    """Read the arguments and serve until a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the kubelet's device-plugins directory")
    parser.add_argument("--config", type=Path, required=True, help="what to offer (YAML or JSON)")
    parser.add_argument("--allocations", type=Path, help=f"where calls are recorded; {ALLOCATIONS} beside the config")
    parser.add_argument("--interval", type=float, default=INTERVAL, help="seconds between two looks")
    options = parser.parse_args()
    record = options.allocations or options.config.with_name(ALLOCATIONS)
    asyncio.run(_until_signal(Plugin(options.directory, options.config, record, options.interval)))


async def _until_signal(plugin: Plugin) -> None:
    serving = asyncio.create_task(plugin.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    main()
