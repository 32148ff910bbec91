"""One table says which kinds there are: what else names kinds agrees with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from daulat.catalog.kubernetes import DEFAULT
from daulat.catalog.scopes import known_groups
from daulat.check import scopes
from daulat.doctor.sources import SOURCES
from daulat.facts.store import CHILD_KINDS, DEVICE_KINDS, OWN_KINDS, QUEUE_KINDS, Store
from daulat.kube.ref import Ref
from daulat.kube.resources import CHILDREN, MAKE, QUEUED, READ, REGISTRY, WATCHED, Resource, Use, find, kinds, path_of
from daulat.workload.autoscaling import HPA, SCALED_OBJECT
from daulat.workload.exposure import POOL, ROUTE
from daulat.workload.monitoring import POD_MONITOR

RENDERED = sorted((Path(__file__).parents[1] / "workload").glob("golden*/*.yaml"))


@pytest.mark.parametrize("resource", [*WATCHED, *QUEUED], ids=lambda r: r.kind)
def test_every_kind_that_is_watched_can_be_read_and_is_kept(resource: Resource) -> None:
    assert set(READ) <= set(resource.verbs)
    meta = {"name": "a", "labels": {"app.kubernetes.io/managed-by": "daulat"}}
    Store("daulat-system").apply(
        resource.kind, {"metadata": meta | ({"namespace": "n"} if resource.namespaced else {})}
    )


def test_a_kind_is_in_the_table_once() -> None:
    assert [kind for kind, times in Counter(r.kind for r in WATCHED).items() if times > 1] == []
    assert len({(r.group, r.plural) for r in REGISTRY}) == len(REGISTRY)


def test_a_kind_of_queues_is_watched_only_where_that_is_switched_on_and_known_by_its_name() -> None:
    assert {r.kind for r in QUEUED} == set(QUEUE_KINDS)
    assert not {r.kind for r in QUEUED} & {r.kind for r in WATCHED}
    assert path_of(Ref("Workload", "t", "w"), DEFAULT, "status") == (
        "/apis/kueue.x-k8s.io/v1beta2/namespaces/t/workloads/w/status"
    )


def test_facts_know_every_use_of_a_kind() -> None:
    assert set(OWN_KINDS) == kinds(Use.OWN)
    assert set(DEVICE_KINDS) == kinds(Use.DEVICE)


def test_what_stands_beside_a_models_pods_is_what_is_rendered_beside_them() -> None:
    assert kinds(Use.AUXILIARY) == {HPA, SCALED_OBJECT, ROUTE, POOL, POD_MONITOR}


def test_only_what_the_operator_makes_is_narrowed_to_what_is_its_own() -> None:
    assert {r.kind for r in WATCHED if r.labels} == CHILD_KINDS
    assert {r.kind for r in REGISTRY if set(MAKE) <= set(r.verbs)} == CHILD_KINDS


@pytest.mark.parametrize("file", RENDERED, ids=lambda f: f.stem)
def test_what_is_rendered_for_a_model_is_in_the_table_in_its_version(file: Path) -> None:
    for manifest in yaml.safe_load_all(file.read_text()):
        known = find(manifest["apiVersion"].rpartition("/")[0], manifest["kind"])
        assert known is not None
        assert known.use in CHILDREN
        assert (known.api_version, known.namespaced) == (manifest["apiVersion"], True)


@pytest.mark.parametrize("resource", REGISTRY, ids=lambda r: f"{r.kind}.{r.group}")
def test_check_and_doctor_know_a_kind_by_the_table(resource: Resource) -> None:
    assert scopes.is_cluster_scoped(resource.group, resource.kind) is not resource.namespaced
    assert scopes.resource_of(resource.group, resource.kind) == resource.plural
    listed = known_groups().cluster.get(resource.group)
    assert listed is None or (resource.kind not in listed) is resource.namespaced
    for source in SOURCES.values():
        if (source.group, source.resource) == (resource.group, resource.plural):
            assert source.version == resource.version


def test_a_kind_of_another_group_is_another_kind() -> None:
    assert find("serving.knative.dev", "Service") is None
    assert not scopes.is_cluster_scoped("example.my", "Node")
    assert scopes.resource_of("networking.istio.io", "Gateway") == "gateways"


@pytest.mark.parametrize(
    ("ref", "subresource", "path"),
    [
        (Ref("Node", "", "n1"), "", "/api/v1/nodes/n1"),
        (Ref("Pod", "treasury", "p"), "", "/api/v1/namespaces/treasury/pods/p"),
        (
            Ref("SovereignModel", "treasury", "m"),
            "status",
            "/apis/daulat.dev/v1alpha1/namespaces/treasury/sovereignmodels/m/status",
        ),
        (Ref("HTTPRoute", "t", "m"), "", "/apis/gateway.networking.k8s.io/v1/namespaces/t/httproutes/m"),
    ],
)
def test_the_path_of_an_object_follows_from_its_kind(ref: Ref, subresource: str, path: str) -> None:
    assert path_of(ref, DEFAULT, subresource) == path
