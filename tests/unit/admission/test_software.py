"""What runs as the operator is judged by what it is, whoever creates it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daulat.admission.cluster import Installation, cluster_name, compile_cluster_guards
from daulat.cel.evaluator import Request, Verdict, evaluate

DIGEST = "sha256:" + "1a" * 32
TAGGED = Installation("sovereign", "keeper", "registry.example.my/daulat:1.0", ("registry.example.my/proxy:2",))
BY_DIGEST = Installation("sovereign", "keeper", f"registry.example.my/daulat@{DIGEST}")
MESH = replace(
    TAGGED,
    sidecar_programs=("proxy sidecar --domain x", "pilot-agent wait"),
    injected_env=("AWS_ROLE_ARN",),
    injected_mounts=("/var/run/secrets/eks.amazonaws.com/serviceaccount",),
    injected_volumes=("workload-socket",),
)
EXEC = {"exec": {"command": ["sh", "-c", "id"]}}
MOUNTS = [{"name": "code", "mountPath": "/usr/lib/python3"}]
Raw = dict[str, Any]


def pod(*images: str, account: str = "keeper", fields: Raw | None = None, **container: Any) -> Raw:
    """Return a pod as the chart renders it, with containers of these images, and with what is given; None leaves a field out."""
    reference = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    own = {
        "args": ["operator"],
        "env": [
            {"name": "DAULAT_NAMESPACE", "valueFrom": {"fieldRef": reference}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {**reference, "fieldPath": "metadata.name"}}},
            {
                "name": "DAULAT_WEIGHTS_IMAGE",
                "value": images[0].partition("@")[0] if ":1.0@" in images[0] else images[0],
            },
        ],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "metrics"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
        "terminationMessagePath": "/dev/termination-log",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        **container,
    }
    own = {key: value for key, value in own.items() if value is not None}
    containers = [{"name": f"c{n}", "image": i, **(own if n == 0 else {})} for n, i in enumerate(images)]
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "kube-api-access-x", "projected": {"sources": []}}]
    spec = {"serviceAccountName": account, "containers": containers, "volumes": volumes, **(fields or {})}
    return {"metadata": {"name": "p"}, "spec": spec}


def software(pod: Raw, installation: Installation = TAGGED, old: Raw | None = None) -> Verdict:
    found = [m for m in compile_cluster_guards(installation) if m["kind"] == "ValidatingAdmissionPolicy"]
    guard = next(m for m in found if m["metadata"]["name"] == cluster_name("software"))
    return evaluate(guard, Request(pod, old, "UPDATE" if old else "CREATE", namespace="sovereign"))


@pytest.mark.parametrize("image", [TAGGED.image, f"{TAGGED.image}@{DIGEST}"])
def test_the_operator_runs_the_releases_image(image: str) -> None:
    assert software(pod(image, "registry.example.my/proxy:2")).violations == ()


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.my/daulat:1.0.1",
        "registry.example.my/daulat:1.0-evil",
        f"registry.example.my/daulat@{DIGEST}",
        "registry.example.my/tools:1",
        "",
    ],
)
def test_the_operator_runs_no_other_image(image: str) -> None:
    assert software(pod(image)).violations[0].startswith('MGD-08 spec.containers["c0"].image')
    assert software(pod(image, account="default")).allowed


def test_a_release_by_digest_runs_that_digest_alone() -> None:
    assert software(pod(BY_DIGEST.image), BY_DIGEST).allowed
    assert not software(pod(f"{BY_DIGEST.image}@{DIGEST}"), BY_DIGEST).allowed
    assert not software(pod(f"registry.example.my/daulat@sha256:{'2b' * 32}"), BY_DIGEST).allowed


def test_the_releases_image_runs_its_own_program() -> None:
    (said,) = software(pod(TAGGED.image, command=["python3", "-c", "pass"])).violations
    assert said.startswith('MGD-08 spec.containers["c0"].command: "python3"')
    assert software(pod(TAGGED.image, command=[])).allowed


@pytest.mark.parametrize(
    ("container", "field"),
    [
        ({"args": ["weights"]}, "args"),
        ({"args": ["operator", "--verbose"]}, "args"),
        ({"args": []}, "args"),
        ({"args": None}, "args"),
        ({"envFrom": [{"configMapRef": {"name": "code"}}]}, "envFrom"),
        ({"lifecycle": {"postStart": EXEC}}, "lifecycle"),
        ({"lifecycle": {"preStop": EXEC}}, "lifecycle"),
        ({"lifecycle": {"preStop": {"httpGet": {"host": "evil.example.sg", "port": 80}}}}, "lifecycle"),
        ({"livenessProbe": EXEC}, "livenessProbe.exec"),
        ({"readinessProbe": EXEC}, "readinessProbe.exec"),
        ({"startupProbe": EXEC}, "startupProbe.exec"),
        ({"workingDir": "/tmp"}, "workingDir"),
        ({"volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}]}, "volumeDevices"),
        ({"terminationMessagePath": "/usr/lib/python3/site.py"}, "terminationMessagePath"),
        ({"resources": {"limits": {"nic.example.my/port": "1"}}}, "resources"),
        ({"securityContext": None}, "securityContext"),
        ({"securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": False}}, "securityContext"),
        ({"securityContext": {"allowPrivilegeEscalation": True, "readOnlyRootFilesystem": True}}, "securityContext"),
        ({"volumeMounts": MOUNTS}, 'volumeMounts["code"]'),
    ],
)
def test_nothing_brings_another_program_into_the_operators_container(container: Raw, field: str) -> None:
    bad = pod(TAGGED.image, **container)
    (said,) = software(bad).violations
    assert said.startswith(f'MGD-08 spec.containers["c0"].{field}: ')
    first = pod(TAGGED.image, fields={"initContainers": bad["spec"]["containers"]})
    assert len(software(first).violations) == 1
    bad["spec"]["serviceAccountName"] = "default"
    assert software(bad).allowed


@pytest.mark.parametrize(
    "variable",
    [
        {"name": "PYTHONPATH", "value": "/tmp"},
        {"name": "LD_PRELOAD", "value": "/tmp/x.so"},
        {"name": "PYTHONSTARTUP", "valueFrom": {"configMapKeyRef": {"name": "code", "key": "x"}}},
        {"name": "HTTPS_PROXY", "valueFrom": {"fileKeyRef": {"key": "x", "path": "y", "volumeName": "z"}}},
        {"name": "DAULAT_DNS", "value": "{}"},
        {"name": "DAULAT_NAMESPACE", "value": "elsewhere"},
        {"name": "DAULAT_NAMESPACE", "value": "<fieldRef:metadata.namespace"},
        {"name": "DAULAT_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['x']"}}},
    ],
)
def test_the_operator_has_the_variables_of_the_chart_alone(variable: Raw) -> None:
    bad = pod(TAGGED.image)
    bad["spec"]["containers"][0]["env"].append(variable)
    (said,) = software(bad).violations
    assert said.startswith(f'MGD-08 spec.containers.env["{variable["name"]}"]: it was set')


def test_the_operator_lacks_no_variable_of_the_chart() -> None:
    bad = pod(TAGGED.image)
    del bad["spec"]["containers"][0]["env"][0]
    (said,) = software(bad).violations
    assert said.startswith('MGD-08 spec.containers.env["DAULAT_NAMESPACE"]: it isn')


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"hostNetwork": True}, "spec.hostNetwork"),
        ({"hostPID": True}, "spec.hostPID"),
        ({"hostIPC": True}, "spec.hostIPC"),
        ({"shareProcessNamespace": True}, "spec.shareProcessNamespace"),
        ({"hostAliases": [{"ip": "203.0.113.7", "hostnames": ["x"]}]}, "spec.hostAliases"),
        ({"runtimeClassName": "evil"}, "spec.runtimeClassName"),
        ({"resourceClaims": [{"name": "x", "resourceClaimName": "y"}]}, "spec.resourceClaims"),
        ({"nodeName": "evil-1"}, "spec.nodeName"),
        ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, 'spec.volumes["root"]'),
        ({"volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "x"}}]}, 'spec.volumes["disk"]'),
        ({"volumes": [{"name": "s", "secret": {"secretName": "x"}}]}, 'spec.volumes["s"]'),
    ],
)
def test_the_operators_pod_shares_nothing_with_its_node(fields: Raw, field: str) -> None:
    (said,) = software(pod(TAGGED.image, fields=fields)).violations
    assert said.startswith(f"MGD-08 {field}: ")


def test_a_pod_that_has_its_node_can_still_change() -> None:
    before = pod(TAGGED.image, fields={"nodeName": "ascend-1"})
    after = pod(TAGGED.image, fields={"nodeName": "ascend-1", "tolerations": [{"operator": "Exists"}]})
    assert software(after, old=before).allowed


def test_the_operators_pod_keeps_the_charts_node_selector() -> None:
    pinned = replace(TAGGED, node_selector={"site": "cyberjaya-1"})
    for fields in ({}, {"nodeSelector": {"site": "singapore-1"}}):
        (said,) = software(pod(TAGGED.image, fields=fields), pinned).violations
        assert said.startswith("MGD-08 spec.nodeSelector: ")
    more = {"nodeSelector": {"site": "cyberjaya-1", "kubernetes.io/os": "linux"}}
    assert software(pod(TAGGED.image, fields=more), pinned).allowed


def test_a_runtimes_annotation_is_no_way_in() -> None:
    before, after = pod(TAGGED.image), pod(TAGGED.image)
    after["metadata"]["annotations"] = {"sidecar.istio.io/status": "{}"}
    assert software(after).allowed
    for name in (
        "nvidia.cdi.k8s.io/container.c0",
        "mounts.nri.io/container.c0",
        "io.kubernetes.cri-o.Devices",
        "run.oci.handler",
    ):
        after["metadata"]["annotations"] = {name: "x"}
        for old in (None, before):
            (said,) = software(after, old=old).violations
            assert said.startswith(f'MGD-08 metadata.annotations["{name}"]')


@pytest.mark.parametrize(
    ("sidecar", "fine"),
    [
        ({}, True),
        ({"args": ["proxy", "sidecar", "--domain", "x"]}, True),
        ({"args": ["proxy", "sidecar", "--domain", "y"]}, False),
        ({"command": ["sh"], "args": ["-c", "id"]}, False),
        ({"lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}}, True),
        ({"lifecycle": {"postStart": EXEC}}, False),
        ({"lifecycle": {"preStop": EXEC}}, False),
        ({"livenessProbe": EXEC}, False),
        ({"readinessProbe": EXEC}, False),
        ({"startupProbe": EXEC}, False),
        ({"securityContext": {"privileged": True}}, False),
        ({"env": [{"name": "PROXY_CONFIG", "value": "{}"}], "volumeMounts": MOUNTS}, True),
    ],
)
def test_a_sidecar_runs_what_the_charts_values_name(sidecar: Raw, fine: bool) -> None:
    given = pod(TAGGED.image, "registry.example.my/proxy:2")
    given["spec"]["containers"][1].update(sidecar)
    assert software(given, MESH).allowed is fine


def test_what_webhooks_add_passes_where_the_charts_values_name_it() -> None:
    given = pod(TAGGED.image)
    own = given["spec"]["containers"][0]
    own["env"].append({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::1:role/x"})
    own["volumeMounts"].append({"name": "aws", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"})
    given["spec"]["volumes"] += [
        {"name": "aws", "projected": {"sources": []}},
        {"name": "workload-socket", "csi": {"driver": "x"}},
    ]
    assert software(given, MESH).allowed
    assert len(software(given).violations) == 3
