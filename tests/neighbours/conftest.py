"""The cluster that these tests share: its API server logs what the controllers write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from dev.cluster import EmbeddedCluster, audit
from tests.e2e.world import Manifest, World, lower, raise_world, unique

STATEFULSETS = "system:serviceaccount:kube-system:statefulset-controller"
REPLICASETS = "system:serviceaccount:kube-system:replicaset-controller"
JOBS = "system:serviceaccount:kube-system:job-controller"
LWS = "system:serviceaccount:lws-system:lws-controller-manager"
DESCHEDULER = "system:serviceaccount:kube-system:descheduler-sa"
KUEUE = "system:serviceaccount:kueue-system:kueue-controller-manager"
KUBERAY = "system:serviceaccount:ray-system:kuberay-operator"
JOBSET = "system:serviceaccount:jobset-system:jobset-controller-manager"
TRAINER = "system:serviceaccount:kubeflow-system:kubeflow-trainer-controller-manager"
FORBIDDEN = 403


@dataclass(frozen=True)
class Requests:
    """What the API server logged."""

    cluster: EmbeddedCluster

    def of(self, user: str, namespace: str, *verbs: str) -> list[dict[str, Any]]:
        """Return a user's answered requests in a namespace, oldest first."""
        # The last line may be half-written.
        lines = self.cluster.audit_log.read_text().split("\n")[:-1]
        entries = (json.loads(line) for line in lines if namespace in line)
        return [e for e in entries if e["user"]["username"] == user and e["verb"] in verbs and _where(e) == namespace]

    def refusals(self, user: str, namespace: str) -> list[datetime]:
        """Return when pods of a user were refused in a namespace."""
        found = [e for e in self.of(user, namespace, "create") if e["objectRef"]["resource"] == "pods"]
        refused = [e for e in found if e["responseStatus"]["code"] == FORBIDDEN]
        return sorted(datetime.fromisoformat(e["requestReceivedTimestamp"]) for e in refused)


def _where(entry: dict[str, Any]) -> str:
    return str(entry.get("objectRef", {}).get("namespace", ""))


@pytest.fixture(scope="session")
def neighbourhood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat and LeaderWorkerSet's controller."""
    logged = audit.requests_of([STATEFULSETS, REPLICASETS, JOBS, LWS, DESCHEDULER, KUBERAY, JOBSET, TRAINER])
    raised = raise_world(
        unique("beside"),
        tmp_path_factory.mktemp("beside"),
        say=lambda line: None,
        addons=("lws",),
        audit_policy=logged,
    )
    yield raised
    lower(raised)


@pytest.fixture
def requests(neighbourhood: World) -> Requests:
    """What the API server logged."""
    return Requests(neighbourhood.cluster)


def backs_off(times: list[datetime]) -> bool:
    """Say whether the last attempts are ever further apart, and by seconds at the end."""
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)][-3:]
    return len(gaps) == 3 and gaps[0] < gaps[1] < gaps[2] and gaps[2] > 2


def pinned(world: World, pod: Manifest, policy: str) -> bool:
    """Say whether a pod has the policy's node selector, and stands on a node that the policy makes eligible."""
    label = {f"daulat.node-restriction.kubernetes.io/{policy}": "eligible"}
    node = pod["spec"].get("nodeName", "")
    selector = pod["spec"].get("nodeSelector", {}).items()
    return (
        bool(node)
        and label.items() <= selector
        and label.items() <= world.get("node", node)["metadata"]["labels"].items()
    )


def events(world: World, namespace: str, kind: str, reason: str) -> list[str]:
    """Return the messages of a namespace's Events about a kind, with a reason."""
    found = world.get("events", namespace=namespace)["items"]
    return [e["message"] for e in found if e["reason"] == reason and e["involvedObject"]["kind"] == kind]


def with_image(part: Any, image: str) -> Any:
    """Return a part of a manifest whose containers have another image; the same where none is given."""
    if isinstance(part, dict):
        return {k: image if k == "image" and image else with_image(v, image) for k, v in part.items()}
    return [with_image(item, image) for item in part] if isinstance(part, list) else part
