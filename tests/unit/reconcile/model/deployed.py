"""A model with a Deployment, as the operator and the controllers have left it, and what a pass over it gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daulat.kube.ref import Ref
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.result import Apply, ApplyStatus, Result
from tests.unit.world import ASCEND, ASCEND_RESOURCE, IMAGE, World, ascend, child, choice, model, pod

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
OTHER_IMAGE = IMAGE.replace("2b", "5e")


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(world: World, now: float = NOW) -> Result:
    return reconcile_model(REF, world.snapshot(), now)


def every_applied(result: Result, kind: str) -> list[dict[str, Any]]:
    return [e.manifest for e in result.effects if isinstance(e, Apply) and e.manifest["kind"] == kind]


def applied(result: Result, kind: str) -> dict[str, Any]:
    return every_applied(result, kind)[0]


def status(result: Result) -> dict[str, Any]:
    (found,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return found


def condition(result: Result, type_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in status(result)["conditions"] if c["type"] == type_)
    return found


def rolling(result: Result) -> tuple[int, int]:
    found = applied(result, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    return found["maxSurge"], found["maxUnavailable"]


def evictable(result: Result) -> int:
    found: int = applied(result, "PodDisruptionBudget")["spec"]["maxUnavailable"]
    return found


class Cluster:
    """A model with its Deployment and pods as they are after the operator's and the controllers' work so far."""

    def __init__(self, nodes: list[dict[str, Any]], count: int = 8, replicas: int = 1) -> None:
        spec = model(accelerators=[choice(ASCEND, count)], replicas=replicas)
        self.count = count
        self.world = World(nodes=nodes, models=[spec])
        self.revision = ""
        self.take(run(self.world))

    def take(self, result: Result) -> None:
        """Write what was applied, as the API server would."""
        self.world.with_status_of(result.effects)
        made = applied(result, "Deployment")
        raw = child("Deployment", "deepseek", "treasury", model="deepseek", spec=made["spec"], status=self.counts)
        raw["metadata"]["annotations"] = made["metadata"]["annotations"]
        self.world.children = [raw]
        self.wanted = made["metadata"]["annotations"]["daulat.dev/revision"]

    counts: dict[str, int] = {"replicas": 0, "updatedReplicas": 0, "readyReplicas": 0, "observedGeneration": 1}

    def pods(self, *pods: dict[str, Any], updated: int, ready: int) -> None:
        """Set the pods, and what the Deployment says of them."""
        self.world.pods = list(pods)
        self.counts = {
            "replicas": len(pods),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "observedGeneration": 1,
        }
        self.world.children[0]["status"] = self.counts

    def pod(self, name: str, on: str = "", *, ready: bool = True, revision: str = "", **more: Any) -> dict[str, Any]:
        """Return a pod of the model."""
        raw = pod(name, on, {ASCEND_RESOURCE: str(self.count)}, "deepseek")
        raw["metadata"]["annotations"] = {"daulat.dev/revision": revision or self.wanted}
        raw["status"] = {"conditions": [{"type": "Ready", "status": str(ready)}], **more}
        return raw

    def change(self) -> None:
        """Ask for another image."""
        self.world.models[0]["spec"]["accelerators"][0]["image"] = OTHER_IMAGE
        self.world.models[0]["metadata"]["generation"] = 2


def settled(nodes: int = 2, replicas: int = 1) -> Cluster:
    """Return a cluster in which all replicas are ready, each on a node of its own."""
    names = [f"a{n}" for n in range(1, nodes + 1)]
    cluster = Cluster([ascend(name) for name in names], replicas=replicas)
    ready = [cluster.pod(f"p{n}", name) for n, name in enumerate(names[:replicas])]
    cluster.pods(*ready, updated=replicas, ready=replicas)
    cluster.take(run(cluster.world))
    return cluster


def unplaced(seconds: float = NOW) -> dict[str, Any]:
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": at(seconds)}
    return {"conditions": [told]}


def under_way(nodes: int = 2, replicas: int = 1) -> tuple[Cluster, str]:
    """Return such a cluster once another image was requested, and the revision of the former pods."""
    cluster = settled(nodes, replicas)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    return cluster, old


def cordon(cluster: Cluster, *names: str) -> None:
    for raw in cluster.world.nodes:
        if raw["metadata"]["name"] in names:
            raw["spec"] = {"unschedulable": True}


LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "took too long"}
"""What a Deployment says that has lost its patience."""


def without_image(cluster: Cluster) -> dict[str, Any]:
    """Return a new pod whose image isn't there."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    return cluster.pod("p1", "a2", ready=False, containerStatuses=[{"name": "engine", "state": waiting}])
