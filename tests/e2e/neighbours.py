"""Objects of projects whose controllers don't run here, and the pods that these make, written after their documentation.

Each project has a pod that complies, and ones as its samples have them, with what they are refused for. Images and
commands don't matter here. Own definitions stand in for the projects' where their files aren't at hand: they take every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .world import IMAGE, Manifest

OTHER = "docker.io/library/other:latest"
_GPU = {"limits": {"nvidia.com/gpu": "1"}}
_IMAGES = ("STO-07", "SUP-01")
Refused = tuple[Manifest, tuple[str, ...]]


@dataclass(frozen=True)
class Project:
    """What a project brings into a governed namespace."""

    kinds: Mapping[str, str]
    """Its kinds, each with its API version and plural: ``{"Job": "batch.volcano.sh/v1alpha1 jobs"}``."""
    pods: tuple[Manifest, ...]
    """Pods of its controllers that comply."""
    refused: tuple[Refused, ...]
    """Pods that don't, with the controls that refuse them."""
    objects: tuple[tuple[Manifest, str], ...] = field(default_factory=tuple)
    """Objects of its users: the API server takes them, and `check` says this of them for the sake of their pods."""


def _pod(
    labels: Manifest, annotations: Manifest | None = None, container: Manifest | None = None, **spec: Any
) -> Manifest:
    main = {"name": "main", "image": IMAGE, "resources": _GPU, **(container or {})}
    metadata = {"name": "pod", "labels": labels, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [main], **spec}}


def _object(api_version: str, kind: str, **body: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "sample"}, **body}


def _template(image: str, resources: Manifest | None = None) -> Manifest:
    return {"spec": {"containers": [{"name": "main", "image": image, "resources": resources or _GPU}]}}


def _host_path(name: str, path: str) -> Manifest:
    return {"volumes": [{"name": name, "hostPath": {"path": path}}]}


_VOLCANO = {"volcano.sh/job-name": "sample", "volcano.sh/job-namespace": "ns", "volcano.sh/queue-name": "default"}
_GROUP = {"scheduling.k8s.io/group-name": "sample-1", "volcano.sh/task-spec": "worker", "volcano.sh/job-version": "0"}
_VC = "batch.volcano.sh/v1alpha1"


def _vcjob(image: str) -> Manifest:
    tasks = [{"name": "worker", "replicas": 2, "template": _template(image)}]
    return _object(_VC, "Job", spec={"minAvailable": 2, "schedulerName": "volcano", "tasks": tasks})


VOLCANO = Project(
    kinds={"Job": f"{_VC} jobs", "PodGroup": "scheduling.volcano.sh/v1beta1 podgroups"},
    pods=(_pod(_VOLCANO, {"scheduling.k8s.io/group-name": "sample-1"}, schedulerName="volcano"),),
    refused=(
        (_pod(_VOLCANO, _GROUP, {"image": OTHER}, schedulerName="volcano"), (*_IMAGES,)),
        (_pod(_VOLCANO, {"volcano.sh/vgpu-ids-new": "GPU-1,NVIDIA,4000,0:"}, schedulerName="volcano"), ("USE-20",)),
        (_pod({}, container={"resources": {"limits": {"volcano.sh/vgpu-number": "1"}}}), ("SUP-08",)),
    ),
    objects=(
        (_vcjob(IMAGE), "allowed"),
        (_vcjob(OTHER), "refused"),
        (_object("scheduling.volcano.sh/v1beta1", "PodGroup", spec={"minMember": 2}), "allowed"),
    ),
)

_ISVC = {"serving.kserve.io/inferenceservice": "sample", "component": "predictor"}
_KSERVE = "serving.kserve.io/v1beta1"
_STORAGE = {"name": "storage-initializer", "image": OTHER, "args": ["s3://models/a", "/mnt/models"]}


def _predictor(image: str) -> Manifest:
    return _object(
        _KSERVE, "InferenceService", spec={"predictor": {"containers": [{"name": "kserve-container", "image": image}]}}
    )


KSERVE = Project(
    kinds={"InferenceService": f"{_KSERVE} inferenceservices"},
    pods=(
        _pod(_ISVC, container={"name": "kserve-container"}),
        _pod(_ISVC, initContainers=[{**_STORAGE, "image": IMAGE, "args": ["pvc://weights/a", "/mnt/models"]}]),
    ),
    refused=(
        (_pod(_ISVC, initContainers=[_STORAGE]), _IMAGES),
        (
            _pod(_ISVC, initContainers=[{**_STORAGE, "image": IMAGE, "args": ["hf://org/model", "/mnt/models"]}]),
            ("USE-07",),
        ),
    ),
    objects=(
        (_predictor(IMAGE), "allowed"),
        (_predictor(OTHER), "refused"),
        (
            _object(
                _KSERVE,
                "InferenceService",
                spec={"predictor": {"model": {"modelFormat": {"name": "vllm"}, "storageUri": "hf://org/model"}}},
            ),
            "refused",
        ),
    ),
)

_WORKSPACE = {"kaito.sh/workspace": "sample", "kaito.sh/workspacenamespace": "ns"}
_KAITO = "kaito.sh/v1beta1"


def _workspace(inference: Manifest) -> Manifest:
    resource = {"instanceType": "none", "labelSelector": {"matchLabels": {"apps": "llm"}}}
    return _object(_KAITO, "Workspace", resource=resource, inference=inference)


KAITO = Project(
    kinds={"Workspace": f"{_KAITO} workspaces"},
    pods=(_pod(_WORKSPACE, container={"command": ["/bin/sh", "-c", "python3 /workspace/inference_api.py"]}),),
    refused=(
        (_pod(_WORKSPACE, container={"image": "mcr.microsoft.com/aks/kaito/kaito-base:0.1.0"}), _IMAGES),
        (_pod(_WORKSPACE, container={"args": ["vllm serve --model=hf://microsoft/phi-4"]}), ("USE-07",)),
    ),
    objects=(
        (_workspace({"preset": {"name": "phi-4"}}), "unjudged"),
        (_workspace({"template": _template(IMAGE)}), "allowed"),
        (_workspace({"template": _template(OTHER)}), "refused"),
    ),
)

_NIM = {"app": "sample", "app.kubernetes.io/managed-by": "k8s-nim-operator", "app.kubernetes.io/name": "sample"}
_NVIDIA = "apps.nvidia.com/v1alpha1"


def _nim(repository: str, **image: str) -> Manifest:
    spec = {
        "image": {"repository": repository, **image},
        "authSecret": "ngc-api-secret",
        "storage": {"nimCache": {"name": "a"}},
    }
    return _object(_NVIDIA, "NIMService", spec={**spec, "resources": _GPU, "expose": {"service": {"port": 8000}}})


NIM = Project(
    kinds={"NIMService": f"{_NVIDIA} nimservices", "NIMCache": f"{_NVIDIA} nimcaches"},
    pods=(_pod(_NIM, container={"env": [{"name": "NIM_CACHE_PATH", "value": "/model-store"}]}),),
    refused=(
        (_pod(_NIM, container={"image": "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.3.3"}), _IMAGES),
        (_pod(_NIM, **_host_path("model-store", "/mnt/nim")), ("STO-03",)),
    ),
    objects=((_nim("nvcr.io/nim/meta/llama-3.1-8b-instruct", tag="1.3.3"), "refused"),),
)

_AIBRIX = {"model.aibrix.ai/name": "sample", "model.aibrix.ai/port": "8000", "adapter.model.aibrix.ai/enabled": "true"}
_RUNTIME = {"name": "aibrix-runtime", "image": OTHER}
_ADAPTER = {"baseModel": "sample", "podSelector": {"matchLabels": {"model.aibrix.ai/name": "sample"}}}
_SERVING = "orchestration.aibrix.ai/v1alpha1"


def _storm(image: str) -> Manifest:
    role = {"name": "prefill", "replicas": 1, "template": _template(image)}
    return _object(_SERVING, "StormService", spec={"replicas": 1, "template": {"spec": {"roles": [role]}}})


AIBRIX = Project(
    kinds={"StormService": f"{_SERVING} stormservices", "ModelAdapter": "model.aibrix.ai/v1alpha1 modeladapters"},
    pods=(_pod(_AIBRIX),),
    refused=(
        (_pod(_AIBRIX, initContainers=[_RUNTIME]), _IMAGES),
        (_pod(_AIBRIX, **_host_path("models", "/root/models")), ("STO-03",)),
        (
            _pod(_AIBRIX, container={"args": ["vllm serve --model=hf://deepseek-ai/DeepSeek-R1-Distill-Llama-8B"]}),
            ("USE-07",),
        ),
    ),
    objects=(
        (_storm(IMAGE), "allowed"),
        (_storm(OTHER), "refused"),
        (
            _object(
                "model.aibrix.ai/v1alpha1", "ModelAdapter", spec={**_ADAPTER, "artifactURL": "huggingface://org/lora"}
            ),
            "unjudged",
        ),
    ),
)

_LLMD = {"llm-d.ai/inferenceServing": "true", "llm-d.ai/model": "sample", "llm-d.ai/role": "decode"}
_PROXY = {
    "name": "routing-proxy",
    "image": IMAGE,
    "restartPolicy": "Always",
    "args": ["--port=8000", "--vllm-port=8200"],
}
_POOL = "inference.networking.k8s.io/v1"
LLM_D = Project(
    kinds={"InferencePool": f"{_POOL} inferencepools"},
    pods=(_pod(_LLMD, initContainers=[_PROXY], container={"args": ["vllm serve /model-cache"]}),),
    refused=(
        (_pod(_LLMD, initContainers=[{**_PROXY, "image": "ghcr.io/llm-d/llm-d-routing-sidecar:v0.3.0"}]), _IMAGES),
        (_pod(_LLMD, container={"args": ["vllm serve --model=hf://Qwen/Qwen3-0.6B"]}), ("USE-07",)),
        (_pod(_LLMD, container={"resources": {"limits": {"nvidia.com/gpu": "1", "rdma/ib": "1"}}}), ("SUP-08",)),
    ),
    objects=(
        (
            _object(
                _POOL,
                "InferencePool",
                spec={
                    "targetPorts": [{"number": 8000}],
                    "selector": {"matchLabels": _LLMD},
                    "endpointPickerRef": {"name": "epp", "port": {"number": 9002}},
                },
            ),
            "allowed",
        ),
    ),
)

_SLICE = {"nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000", "nvidia.com/gpucores": "30"}
HAMI = Project(
    kinds={},
    pods=(_pod({}, schedulerName="hami-scheduler"),),
    refused=(
        (_pod({}, container={"resources": {"limits": _SLICE}}, schedulerName="hami-scheduler"), ("SUP-08",)),
        (_pod({}, {"nvidia.com/use-gpuuuid": "GPU-1"}), ("USE-20",)),
        (_pod({}, {"hami.io/vgpu-devices-to-allocate": "GPU-1,NVIDIA,3000,30:;"}), ("USE-20",)),
        (_pod({}, container={"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}), ("USE-16",)),
    ),
)

_JOBSET = "jobset.x-k8s.io/v1alpha2"
_TRAINER = "trainer.kubeflow.org/v1alpha1"
_OF_JOBSET = {
    "jobset.sigs.k8s.io/jobset-name": "sample",
    "jobset.sigs.k8s.io/replicatedjob-name": "node",
    "jobset.sigs.k8s.io/replicatedjob-replicas": "1",
    "jobset.sigs.k8s.io/global-replicas": "1",
    "jobset.sigs.k8s.io/job-index": "0",
    "jobset.sigs.k8s.io/job-global-index": "0",
    "jobset.sigs.k8s.io/job-key": "a",
    "jobset.sigs.k8s.io/restart-attempt": "0",
}
_INDEX = {**_OF_JOBSET, "batch.kubernetes.io/job-completion-index": "0"}
_ENDS: Manifest = {"restartPolicy": "Never", "subdomain": "sample"}


def _jobset(image: str) -> Manifest:
    template = {"spec": {"template": _template(image)}}
    return _object(_JOBSET, "JobSet", spec={"replicatedJobs": [{"name": "node", "replicas": 1, "template": template}]})


JOBSET = Project(
    kinds={"JobSet": f"{_JOBSET} jobsets"},
    pods=(
        _pod(_OF_JOBSET, _INDEX, **_ENDS),
        # Exclusive placement: the first pod of a Job gets affinities, and the others the node selector of its place.
        _pod(
            _OF_JOBSET,
            {**_INDEX, "alpha.jobset.sigs.k8s.io/exclusive-topology": "rack"},
            **_ENDS,
            nodeSelector={"rack": "a"},
        ),
    ),
    refused=((_pod(_OF_JOBSET, _INDEX, {"image": OTHER}, **_ENDS), _IMAGES),),
    objects=((_jobset(IMAGE), "allowed"), (_jobset(OTHER), "refused")),
)


def _trainjob(**spec: Any) -> Manifest:
    return _object(_TRAINER, "TrainJob", spec={"runtimeRef": {"name": "torch-distributed"}, **spec})


def _initializer(image: str, location: str) -> Manifest:
    return {"name": "model-initializer", "image": image, "env": [{"name": "STORAGE_URI", "value": location}]}


_TORCH = {
    "env": [
        {"name": "PET_NNODES", "value": "2"},
        {"name": "PET_NPROC_PER_NODE", "value": "auto"},
        {
            "name": "PET_NODE_RANK",
            "valueFrom": {
                "fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}
            },
        },
        {"name": "PET_MASTER_ADDR", "value": "sample-node-0-0.sample"},
        {"name": "PET_MASTER_PORT", "value": "29400"},
    ]
}
TRAINER = Project(
    kinds={"TrainJob": f"{_TRAINER} trainjobs", "TrainingRuntime": f"{_TRAINER} trainingruntimes"},
    pods=(_pod(_OF_JOBSET, _INDEX, _TORCH, **_ENDS),),
    refused=(
        (
            _pod(_OF_JOBSET, _INDEX, {**_TORCH, "image": "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"}, **_ENDS),
            _IMAGES,
        ),
        (_pod(_OF_JOBSET, _INDEX, _initializer(IMAGE, "hf://tatsu-lab/alpaca"), **_ENDS), ("USE-07",)),
    ),
    objects=(
        (_trainjob(), "unjudged"),
        (_trainjob(trainer={"image": IMAGE, "numNodes": 2, "resourcesPerNode": _GPU}), "allowed"),
        (_trainjob(trainer={"image": OTHER}), "refused"),
        (_trainjob(initializer={"model": {"storageUri": "hf://org/model"}}), "refused"),
        (
            _object(
                _TRAINER,
                "TrainingRuntime",
                spec={"mlPolicy": {"numNodes": 1}, "template": {"spec": _jobset(OTHER)["spec"]}},
            ),
            "refused",
        ),
    ),
)

PROJECTS = {
    "volcano": VOLCANO,
    "kserve": KSERVE,
    "kaito": KAITO,
    "nim": NIM,
    "aibrix": AIBRIX,
    "llm-d": LLM_D,
    "hami": HAMI,
    "jobset": JOBSET,
    "trainer": TRAINER,
}


def definition(kind: str, place: str) -> Manifest:
    """Return a definition of a kind that takes every field, for an API version and plural with a space between."""
    api_version, plural = place.split()
    group, version = api_version.split("/")
    # The API server wants an approval for groups of Kubernetes' own domains.
    approved = (
        {"annotations": {"api-approved.kubernetes.io": "unapproved, a test's own"}} if group.endswith("k8s.io") else {}
    )
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", **approved},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }
