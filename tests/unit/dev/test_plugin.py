"""A device plugin for a kubelet that is played here: it registers, streams, allocates and comes back, as a real one's would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from dev.cluster.node.devices import Allocation, Device, Devices, DevicesError, Offer, allocations, offer, parse, write
from dev.cluster.node.plugin import KUBELET, VERSION, Plugin, messages, stubs
from dev.cluster.processes import program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes, and so their devices, are of Linux")

ASCEND = "huawei.com/Ascend910"
GPU = "nvidia.com/gpu"
DEADLINE_SECONDS = 5.0


async def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)


class Kubelet:
    """Answers as the kubelet's device manager does: it connects back, and keeps what is streamed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.registered: list[tuple[str, str]] = []
        self.listed: dict[str, list[dict[str, str]]] = {}
        self.numa: dict[str, list[int]] = {}
        self._server: grpc.aio.Server | None = None
        self._plugins: dict[str, Any] = {}
        self._running: list[asyncio.Task[None]] = []
        self._channels: list[grpc.aio.Channel] = []

    async def start(self) -> None:
        """Begin as a kubelet does: with no sockets but its own."""
        self.directory.mkdir(exist_ok=True)
        for path in self.directory.iterdir():
            if path.is_socket():
                path.unlink()
        self.registered, self.listed = [], {}
        self._server = grpc.aio.server()
        register = grpc.unary_unary_rpc_method_handler(
            self._register, messages.RegisterRequest.FromString, messages.Empty.SerializeToString
        )
        handlers = grpc.method_handlers_generic_handler("v1beta1.Registration", {"Register": register})
        self._server.add_generic_rpc_handlers((handlers,))
        self._server.add_insecure_port(f"unix:{self.directory / KUBELET}")
        await self._server.start()

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for channel in self._channels:
            await channel.close()
        if self._server is not None:
            await self._server.stop(None)

    async def _register(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if request.version != VERSION or "/" in request.endpoint:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "what is that?")
        channel = grpc.aio.insecure_channel(f"unix:{self.directory / request.endpoint}")
        self._channels.append(channel)
        plugin = stubs.DevicePluginStub(channel)
        options = await plugin.GetDevicePluginOptions(messages.Empty())
        assert not options.get_preferred_allocation_available
        self._plugins[request.resource_name] = plugin
        self.registered.append((request.resource_name, request.endpoint))
        self._running.append(asyncio.create_task(self._watch(request.resource_name, plugin)))
        return messages.Empty()

    async def _watch(self, resource: str, plugin: Any) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for response in plugin.ListAndWatch(messages.Empty()):
                self.listed.setdefault(resource, []).append({d.ID: d.health for d in response.devices})
                self.numa = {d.ID: [n.ID for n in d.topology.nodes] for d in response.devices}
        self.listed.setdefault(resource, []).append({})

    def now(self, resource: str) -> dict[str, str] | None:
        """Return the health of the devices as it was told last."""
        return self.listed[resource][-1] if self.listed.get(resource) else None

    async def allocate(self, resource: str, *ids: str) -> Any:
        """Ask as for one container."""
        asked = messages.AllocateRequest(container_requests=[messages.ContainerAllocateRequest(devices_ids=ids)])
        return (await self._plugins[resource].Allocate(asked)).container_responses[0]


class Place:
    """A directory of a kubelet, a file of devices, and the plugin between them."""

    def __init__(self, directory: Path) -> None:
        self.kubelet = Kubelet(directory / "device-plugins")
        self.config = directory / "devices.yaml"
        self.record = directory / "allocations.jsonl"
        self.devices = Devices(self.config)

    def offer(self, *offers: Offer) -> None:
        write(self.config, offers)

    @contextlib.asynccontextmanager
    async def plugin(self) -> AsyncIterator[None]:
        task = asyncio.create_task(Plugin(self.kubelet.directory, self.config, self.record, interval=0.005).run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[Kubelet]:
        await self.kubelet.start()
        try:
            async with self.plugin():
                yield self.kubelet
        finally:
            await self.kubelet.stop()

    def sockets(self) -> set[str]:
        return {path.name for path in self.kubelet.directory.iterdir() if path.is_socket()} - {KUBELET}


@pytest.fixture
def place() -> Iterator[Place]:
    # As short as the kubelet's own path: that of a socket has 107 bytes at most.
    with tempfile.TemporaryDirectory() as directory:
        yield Place(Path(directory))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 4 * DEADLINE_SECONDS))


HEALTHY = {"Ascend910-0": "Healthy", "Ascend910-1": "Healthy"}


def test_each_resource_registers_and_lists_its_devices(place: Place) -> None:
    place.offer(offer(ASCEND, 2), Offer(resource=GPU, devices=(Device(id="GPU-a", number=0, numa=1),)))

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            await until(lambda: kubelet.now(GPU) == {"GPU-a": "Healthy"}, "a GPU")
            assert sorted(resource for resource, _ in kubelet.registered) == [ASCEND, GPU]
            assert {endpoint for _, endpoint in kubelet.registered} == place.sockets()
            assert kubelet.numa["GPU-a"] == [1]

    run(test())


def test_devices_that_fail_are_lost_and_come_back_are_streamed(place: Place) -> None:
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            place.devices.set_health(ASCEND, "Ascend910-1", healthy=False)
            await until(lambda: kubelet.now(ASCEND) == HEALTHY | {"Ascend910-1": "Unhealthy"}, "an unhealthy one")
            place.devices.lose(ASCEND, "Ascend910-0")
            await until(lambda: kubelet.now(ASCEND) == {"Ascend910-1": "Unhealthy"}, "only one")
            place.devices.restore()
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "both again")
            assert len(kubelet.registered) == 1
            assert len(kubelet.listed[ASCEND]) == 4

    run(test())


def test_a_resource_that_is_withdrawn_ends_and_a_new_one_begins(place: Place) -> None:
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            place.offer(offer("example.my/cpu-slot", 1))
            await until(lambda: kubelet.now("example.my/cpu-slot") == {"cpu-slot-0": "Healthy"}, "a slot")
            await until(lambda: kubelet.now(ASCEND) == {}, "the end of the stream")
            assert [name.partition(".")[0] for name in place.sockets()] == ["cpu-slot"]

    run(test())


def test_a_container_gets_what_the_vendors_plugin_sets(place: Place) -> None:
    gpus = offer(GPU, 2, node="a")
    slots = Offer(resource="example.my/slot", devices=(Device(id="s"),), environment={"SLOTS": "of {ids}"})
    place.offer(offer(ASCEND, 4), gpus, slots)

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: len(kubelet.registered) == 3, "three resources")
            given = await kubelet.allocate(ASCEND, "Ascend910-2", "Ascend910-0")
            assert dict(given.envs) == {"ASCEND_VISIBLE_DEVICES": "0,2", "ASCEND_RUNTIME_OPTIONS": ""}
            assert not given.annotations
            paths = ["/dev/davinci0", "/dev/davinci2", "/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"]
            assert [device.container_path for device in given.devices] == paths
            assert {(device.host_path, device.permissions) for device in given.devices} == {("/dev/null", "rw")}
            ids = [device.id for device in gpus.devices]
            given = await kubelet.allocate(GPU, *ids)
            assert dict(given.envs) == {"NVIDIA_VISIBLE_DEVICES": ",".join(ids)}
            assert "/dev/nvidia1" in [device.container_path for device in given.devices]
            given = await kubelet.allocate("example.my/slot", "s")
            assert dict(given.envs) == {"SLOTS": "of s"}
            assert not given.devices

    run(test())


def test_every_allocation_is_recorded_even_one_that_is_refused(place: Place) -> None:
    place.offer(offer(ASCEND, 2))
    assert allocations(place.record) == []

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            await kubelet.allocate(ASCEND, "Ascend910-1")
            place.devices.lose(ASCEND, "Ascend910-0")
            await until(lambda: len(kubelet.now(ASCEND) or {}) == 1, "one to be lost")
            with pytest.raises(grpc.aio.AioRpcError, match="has no device Ascend910-0"):
                await kubelet.allocate(ASCEND, "Ascend910-0")

    before = time.time()
    run(test())
    found = allocations(place.record)
    assert [(one.resource, one.ids) for one in found] == [(ASCEND, ("Ascend910-1",)), (ASCEND, ("Ascend910-0",))]
    assert before <= found[0].time <= found[1].time <= time.time()


def test_a_line_that_is_still_written_is_not_read(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text('{"time": 1.5, "resource": "a/b", "ids": ["c"]}\n{"time": 2')
    assert allocations(record) == [Allocation(1.5, "a/b", ("c",))]


def test_it_registers_again_with_a_kubelet_that_restarted(place: Place) -> None:
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            for _ in range(3):
                before = kubelet.registered
                await kubelet.stop()
                await kubelet.start()
                await until(lambda: kubelet.now(ASCEND) == HEALTHY, "the devices again")
                assert not set(before) & set(kubelet.registered)  # The kubelet may still hold the old connection.
            assert len(place.sockets()) == 1

    run(test())


def test_it_registers_again_where_only_the_kubelets_socket_was_replaced(place: Place) -> None:
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            second = Kubelet(kubelet.directory)
            kept = kubelet.directory.parent / "kept"
            kept.mkdir()
            for name in place.sockets():
                os.link(kubelet.directory / name, kept / name)
            await second.start()
            for path in kept.iterdir():
                path.rename(kubelet.directory / path.name)
            await until(lambda: second.now(ASCEND) == HEALTHY, "the devices")
            await second.stop()

    run(test())


def test_a_socket_that_someone_removed_is_made_again(place: Place) -> None:
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            (kubelet.directory / kubelet.registered[0][1]).unlink()
            await until(lambda: len(kubelet.registered) == 2, "another registration")
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "the devices again")

    run(test())


def test_plugin_and_kubelet_may_start_in_any_order(place: Place) -> None:
    async def test() -> None:
        async with place.plugin():
            place.offer(offer(ASCEND, 2))
            place.kubelet.directory.mkdir()
            await until(place.sockets, "a socket")
            # Nobody listens there yet: a kubelet that was killed leaves one.
            os.link(place.kubelet.directory / place.sockets().pop(), place.kubelet.directory / KUBELET)
            await place.kubelet.start()
            await until(lambda: place.kubelet.now(ASCEND) == HEALTHY, "two devices")
        await place.kubelet.stop()

    run(test())


def test_a_directory_whose_path_is_too_long_for_a_socket_will_do(place: Place) -> None:
    # The same directory, seen from elsewhere.
    outside = place.config.parent / ("a" * 100) / "device-plugins"
    outside.parent.mkdir()
    outside.symlink_to(place.kubelet.directory)
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        await place.kubelet.start()
        plugin = asyncio.create_task(Plugin(outside, place.config, place.record, interval=0.005).run())
        await until(lambda: place.kubelet.now(ASCEND) == HEALTHY, "two devices")
        plugin.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await plugin
        assert place.sockets() == set()
        await place.kubelet.stop()

    run(test())


BAD = {
    "no YAML": "[",
    "a date that can't be": "2026-99-99",
    "empty": "",
    "no list": "resource: a/b",
    "no domain": "[{resource: gpu, devices: []}]",
    "an unknown field": "[{resource: a/b, devices: [{id: c, broken: true}]}]",
    "an id too long": f"[{{resource: a/b, devices: [{{id: {'c' * 64}}}]}}]",
    "two devices of one id": "[{resource: a/b, devices: [{id: c}, {id: c}]}]",
    "a resource twice": "[{resource: a/b, devices: []}, {resource: a/b, devices: []}]",
    "no number for a file": "[{resource: nvidia.com/gpu, devices: [{id: GPU-x}]}]",
    "something unknown to fill in": "[{resource: a/b, devices: [], environment: {A: '{names}'}}]",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_told_from_a_good_one(text: str) -> None:
    with pytest.raises(DevicesError):
        parse(text)


def test_a_bad_file_changes_nothing_and_a_better_one_is_heeded(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    place.offer(offer(ASCEND, 2))
    said = ""

    def complains() -> bool:
        nonlocal said
        said += capfd.readouterr().out
        return "kept what was offered" in said

    async def test() -> None:
        async with place.up() as kubelet:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            place.config.write_text(BAD["two devices of one id"])
            await until(complains, "a complaint")
            place.config.unlink()
            await until(lambda: complains() and "No such file" in said, "another complaint")
            assert kubelet.listed[ASCEND] == [HEALTHY]
            place.offer(offer(ASCEND, 1))
            await until(lambda: kubelet.now(ASCEND) == {"Ascend910-0": "Healthy"}, "one device")

    run(test())
    assert said.count("a/b has two devices c") == 1


def test_no_device_is_changed_that_is_not_there(place: Place) -> None:
    place.offer(offer(ASCEND, 1))
    for change in (place.devices.lose, lambda r, d: place.devices.set_health(r, d, healthy=False)):
        for resource, device in ((ASCEND, "Ascend910-1"), (GPU, "Ascend910-0")):
            with pytest.raises(DevicesError, match="has no device"):
                change(resource, device)
    assert parse(place.config.read_text()) == (offer(ASCEND, 1),)


def test_what_was_written_is_read_the_same(place: Place) -> None:
    offers = (
        offer(ASCEND, 2),
        offer(GPU, 1, node="a").model_copy(update={"files": (), "environment": {}}),
        Offer(resource="a/b", devices=(Device(id="c", healthy=False, lost=True, numa=0, number=7),)),
    )
    place.offer(*offers)
    assert parse(place.config.read_text()) == offers
    assert [path.name for path in place.config.parent.iterdir()] == [place.config.name]


def test_gpus_of_different_nodes_have_different_ids() -> None:
    ids = {device.id for node in ("a", "b") for device in offer(GPU, 2, node).devices}
    assert len(ids) == 4
    assert offer(GPU, 2, "a") == offer(GPU, 2, "a")


def test_the_process_ends_on_sigterm_and_leaves_no_socket(place: Place) -> None:
    place.offer(offer(ASCEND, 2))

    async def test() -> None:
        kubelet = place.kubelet
        await kubelet.start()
        options = [f"--directory={kubelet.directory}", f"--config={place.config}", "--interval=0.01"]
        process = await asyncio.create_subprocess_exec(
            *program("dev.cluster.node.plugin"), *options, stdout=asyncio.subprocess.PIPE, cwd=place.config.parent
        )
        try:
            await until(lambda: kubelet.now(ASCEND) == HEALTHY, "two devices")
            await kubelet.allocate(ASCEND, "Ascend910-0")
            process.send_signal(signal.SIGTERM)
            said, _ = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert process.returncode == 0
        assert b'"event": "ended"' in said
        assert place.sockets() == set()
        assert len(allocations(place.record)) == 1
        await until(lambda: kubelet.now(ASCEND) == {}, "the end of the stream")
        await kubelet.stop()

    run(test())
