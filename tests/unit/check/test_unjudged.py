"""What no policy was evaluated on is said, and never passes for fine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from .scene import BAD, GOOD, OPTIONS, Raw, controls, judged, namespace, owner, pod, policy, problems, template

STRICT = replace(OPTIONS, strict=True)


def unknown(spec: Raw, **metadata: str) -> Raw:
    raw = owner("example.my/v1", "Anything", spec)
    raw["metadata"] |= metadata
    return raw


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"image": BAD}, "spec.image"),
        ({"image": "nginx"}, "spec.image"),
        ({"image": {"repository": "evil", "tag": "1"}}, "spec.image"),
        ({"deep": [{"workerImage": "quay.io/a"}]}, "spec.deep[0].workerImage"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, 'spec.resources.limits["nvidia.com/gpu"]'),
        ({"requests": {"example.com/dongle": "2"}}, 'spec.requests["example.com/dongle"]'),
        ({"gpus": [{"deviceName": "nvidia.com/gpu"}]}, "spec.gpus[0].deviceName"),
        ({"source": "hf://org/model"}, "spec.source"),
        ({"from": "s3://bucket/model"}, "spec.from"),
        ({"from": "https://huggingface.co/org/model"}, "spec.from"),
        ({"modelID": "org/model"}, "spec.modelID"),
        ({"model_name": "org/model"}, "spec.model_name"),
    ],
)
def test_an_image_a_device_or_a_model_of_an_unknown_kind_is_noted(spec: Raw, field: str) -> None:
    (found,) = judged(unknown(spec))
    assert (found.result, [u.field for u in found.unjudged]) == ("unjudged", [field])
    assert found.notes[0].startswith(f"{field}: ")
    (strict,) = judged(unknown(spec), options=STRICT)
    assert (strict.result, strict.notes) == ("refused", ())


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": 1, "imagePullPolicy": "Always", "showImage": True, "icon": {"image": "https://example.my/a.png"}},
        {"resources": {"limits": {"cpu": 1, "memory": "1Gi", "requests.kubernetes.io/x": 1}}},
        {"path": "org/model", "model": "plain", "text": "see hf and s3"},
    ],
)
def test_what_only_looks_like_one_is_not_noted(spec: Raw) -> None:
    assert judged(unknown(spec))[0].result == "allowed"


@pytest.mark.parametrize(
    "raw",
    [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "treasury"},
            "data": {"image": BAD},
        },
        owner("kueue.x-k8s.io/v1beta1", "LocalQueue", {"coveredResources": ["nvidia.com/gpu"]}),
        {**unknown({}), "metadata": {"name": "a", "namespace": "free"}, "spec": {"image": BAD}},
    ],
    ids=["a ConfigMap", "a kind that makes no pods", "a free namespace"],
)
def test_nothing_is_noted_of_what_makes_no_governed_pods(raw: Raw) -> None:
    (found,) = judged(raw, by=(policy(), namespace(), namespace("free", team="x")))
    assert (found.result, found.notes) == ("allowed", ())


def test_a_value_beside_a_pod_template_is_noted_and_what_is_in_it_is_judged() -> None:
    (found,) = judged(unknown({"template": template(GOOD), "sidecarImage": "quay.io/a"}))
    assert [u.field for u in found.unjudged] == ["spec.sidecarImage"]
    (clean,) = judged(unknown({"template": template(GOOD)}))
    assert clean.result == "allowed"


def test_several_values_are_one_note() -> None:
    (found,) = judged(unknown({f"image{n}Image": "a/b" for n in range(6)}))
    assert len(found.unjudged) == 1
    assert found.notes[0].endswith("nor is what spec.image1Image, spec.image2Image, spec.image3Image say, and 2 more")


def test_a_version_that_no_server_has_is_noted() -> None:
    raw = owner("extensions/v1beta1", "Ingress", {"backend": {}})
    (found,) = judged(raw)
    assert found.result == "unjudged"
    assert 'no Kubernetes from 1.30 on serves "extensions/v1beta1"' in found.notes[0]
    assert judged(owner("batch/v1", "Job", {"template": template(GOOD)}))[0].result == "allowed"


def test_an_object_that_is_too_large_to_be_searched_is_an_error() -> None:
    (found,) = problems(policy(), namespace(), owner("batch/v1", "CronJob", {"x": [1] * 51_000}))
    assert "has more than 50,000 values" in found


def test_more_items_than_the_evaluator_takes_are_no_refusal() -> None:
    raw = owner("v1", "ConfigMap", {}) | {"data": {f"k{n}": "" for n in range(12_000)}}
    (found,) = judged(raw)
    assert found.result == "unevaluated"
    assert "stops after 10,000 steps" in found.findings[0].message


CLUSTERS = [
    ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", {"egress": [{"action": "Accept"}]}),
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", {"egress": [{"action": "Allow"}]}),
    ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy", {"egress": [{"action": "Allow"}]}),
    ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", {"endpointSelector": {}, "egress": [{"toEntities": ["world"]}]}),
    ("projectcalico.org/v3", "GlobalNetworkPolicy", {"egress": [{"action": "Allow"}]}),
    ("crd.projectcalico.org/v1", "GlobalNetworkPolicy", {"egress": [{"action": "Allow"}]}),
    ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", {"egress": [{"action": "Allow"}]}),
]


@pytest.mark.parametrize(("api_version", "kind", "spec"), CLUSTERS, ids=[f"{k}.{a}" for a, k, _ in CLUSTERS])
def test_a_network_policy_of_the_whole_cluster_is_in_no_namespace(api_version: str, kind: str, spec: Raw) -> None:
    raw = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "out"}, "spec": spec}
    (found,) = judged(raw, by=(policy(egress={"allow": []}), namespace()), options=replace(OPTIONS, user="bob"))
    assert (found.namespace, set(controls(found)), found.notes) == ("", {"USE-05"}, ())


@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [
        ("serving.kserve.io/v1alpha1", "ClusterServingRuntime", {"containers": [{"name": "a", "image": BAD}]}),
        ("trainer.kubeflow.org/v1alpha1", "ClusterTrainingRuntime", {"template": template()}),
        (
            "argoproj.io/v1alpha1",
            "ClusterWorkflowTemplate",
            {"templates": [{"name": "a", "container": {"image": BAD}}]},
        ),
        ("tekton.dev/v1beta1", "ClusterTask", {"steps": [{"image": BAD}]}),
    ],
)
def test_a_template_of_the_whole_cluster_is_no_violation_and_what_its_pods_break_is_noted(
    api_version: str, kind: str, spec: Raw
) -> None:
    raw: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "t"}, "spec": spec}
    (found,) = judged(raw)
    assert (found.result, controls(found)) == ("unjudged", [])
    assert any(f"where a namespace under confidential uses {kind} t: STO-07" in note for note in found.notes)
    assert not any("could not be evaluated" in note for note in found.notes)


def test_a_kind_whose_scope_isnt_known_is_noted_and_not_refused_for_it() -> None:
    raw = owner("example.my/v1", "Anything", {"template": template(GOOD)})
    del raw["metadata"]["namespace"]
    options = replace(OPTIONS, strict_namespaces=True)
    (found,) = judged(raw, options=options)
    assert found.result == "unjudged"
    assert any("it isn't known whether Anything of example.my is in a namespace" in note for note in found.notes)
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "anythings.example.my"},
        "spec": {"group": "example.my", "names": {"kind": "Anything"}, "scope": "Cluster"},
    }
    (known,) = judged(raw, options=options, by=(policy(), namespace(), definition))
    assert known.namespace == ""
    assert not any("isn't known whether" in note for note in known.notes)


def test_a_host_port_that_the_api_server_sets_is_judged() -> None:
    by = (policy(controls={"USE-18": "Off"}), namespace())
    ports = [{"name": "main", "image": GOOD, "ports": [{"containerPort": 8000}]}]
    (found,) = judged(pod(hostNetwork=True, containers=ports), by=by)
    assert controls(found) == ["USE-09"]
    (made,) = judged(
        owner("apps/v1", "Deployment", {"template": {"spec": {"hostNetwork": True, "containers": ports}}}), by=by
    )
    assert controls(made) == ["USE-09"]
    assert judged(pod(containers=ports), by=by)[0].result == "allowed"


@pytest.mark.parametrize("amount", [0, "0", "0.0", "0k", "00"])
def test_none_of_a_resource_asks_for_nothing(amount: Any) -> None:
    asked = [{"name": "main", "image": GOOD, "resources": {"limits": {"amd.com/gpu": amount}}}]
    assert judged(pod(containers=asked))[0].result == "allowed"


def test_a_resource_that_isnt_approved_is_told_with_its_field_and_line() -> None:
    asked = [{"name": "a", "image": GOOD}, {"name": "b", "image": GOOD, "resources": {"limits": {"amd.com/gpu": 1}}}]
    (found,) = judged(pod(containers=asked))
    assert [(f.field, f.line) for f in found.findings] == [('spec.containers["b"].resources.limits["amd.com/gpu"]', 19)]
    (made,) = judged(owner("apps/v1", "Deployment", {"template": {"spec": {"containers": asked}}}))
    assert made.findings[0].field == 'spec.template.spec.containers["b"].resources.limits["amd.com/gpu"]'


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [
        ("serving.knative.dev/v1", "Service", "user-container"),
        ("serving.kserve.io/v1beta1", "InferenceService", "kserve-container"),
        ("example.my/v1", "Anything", "container"),
    ],
)
def test_a_container_without_a_name_is_judged(api_version: str, kind: str, name: str) -> None:
    inner = {"containers": [{"image": BAD}]}
    spec = {"predictor": inner} if kind == "InferenceService" else {"template": {"spec": inner}}
    (found,) = judged(owner(api_version, kind, spec))
    assert set(controls(found)) == {"STO-07"}
    assert found.findings[0].field.endswith(f'.containers["{name}"].image')


def test_an_adapter_of_a_hub_is_told_where_its_repository_is_named() -> None:
    source = {"type": "huggingface", "repository": "nvidia/some-adapter"}
    (found,) = judged(owner("production-stack.vllm.ai/v1alpha1", "LoraAdapter", {"adapterSource": source}))
    assert (found.result, [u.field for u in found.unjudged]) == ("unjudged", ["spec.adapterSource.repository"])


def test_an_api_service_without_a_spec_is_evaluated() -> None:
    patch = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.a.example.my"}}
    assert judged(patch)[0].result == "allowed"
