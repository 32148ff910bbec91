"""A cluster with a former release on it, a policy in force and a model that serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import EmbeddedCluster
from dev.cluster.kubernetes import versions
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import OperatorProcess, kubectl, poll
from tests.e2e.world import (
    SCENARIO,
    World,
    model_manifest,
    namespace_manifest,
    pod_manifest,
    policy_manifest,
    unique,
)

from .prober import Prober
from .release import VALUES, Helm, Release, uids

POLICY, NAMESPACE, MODEL = "confidential", "treasury", "served"


@dataclass
class Site:
    """The cluster, and the release on it."""

    world: World
    helm: Helm
    directory: Path

    @property
    def cluster(self) -> EmbeddedCluster:
        """The cluster."""
        return self.world.cluster

    def run(self, release: Release) -> None:
        """Run the operator of a release, in the place of the one that runs."""
        self.world.operator.stop()
        self.world.operator = OperatorProcess(
            self.cluster, self.directory, name=unique("operator"), source=release.source
        )
        self.world.operator.start()

    def pods(self) -> dict[str, str]:
        """Return the uids of the model's pods, by name."""
        return uids(self.cluster, "pods", NAMESPACE)

    def prober(self) -> Prober:
        """Return what tries a pod that the policy forbids."""
        return Prober(self.cluster.kubeconfig(), pod_manifest("forbidden", NAMESPACE, nodeName="sg-gpu-1"), "USE-04")

    def change(self, limit: str) -> None:
        """Change the policy, and wait until its operator has decided upon it and has proved that it is in force."""
        patch = json.dumps({"spec": {"drift": {"limit": limit}}})
        self.world.admin.run("patch", "spolicy", POLICY, "--type=merge", f"--patch={patch}")
        poll("the policy to be proved", self.proved)

    def proved(self) -> bool:
        """Whether the policy as it is now is in force, as its canary showed."""
        policy = self.world.get("sovereigntypolicy", POLICY)
        found = self.world.condition("sovereigntypolicy", POLICY, "Enforced")
        return bool(
            found and found["status"] == "True" and int(found["observedGeneration"]) == policy["metadata"]["generation"]
        )

    def serves(self) -> None:
        """Wait until the model is ready."""
        self.world.wait_condition("sovereignmodel", MODEL, "Ready", "True", NAMESPACE)


@contextmanager
def installed(release: Release, directory: Path, *, empty: bool = False) -> Iterator[Site]:
    """Bring up a cluster, install the chart of a release, start its operator, and let a model serve under a policy.

    ``empty``: without zones, policy and model.
    """
    cluster = EmbeddedCluster(unique("upgrade"), say=lambda line: None, admission_plugins=versions.pinning_plugins(""))
    cluster.up(SCENARIO)
    world = None
    try:
        helm = Helm(cluster, directory)
        helm("install", "daulat", str(release.chart), "--create-namespace", *VALUES)
        admin = kubectl(cluster)
        poll("the kinds", lambda: "sovereignmodels" in admin.run("api-resources", "--api-group=daulat.dev"))
        world = World(cluster, OperatorProcess(cluster, directory, source=release.source), admin)
        world.operator.start()
        if not empty:
            _serve(world)
        yield Site(world, helm, directory)
    finally:
        if world is not None:
            world.operator.stop()
        cluster.down()


def _serve(world: World) -> None:
    admin = world.admin
    admin.apply(zone_manifests(load(SCENARIO)))
    labelled = namespace_manifest(NAMESPACE, POLICY, **{"daulat.dev/data-class": "confidential"})
    admin.apply([policy_manifest(POLICY), labelled])
    world.wait_condition("sovereigntypolicy", POLICY, "Enforced", "True")
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", NAMESPACE))
    admin.apply([model_manifest(MODEL, NAMESPACE)])
    world.wait_condition("sovereignmodel", MODEL, "Ready", "True", NAMESPACE)
