"""Kinds that make pods of something else than a PodTemplateSpec get the verdicts that their pods would get."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.catalog.pod_kinds import pod_kinds
from daulat.check.shapes import image_of, shaped

from .scene import BAD, GOOD, Raw, controls, judged, namespace, owner, policy

DEVICE = {"limits": {"amd.com/gpu": 1}}
PARTS = {"repository": "docker.io/evil", "tag": "latest"}
HUB = "hf://org/model"
RAY = {"headGroupSpec": {"template": {"spec": {"containers": [{"name": "ray-head", "image": GOOD}]}}}}
CASES: list[tuple[str, str, Raw, dict[str, str]]] = [
    (
        "argoproj.io/v1alpha1",
        "Workflow",
        {"templates": [{"name": "a", "container": {"image": BAD, "resources": DEVICE}}], "hostNetwork": True},
        {
            "STO-07": "spec.templates[0].container.image",
            "SUP-08": 'spec.templates[0].container.resources.limits["amd.com/gpu"]',
            "USE-18": "spec.hostNetwork",
        },
    ),
    (
        "argoproj.io/v1alpha1",
        "WorkflowTemplate",
        {
            "templates": [
                {"name": "a", "script": {"image": GOOD, "source": f"vllm serve {HUB}", "command": ["sh", "-c"]}}
            ]
        },
        {"USE-07": "spec.templates[0].script.source"},
    ),
    (
        "argoproj.io/v1alpha1",
        "CronWorkflow",
        {
            "workflowSpec": {
                "templates": [{"name": "a", "steps": [[{"name": "b", "inline": {"container": {"image": BAD}}}]]}]
            }
        },
        {"STO-07": "spec.workflowSpec.templates[0].steps[0][0].inline.container.image"},
    ),
    (
        "tekton.dev/v1",
        "Task",
        {"steps": [{"image": BAD, "computeResources": DEVICE}]},
        {"STO-07": "spec.steps[0].image", "SUP-08": 'spec.steps[0].computeResources.limits["amd.com/gpu"]'},
    ),
    (
        "tekton.dev/v1",
        "TaskRun",
        {"taskRef": {"name": "a"}, "podTemplate": {"hostNetwork": True}},
        {"USE-18": "spec.podTemplate.hostNetwork"},
    ),
    (
        "tekton.dev/v1",
        "Pipeline",
        {"finally": [{"taskSpec": {"sidecars": [{"name": "s", "image": BAD}]}}]},
        {"STO-07": "spec.finally[0].taskSpec.sidecars[0].image"},
    ),
    (
        "tekton.dev/v1",
        "PipelineRun",
        {"pipelineSpec": {"tasks": [{"taskSpec": {"steps": [{"image": BAD}]}}]}},
        {"STO-07": "spec.pipelineSpec.tasks[0].taskSpec.steps[0].image"},
    ),
    ("tekton.dev/v1beta1", "StepAction", {"image": BAD}, {"STO-07": "spec.image"}),
    (
        "sparkoperator.k8s.io/v1beta2",
        "SparkApplication",
        {"image": BAD, "driver": {}, "executor": {"gpu": {"name": "amd.com/gpu", "quantity": 1}}},
        {"STO-07": "spec.image", "SUP-08": "spec.executor.gpu.quantity"},
    ),
    (
        "sparkoperator.k8s.io/v1beta2",
        "ScheduledSparkApplication",
        {"template": {"driver": {"image": BAD}}},
        {"STO-07": "spec.template.driver.image"},
    ),
    (
        "sparkoperator.k8s.io/v1alpha1",
        "SparkConnect",
        {"server": {"hostNetwork": True}, "image": GOOD},
        {"USE-18": "spec.server.hostNetwork"},
    ),
    ("flink.apache.org/v1beta1", "FlinkDeployment", {"image": "flink:1.17"}, {"STO-07": "spec.image"}),
    (
        "flink.apache.org/v1beta1",
        "FlinkBlueGreenDeployment",
        {"template": {"spec": {"image": BAD}}},
        {"STO-07": "spec.template.spec.image"},
    ),
    (
        "kaito.sh/v1beta1",
        "InferenceSet",
        {"template": {"inference": {"preset": {"presetOptions": {"image": BAD}}}}},
        {"STO-07": "spec.template.inference.preset.presetOptions.image"},
    ),
    (
        "kaito.sh/v1beta1",
        "RAGEngine",
        {"embedding": {"local": {"image": BAD}}},
        {"STO-07": "spec.embedding.local.image"},
    ),
    (
        "apps.nvidia.com/v1alpha1",
        "NIMService",
        {
            "image": PARTS,
            "storage": {"hostPath": "/mnt"},
            "resources": DEVICE,
            "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}],
        },
        {
            "STO-07": "spec.image",
            "STO-03": "spec.storage.hostPath",
            "SUP-08": 'spec.resources.limits["amd.com/gpu"]',
            "USE-16": "spec.env[0]",
        },
    ),
    (
        "apps.nvidia.com/v1alpha1",
        "NIMPipeline",
        {"services": [{"spec": {"image": PARTS}}]},
        {"STO-07": "spec.services[0].spec.image"},
    ),
    ("apps.nvidia.com/v1alpha1", "NIMBuild", {"image": PARTS}, {"STO-07": "spec.image"}),
    (
        "apps.nvidia.com/v1alpha1",
        "NIMCache",
        {"source": {"ngc": {"modelPuller": BAD}}},
        {"STO-07": "spec.source.ngc.modelPuller"},
    ),
    *(
        ("apps.nvidia.com/v1alpha1", f"Nemo{part}", {"image": PARTS}, {"STO-07": "spec.image"})
        for part in ("Customizer", "Datastore", "Entitystore", "Evaluator", "Guardrail", "Service")
    ),
    (
        "nvidia.com/v1alpha1",
        "DynamoGraphDeployment",
        {
            "services": {
                "w": {
                    "resources": {"limits": {"gpu": "1", "gpuType": "amd.com/gpu"}},
                    "extraPodSpec": {"hostPID": True, "mainContainer": {"image": BAD}},
                }
            }
        },
        {
            "STO-07": "spec.services.w.extraPodSpec.mainContainer.image",
            "SUP-08": "spec.services.w.resources.limits.gpu",
            "USE-18": "spec.services.w.extraPodSpec.hostPID",
        },
    ),
    (
        "nvidia.com/v1alpha1",
        "DynamoComponentDeployment",
        {"extraPodSpec": {"mainContainer": {"image": BAD}}},
        {"STO-07": "spec.extraPodSpec.mainContainer.image"},
    ),
    (
        "workload.serving.volcano.sh/v1alpha1",
        "ModelBooster",
        {
            "backend": {
                "modelURI": HUB,
                "cacheURI": "hostpath:///mnt",
                "workers": [{"image": GOOD, "resources": DEVICE, "config": {"trust-remote-code": True}}],
            }
        },
        {
            "STO-03": "spec.backend.cacheURI",
            "SUP-08": 'spec.backend.workers[0].resources.limits["amd.com/gpu"]',
            "USE-07": "spec.backend.modelURI",
            "USE-08": "spec.backend.workers[0].config",
        },
    ),
    (
        "trainer.kubeflow.org/v1alpha1",
        "TrainJob",
        {
            "trainer": {"image": BAD, "resourcesPerNode": DEVICE},
            "podTemplateOverrides": [{"spec": {"hostNetwork": True}}],
        },
        {
            "STO-07": "spec.trainer.image",
            "SUP-08": 'spec.trainer.resourcesPerNode.limits["amd.com/gpu"]',
            "USE-18": "spec.podTemplateOverrides[0].spec.hostNetwork",
        },
    ),
    (
        "production-stack.vllm.ai/v1alpha1",
        "VLLMRuntime",
        {
            "deploymentConfig": {
                "image": {"registry": "docker.io", "name": "a/b:c"},
                "resources": {"gpu": "1", "gpuType": "amd.com/gpu"},
            }
        },
        {"STO-07": "spec.deploymentConfig.image", "SUP-08": "spec.deploymentConfig.resources.gpu"},
    ),
    (
        "production-stack.vllm.ai/v1alpha1",
        "VLLMRouter",
        {"image": {"registry": "docker.io", "name": "a:b"}},
        {"STO-07": "spec.image"},
    ),
    (
        "production-stack.vllm.ai/v1alpha1",
        "CacheServer",
        {"image": {"registry": "docker.io", "name": "a:b"}},
        {"STO-07": "spec.image"},
    ),
    (
        "orchestration.aibrix.ai/v1alpha1",
        "KVCache",
        {"cache": {"image": BAD}, "metadata": {"redis": {"runtime": {"image": GOOD}}}},
        {"STO-07": "spec.cache.image"},
    ),
    (
        "apps.kruise.io/v1alpha1",
        "EphemeralJob",
        {"template": {"ephemeralContainers": [{"name": "a", "image": BAD}]}},
        {"STO-07": "spec.template.ephemeralContainers[0].image"},
    ),
    ("serving.kserve.io/v1alpha2", "LLMInferenceService", {"model": {"uri": HUB}}, {"USE-07": "spec.model.uri"}),
    (
        "serving.kserve.io/v1alpha2",
        "LLMInferenceServiceConfig",
        {"model": {"lora": {"adapters": [{"uri": HUB}]}}},
        {"USE-07": "spec.model.lora.adapters[0].uri"},
    ),
    (
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {"predictor": {"sklearn": {"storageUri": HUB}}},
        {"USE-07": "spec.predictor.sklearn.storageUri"},
    ),
    ("serving.kserve.io/v1alpha1", "TrainedModel", {"model": {"storageUri": HUB}}, {"USE-07": "spec.model.storageUri"}),
    (
        "machinelearning.seldon.io/v1",
        "SeldonDeployment",
        {"predictors": [{"graph": {"children": [{"modelUri": HUB}]}}]},
        {"USE-07": "spec.predictors[0].graph.children[0].modelUri"},
    ),
    (
        "ray.io/v1",
        "RayCluster",
        {**RAY, "enableInTreeAutoscaling": True, "autoscalerOptions": {"image": BAD}},
        {"STO-07": "spec.autoscalerOptions.image"},
    ),
    (
        "ray.io/v1",
        "RayJob",
        {"entrypoint": f"vllm serve {HUB}", "rayClusterSpec": RAY},
        {"USE-07": "spec.entrypoint"},
    ),
    (
        "ray.io/v1",
        "RayService",
        {"rayClusterConfig": {**RAY, "enableInTreeAutoscaling": True, "autoscalerOptions": {"image": BAD}}},
        {"STO-07": "spec.rayClusterConfig.autoscalerOptions.image"},
    ),
    ("kubeai.org/v1", "Model", {"url": HUB, "image": BAD}, {"USE-07": "spec.url", "STO-07": "spec.image"}),
]
AT_TOP = {"Workspace", "MultiRoleInference"}
"""Kinds without a spec, or without an image in it, which have tests of their own."""
OF_CLUSTERS = {"ClusterWorkflowTemplate", "ClusterTask"}


@pytest.mark.parametrize(("api_version", "kind", "spec", "expected"), CASES, ids=[c[1] for c in CASES])
def test_the_pods_of_a_known_kind_are_judged_at_their_fields(
    api_version: str, kind: str, spec: Raw, expected: dict[str, str]
) -> None:
    (found,) = judged(owner(api_version, kind, spec))
    assert {f.control: f.field for f in found.findings} == expected
    assert all(f.line > 1 for f in found.findings)
    assert found.result == "refused"
    # What is judged isn't noted as well.
    assert [u.message for u in found.unjudged if "known to make" in u.message] == []


def test_every_kind_of_the_catalogue_has_a_case() -> None:
    assert {kind for _, kind in pod_kinds()} == {case[1] for case in CASES} | AT_TOP | OF_CLUSTERS


@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [
        ("kaito.sh/v1alpha1", "MultiRoleInference", {"model": {"name": "phi-4"}, "roles": [{"type": "prefill"}]}),
        ("ray.io/v1", "RayJob", {"entrypoint": "python a.py", "clusterSelector": {"ray.io/cluster": "a"}}),
    ],
)
def test_pods_whose_image_stands_nowhere_in_the_object_arent_judged(api_version: str, kind: str, spec: Raw) -> None:
    (found,) = judged(owner(api_version, kind, spec))
    assert found.result == "unjudged"
    assert all("is set later" in u.message for u in found.unjudged)


def test_a_preset_of_a_workspace_isnt_judged() -> None:
    raw = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "w", "namespace": "treasury"},
        "inference": {"preset": {"name": "phi-4"}, "adapters": [{"source": {"name": "a", "image": BAD}}]},
    }
    (found,) = judged(raw)
    assert [(f.control, f.field) for f in found.findings] == [("STO-07", "inference.adapters[0].source.image")]
    assert any(u.field == "inference.preset" for u in found.unjudged)


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "control", "field"),
    [
        (
            "tekton.dev/v1",
            "TaskRun",
            {"podTemplate": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}},
            "USE-16",
            "spec.podTemplate.env[0]",
        ),
        (
            "tekton.dev/v1",
            "TaskRun",
            {"computeResources": DEVICE},
            "SUP-08",
            'spec.computeResources.limits["amd.com/gpu"]',
        ),
        (
            "tekton.dev/v1",
            "PipelineRun",
            {"taskRunSpecs": [{"stepSpecs": [{"name": "a", "computeResources": DEVICE}]}]},
            "SUP-08",
            'spec.taskRunSpecs[0].stepSpecs[0].computeResources.limits["amd.com/gpu"]',
        ),
        (
            "serving.kserve.io/v1alpha2",
            "LLMInferenceService",
            {"trustRemoteCode": True},
            "USE-08",
            "spec.trustRemoteCode",
        ),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            {"predictor": {"storageUris": [{"uri": HUB}]}},
            "USE-07",
            "spec.predictor.storageUris[0].uri",
        ),
        (
            "kubeai.org/v1",
            "Model",
            {"env": {"NVIDIA_VISIBLE_DEVICES": "all"}},
            "USE-16",
            "spec.env.NVIDIA_VISIBLE_DEVICES",
        ),
        (
            "sparkoperator.k8s.io/v1beta2",
            "SparkApplication",
            {"driver": {"envVars": {"NVIDIA_VISIBLE_DEVICES": "all"}}},
            "USE-16",
            "spec.driver.envVars.NVIDIA_VISIBLE_DEVICES",
        ),
    ],
)
def test_what_stands_beside_the_containers_is_judged_with_them(
    api_version: str, kind: str, spec: Raw, control: str, field: str
) -> None:
    (found,) = judged(owner(api_version, kind, spec))
    assert [(f.control, f.field) for f in found.findings] == [(control, field)]


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "field"),
    [
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            {"templates": [{"resource": {"manifest": "kind: Pod"}}]},
            "spec.templates[0].resource.manifest",
        ),
        (
            "argoproj.io/v1alpha1",
            "Workflow",
            {"artifactGC": {"podSpecPatch": "a: b"}, "templates": [{"container": {"image": GOOD}}]},
            "spec.artifactGC.podSpecPatch",
        ),
        ("kubeai.org/v1", "Model", {"image": GOOD, "jsonPatches": [{"op": "add"}]}, "spec.jsonPatches"),
    ],
)
def test_what_makes_or_changes_pods_and_isnt_read_is_noted(api_version: str, kind: str, spec: Raw, field: str) -> None:
    (found,) = judged(owner(api_version, kind, spec))
    assert (found.result, [u.field for u in found.unjudged]) == ("unjudged", [field])


def test_a_text_in_place_of_a_container_hides_no_other() -> None:
    (found,) = judged(owner("tekton.dev/v1", "Task", {"steps": ["x", {"name": "a", "image": BAD}]}))
    assert [f.field for f in found.findings] == ["spec.steps[1].image"]


FULL = (policy(storage={"storageClasses": ["encrypted"]}, exposure={"gatewayClasses": []}), namespace())


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "control", "field"),
    [
        (
            "apps.nvidia.com/v1alpha1",
            "NIMService",
            {"image": {"repository": GOOD}, "expose": {"service": {"type": "LoadBalancer"}}},
            "USE-09",
            "spec.expose.service.type",
        ),
        (
            "orchestration.aibrix.ai/v1alpha1",
            "KVCache",
            {"cache": {"image": GOOD}, "service": {"type": "NodePort"}},
            "USE-09",
            "spec.service.type",
        ),
        (
            "apps.nvidia.com/v1alpha1",
            "NIMCache",
            {"storage": {"pvc": {"create": True, "storageClass": "cheap"}}},
            "STO-02",
            "spec.storage.pvc.storageClass",
        ),
        (
            "production-stack.vllm.ai/v1alpha1",
            "VLLMRuntime",
            {"storageConfig": {"enabled": True, "storageClassName": "cheap"}},
            "STO-02",
            "spec.storageConfig.storageClassName",
        ),
        (
            "ray.io/v1",
            "RayCluster",
            {"headGroupSpec": {**RAY["headGroupSpec"], "serviceType": "LoadBalancer"}},
            "USE-09",
            "spec.headGroupSpec.serviceType",
        ),
        (
            "ray.io/v1",
            "RayCluster",
            {"headGroupSpec": {**RAY["headGroupSpec"], "headService": {"spec": {"type": "NodePort"}}}},
            "USE-09",
            "spec.headGroupSpec.headService.spec.type",
        ),
        (
            "ray.io/v1",
            "RayService",
            {"rayClusterConfig": RAY, "serveService": {"spec": {"type": "LoadBalancer"}}},
            "USE-09",
            "spec.serveService.spec.type",
        ),
        (
            "ray.io/v1",
            "RayJob",
            {"rayClusterSpec": {"headGroupSpec": {**RAY["headGroupSpec"], "enableIngress": True}}},
            "USE-09",
            "spec.rayClusterSpec.headGroupSpec.enableIngress",
        ),
    ],
)
def test_what_a_known_kind_makes_beside_pods_is_judged(
    api_version: str, kind: str, spec: Raw, control: str, field: str
) -> None:
    (found,) = judged(owner(api_version, kind, spec), by=FULL)
    assert (control, field) in [(f.control, f.field) for f in found.findings]


@pytest.mark.parametrize(
    ("enabled", "chosen", "fields"),
    [
        (True, "internal", []),
        (True, "public", ['metadata.annotations["kubernetes.io/ingress.class"]']),
        (True, "", ["spec.headGroupSpec.enableIngress"]),
        (False, "public", []),
    ],
)
def test_the_ingress_of_a_ray_head_has_the_class_of_an_annotation(
    enabled: bool, chosen: str, fields: list[str]
) -> None:
    made = owner("ray.io/v1", "RayCluster", {"headGroupSpec": {**RAY["headGroupSpec"], "enableIngress": enabled}})
    made["metadata"]["annotations"] = {"kubernetes.io/ingress.class": chosen} if chosen else {}
    (found,) = judged(made, by=(policy(exposure={"ingressClasses": ["internal"]}), namespace()))
    assert [f.field for f in found.findings] == fields
    assert {f.control for f in found.findings} <= {"USE-09"}


def test_a_claim_that_isnt_made_isnt_judged() -> None:
    spec = {"storage": {"pvc": {"create": False, "storageClass": "cheap"}}}
    (found,) = judged(owner("apps.nvidia.com/v1alpha1", "NIMCache", spec), by=FULL)
    assert found.findings == ()


@pytest.mark.parametrize("options", [{}, {"image": BAD}], ids=["head's image", "not made"])
def test_an_autoscaler_has_the_heads_image_and_is_made_only_where_it_is_switched_on(options: Raw) -> None:
    spec = {**RAY, "enableInTreeAutoscaling": not options, "autoscalerOptions": options}
    (found,) = judged(owner("ray.io/v1", "RayCluster", spec))
    assert found.findings == ()


def test_an_object_in_an_object_makes_its_pods_too() -> None:
    inner = owner("argoproj.io/v1alpha1", "Workflow", {"templates": [{"name": "a", "container": {"image": BAD}}]})
    (found,) = judged(owner("argoproj.io/v1alpha1", "Sensor", {"triggers": [{"resource": inner}]}))
    assert [f.field for f in found.findings] == ["spec.triggers[0].resource.spec.templates[0].container.image"]


@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [
        ("argoproj.io/v1alpha1", "Workflow", {"workflowTemplateRef": {"name": "t", "clusterScope": True}}),
        ("tekton.dev/v1", "TaskRun", {"taskRef": {"name": "t"}}),
        ("tekton.dev/v1", "Pipeline", {"tasks": [{"taskRef": {"name": "t"}}]}),
    ],
)
def test_an_object_whose_pods_another_one_describes_isnt_judged(api_version: str, kind: str, spec: Raw) -> None:
    (found,) = judged(owner(api_version, kind, spec))
    assert (found.result, [u.field for u in found.unjudged]) == ("unjudged", ["spec"])


def test_an_image_that_a_controller_fills_in_is_noted() -> None:
    spec = {"templates": [{"name": "a", "container": {"image": "{{inputs.parameters.image}}"}}]}
    (found,) = judged(owner("argoproj.io/v1alpha1", "Workflow", spec))
    assert (found.result, controls(found)) == ("unjudged", [])
    assert found.notes == ("spec.templates[0].container.image: the image is set later, so it was not judged",)


def test_a_patch_of_a_workflow_is_merged_and_one_that_is_filled_in_later_is_noted() -> None:
    def workflow(patch: str) -> Raw:
        template = {"name": "a", "container": {"image": GOOD}, "podSpecPatch": patch}
        return owner("argoproj.io/v1alpha1", "Workflow", {"templates": [template]})

    (merged,) = judged(workflow("containers: [{name: main, securityContext: {privileged: true}}]\nnodeName: x"))
    assert {f.control for f in merged.findings} == {"USE-18", "USE-04"}
    assert [f.field for f in merged.findings if f.control == "USE-04"] == ["spec.templates[0].podSpecPatch"]
    (later,) = judged(workflow('{"nodeName": "{{inputs.parameters.node}}"}'))
    assert [u.field for u in later.unjudged] == ["spec.templates[0].podSpecPatch"]


def test_claims_of_storage_are_judged_as_elsewhere() -> None:
    by = (policy(storage={"storageClasses": ["encrypted"]}), namespace())
    claims = [{"metadata": {"name": "d"}, "spec": {"storageClassName": "cheap"}}]
    (found,) = judged(
        owner("argoproj.io/v1alpha1", "Workflow", {"templates": [], "volumeClaimTemplates": claims}), by=by
    )
    assert found.result == "refused"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"repository": "a/b", "tag": "c"}, "a/b:c"),
        ({"registry": "r", "name": "a:b"}, "r/a:b"),
        ({"registry": "r", "repository": "a", "digest": "sha256:1"}, "r/a@sha256:1"),
        ({}, ""),
    ],
)
def test_an_image_in_parts_becomes_a_text(parts: dict[str, str], text: str) -> None:
    assert image_of(parts) == text


_junk: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["image", "name", "env", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(case=st.sampled_from(CASES), data=st.data())
def test_no_value_in_place_of_another_ends_a_check(
    case: tuple[str, str, Raw, dict[str, str]], data: st.DataObject
) -> None:
    def disturbed(value: Any) -> Any:
        if data.draw(st.integers(0, 9)) == 0:
            return data.draw(_junk)
        if isinstance(value, dict):
            return {key: disturbed(each) for key, each in value.items()}
        return [disturbed(each) for each in value] if isinstance(value, list) else value

    raw = owner(case[0], case[1], {})
    raw["spec"] = disturbed(case[2])
    for shape in shaped(raw):
        assert isinstance(shape.spec["containers"], list)
