"""Pods that reach nothing they may not, in as many forms as Kubernetes takes: every kind of container and much of the rest.

What looks like a way round and is none is here, too: a device variable in small letters, an affinity that can only narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from .rules import DIGEST, Manifest, Rules

Draw = Callable[[st.SearchStrategy[Any]], Any]
Feature = Callable[[Draw, Manifest, Rules], None]
TEXTS = st.sampled_from(["", "a", "tuah", "வணக்கம்", 'x"y\\z', "$(OTHER)", "a\nb", "'+object+'", "%s{}", "🚀", " "])
AMOUNTS = st.sampled_from([1, "1", 2, "8", "1000m"])


@st.composite
def pods(draw: Draw, rules: Rules) -> Manifest:
    """Return a pod that the rules allow, pinned to eligible nodes or left for admission to pin."""
    spec: Manifest = {
        "containers": [draw(containers(rules, f"c{i}")) for i in range(draw(st.sampled_from([1, 1, 1, 2])))]
    }
    if draw(st.integers(0, 3)) == 0:
        spec["initContainers"] = [draw(containers(rules, "i0"))]
        if draw(st.booleans()):
            spec["initContainers"][0]["restartPolicy"] = "Always"
    pod: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
    for feature in draw(st.lists(st.sampled_from(_OF_PODS), max_size=5, unique=True)):
        feature(draw, pod, rules)
    if draw(st.integers(0, 3)):
        selector = dict(spec.get("nodeSelector") or {})
        spec["nodeSelector"] = {**selector, rules.pin: "eligible"}
    _leave_empty(draw, spec, _EMPTY_IN_PODS)
    _leave_empty(draw, pod["metadata"], _EMPTY_IN_METADATA)
    return pod


@st.composite
def containers(draw: Draw, rules: Rules, name: str, ephemeral: bool = False) -> Manifest:
    """Return a container that the rules allow."""
    container: Manifest = {"name": name, "image": draw(st.sampled_from(_images(rules)))}
    features = _OF_EPHEMERAL if ephemeral else _OF_CONTAINERS
    for feature in draw(st.lists(st.sampled_from(features), max_size=3, unique=True)):
        feature(draw, container, rules)
    _leave_empty(draw, container, _EMPTY_IN_EPHEMERAL if ephemeral else _EMPTY_IN_CONTAINERS)
    return container


def added_to(holder: Manifest, field: str, *items: Any) -> None:
    """Add items to a list that may not be there, or be null."""
    holder[field] = [*(holder.get(field) or []), *items]


def _images(rules: Rules) -> list[str]:
    found = [f"{r}{path}{DIGEST}" for r in rules.repositories for path in ("a", "a/b/c", "vllm:v1", "a__b.c--d")]
    return found if rules.digest else [*found, "registry.example.my/vllm", "mirror.example.org:5000/team-a/tools:1"]


# --- containers


def _environment(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    added_to(container, "env", *draw(st.lists(st.sampled_from(_ENVIRONMENT), min_size=1, max_size=3)))
    if draw(st.booleans()):
        added_to(container, "env", {"name": "GREETING", "value": draw(TEXTS)})


_ENVIRONMENT: list[Manifest] = [
    {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"},
    {"name": "ASCEND_VISIBLE_DEVICES", "value": "void", "valueFrom": None},
    {"name": "nvidia_visible_devices", "value": "all"},
    {"name": "NVIDIA_VISIBLE_DEVICES_", "value": "all"},
    {"name": " NVIDIA_VISIBLE_DEVICES", "value": "all"},
    {"name": "CUDA_VISIBLE_DEVICES", "value": "0,1"},
    {"name": "ASCEND_RT_VISIBLE_DEVICES", "value": "0"},
    {"name": "EMPTY"},
    {"name": "NULL", "value": None, "valueFrom": None},
    {"name": "HF_HUB_OFFLINE", "value": "1"},
    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['huawei.com/Ascend910']"}}},
    {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "NVIDIA_VISIBLE_DEVICES", "optional": True}}},
    {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "all"}}},
]


def _environment_from_elsewhere(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    kind = draw(st.sampled_from(["configMapRef", "secretRef"]))
    source: Manifest = {kind: {"name": "settings"}}
    prefix = draw(st.sampled_from([None, "", "x_", "NVIDIA_VISIBLE_DEVICES_", "nvidia", "-", "Z"]))
    added_to(container, "envFrom", source if prefix == "Z" else {**source, "prefix": prefix})


def _resources(draw: Draw, container: Manifest, rules: Rules) -> None:
    amount = draw(AMOUNTS)
    device = draw(st.sampled_from(sorted(rules.resources)))
    container["resources"] = draw(
        st.sampled_from(
            [
                {},
                {"limits": None, "requests": {}},
                {"limits": {}, "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": 1}},
                {"limits": {"hugepages-2Mi": "2Mi", "memory": "1Gi"}},
                {"limits": {device: amount}},
                {"limits": {device: amount, "cpu": 1}, "requests": {device: amount}},
                {"limits": {device: 0}, "claims": []},
            ]
        )
    )


def _security(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    container["securityContext"] = draw(
        st.sampled_from(
            [
                {"privileged": False, "allowPrivilegeEscalation": True},
                {"privileged": None, "capabilities": None, "windowsOptions": None},
                {"capabilities": {"drop": ["ALL"], "add": []}},
                {"capabilities": {"add": ["NET_BIND_SERVICE", "IPC_LOCK", "SYS_CHROOT"], "drop": None}},
                {"runAsUser": 0, "runAsNonRoot": False, "seccompProfile": {"type": "Unconfined"}},
                {"windowsOptions": {"hostProcess": False}},
                {"procMount": "Default", "readOnlyRootFilesystem": True},
            ]
        )
    )


def _command(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    container["command"] = draw(st.sampled_from([["sh", "-c", "env NVIDIA_VISIBLE_DEVICES=all serve"], [""], [], None]))
    container["args"] = draw(st.lists(TEXTS, max_size=3))


def _ports(draw: Draw, container: Manifest, rules: Rules) -> None:
    port: Manifest = {"containerPort": 8000, "hostPort": draw(st.sampled_from([None, 0]))}
    container["ports"] = [draw(st.sampled_from([port, {"containerPort": 8080, "protocol": "UDP", "name": "dns"}]))]
    if rules.spec.get("exposure") and draw(st.booleans()):
        container["ports"] = [{"containerPort": 8000, "hostPort": 8000}]


_OF_EPHEMERAL: list[Feature] = [_environment, _environment_from_elsewhere, _security, _command]
_OF_CONTAINERS: list[Feature] = [*_OF_EPHEMERAL, _resources, _ports]


# --- pods


def _volumes(draw: Draw, pod: Manifest, rules: Rules) -> None:
    approved = [f"{r}data{DIGEST}" for r in (*rules.repositories, *rules.weights)]
    own: list[Manifest] = [
        {},
        {"emptyDir": {}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}, "hostPath": None, "nfs": None},
        {"configMap": {"name": "c", "optional": True}},
        {"secret": {"secretName": "s", "items": None}},
        {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"configMap": {"name": "x"}}]}},
        {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
        {"image": {"reference": draw(st.sampled_from(approved)), "pullPolicy": "IfNotPresent"}},
        {"ephemeral": {"volumeClaimTemplate": {"spec": {**_CLAIM, "storageClassName": "encrypted"}}}},
        {
            "ephemeral": {
                "volumeClaimTemplate": {
                    "metadata": {"annotations": {"volume.kubernetes.io/note": "x", "pv.example.my/a": "b"}},
                    "spec": {**_CLAIM, "storageClassName": "encrypted", "volumeName": ""},
                }
            }
        },
    ]
    other = {
        "nfs": {"server": "nfs.example.my", "path": "/a"},
        "csi": {"driver": "csi.example.my", "readOnly": None},
    }
    own += [{kind: source} for kind, source in other.items() if kind in rules.volumes]
    name = draw(st.sampled_from(["data", "dev", "nvidia0"]))
    if name not in {v["name"] for v in pod["spec"].get("volumes") or []}:
        added_to(pod["spec"], "volumes", {"name": name, **draw(st.sampled_from(own))})
        if draw(st.booleans()):
            added_to(pod["spec"]["containers"][0], "volumeMounts", {"name": name, "mountPath": "/dev/nvidia0"})


_CLAIM: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def _affinity(draw: Draw, pod: Manifest, rules: Rules) -> None:
    term = {
        "matchExpressions": [draw(st.sampled_from(_EXPRESSIONS)) | {"key": draw(st.sampled_from([rules.pin, "zone"]))}]
    }
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term, term]}}
    by_name = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-7"]}]}]
    pod["spec"]["affinity"] = draw(
        st.sampled_from(
            [
                {},
                {"nodeAffinity": None, "podAffinity": {}},
                {"nodeAffinity": required},
                {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": by_name}}},
                {
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]
                    }
                },
                {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_NEAR]}},
                {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_NEAR]}},
            ]
        )
    )


_EXPRESSIONS: list[Manifest] = [
    {"operator": "In", "values": ["eligible", "x"]},
    {"operator": "NotIn", "values": ["eligible"]},
    {"operator": "Exists"},
    {"operator": "DoesNotExist"},
]
_NEAR = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "gpu"}}}


def _node_selector(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    pod["spec"]["nodeSelector"] = draw(
        st.sampled_from(
            [None, {}, {"kubernetes.io/arch": "amd64"}, {"gpu": ""}, {"topology.kubernetes.io/region": "sg"}]
        )
    )


def _tolerations(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    fine: list[Manifest] = [
        {"key": "nvidia.com/gpu", "operator": "Exists"},
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "dedicated", "value": "", "effect": None},
        {"key": "xdaulat.dev/a", "operator": "Exists"},
    ]
    added_to(pod["spec"], "tolerations", *draw(st.lists(st.sampled_from(fine), max_size=2)))


def _annotations(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    known = [
        "note",
        "xcdi.k8s.io/a",
        "devices.nri.io.example.my/a",
        "huawei.com/schedule_policy",
        "volcano.sh/queue-name",
    ]
    pod["metadata"]["annotations"] = draw(st.dictionaries(st.sampled_from(known), TEXTS, max_size=2))


def _labels(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    pod["metadata"]["labels"] = draw(st.sampled_from([{}, {"app": "gpu"}, {"huawei.com/Ascend910": "x"}, {"a": ""}]))


def _settings(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    pod["spec"].update(draw(st.sampled_from(_SETTINGS)))


_SETTINGS: list[Manifest] = [
    {"schedulerName": "volcano"},
    {"schedulerName": ""},
    {"nodeName": ""},
    {"hostNetwork": False, "hostPID": None, "hostIPC": False},
    {"securityContext": {"runAsUser": 1000, "seLinuxOptions": {"type": "spc_t"}}},
    {"securityContext": {"windowsOptions": {"hostProcess": False}, "sysctls": []}},
    {"securityContext": {}, "hostUsers": True},
    {"serviceAccountName": "default", "automountServiceAccountToken": False},
    {"shareProcessNamespace": True},
    {"restartPolicy": "Never", "activeDeadlineSeconds": 60},
    {"schedulingGates": [{"name": "example.my/wait"}]},
    {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["registry.example.my"]}]},
    {"imagePullSecrets": [{"name": "pull"}], "enableServiceLinks": False},
    {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["127.0.0.53"], "searches": ["a.svc.cluster.local"]}},
    {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}},
    {"os": {"name": "linux"}},
    {"resources": {"limits": {"cpu": "2", "memory": "4Gi"}}},
    {"priorityClassName": "", "readinessGates": [{"conditionType": "example.my/ready"}]},
]


def _runtime(draw: Draw, pod: Manifest, rules: Rules) -> None:
    pod["spec"]["runtimeClassName"] = draw(st.sampled_from(sorted(rules.runtime_classes)))
    device = draw(st.sampled_from(sorted(rules.accelerators)))
    pod["spec"]["containers"][0]["resources"] = {"limits": {device: draw(AMOUNTS)}}


def _claims(draw: Draw, pod: Manifest, rules: Rules) -> None:
    if rules.device_classes:
        pod["spec"]["resourceClaims"] = [
            {"name": "npu", draw(st.sampled_from(["resourceClaimName", "resourceClaimTemplateName"])): "npus"}
        ]


_OF_PODS: list[Feature] = [
    _volumes,
    _affinity,
    _node_selector,
    _tolerations,
    _annotations,
    _labels,
    _settings,
    _runtime,
    _claims,
]

# --- what is left empty

_EMPTY_IN_CONTAINERS: dict[str, tuple[Any, ...]] = {
    "env": (None, []),
    "envFrom": (None, []),
    "args": (None, []),
    "ports": (None, []),
    "resources": (None, {}, {"limits": None}, {"requests": {}, "claims": None}),
    "securityContext": (None, {}, {"privileged": None}, {"capabilities": {}}, {"capabilities": {"add": None}}),
    "volumeDevices": (None, []),
    "volumeMounts": (None, []),
    "livenessProbe": (None,),
}
_EMPTY_IN_EPHEMERAL = {
    k: v for k, v in _EMPTY_IN_CONTAINERS.items() if k not in {"resources", "ports", "livenessProbe"}
}
_EMPTY_IN_PODS: dict[str, tuple[Any, ...]] = {
    "initContainers": (None, []),
    "ephemeralContainers": (None, []),
    "volumes": (None, []),
    "tolerations": (None, []),
    "affinity": (None, {}),
    "resourceClaims": (None, []),
    "securityContext": (None, {}),
    "nodeName": (None, ""),
    "nodeSelector": (None, {}),
    "hostNetwork": (None, False),
    "runtimeClassName": (None,),
    "overhead": (None,),
    "resources": (None, {}),
    "topologySpreadConstraints": (None, []),
}
_EMPTY_IN_METADATA: dict[str, tuple[Any, ...]] = {
    "labels": (None, {}),
    "annotations": (None, {}),
    "finalizers": (None, []),
}


def _leave_empty(draw: Draw, holder: Manifest, forms: dict[str, tuple[Any, ...]]) -> None:
    for field in draw(st.lists(st.sampled_from(sorted(forms)), max_size=3, unique=True)):
        if field not in holder:
            holder[field] = draw(st.sampled_from(forms[field]))
