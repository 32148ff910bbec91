"""What a model says of its pods itself reaches them, in every shape, and takes the place of nothing that the operator writes."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import MODEL_LABEL, ROLE_LABEL
from daulat.check.modelpods import render
from daulat.placement.choice import choose
from daulat.placement.loading import loading
from daulat.workload.manifests import manifests
from daulat.workload.plan import Group, Plan
from daulat.workload.pod import revision
from tests.unit.world import ASCEND, World, ascend, choice, model, the_model

SETTINGS: dict[str, Any] = {
    "podMetadata": {"labels": {"example.com/team": "ml"}, "annotations": {"example.com/ticket": "CHG-1"}},
    "resources": {"requests": {"cpu": 8, "memory": "64Gi"}, "limits": {"memory": "96Gi"}},
    "tolerations": [{"key": "example.com/dedicated", "value": "ml", "effect": "NoSchedule"}],
    "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname"}],
    "volumes": [
        {"name": "ca", "mountPath": "/mnt/ca", "configMap": {"name": "ca", "items": [{"key": "a", "path": "a.pem"}]}},
        {"name": "scratch", "mountPath": "/mnt/scratch", "emptyDir": {}},
        {"name": "adapters", "mountPath": "/mnt/adapters", "persistentVolumeClaim": {"claimName": "adapters"}},
        {"name": "all", "mountPath": "/mnt/all", "projected": {"sources": [{"secret": {"name": "keys"}}]}},
    ],
}


def rendered(spec: dict[str, Any], plan: Plan | None = None, **accelerator: Any) -> list[dict[str, Any]]:
    asked = model(accelerators=[choice(ASCEND, 4 * accelerator.get("nodes", 1), **accelerator)], **spec)
    snapshot = World(models=[asked], nodes=[ascend("ascend-1"), ascend("ascend-2")]).snapshot()
    found = the_model(snapshot)
    policies = snapshot.governing(found.namespace)
    decision = choose(found, policies, snapshot)
    assert decision.chosen is not None, decision.message
    how = loading(found, decision.chosen, policies, snapshot.weights_image)
    return manifests(found, decision.chosen, policies, how, plan or Plan(1))


def of_kind(kind: str, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m for m in made if m["kind"] == kind]


def templates(backend: str) -> list[dict[str, Any]]:
    """Return the pod templates of a model of that shape, the one that answers first."""
    if backend == "Deployment":
        return [of_kind(backend, rendered(SETTINGS))[0]["spec"]["template"]]
    made = rendered(SETTINGS, Plan(1, groups=(Group(0, backend=backend),)), nodes=2)
    if backend == "LeaderWorkerSet":
        (group,) = of_kind(backend, made)
        return [group["spec"]["leaderWorkerTemplate"][part] for part in ("leaderTemplate", "workerTemplate")]
    return [m["spec"]["template"] for m in of_kind(backend, made)]


@pytest.mark.parametrize("backend", ["Deployment", "StatefulSet", "LeaderWorkerSet"])
def test_every_pod_of_every_shape_has_what_the_model_says(backend: str) -> None:
    found = templates(backend)
    assert len(found) == (1 if backend == "Deployment" else 2)
    for pod in found:
        (engine,) = pod["spec"]["containers"]
        assert pod["metadata"]["labels"]["example.com/team"] == "ml"
        assert pod["metadata"]["annotations"]["example.com/ticket"] == "CHG-1"
        assert engine["resources"]["requests"] == {"huawei.com/Ascend910": "4", "cpu": "8", "memory": "64Gi"}
        assert engine["resources"]["limits"] == {"huawei.com/Ascend910": "4", "memory": "96Gi"}
        assert pod["spec"]["tolerations"][1:] == [
            {"key": "example.com/dedicated", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}
        ]
        mounted = {m["name"]: m for m in engine["volumeMounts"] if m["name"].startswith("own-")}
        assert {m["mountPath"] for m in mounted.values()} == {f"/mnt/{n}" for n in ("ca", "scratch", "adapters", "all")}
        assert {name for name, m in mounted.items() if not m.get("readOnly")} == {"own-scratch"}
        volumes = {v["name"]: v for v in pod["spec"]["volumes"] if v["name"].startswith("own-")}
        assert volumes["own-ca"]["configMap"] == {"name": "ca", "items": [{"key": "a", "path": "a.pem"}]}
        assert volumes["own-scratch"]["emptyDir"] == {}
        assert volumes["own-adapters"]["persistentVolumeClaim"] == {"claimName": "adapters", "readOnly": True}
        assert volumes["own-all"]["projected"] == {"sources": [{"secret": {"name": "keys"}}]}


@pytest.mark.parametrize("backend", ["StatefulSet", "LeaderWorkerSet"])
def test_only_leaders_are_spread_since_workers_go_where_their_leader_is(backend: str) -> None:
    leader, worker = templates(backend)
    (spread,) = leader["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"][ROLE_LABEL] == "leader"
    assert "topologySpreadConstraints" not in worker["spec"]


def test_only_the_models_own_pods_count_for_its_spread() -> None:
    (spread,) = templates("Deployment")[0]["spec"]["topologySpreadConstraints"]
    assert spread == {
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "sovereignmodel", MODEL_LABEL: "deepseek"}},
    }


def test_the_service_has_the_labels_and_no_other_object_has() -> None:
    made = rendered(SETTINGS)
    labelled = [m["kind"] for m in made if "example.com/team" in m["metadata"]["labels"]]
    assert labelled == ["Service"]
    (service,) = of_kind("Service", made)
    assert service["metadata"]["annotations"]["example.com/ticket"] == "CHG-1"
    assert service["spec"]["selector"] == of_kind("Service", rendered({}))[0]["spec"]["selector"]


def test_a_label_is_part_of_the_revision_so_that_groups_get_it_too() -> None:
    def of(**spec: Any) -> str:
        snapshot = World(models=[model(**spec)]).snapshot()
        found = the_model(snapshot)
        policies = snapshot.governing(found.namespace)
        chosen = choose(found, policies, snapshot).chosen
        assert chosen is not None
        return revision(found, chosen, [p.name for p in policies], loading(found, chosen, policies, ""))

    assert of() == of(podMetadata={})
    assert len({of(), *(of(podMetadata={"labels": {"example.com/team": team}}) for team in ("a", "b"))}) == 3


def test_a_node_with_a_taint_that_the_model_tolerates_is_room() -> None:
    tainted = ascend("ascend-1")
    tainted["spec"]["taints"] = [{"key": "example.com/dedicated", "value": "ml", "effect": "NoSchedule"}]

    def placed(*tolerations: dict[str, Any]) -> bool:
        snapshot = World(models=[model(tolerations=list(tolerations))], nodes=[tainted]).snapshot()
        found = the_model(snapshot)
        return choose(found, snapshot.governing(found.namespace), snapshot).chosen is not None

    assert not placed()
    assert placed({"key": "example.com/dedicated", "operator": "Exists"})
    assert placed({"key": "example.com/dedicated", "value": "ml", "effect": "NoSchedule"})
    assert not placed({"key": "example.com/dedicated", "value": "web"})
    assert not placed({"key": "example.com/dedicated", "value": "ml", "effect": "NoExecute"})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"podMetadata": {"labels": {"app": "web"}}}, "a prefix of your own"),
        ({"podMetadata": {"labels": {"daulat.dev/model": "other"}}}, "a prefix of your own"),
        ({"podMetadata": {"labels": {"app.kubernetes.io/instance": "x"}}}, "a prefix of your own"),
        ({"podMetadata": {"annotations": {"cdi.k8s.io/gpu": "nvidia.com/gpu=all"}}}, "a prefix of your own"),
        ({"podMetadata": {"labels": {"kueue.x-k8s.io/queue-name": "x"}}}, "a prefix of your own"),
        ({"podMetadata": {"labels": {"example.com/team": "not a value"}}}, "labels"),
        ({"tolerations": [{"key": "daulat.dev/undecided", "operator": "Exists"}]}, "Daulat's own taints"),
        ({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}, "Kubernetes keeps pods"),
        ({"tolerations": [{"operator": "Exists"}]}, "key"),
        ({"tolerations": [{"key": "", "operator": "Exists"}]}, "key"),
        ({"tolerations": [{"key": "a", "value": "b", "operator": "Exists"}]}, "requires operator Equal"),
        ({"tolerations": [{"key": "a", "tolerationSeconds": 5}]}, "requires effect NoExecute"),
        ({"resources": {"requests": {"memory": "64Gi"}, "limits": {"memory": "63.9Gi"}}}, "at most its limit"),
        ({"resources": {"limits": {"cpu": "many"}}}, "amounts above zero"),
        ({"resources": {"limits": {"cpu": "-1"}}}, "amounts above zero"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "nvidia.com/gpu"),
        ({"volumes": [{"name": "a", "mountPath": "/models", "emptyDir": {}}]}, "under /mnt"),
        ({"volumes": [{"name": "a", "mountPath": "/mnt/../models", "emptyDir": {}}]}, "under /mnt"),
        ({"volumes": [{"name": "a", "mountPath": "/mnt", "emptyDir": {}}]}, "under /mnt"),
        (
            {"volumes": [{"name": "a", "mountPath": "/usr/lib/python3/dist-packages", "configMap": {"name": "x"}}]},
            "under",
        ),
        ({"volumes": [{"name": "a", "mountPath": "/mnt/a", "hostPath": {"path": "/"}}]}, "hostPath"),
        ({"volumes": [{"name": "a", "mountPath": "/mnt/a"}]}, "one source"),
        (
            {"volumes": [{"name": "a", "mountPath": "/mnt/a", "emptyDir": {}, "secret": {"secretName": "x"}}]},
            "one source",
        ),
        (
            {
                "volumes": [
                    {
                        "name": "a",
                        "mountPath": "/mnt/a",
                        "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
                    }
                ]
            },
            "serviceAccountToken",
        ),
        (
            {
                "volumes": [
                    {"name": "a", "mountPath": "/mnt/a", "emptyDir": {}},
                    {"name": "b", "mountPath": "/mnt/a/b", "emptyDir": {}},
                ]
            },
            "inside another",
        ),
        (
            {
                "volumes": [
                    {"name": "a", "mountPath": "/mnt/a", "emptyDir": {}},
                    {"name": "a", "mountPath": "/mnt/b", "emptyDir": {}},
                ]
            },
            "same name",
        ),
    ],
)
def test_what_no_pod_of_a_model_may_have_cant_be_said(spec: dict[str, Any], words: str) -> None:
    (note,) = render(model(**spec), "treasury", ["confidential"], {}).notes
    assert words in note
