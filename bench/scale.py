"""How a thousand models come to their final state: ``make bench-scale``. Prints figures; it judges only exactness.

In one run, on one control plane: the models with the operator, then the same pods and devices as plain Deployments with nobody
but Kubernetes at work, then these with all the objects that a model has. Then it watches the operator with nothing to do.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import ssl
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import yaml

from bench import fleet
from bench.fleet import Manifest
from dev.cluster import EmbeddedCluster
from dev.cluster.components import APISERVER, CONTROLLERS, SCHEDULER
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import NAMESPACE, SERVICE_ACCOUNT, OperatorProcess, install, kubectl, poll

PATHS = {
    "SovereignModel": "/apis/daulat.dev/v1alpha1/{}sovereignmodels",
    "Deployment": "/apis/apps/v1/{}deployments",
    "Service": "/api/v1/{}services",
    "ServiceAccount": "/api/v1/{}serviceaccounts",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/{}networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/{}poddisruptionbudgets",
    "Pod": "/api/v1/{}pods",
}
AT_ONCE = 32
"""Requests in flight while objects are made."""
QUIET = 10.0
"""Seconds without a change after which a state counts as final."""
STUCK = 90.0
"""Seconds without a change after which what isn't final waits for something that doesn't come."""
LIMIT = 1200.0


class Api:
    """The API server as the admin."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._ssl = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
            pair.flush()
            self._ssl.load_cert_chain(pair.name)
        self._server = cluster["server"]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Open connections for as long as the block lasts."""
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=AT_ONCE + 4)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(self._server, connector=connector, timeout=timeout) as session:
            yield session


async def create(session: aiohttp.ClientSession, objects: Sequence[Manifest]) -> None:
    """Make all the objects, as many at once as there are connections."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(manifest: Manifest) -> None:
        path = PATHS[manifest["kind"]].format(f"namespaces/{manifest['metadata']['namespace']}/")
        async with slots, session.post(path, json=manifest) as response:
            if response.status >= 300:
                raise RuntimeError(f"{manifest['kind']}: {response.status} {(await response.text())[:500]}")

    await asyncio.gather(*map(one, objects))


async def listed(session: aiohttp.ClientSession, kind: str, labels: str = "") -> Manifest:
    """Return the list of a kind in all namespaces."""
    async with session.get(PATHS[kind].format(""), params={"labelSelector": labels}) as response:
        found: Manifest = await response.json()
        return found


async def _ours(session: aiohttp.ClientSession, kind: str) -> list[Manifest]:
    """Return the objects of a kind in the namespaces of the models."""
    return [o for o in (await listed(session, kind))["items"] if o["metadata"]["namespace"] in fleet.NAMESPACES]


async def remove(session: aiohttp.ClientSession, kinds: Iterable[str], labels: str = "") -> None:
    """Delete all objects of these kinds in the namespaces, and wait until their pods are gone."""
    for kind in kinds:
        for namespace in fleet.NAMESPACES:
            path = PATHS[kind].format(f"namespaces/{namespace}/")
            async with session.delete(path, params={"labelSelector": labels}, json={}) as response:
                await response.read()
    deadline = time.monotonic() + LIMIT
    while [o for kind in ("Pod", "Deployment") for o in await _ours(session, kind)]:
        if time.monotonic() > deadline:
            raise RuntimeError("the objects of the round before don't go")
        await asyncio.sleep(2)


@dataclass
class Final:
    """When each object came to the state in which it stayed."""

    states: dict[str, str] = field(default_factory=dict)
    changed: float = 0.0

    def note(self, name: str, state: str) -> None:
        if self.states.get(name) != state:
            self.states[name] = state
            self.changed = time.monotonic()


async def settle(
    session: aiohttp.ClientSession, kind: str, version: str, number: int, state: Callable[[Manifest], str], final: Final
) -> None:
    """Watch from a resource version on until so many objects of the kind have a state, and keep it."""

    async def watch() -> None:
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(int(LIMIT))}
        async with session.get(PATHS[kind].format(""), params=query) as response:
            pending = b""
            async for chunk in response.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for event in map(json.loads, lines):
                    meta = event["object"]["metadata"]
                    if meta.get("namespace") in fleet.NAMESPACES:
                        final.note(f"{meta['namespace']}/{meta['name']}", state(event["object"]))

    def done() -> bool:
        quiet, missing = time.monotonic() - final.changed, [n for n, found in final.states.items() if not found]
        if missing and quiet > STUCK and len(final.states) >= number:
            # Nobody keeps room for a plain Deployment: large pods may find none between small ones, and wait for ever.
            final.states |= dict.fromkeys(missing, "waits for room")
            missing = []
        return not missing and len(final.states) >= number and quiet > QUIET

    task = asyncio.create_task(watch())
    deadline = time.monotonic() + LIMIT
    try:
        while not done():
            if task.done():
                task.result()
                raise RuntimeError(f"the watch of {kind} ended")
            if time.monotonic() > deadline:
                missing = [name for name, found in final.states.items() if not found]
                raise RuntimeError(f"{kind}: {len(missing)} of {number} aren't in their final state: {missing[:5]}")
            await asyncio.sleep(0.2)
    finally:
        task.cancel()


def of_model(model: Manifest) -> str:
    """Return the final state of a model; empty while it isn't in one."""
    status = model.get("status") or {}
    found = {c["type"]: c for c in status.get("conditions") or ()}
    if status.get("observedGeneration") != model["metadata"]["generation"]:
        return ""
    if found.get("Ready", {}).get("status") == "True":
        return f"Ready on {status['placement']['accelerator']}"
    placed = found.get("Placed", {})
    return (
        "InsufficientDevices"
        if (placed.get("status"), placed.get("reason")) == ("False", "InsufficientDevices")
        else ""
    )


def of_deployment(deployment: Manifest) -> str:
    """Return the final state of a Deployment; empty while it isn't in one."""
    status, spec = deployment.get("status") or {}, deployment["spec"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return "Ready" if seen and status.get("readyReplicas", 0) == spec["replicas"] else ""


@dataclass(frozen=True)
class Round:
    """What was measured of one way."""

    way: str
    seconds: float
    cpu: dict[str, float]
    states: dict[str, str]


class Bench:
    """One control plane, and the operator on it."""

    def __init__(self, cluster: EmbeddedCluster, directory: Path) -> None:
        self._cluster, self._directory = cluster, directory
        self.operator = OperatorProcess(cluster, directory)
        self.api = Api(cluster.kubeconfig())
        self._pids = {c.name: c.pid for c in cluster.status().components if c.pid}

    async def measured(
        self, way: str, objects: Sequence[Manifest], kind: str, number: int, state: Callable[[Manifest], str]
    ) -> Round:
        """Make the objects at once, and return how long it took until all are in their final state."""
        async with self.api.session() as session:
            version = (await listed(session, kind))["metadata"]["resourceVersion"]
            final, before = Final(), self._cpu()
            began = time.monotonic()
            watching = asyncio.create_task(settle(session, kind, version, number, state, final))
            await create(session, objects)
            await watching
            after = self._cpu()
        used = {name: after[name] - before.get(name, 0.0) for name in after}
        return Round(way, final.changed - began, used, final.states)

    def _cpu(self) -> dict[str, float]:
        pids = {**self._pids, **({"operator": self.operator.pid} if self.operator.pid else {})}
        return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in pids.items()}

    def peak_mib(self) -> float:
        """Return the most memory that the operator has had so far."""
        lines = Path(f"/proc/{self.operator.pid}/status").read_text().splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(peak) / 1024

    def calls(self, since: int = 0) -> tuple[Counter[str], int]:
        """Return what the operator asked of the API server, by the audit log after this many bytes, and its length."""
        found: Counter[str] = Counter()
        with (self._directory / "audit.log").open("rb") as log:
            log.seek(since)
            for line in log:
                event = json.loads(line)
                what = event.get("objectRef", {})
                name = "/".join(filter(None, (what.get("resource"), what.get("subresource"))))
                dry = " (dry run)" if "dryRun=All" in event["requestURI"] else ""
                found[f"{event['verb']} {name}{dry}"] += 1
            return found, log.tell()


AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": [f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"]},
        {"level": "None"},
    ],
}


@asynccontextmanager
async def bench(devices: int) -> AsyncIterator[Bench]:
    """Bring a control plane up with the nodes and the policy in force, and the operator at work."""
    with tempfile.TemporaryDirectory(prefix="daulat-bench-") as name:
        directory = Path(name)
        (directory / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
        (directory / "scenario.yaml").write_text(yaml.safe_dump(fleet.scenario(devices)))
        audit = (f"--audit-policy-file={directory / 'audit.yaml'}", f"--audit-log-path={directory / 'audit.log'}")
        cluster = EmbeddedCluster(f"bench-{uuid.uuid4().hex[:6]}", apiserver_args=audit, say=lambda line: None)
        cluster.up(directory / "scenario.yaml")
        try:
            install(cluster)
            found = Bench(cluster, directory)
            found.operator.start()
            admin = kubectl(cluster)
            admin.apply([*zone_manifests(load(directory / "scenario.yaml")), *fleet.namespaces(), fleet.policy()])
            enforced = "jsonpath={.status.conditions[?(@.type=='Enforced')].status} {.status.eligibleNodes}"
            nodes = f"True {4 * fleet.NODES_A_GROUP}"
            poll(
                "the policy",
                lambda: admin.run("get", "spolicy", "-o", enforced.replace("{.", "{.items[0].")) == nodes,
                180,
            )
            try:
                yield found
            finally:
                found.operator.stop()
        finally:
            cluster.down()


def exact(pods: Sequence[Manifest], nodes: Sequence[Manifest], models: Sequence[Manifest], total: int) -> list[str]:
    """Return what isn't exact about the placement; nothing where all is."""
    free = Counter(
        {(n["metadata"]["name"], r): int(v) for n in nodes for r, v in n["status"]["allocatable"].items() if "/" in r}
    )
    wrong = [] if free.total() == total else [f"the nodes offer {free.total()} devices, not {total}"]
    for pod in pods:
        for resource, count in pod["spec"]["containers"][0]["resources"]["limits"].items():
            if "/" in resource:
                free[pod["spec"].get("nodeName", "no node"), resource] -= int(count)
    wrong += [f"{node}: {-left} {resource} too many are held" for (node, resource), left in free.items() if left < 0]
    for model in models:
        spec, placement = model["spec"], model["status"]["placement"]
        for choice in spec["accelerators"]:
            if choice["profile"] == placement.get("accelerator"):
                break
            # What is free at the end was free all the time: nothing is given back in a round.
            by_zone: Counter[str] = Counter()
            for (node, resource), left in free.items():
                if resource == fleet.RESOURCES[choice["profile"]]:
                    by_zone[fleet.zone_of(node)] += left // choice["count"]
            if (most := max(by_zone.values())) >= spec["replicas"]:
                name = model["metadata"]["name"]
                wrong.append(f"{name} isn't on {choice['profile']}, where {most} replicas more have room")
    return wrong


async def run(options: argparse.Namespace) -> int:
    """Measure, print, and return 1 where the placement wasn't exact."""
    async with bench(options.devices) as it:
        return await _rounds(it, options)


async def _rounds(it: Bench, options: argparse.Namespace) -> int:
    models, wrong = fleet.models(options.models), []
    for number in range(options.rounds):
        _, since = it.calls()
        first = await it.measured("models", models, "SovereignModel", len(models), of_model)
        calls, _ = it.calls(since)
        _tell(first, it.peak_mib(), calls, len(models))
        async with it.api.session() as session:
            placed, made = await _ours(session, "SovereignModel"), await _ours(session, "Deployment")
            wrong += exact(await _ours(session, "Pod"), await _nodes(session), placed, options.devices)
            if number == options.rounds - 1:
                await _idle(it, options.idle)
            await remove(session, ["SovereignModel"])
            it.operator.stop()
            plain = [fleet.plain(d) for d in made]
            names = {d["metadata"]["name"] for d in made}
            whole = [o for m in models if m["metadata"]["name"] in names for o in fleet.beside(m)] + plain
            for way, objects in (("plain Deployments", plain), ("Deployments with all that a model has", whole)):
                found = await it.measured(way, objects, "Deployment", len(plain), of_deployment)
                _tell(found)
                print(f"  the models took {first.seconds / found.seconds:.2f} times as long", flush=True)
                await remove(session, [k for k in PATHS if k not in ("SovereignModel", "Pod")], fleet.PLAIN)
        if number < options.rounds - 1:
            it.operator.start()
    fine = "exact: no device is held twice, and every preference that had room was taken"
    print("\n".join(f"NOT EXACT: {w}" for w in wrong[:20]) or fine)
    return 1 if wrong else 0


async def _nodes(session: aiohttp.ClientSession) -> list[Manifest]:
    async with session.get("/api/v1/nodes") as response:
        return list((await response.json())["items"])


async def _idle(it: Bench, seconds: float) -> None:
    _, since = it.calls()
    before = psutil.Process(it.operator.pid).cpu_times()
    await asyncio.sleep(seconds)
    after = psutil.Process(it.operator.pid).cpu_times()
    calls, _ = it.calls(since)
    used = abs(after.user + after.system - before.user - before.system)
    print(f"idle for {seconds:.0f} s: {used:.1f} s of CPU; " + _listed(calls))


def _listed(calls: Counter[str]) -> str:
    return ", ".join(f"{n} x {what}" for what, n in calls.most_common())


def _tell(found: Round, peak: float = 0.0, calls: Counter[str] | None = None, models: int = 0) -> None:
    parts = ("operator", APISERVER, CONTROLLERS, SCHEDULER)
    cpu = ", ".join(f"{name} {found.cpu[name]:.1f} s" for name in parts if name in found.cpu)
    print(f"{found.way}: {found.seconds:.1f} s; CPU: {cpu}; {dict(Counter(found.states.values()))}", flush=True)
    if calls is not None:
        own = Counter(
            {w: n for w, n in calls.items() if not w.endswith("leases") and not w.startswith(("watch", "list"))}
        )
        print(
            f"  operator: peak {peak:.0f} MiB; {own.total() / models:.1f} API calls a model: {_listed(own)}", flush=True
        )


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--idle", type=float, default=400.0, help="seconds to watch the operator with nothing to do")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
