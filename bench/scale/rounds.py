"""One control plane with the operator on it, and what is measured of each way to bring objects up."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import usage
from bench.api import Api, Manifest, Session, at_once, path
from bench.audit import OPERATOR, Log
from bench.scale import manifests
from bench.scale.settle import Final, State, following, settle
from dev.cluster import EmbeddedCluster
from dev.cluster.audit import requests_of
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import OperatorProcess, install, kubectl, poll

OPERATOR_NAME = "operator"


@dataclass(frozen=True)
class Round:
    """What was measured of one way."""

    way: str
    seconds: float
    """Until the last object came to the state in which it stayed."""
    cpu: dict[str, float]
    """Seconds of processor by component, the operator's too."""
    states: dict[str, str]
    came: dict[str, float]
    """After how many seconds each object came to its state."""
    problem: str = ""
    """What didn't come; empty where everything did."""

    @property
    def median(self) -> float:
        """Seconds after which half of the objects that are Ready were."""
        ready = [at for name, at in self.came.items() if self.states[name].startswith("Ready")]
        return statistics.median(ready) if ready else self.seconds


class Bench:
    """A control plane, and the operator on it."""

    def __init__(self, cluster: EmbeddedCluster, directory: Path, admin: Session) -> None:
        self.operator = OperatorProcess(cluster, directory)
        self.admin = admin
        self.audit = Log(cluster.audit_log)
        self._pids = {c.name: c.pid for c in cluster.status().components if c.pid}

    async def measured(self, way: str, objects: Sequence[Manifest], kind: str, number: int, state: State) -> Round:
        """Make the objects at once, and return how long it took until all are in their final state."""
        final = Final(number)

        async def create(manifest: Manifest) -> None:
            await self.admin.create(manifest)
            final.hear()

        async with following(self.admin, kind, state, final, manifests.NAMESPACES):
            before, began = self._cpu(), final.clock()
            await at_once(create, objects)
            problem = await settle(final)
            after = self._cpu()
        used = {name: after[name] - before.get(name, 0.0) for name in after}
        came = {name: at - began for name, at in final.at.items()}
        return Round(way, final.changed - began, used, final.states, came, problem)

    def _cpu(self) -> dict[str, float]:
        pids = {**self._pids, **({OPERATOR_NAME: self.operator.pid} if self.operator.pid else {})}
        return {name: usage.processor_seconds(pid) for name, pid in pids.items()}

    async def ours(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind in the namespaces of the models."""
        found = (await self.admin.list(path(kind)))["items"]
        return [o for o in found if o["metadata"]["namespace"] in manifests.NAMESPACES]

    async def remove(self, kinds: Sequence[str], labels: str = "") -> None:
        """Delete all objects of these kinds in the namespaces, and wait until their pods are gone."""
        for kind in kinds:
            for namespace in manifests.NAMESPACES:
                await self.admin.delete(path(kind, namespace), labels)
        final = Final(0)
        left = -1
        while now := sum([len(await self.ours(kind)) for kind in ("Pod", "Deployment")]):
            if now != left:
                final.hear()
            if final.stuck:
                raise RuntimeError(f"{now} pods and Deployments of the round before don't go")
            left = now
            await asyncio.sleep(2)


@asynccontextmanager
async def bench(devices: int) -> AsyncIterator[Bench]:
    """Bring a control plane up with the nodes and the policy in force, and the operator at work."""
    cluster = EmbeddedCluster(
        f"bench-{uuid.uuid4().hex[:6]}", audit_policy=requests_of([OPERATOR]), say=lambda line: None
    )
    with tempfile.TemporaryDirectory(prefix="daulat-bench-") as name:
        directory = Path(name)
        scenario = directory / "scenario.yaml"
        scenario.write_text(yaml.safe_dump(manifests.scenario(devices)))
        cluster.up(scenario)
        try:
            install(cluster)
            async with Api(cluster.kubeconfig()).session() as session:
                found = Bench(cluster, directory, session)
                found.operator.start()
                admin = kubectl(cluster)
                admin.apply([*zone_manifests(load(scenario)), *manifests.namespaces(), manifests.policy()])
                enforced = (
                    "{.items[0].status.conditions[?(@.type=='Enforced')].status} {.items[0].status.eligibleNodes}"
                )
                nodes = f"True {4 * manifests.NODES_A_GROUP}"
                poll("the policy", lambda: admin.run("get", "spolicy", "-o", f"jsonpath={enforced}") == nodes, 600)
                try:
                    yield found
                finally:
                    found.operator.stop()
        finally:
            cluster.down()


def components(rounds: Sequence[Round]) -> list[tuple[str, list[float]]]:
    """Return what each component used in each round, the largest first."""
    total: Counter[str] = Counter()
    for found in rounds:
        total.update(found.cpu)
    return [(name, [found.cpu.get(name, 0.0) for found in rounds]) for name, _ in total.most_common()]
