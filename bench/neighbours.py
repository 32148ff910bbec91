"""What a policy costs other controllers that create hundreds of pods: ``make bench-neighbours``. Prints figures; it judges nothing.

A Job, a JobSet, a Job in a queue of Kueue, a RayCluster and a LeaderWorkerSet of 500 pods each run in a governed namespace and in
one without a policy, in turns on one API server, with a scheduler and nodes that run the pods. Another namespace without a policy
shows how much is chance.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import pods, usage
from bench.api import Api, Manifest, Session, path
from bench.apiserver import SCENARIO, Server, create, policy, server
from bench.stats import added
from bench.verdict import show
from dev.cluster import EmbeddedCluster
from dev.cluster.scenario import load, node_manifests
from dev.deployment import kubectl
from dev.neighbours.controller import Controller
from dev.neighbours.jobset import JobSet
from dev.neighbours.kuberay import KubeRay
from dev.neighbours.kueue import Kueue

GOVERNED, FREE, FREE_TOO = "governed", "free", "free-too"
NAMESPACES = (GOVERNED, FREE, FREE_TOO)
LIKE = "ascend-1"
"""The node of the scenario that the others are like."""
DEVICE = "huawei.com/Ascend910"
NAME = "bench"
LIMIT_SECONDS = 600
JOBS, JOBSETS = "/apis/batch/v1/namespaces/{}/jobs", "/apis/jobset.x-k8s.io/v1alpha2/namespaces/{}/jobsets"
RAYCLUSTERS = "/apis/ray.io/v1/namespaces/{}/rayclusters"
SETS = "/apis/leaderworkerset.x-k8s.io/v1/namespaces/{}/leaderworkersets"


@dataclass(frozen=True)
class Way:
    """A controller that creates the pods."""

    title: str
    collection: str
    """The path of its objects, with a place for the namespace."""
    manifest: Callable[[int], Manifest]
    """Returns the object for so many pods."""
    ends: str
    """The condition that is true once all pods have ended, or once all are ready where they don't end."""
    begin: Callable[[EmbeddedCluster, Path], Callable[[], None]] | None = None
    """Starts the controller, where Kubernetes hasn't it, and returns what ends it."""
    beside: Callable[[str], list[Manifest]] = lambda namespace: []
    """Returns what the objects of a namespace need."""


@dataclass(frozen=True)
class Run:
    """What was measured of one object."""

    created: float
    """Seconds until all pods existed."""
    ended: float
    """Seconds until the controller reported that all pods had ended, or were ready."""
    processor: float
    """Seconds of processor that the API server used until then."""


@dataclass
class Runs:
    """The runs of one way by namespace; those of one turn have the same index."""

    of: dict[str, list[Run]] = field(default_factory=lambda: {name: [] for name in NAMESPACES})

    def values(self, namespace: str, what: Callable[[Run], float]) -> list[float]:
        """Return one figure of all runs in a namespace."""
        return [what(run) for run in self.of[namespace]]


def template(restart: str = "Never") -> Manifest:
    """Return a pod template that no control refuses, as a trainer has, with one device."""
    engine: Manifest = pods.large()["spec"]["containers"][0]
    resources = {"limits": {DEVICE: "1"}, "requests": {DEVICE: "1"}}
    kept = {key: engine[key] for key in ("name", "image", "command", "args", "env", "ports", "securityContext")}
    return {"spec": {"restartPolicy": restart, "containers": [{**kept, "resources": resources}]}}


def job(count: int) -> Manifest:
    """Return a Job of so many pods at once."""
    spec = {"parallelism": count, "completions": count, "template": template()}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": NAME}, "spec": spec}


def jobset(count: int) -> Manifest:
    """Return a JobSet with one Job of so many pods at once."""
    replicated = {"name": "workers", "replicas": 1, "template": {"spec": job(count)["spec"]}}
    head = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": NAME}}
    return {**head, "spec": {"replicatedJobs": [replicated]}}


def queued(count: int) -> Manifest:
    """Return the Job with a queue."""
    made = job(count)
    labels = {"kueue.x-k8s.io/queue-name": NAME}
    return {**made, "metadata": {**made["metadata"], "labels": labels}, "spec": {**made["spec"], "suspend": True}}


def queue(namespace: str) -> list[Manifest]:
    """Return a queue of Kueue that has quota for everything."""
    api, head = "kueue.x-k8s.io/v1beta2", {"name": namespace}
    resources = sorted({"cpu", "memory", DEVICE})
    quotas = [{"name": name, "nominalQuota": "1000000"} for name in resources]
    spec = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceGroups": [
            {"coveredResources": resources, "flavors": [{"name": namespace, "resources": quotas}]},
        ],
    }
    return [
        {"apiVersion": api, "kind": "ResourceFlavor", "metadata": head},
        {"apiVersion": api, "kind": "ClusterQueue", "metadata": head, "spec": spec},
        {
            "apiVersion": api,
            "kind": "LocalQueue",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {"clusterQueue": namespace},
        },
    ]


def ray(count: int) -> Manifest:
    """Return a RayCluster with a head and the rest as workers."""
    pod = template("Always")
    workers = {"groupName": "workers", "replicas": count - 1, "minReplicas": 0, "maxReplicas": count, "template": pod}
    spec = {"headGroupSpec": {"rayStartParams": {}, "template": pod}, "workerGroupSpecs": [workers]}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": NAME}, "spec": spec}


def groups(count: int) -> Manifest:
    """Return a LeaderWorkerSet of groups of four pods."""
    spec = {"replicas": count // 4, "leaderWorkerTemplate": {"size": 4, "workerTemplate": template("Always")}}
    head = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet"}
    return {**head, "metadata": {"name": NAME}, "spec": spec}


def runs(controller: type[Controller]) -> Callable[[EmbeddedCluster, Path], Callable[[], None]]:
    """Return what starts a controller of ``dev.neighbours``."""

    def begin(cluster: EmbeddedCluster, directory: Path) -> Callable[[], None]:
        made = controller(cluster, directory)
        made.start()
        return made.stop

    return begin


def with_lws(cluster: EmbeddedCluster, _: Path) -> Callable[[], None]:
    """Start LeaderWorkerSet's controller, which ends with the cluster."""
    cluster.addon("lws")
    return lambda: None


WAYS = (
    Way("Job", JOBS, job, "Complete"),
    Way("JobSet", JOBSETS, jobset, "Completed", runs(JobSet)),
    Way("Job in a queue", JOBS, queued, "Complete", runs(Kueue), queue),
    Way("RayCluster", RAYCLUSTERS, ray, "RayClusterProvisioned", runs(KubeRay)),
    Way("LeaderWorkerSet", SETS, groups, "Available", with_lws),
)


def nodes(count: int) -> list[Manifest]:
    """Return nodes with a device for each of so many pods, eligible under the policy."""
    like = next(n for n in node_manifests(load(SCENARIO)) if n["metadata"]["name"] == LIKE)
    each = int(like["status"]["allocatable"][DEVICE])
    found = []
    for number in range(-(-count // each)):
        name = f"{NAME}-{number}"
        labels = {"kubernetes.io/hostname": name, f"{pods.PIN}{GOVERNED}": "eligible"}
        metadata = {**like["metadata"], "name": name, "labels": {**like["metadata"]["labels"], **labels}}
        found.append({**like, "metadata": metadata})
    return found


async def run(session: Session, api: Server, way: Way, namespace: str, count: int) -> Run:
    """Create the object, wait until its pods have ended, and delete it. RuntimeError where that takes too long."""
    collection = way.collection.format(namespace)
    where = path("Pod", namespace)
    version = (await session.list(where, metadata_only=True))["metadata"]["resourceVersion"]
    seen = asyncio.create_task(_all_seen(session, where, version, count))
    before, began = usage.processor_seconds(api.pid), time.monotonic()
    try:
        await session.create_at(collection, way.manifest(count))
        created = await seen - began
        while not await _has(session, collection, way.ends):
            if time.monotonic() - began > LIMIT_SECONDS:
                raise RuntimeError(f"the {way.title} in {namespace} hasn't ended after {LIMIT_SECONDS} s")
            await asyncio.sleep(0.5)
        ended, used = time.monotonic() - began, usage.processor_seconds(api.pid) - before
    finally:
        seen.cancel()
    await session.delete(f"{collection}/{NAME}")
    await session.delete(where)
    for left in (where, JOBS.format(namespace)):
        while (await session.list(left, metadata_only=True))["items"]:
            await asyncio.sleep(0.5)
    return Run(created, ended, used)


async def _all_seen(session: Session, where: str, version: str, count: int) -> float:
    """Return the time at which so many pods had been created."""
    names: set[str] = set()
    async for event in session.watch(where, version, LIMIT_SECONDS, metadata_only=True):
        names.add(event["object"]["metadata"]["name"])
        if len(names) == count:
            return time.monotonic()
    raise RuntimeError(f"only {len(names)} of {count} pods were created")


async def _has(session: Session, collection: str, condition: str) -> bool:
    found = (await session.list(collection))["items"]
    conditions: list[dict[str, Any]] = [c for o in found for c in o.get("status", {}).get("conditions") or ()]
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


async def measure(api: Server, way: Way, count: int, turns: int) -> Runs:
    """Return the runs of one way. Those of the first turn, which fills caches, aren't among them."""
    order = random.Random(1)  # noqa: S311
    found = Runs()
    async with Api(api.cluster.kubeconfig()).session() as session:
        for turn in range(turns + 1):
            for namespace in order.sample(NAMESPACES, len(NAMESPACES)):
                api.settle()
                one = await run(session, api, way, namespace, count)
                kept = "" if turn else " (not counted)"
                print(
                    f"{way.title} in {namespace}: all pods after {one.created:.1f} s, done after {one.ended:.1f} s,"
                    f" {one.processor:.1f} s of processor{kept}",
                    flush=True,
                )
                if turn:
                    found.of[namespace].append(one)
    return found


def figures(found: dict[str, Runs], count: int) -> Table:
    """Return the medians without a policy, and by how much those with one are larger, with 95 % intervals."""
    made = Table(title=f"{count} pods", title_justify="left", show_edge=False, pad_edge=False)
    for heading in ("", "without a policy", "added by the policy", "added by chance"):
        made.add_column(heading, justify="left" if not heading else "right")
    what: dict[str, tuple[Callable[[Run], float], str]] = {
        "all pods created, s": (lambda r: r.created, ".1f"),
        "all pods done, s": (lambda r: r.ended, ".1f"),
        "API server's processor time, s": (lambda r: r.processor, ".2f"),
        "of it a pod, ms": (lambda r: r.processor * 1000 / count, ".1f"),
    }
    for title, runs in found.items():
        for name, (of, form) in what.items():
            base = runs.values(FREE, of)
            more = [added(runs.values(other, of), base, statistics.median) for other in (GOVERNED, FREE_TOO)]
            made.add_row(f"{title}: {name}", f"{statistics.median(base):{form}}", *(f"{each:{form}}" for each in more))
    return made


def govern(api: Server) -> None:
    """Put the policy in force in one of the namespaces, and wait until it refuses a bad pod."""
    api.apply(policy(GOVERNED).manifests)
    client = api.connect()
    bad = create(client.host, GOVERNED, pods.refused(GOVERNED), dry_run=True)
    api.wait("the policy to be in force", lambda: client.send(bad) == 403)
    client.close()


def main() -> None:
    """Print the figures, and how busy the machine was with other things."""
    parser = argparse.ArgumentParser(prog="python -m bench.neighbours", description=__doc__)
    parser.add_argument("--pods", type=int, default=500)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--ways", nargs="*", choices=[way.title for way in WAYS], help="Those to measure; all of them by default."
    )
    options = parser.parse_args()
    ways = [way for way in WAYS if not options.ways or way.title in options.ways]
    found: dict[str, Runs] = {}
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before anything was started", flush=True)
    with server() as api, tempfile.TemporaryDirectory(prefix="daulat-bench-") as directory:
        api.namespaces(NAMESPACES)
        admin, made = kubectl(api.cluster), nodes(options.pods)
        admin.apply(made)
        admin.apply(made, "--subresource=status")
        govern(api)
        for way in ways:
            end = way.begin(api.cluster, Path(directory) / way.title) if way.begin else lambda: None
            try:
                admin.apply([o for name in NAMESPACES for o in way.beside(name)])
                found[way.title] = asyncio.run(measure(api, way, options.pods, options.turns))
            finally:
                end()
    show(figures(found, options.pods))


if __name__ == "__main__":
    main()
