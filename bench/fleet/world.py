"""Brings up a control plane with a whole fleet on it: nodes, bound pods, zones, policies and models, before the operator starts."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from bench.api import Api, Session, at_once, path
from bench.audit import OPERATOR
from bench.fleet import manifests
from bench.fleet.mirror import Mirror
from bench.fleet.plan import Plan, PlannedPod
from bench.fleet.subject import Subject
from dev.cluster import EmbeddedCluster
from dev.cluster.audit import requests_of
from dev.cluster.components import CONTROLLERS, KWOK, SCHEDULER
from dev.deployment import CHART, ROOT, install

AT_REST = (CONTROLLERS, SCHEDULER, KWOK)
"""Components that are stopped while the fleet is created."""
ALL = "100%"
"""A drift.limit without effect."""
_POLICIES_CRD = "crds/sovereigntypolicies.daulat.dev.yaml"


def say(line: str) -> None:
    """Print progress on stderr: setup takes minutes."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def now() -> str:
    """Return the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class World:
    """A cluster with the fleet, and the operator, not started yet."""

    plan: Plan
    admin: Session
    subject: Subject
    mirror: Mirror
    has_limit: bool
    """Whether the SovereigntyPolicy of the checkout has spec.drift.limit."""
    limit_seconds: float
    """Upper bound on the wait for any single thing."""


def has_drift_limit(source: Path) -> bool:
    """Return whether the SovereigntyPolicy of a checkout has the field spec.drift.limit."""
    crd = yaml.safe_load((source / CHART.relative_to(ROOT) / _POLICIES_CRD).read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return "limit" in spec["properties"]["drift"]["properties"]


@asynccontextmanager
async def fleet(plan: Plan, source: Path, limit_seconds: float, certified: bool) -> AsyncIterator[World]:
    """Bring it all up for as long as the block lasts. ``certified``: nodes carry their labels of record from the start."""
    cluster = EmbeddedCluster(
        f"fleet-{uuid.uuid4().hex[:6]}", audit_policy=requests_of([OPERATOR]), node_leases=False, say=say
    )
    with tempfile.TemporaryDirectory(prefix="daulat-fleet-") as directory:
        cluster.up()
        try:
            async with Api(cluster.kubeconfig()).session() as admin:
                await _populate(cluster, plan, admin, certified)
                say("installing the chart")
                await asyncio.to_thread(install, cluster, source=source)
                has_limit = has_drift_limit(source)
                await _govern(plan, admin, ALL if has_limit else None)
                subject = Subject(cluster, Path(directory), source, limit_seconds)
                mirror = Mirror(plan.labels)
                await mirror.follow(admin)
                try:
                    yield World(plan, admin, subject, mirror, has_limit, limit_seconds)
                except BaseException:
                    say(f"the operator's log ends with:\n{subject.log_tail()}")
                    raise
                finally:
                    await mirror.stop()
                    subject.stop()
        finally:
            cluster.down()


async def _populate(cluster: EmbeddedCluster, plan: Plan, admin: Session, certified: bool) -> None:
    # Before the chart is installed: its guards and policies refuse pods with spec.nodeName.
    began = time.monotonic()
    spaces = [n for p in plan.policies for n in manifests.namespaces(p)]
    await admin.create_all(spaces)
    await _accounts(admin, {n["metadata"]["name"] for n in spaces})
    # KWOK takes 15 ms of processor time to start a pod. The other two would process every object as it is created.
    for component in AT_REST:
        cluster.stop(component)
    stamp = now()

    async def node(name: str) -> None:
        made = manifests.node(plan.by_name[name], stamp)
        if certified:
            made["metadata"]["labels"] |= plan.labels(name)
        await admin.create(made)
        # Admission adds the taint not-ready. The node controller would remove it while the operator is measured.
        await admin.patch(path("Node", name=name), {"spec": {"taints": None}})

    async def pod(planned: PlannedPod) -> None:
        await admin.create(manifests.pod(planned))
        running = {"status": manifests.running(planned, stamp)}
        await admin.patch(path("Pod", planned.namespace, planned.name, "status"), running)

    await at_once(node, plan.by_name)
    say(f"{len(plan.nodes)} nodes after {time.monotonic() - began:.0f} s")
    await at_once(pod, plan.pods)
    say(f"{len(plan.pods)} pods after {time.monotonic() - began:.0f} s")
    for component in AT_REST:
        cluster.start(component)


async def _accounts(admin: Session, namespaces: set[str]) -> None:
    """Wait for the namespaces' ServiceAccounts, without which no pod is taken."""
    while True:
        found = await admin.list(path("ServiceAccount"), metadata_only=True)
        if namespaces <= {a["metadata"]["namespace"] for a in found["items"]}:
            return
        await asyncio.sleep(0.5)


async def _govern(plan: Plan, admin: Session, limit: str | None) -> None:
    await admin.create_all(map(manifests.zone, plan.sites))
    await admin.create_all(manifests.policy(p, limit) for p in plan.policies)
    await admin.create_all(manifests.model(name, policy) for name, policy in plan.models)
