"""Objects get the verdict that the API server would give, and so does every pod and claim that they would make."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, evaluate_all
from daulat.check.run import Run
from daulat.check.scopes import resource_of
from daulat.controls import library

from .scene import (
    BAD,
    GOOD,
    NOW,
    OPTIONS,
    Raw,
    controls,
    exemption,
    judged,
    namespace,
    owner,
    pod,
    policy,
    problems,
    template,
)

TEMPLATE = template()
INLINE = TEMPLATE["spec"]


def test_an_unpinned_pod_is_judged_as_admission_would_pin_it() -> None:
    (found,) = judged(pod())
    assert found.result == "allowed"
    assert found.policies == ("confidential",)


def test_a_pod_pinned_to_another_value_is_refused() -> None:
    (found,) = judged(pod(nodeSelector={"daulat.node-restriction.kubernetes.io/confidential": "no"}))
    assert controls(found) == ["USE-01"]


@pytest.mark.parametrize(
    ("selectors", "note"),
    [
        ({"vendors": ["Huwei", "Huawei"]}, "spec.accelerators.vendors: no AcceleratorProfile has Huwei"),
        (
            {"vendorCountries": ["BN"]},
            "spec.accelerators: no AcceleratorProfile matches all that is set, so none is approved",
        ),
    ],
)
def test_selectors_of_accelerators_that_match_nothing_are_noted(selectors: dict[str, Any], note: str) -> None:
    asked = policy(accelerators=selectors)
    (found,) = judged(asked, by=(asked, namespace()))
    assert found.notes == (note,)


def test_a_pod_is_judged_by_its_accelerators_vendor() -> None:
    asked = [{"name": "main", "image": GOOD, "resources": {"limits": {"huawei.com/Ascend910": "1"}}}]
    by = (policy(accelerators={"vendorCountries": ["US"]}), namespace())
    assert [controls(f) for f in judged(pod(containers=asked), by=by)] == [["SUP-08"]]
    by = (policy(accelerators={"vendorCountries": ["CN"]}), namespace())
    assert [controls(f) for f in judged(pod(containers=asked), by=by)] == [[]]


def test_a_policy_on_trial_pins_nothing_and_warns() -> None:
    (found,) = judged(pod(BAD), by=(policy(action="Warn"), namespace()))
    assert controls(found) == ["USE-01", "STO-07"]
    assert found.result == "warned"
    assert {f.action for f in found.findings} == {"Warn"}


def test_each_control_has_its_own_action() -> None:
    (found,) = judged(pod(BAD, nodeName="x"), by=(policy(controls={"STO-07": "Audit"}), namespace()))
    assert {f.control: f.level for f in found.findings} == {"STO-07": "note", "USE-04": "error"}
    (off,) = judged(pod(BAD), by=(policy(controls={"STO-07": "Off"}), namespace()))
    assert off.result == "allowed"


def test_every_policy_that_governs_is_asked() -> None:
    other = policy("other", images={"registries": ["elsewhere.example/"]})
    (found,) = judged(pod(GOOD), by=(policy(), other, namespace()))
    assert found.policies == ("confidential", "other")
    assert [(f.control, f.policy) for f in found.findings] == [("STO-07", "other")]


def test_a_violation_is_told_with_its_field_and_line() -> None:
    (found,) = judged(pod(BAD, initContainers=[{"name": "init", "image": "quay.io/x"}]))
    assert [(f.control, f.field, f.line) for f in found.findings] == [
        ("STO-07", 'spec.containers["main"].image', 12),
        ("STO-07", 'spec.containers["init"].image', 18),
    ]


def test_the_message_is_the_api_servers() -> None:
    spec = SovereigntyPolicySpec.model_validate(policy()["spec"])
    compiled = compile_policy("confidential", spec, accelerators.shipped())
    raw = pod(BAD, nodeName="x", nodeSelector={"daulat.node-restriction.kubernetes.io/confidential": "eligible"})
    (verdict,) = evaluate_all(compiled.refusing, Request(object=raw, namespace="treasury"))
    (found,) = judged(raw)
    assert " ".join(sorted(f.message for f in found.findings)) == verdict.message


def test_an_object_without_a_namespace_is_in_the_default_one() -> None:
    by = (policy(), namespace("mine"))
    (found,) = judged(pod(BAD, namespace=None), by=by, options=replace(OPTIONS, namespace="mine"))
    assert (found.namespace, found.result) == ("mine", "refused")
    (other,) = judged(pod(BAD, namespace=None), by=by)
    assert other.namespace == "default"


def test_a_namespace_that_isnt_known_is_told() -> None:
    (found,) = judged(pod(BAD, namespace="elsewhere"))
    assert found.result == "allowed"
    assert "the labels of namespace elsewhere aren't known" in found.notes[0]
    (strict,) = judged(pod(BAD, namespace="elsewhere"), options=replace(OPTIONS, strict_namespaces=True))
    assert strict.result == "refused"
    assert strict.notes == ()


def test_a_namespace_is_known_by_its_name_where_that_is_enough() -> None:
    by_name = policy(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "treasury"}})
    refused, free = judged(pod(BAD), pod(BAD, namespace="other"), by=(by_name,))
    assert (refused.result, free.result) == ("refused", "allowed")
    assert refused.notes == free.notes == ()


def test_what_no_control_asks_about_needs_no_namespace() -> None:
    (found,) = judged(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "elsewhere"}}
    )
    assert found.notes == ()


def test_a_free_namespace_is_free() -> None:
    (found,) = judged(pod(BAD), by=(policy(), namespace(team="x")))
    assert (found.result, found.policies, found.notes) == ("allowed", (), ())


def test_kube_system_is_never_governed() -> None:
    labelled = namespace("kube-system", **{"daulat.dev/data-class": "confidential"})
    run = Run()
    for n, each in enumerate((policy(), labelled, pod(BAD, namespace="kube-system"))):
        run.add(json.dumps(each).encode(), f"{n}.json")
    (found,) = (judged for judged in run.judge(OPTIONS, NOW) if judged.kind == "Pod")
    assert found.policies == ()
    assert [p.field for p in run.problems] == ["spec.namespaceSelector"]


def test_an_exemption_holds_until_it_ends() -> None:
    def until(expires: str) -> Raw:
        return exemption(controls=["STO-07"], expiresAt=expires, approvals=[{"user": "bob", "reference": "T-1"}])

    (free,) = judged(pod(BAD), by=(policy(), namespace(), until("2099-01-01T00:00:00Z")))
    (over,) = judged(pod(BAD), by=(policy(), namespace(), until("2020-01-01T00:00:00Z")))
    assert (free.result, over.result) == ("allowed", "refused")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"namespaces": ["tresury"]}, 'spec.namespaces: namespace "tresury" isn\'t in the input'),
        ({"namespaces": ["treasury", "open"]}, 'spec.namespaces: policy confidential doesn\'t govern "open"'),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "spec.expiresAt: 2020-01-01T00:00:00Z is over"),
    ],
)
def test_an_exemption_of_what_isnt_there_is_noted(changed: Raw, said: str) -> None:
    by = (policy(), namespace(), namespace("open", team="ml"))
    fine, wrong = judged(exemption(), by=by)[0], judged(exemption(**changed), by=by)[0]
    assert fine.notes == ()
    (note,) = wrong.notes
    assert note.startswith(said)
    assert wrong.result == "allowed"


def test_an_exemption_for_longer_than_its_policy_allows_is_refused() -> None:
    (found,) = judged(exemption(), by=(policy(exemptions={"maxDuration": "720h"}), namespace()))
    assert [f.control for f in found.findings] == ["GOV-04"]


MAKERS: list[tuple[str, str, Raw, str]] = [
    ("apps/v1", "Deployment", {"template": TEMPLATE}, "spec.template.spec"),
    ("apps/v1", "ReplicaSet", {"template": TEMPLATE}, "spec.template.spec"),
    ("v1", "ReplicationController", {"template": TEMPLATE}, "spec.template.spec"),
    ("apps/v1", "StatefulSet", {"template": TEMPLATE}, "spec.template.spec"),
    ("apps/v1", "DaemonSet", {"template": TEMPLATE}, "spec.template.spec"),
    ("batch/v1", "Job", {"template": TEMPLATE}, "spec.template.spec"),
    ("batch/v1", "CronJob", {"jobTemplate": {"spec": {"template": TEMPLATE}}}, "spec.jobTemplate.spec.template.spec"),
    (
        "leaderworkerset.x-k8s.io/v1",
        "LeaderWorkerSet",
        {"leaderWorkerTemplate": {"workerTemplate": TEMPLATE}},
        "spec.leaderWorkerTemplate.workerTemplate.spec",
    ),
    (
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": TEMPLATE}}}]},
        "spec.replicatedJobs[0].template.spec.template.spec",
    ),
    ("ray.io/v1", "RayCluster", {"headGroupSpec": {"template": TEMPLATE}}, "spec.headGroupSpec.template.spec"),
    (
        "ray.io/v1",
        "RayJob",
        {"rayClusterSpec": {"workerGroupSpecs": [{"template": TEMPLATE}]}},
        "spec.rayClusterSpec.workerGroupSpecs[0].template.spec",
    ),
    (
        "ray.io/v1",
        "RayService",
        {"rayClusterConfig": {"headGroupSpec": {"template": TEMPLATE}}},
        "spec.rayClusterConfig.headGroupSpec.template.spec",
    ),
    ("argoproj.io/v1alpha1", "Rollout", {"template": TEMPLATE}, "spec.template.spec"),
    ("batch.volcano.sh/v1alpha1", "Job", {"tasks": [{"template": TEMPLATE}]}, "spec.tasks[0].template.spec"),
    (
        "kubeflow.org/v1",
        "PyTorchJob",
        {"pytorchReplicaSpecs": {"Master": {"template": TEMPLATE}}},
        "spec.pytorchReplicaSpecs.Master.template.spec",
    ),
    ("serving.kserve.io/v1beta1", "InferenceService", {"predictor": INLINE}, "spec.predictor"),
    (
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {"predictor": {"model": {"image": BAD}}, "transformer": {}},
        "spec.predictor",
    ),
    (
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {"predictor": {"workerSpec": INLINE}},
        "spec.predictor.workerSpec",
    ),
    ("serving.kserve.io/v1alpha1", "LLMInferenceService", {"template": INLINE}, "spec.template"),
    ("serving.knative.dev/v1", "Service", {"template": TEMPLATE}, "spec.template.spec"),
    ("example.my/v1", "Anything", {"deep": [[{"er": TEMPLATE}]]}, "spec.deep[0][0].er.spec"),
    ("example.my/v1", "Anything", INLINE, "spec"),
]


@pytest.mark.parametrize(("api_version", "kind", "spec", "where"), MAKERS, ids=[f"{k}-{w}" for _, k, _, w in MAKERS])
def test_the_pods_of_an_object_are_judged(api_version: str, kind: str, spec: Raw, where: str) -> None:
    (found,) = judged(owner(api_version, kind, spec))
    assert set(controls(found)) == {"STO-07"}
    assert len(found.findings) == 1, "each pod is judged once"
    assert found.findings[0].field.startswith(f"{where}.containers[")
    assert found.line == 1


def test_a_pod_template_object_is_judged() -> None:
    raw = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "t", "namespace": "treasury"},
        "template": TEMPLATE,
    }
    (found,) = judged(raw)
    assert found.findings[0].field == 'template.spec.containers["main"].image'


def test_a_predictor_without_an_image_is_told_and_not_refused() -> None:
    spec = {"predictor": {"model": {"modelFormat": {"name": "x"}, "resources": {"limits": {"nvidia.com/evil": 1}}}}}
    (found,) = judged(owner("serving.kserve.io/v1beta1", "InferenceService", spec))
    assert controls(found) == ["SUP-08"], "its device is judged, its image isn't known"
    assert any("the image is set later" in note for note in found.notes)


def test_a_built_in_pod_without_an_image_is_refused() -> None:
    (found,) = judged(owner("apps/v1", "Deployment", {"template": {"spec": {"containers": [{"name": "main"}]}}}))
    assert controls(found) == ["STO-07"]


def test_annotations_of_the_template_count_and_those_of_the_owner_dont() -> None:
    name = f"{accelerators.known_access().annotations.domains[0]}/gpu"
    held = {**template(GOOD), "metadata": {"annotations": {name: "x"}}}
    (found,) = judged(owner("apps/v1", "Deployment", {"template": held}))
    assert controls(found) == ["USE-20"]
    assert found.findings[0].field == f'spec.template.metadata.annotations["{name}"]'
    own = owner("apps/v1", "Deployment", {"template": template(GOOD)})
    own["metadata"]["annotations"] = {name: "x"}
    assert judged(own)[0].result == "allowed"


STORAGE = {"storageClasses": ["encrypted"]}


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (
            owner(
                "apps/v1",
                "StatefulSet",
                {
                    "template": template(GOOD),
                    "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"storageClassName": "cheap"}}],
                },
            ),
            "spec.volumeClaimTemplates[0]",
        ),
        (
            pod(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "cheap"}}}}]),
            "spec.volumes[0].ephemeral.volumeClaimTemplate",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "c", "namespace": "treasury"},
                "spec": {"storageClassName": "cheap"},
            },
            "spec",
        ),
    ],
)
def test_claims_are_judged_wherever_they_come_from(raw: Raw, where: str) -> None:
    (found,) = judged(raw, by=(policy(storage=STORAGE), namespace()))
    assert found.result == "refused"
    assert any(f.field.startswith(where) for f in found.findings), found.findings


def _model(**choice: Any) -> Raw:
    spec = {
        "model": {
            "name": "m",
            "uri": "oci://registry.example.my/m@sha256:" + "1a" * 32,
            "developer": "d",
            "originCountry": "MY",
            "license": "MIT",
        },
        "accelerators": [{"profile": "huawei-ascend-910b", "count": 1, "image": GOOD, **choice}],
    }
    return owner("daulat.dev/v1alpha1", "SovereignModel", spec)


def test_a_model_and_its_pods_are_judged() -> None:
    assert judged(_model())[0].result == "allowed"
    (found,) = judged(_model(image=BAD))
    assert found.result == "refused"
    assert {f.field for f in found.findings} == {'spec.accelerators["huawei-ascend-910b"].image'}
    assert all(f.line > 0 for f in found.findings)


def test_an_image_that_a_model_has_from_its_profile_is_refused_by_the_field_of_the_model() -> None:
    spec = _model()
    del spec["spec"]["accelerators"][0]["image"]
    (found,) = judged(spec)
    assert found.result == "refused"
    assert {f.field for f in found.findings} == {'spec.accelerators["huawei-ascend-910b"].image'}
    assert all("spec.containers" not in f.message and f.line > 0 for f in found.findings)


def test_a_model_that_switches_a_device_variable_is_refused_by_its_pods() -> None:
    (found,) = judged(_model(env={"ASCEND_VISIBLE_DEVICES": "0"}))
    assert "USE-16" in controls(found)
    assert next(f for f in found.findings if f.control == "USE-16").field == "spec.accelerators[0]"


def test_a_model_that_says_another_country_than_the_catalogue_is_noted() -> None:
    raw = _model()
    raw["spec"]["model"]["name"] = "qwen3-8b"
    (found,) = judged(raw)
    assert found.notes == ("spec.model.originCountry: MY was declared, and the catalogue has CN for qwen3-8b",)
    raw["spec"]["model"]["originCountry"] = "CN"
    assert judged(raw)[0].notes == ()


def test_a_model_on_a_profile_that_isnt_there_is_told() -> None:
    (found,) = judged(_model(profile="no-such"))
    assert any('AcceleratorProfile "no-such" not found' in note for note in found.notes)


def test_a_model_that_cant_fit_is_told_with_the_numbers() -> None:
    raw = _model(count=None)
    raw["spec"]["model"]["name"] = "deepseek-r1"
    raw["spec"]["engine"] = {"name": "mindie"}
    (found,) = judged(raw)
    assert any("the model can't run on it: deepseek-r1 needs " in note for note in found.notes)


def test_labels_of_record_are_judged_where_a_user_is_named() -> None:
    labelled = namespace("mine")
    (anybody,) = judged(labelled)
    assert anybody.result == "allowed"
    (tenant,) = judged(labelled, options=replace(OPTIONS, user="mallory"))
    assert controls(tenant) == ["MGD-13"]
    assert 'user "mallory"' in tenant.findings[0].message


def test_a_policy_that_cant_be_evaluated_refuses() -> None:
    (found,) = judged(pod(containers="x"))
    assert found.result == "unevaluated"
    assert "could not be evaluated" in found.findings[0].message


@pytest.mark.parametrize("kind", sorted({o["kind"] for o in library.base()["objects"].values()}))
def test_the_resource_of_every_kind_that_a_guard_knows_is_known(kind: str) -> None:
    guarded = {r.partition("/")[0] for g in library.guards().values() for rule in g.resources for r in rule.resources}
    group = next(
        str(o["apiVersion"]).rpartition("/")[0] for o in library.base()["objects"].values() if o["kind"] == kind
    )
    assert resource_of(group, kind) in guarded or kind.endswith("Options")


def test_what_is_wrong_with_a_policy_is_told_field_by_field() -> None:
    spec = policy()["spec"] | {"zone": {}, "action": "enforce", "schedulers": "me"}
    told = problems({**policy(), "spec": spec, "specs": {}})
    assert any("spec.zone: unknown field" in p for p in told)
    assert any("spec.action: " in p for p in told)
    assert any("spec.schedulers: " in p for p in told)
    assert any("specs: unknown field" in p for p in told)
    assert all(p.startswith("object-0.json:") for p in told)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({**policy(), "kind": "SovereignPolicy"}, 'kind: unknown kind "SovereignPolicy" in daulat.dev'),
        ({**policy(), "apiVersion": "daulat.dev/v2"}, 'apiVersion: unknown version "daulat.dev/v2"'),
        (policy("zone"), "can't be a node label"),
        (policy(controls={"XXX-99": "Off"}), "XXX-99 is not a control"),
        (policy(accelerators={"profiles": ["no-such"]}), 'AcceleratorProfile "no-such" not found'),
        (policy(namespace_selector={}), "spec.namespace_selector: unknown field"),
        ({**policy(), "spec": None}, "spec: "),
        ({**policy(), "metadata": {}}, "metadata.name: is required"),
    ],
)
def test_what_is_wrong_with_an_object_of_daulats_is_told(raw: Raw, told: str) -> None:
    assert any(told in problem for problem in problems(raw)), problems(raw)


def test_two_policies_of_one_name_are_told_and_the_same_one_twice_is_not() -> None:
    assert problems(policy(), policy()) == []
    assert any(
        'duplicate SovereigntyPolicy "confidential" with different contents; the first is at object-0.json:1' in p
        for p in problems(policy(), policy(action="Warn"))
    )


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "containers",
                    "image",
                    "name",
                    "metadata",
                    "template",
                    "volumes",
                    "env",
                    "nodeSelector",
                    "labels",
                    "annotations",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(
        [
            "v1 Pod",
            "apps/v1 Deployment",
            "daulat.dev/v1alpha1 SovereignModel",
            "serving.kserve.io/v1beta1 InferenceService",
            "v1 Namespace",
            "v1 Node",
        ]
    ),
    st.dictionaries(st.sampled_from(["spec", "metadata", "items", "status"]), _junk),
)
def test_any_object_gets_a_verdict_or_a_problem(head: str, body: Raw) -> None:
    api_version, kind = head.split()
    problems({"apiVersion": api_version, "kind": kind, **body}, policy(), namespace())


def counted(name: str, engine: str, count: int, profile: str = "nvidia-h20") -> Raw:
    uri = "oci://registry.example.my/models/m@sha256:" + "1a" * 32
    spec = {
        "model": {"name": name, "uri": uri, "developer": "d", "originCountry": "CN", "license": "MIT"},
        "engine": {"name": engine, "context": 4096},
        "accelerators": [{"profile": profile, "count": count, "image": GOOD}],
    }
    metadata = {"name": "m", "namespace": "treasury"}
    return {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereignModel", "metadata": metadata, "spec": spec}


def test_a_count_that_cant_share_a_layer_is_noted_and_one_with_which_the_engine_ends_is_refused() -> None:
    (staged,) = judged(counted("qwen2.5-7b", "vllm", 3))
    where = 'spec.accelerators["nvidia-h20"].count'
    assert staged.notes == (
        f"{where}: 28 attention heads aren't divisible by 3, so 3 pipeline stages of 1 device follow each other",
    )
    (ends,) = judged(counted("qwen2.5-7b", "mindie", 3, "huawei-ascend-910b"))
    (finding,) = [f for f in ends.findings if "mindie" in f.message]
    assert finding.field == 'spec.accelerators["huawei-ascend-910b"].count'
    assert "mindie can't start with 3 devices: 28 attention heads aren't divisible by 3" in finding.message
    assert ends.result == "refused"
    (even,) = judged(counted("qwen2.5-7b", "vllm", 2))
    assert even.notes == ()


def test_the_origin_of_weights_that_others_made_of_a_known_model_is_theirs_to_declare() -> None:
    theirs = counted("acme/Qwen2.5-7B-Instruct", "vllm", 2)
    theirs["spec"]["model"]["originCountry"] = "MY"
    own = counted("Qwen/Qwen2.5-7B-Instruct", "vllm", 2)
    own["spec"]["model"]["originCountry"] = "MY"
    assert judged(theirs)[0].notes == ()
    assert judged(own)[0].notes == (
        "spec.model.originCountry: MY was declared, and the catalogue has CN for qwen2.5-7b",
    )
