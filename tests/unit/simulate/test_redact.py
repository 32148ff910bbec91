"""What a snapshot has of each kind of object, and that a simulation of it says the same as one of the cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daulat.facts.volume import parse_volume
from daulat.kube.resources import WATCHED
from daulat.simulate.change import RevokeZone
from daulat.simulate.compare import simulate
from daulat.simulate.redact import KINDS, redacted
from daulat.simulate.run import Simulation
from daulat.simulate.world import Cluster

from .worlds import HOUR, cluster, job, two_zones

SECRET = "hunter2-is-a-password"
CONTAINER = {
    "name": "c",
    "image": "registry.example.my/web",
    "env": [{"name": "TOKEN", "value": SECRET}, {"name": "OTHER", "valueFrom": {"secretKeyRef": {"name": SECRET}}}],
    "envFrom": [{"secretRef": {"name": SECRET}}],
    "args": [SECRET],
    "command": [SECRET],
    "livenessProbe": {"exec": {"command": [SECRET]}},
    "lifecycle": {"preStop": {"exec": {"command": [SECRET]}}},
}
SOURCES: dict[str, Any] = {
    "csi": {"driver": "smb.csi.example.org", "volumeAttributes": {"password": SECRET}},
    "flexVolume": {"driver": "example.org/smb", "options": {"password": SECRET}},
}
POD: dict[str, Any] = {
    "containers": [CONTAINER],
    "initContainers": [CONTAINER],
    "ephemeralContainers": [CONTAINER],
    "volumes": [{"name": name, name: source} for name, source in SOURCES.items()],
}
META: dict[str, Any] = {
    "name": "web",
    "annotations": {"example.com/token": SECRET, "kubectl.kubernetes.io/last-applied-configuration": SECRET},
    "managedFields": [{"manager": SECRET}],
}
TEMPLATE = {"metadata": META, "spec": POD}


def settled() -> Cluster:
    """Return a cluster with a model that runs, as its operator leaves it."""
    given = cluster(two_zones(pods=[job("t-0", "k1")]))
    simulation = Simulation(given)
    simulation.settle(HOUR)
    return replace(given, objects=tuple(simulation.world.objects.values()), now=simulation.world.now)


def test_no_kind_of_workload_keeps_values_of_variables_commands_or_annotations() -> None:
    specs = {
        "Pod": POD,
        "Deployment": {"template": TEMPLATE},
        "StatefulSet": {"template": TEMPLATE},
        "LeaderWorkerSet": {"leaderWorkerTemplate": {"leaderTemplate": TEMPLATE, "workerTemplate": TEMPLATE}},
    }
    for kind, spec in specs.items():
        found = redacted(kind, {"metadata": META, "spec": spec})
        assert SECRET not in str(found), kind
        assert "'TOKEN'" in str(found), kind
        assert "registry.example.my/web" in str(found), kind


def test_a_volume_keeps_its_driver_and_none_of_its_options() -> None:
    found = redacted("PersistentVolume", {"metadata": META, "spec": {**SOURCES, "storageClassName": "fast"}})
    assert SECRET not in str(found)
    assert parse_volume(found) == parse_volume({"metadata": META, "spec": {**SOURCES, "storageClassName": "fast"}})


@given(kind=st.sampled_from([r.kind for r in WATCHED]))
def test_annotations_of_others_and_field_managers_stay_out(kind: str) -> None:
    assert SECRET not in str(redacted(kind, {"metadata": META, "spec": {}, "status": {}}))


def test_secrets_and_configmaps_arent_read() -> None:
    assert not {r.kind for r in KINDS} & {"Secret", "ConfigMap"}


def test_a_simulation_of_a_snapshot_says_the_same_as_one_of_the_cluster() -> None:
    whole = settled()
    bare = replace(whole, objects=tuple(redacted(m["kind"], m) for m in whole.objects))
    change = [RevokeZone("kulim-1"), RevokeZone("cyberjaya-1")]
    assert simulate(bare, change, HOUR) == simulate(whole, change, HOUR)


def test_redaction_alone_rolls_no_pod() -> None:
    whole = settled()
    found = simulate(replace(whole, objects=tuple(redacted(m["kind"], m) for m in whole.objects)), [], HOUR)
    assert (found.under_way, found.models, found.policies, found.evictions) == (0, (), (), ())
