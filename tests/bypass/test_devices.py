"""Ways to a device that a pod was not given."""

from __future__ import annotations

from typing import Any

import pytest

from dev.cluster.kubernetes import versions
from tests.e2e.world import Manifest, admission, unique

from .attack import DIGEST, Ground, annotated, refused, respecified, rule, taken

IMAGE = f"registry.example.my/vllm{DIGEST}"


def variable(name: str, value: Any = None, **source: Any) -> Manifest:
    return {"name": name, **({"value": value} if value is not None else {}), **source}


def test_row_10_a_debug_container(ground: Ground) -> None:
    debugger = ground.with_rights("debugger", rule("", "pods/ephemeralcontainers", "update"), rule("", "pods", "get"))
    path = f"{ground.pods}/{ground.running()['metadata']['name']}"
    for change, said in (
        ({"image": "docker.io/library/busybox:1"}, "SUP-01 "),
        ({"env": [variable("NVIDIA_VISIBLE_DEVICES", "all")]}, "USE-16 "),
        ({"securityContext": {"privileged": True}}, "USE-18 "),
        ({"envFrom": [{"prefix": "NVIDIA_VISIBLE_", "configMapRef": {"name": "c"}}]}, "USE-16 "),
    ):
        container = {"name": "debug", "image": IMAGE, "targetContainerName": "main", **change}
        attempt = debugger.change(path, respecified(ephemeralContainers=[container]), "ephemeralcontainers")
        refused(attempt, said)


def test_row_11_a_change_after_admission(ground: Ground) -> None:
    path = f"{ground.pods}/{ground.running()['metadata']['name']}"
    image = "docker.io/library/busybox:1"
    refused(ground.tenant.change(path, lambda p: p["spec"]["containers"][0].update(image=image)), "SUP-01 ")
    for key in ("huawei.com/Ascend910", "cdi.k8s.io/x", "devices.nri.io/container.main"):
        noted = ground.tenant.change(path, annotated({key: "nvidia.com/gpu=all"}))
        refused(noted, "USE-20 ")


@pytest.mark.needs("resize")
def test_row_11_a_resize_after_admission(ground: Ground) -> None:
    path = f"{ground.pods}/{ground.running()['metadata']['name']}"
    resizer = ground.with_rights("resizer", rule("", "pods/resize", "update"), rule("", "pods", "get"))
    # Of what is approved, too, most API servers let nothing but processors and memory be resized; that of 1.34 does.
    resized = resizer.change(
        path, lambda p: p["spec"]["containers"][0].update(resources={"limits": {"amd.com/gpu": 8}}), "resize"
    )
    refused(resized, "USE-|SUP-", "Forbidden|Invalid")


@pytest.mark.parametrize(
    "env",
    [
        [variable("NVIDIA_VISIBLE_DEVICES", "all")],
        [variable("NVIDIA_VISIBLE_DEVICES", "")],
        [variable("NVIDIA_VISIBLE_DEVICES", "$(A)"), variable("A", "all")],
        [variable("NVIDIA_VISIBLE_DEVICES", "void"), variable("NVIDIA_VISIBLE_DEVICES", "0")],
        [variable("NVIDIA_VISIBLE_DEVICES", valueFrom={"configMapKeyRef": {"name": "c", "key": "k"}})],
    ],
    ids=["all", "empty", "by reference", "twice", "from elsewhere"],
)
def test_row_12_nvidias_variable(ground: Ground, env: list[Manifest]) -> None:
    refused(ground.tenant.create(ground.pods, ground.container(env=env)), "USE-16 ")


@pytest.mark.parametrize("devices", [None, 1], ids=["without a device", "with one"])
@pytest.mark.parametrize("name", ["VISIBLE_DEVICES", "RUNTIME_OPTIONS", "RUNTIME_MOUNTS", "VNPU_SPECS", "ALLOW_LINK"])
def test_row_13_ascends_variables(ground: Ground, name: str, devices: int | None) -> None:
    """The last one wins on Ascend, also over what the device plugin sets."""
    env = [variable("ASCEND_VISIBLE_DEVICES", "void"), variable(f"ASCEND_{name}", "0-127")]
    resources = {"limits": {"huawei.com/Ascend910": devices}} if devices else {}
    refused(ground.tenant.create(ground.pods, ground.container(env=env, resources=resources)), "USE-16 ")


def test_row_14_the_annotation_that_volcano_reads(ground: Ground) -> None:
    source = {"fieldRef": {"fieldPath": "metadata.annotations['huawei.com/Ascend910']"}}
    pod = ground.container(env=[variable("ASCEND_VISIBLE_DEVICES", valueFrom=source)])
    refused(ground.tenant.create(ground.pods, pod), "USE-16 ")
    pod = ground.pod()
    pod["metadata"]["annotations"] = {"huawei.com/Ascend910": "Ascend910-0"}
    refused(ground.tenant.create(ground.pods, pod), "USE-20 ")


def test_row_15_a_runtime_class_that_hands_out_devices(ground: Ground) -> None:
    for name in ("nvidia", "ascend", "kata-qemu"):
        ground.server.ask(
            "POST", "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": name}, "handler": "runc"}
        )
        refused(ground.tenant.create(ground.pods, ground.pod(runtimeClassName=name)), "USE-17 ")
    zero = ground.container(resources={"limits": {"nvidia.com/gpu": 0}})
    zero["spec"]["runtimeClassName"] = "nvidia"
    refused(ground.tenant.create(ground.pods, zero), "USE-17 ")


@pytest.mark.parametrize(
    "path", ["/dev/nvidia0", "/dev/davinci_manager", "/usr/local/Ascend/driver", "/run/containerd"]
)
def test_row_16_a_path_of_the_host(ground: Ground, path: str) -> None:
    volume = {"name": "host", "hostPath": {"path": path}}
    refused(ground.tenant.create(ground.pods, ground.pod(volumes=[volume])), "STO-03 ")


def test_row_16_privilege(ground: Ground) -> None:
    for pod in (ground.pod(hostPID=True), ground.pod(hostIPC=True), ground.pod(hostNetwork=True)):
        refused(ground.tenant.create(ground.pods, pod), "USE-18 ")
    for context in (
        {"privileged": True},
        {"capabilities": {"add": ["SYS_ADMIN"]}},
        {"capabilities": {"add": ["mknod"]}},
    ):
        refused(ground.tenant.create(ground.pods, ground.container(securityContext=context)), "USE-18 ")


def test_row_16_a_path_of_the_host_behind_a_claim(ground: Ground) -> None:
    """Whoever may make volumes can't put a path under an approved class."""
    storage = ground.with_rights("storage", rule("", "persistentvolumes", "get create"))
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "encrypted-cyberjaya",
    }
    for source in ({"hostPath": {"path": "/dev"}}, {"nfs": {"server": "10.0.0.1", "path": "/"}}):
        body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": unique("pv")}}
        refused(storage.create("/api/v1/persistentvolumes", {**body, "spec": {**spec, **source}}), "STO-02 ")
    block = {"name": "main", "image": IMAGE, "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "raw"}}
    refused(ground.tenant.create(ground.pods, ground.pod(containers=[block], volumes=[volume])), "STO-03 ")


def claim(name: str, **exactly: Any) -> Manifest:
    requests = [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com", **exactly}}]
    return {"metadata": {"name": name}, "spec": {"devices": {"requests": requests}}}


@pytest.mark.needs("claims")
def test_row_17_admin_access_to_devices(ground: Ground) -> None:
    claims = ground.with_rights("dra", rule("resource.k8s.io", "resourceclaims resourceclaimtemplates", "get create"))
    path = ground.within("resource.k8s.io/v1", "resourceclaims")
    # The API server asks for the namespace's label first, which is a policy admin's to set.
    refused(claims.create(path, claim("a", adminAccess=True)), "USE-19 ", "admin access to devices")
    template = {"metadata": {"name": "t"}, "spec": claim("t", adminAccess=True)}
    template["spec"].pop("metadata")
    path = ground.within("resource.k8s.io/v1", "resourceclaimtemplates")
    refused(claims.create(path, template), "USE-19 ", "admin access to devices")
    mover = ground.with_rights("mover", rule("", "namespaces", "get update"))
    label = {"resource.kubernetes.io/admin-access": "true"}
    there = f"/api/v1/namespaces/{ground.namespace}"
    refused(mover.change(there, lambda n: n["metadata"]["labels"].update(label)), "MGD-13 ")


@pytest.mark.needs("claims")
def test_row_18_a_device_class_behind_an_approved_name(ground: Ground) -> None:
    mallory = ground.with_rights("mallory", rule("resource.k8s.io", "deviceclasses", "get create"))
    body = {"metadata": {"name": unique("class")}, "spec": {"extendedResourceName": "huawei.com/Ascend910"}}
    refused(mallory.create("/apis/resource.k8s.io/v1/deviceclasses", body), "SUP-08 ")
    refused(
        ground.tenant.create(ground.within("resource.k8s.io/v1", "resourceclaims"), claim("c")), "USE-19 ", "cannot"
    )
    by_class = ground.container(resources={"limits": {"deviceclass.resource.kubernetes.io/gpu.nvidia.com": 1}})
    refused(ground.tenant.create(ground.pods, by_class), "SUP-08 ")


NVIDIA = 'device.attributes["gpu.nvidia.com"]'
H20 = (
    f'device.driver == "gpu.nvidia.com" && "productName" in {NVIDIA} && {NVIDIA}["productName"] in ["NVIDIA H20"]'
    f' && "type" in {NVIDIA} && {NVIDIA}["type"] in ["gpu"]'
)
"""The selector of nvidia-h20, which the ground's policy approves."""


def selectors(*expressions: str) -> list[Manifest]:
    return [{"cel": {"expression": e}} for e in expressions]


@pytest.mark.needs("claims")
def test_more_claims_that_take_other_devices(ground: Ground) -> None:
    """Whatever a claim says beside an approved selector only narrows, and without one it is refused, in every place."""
    claims = ground.with_rights(
        "claims", rule("resource.k8s.io", "resourceclaims resourceclaimtemplates", "get create")
    )
    path = ground.within("resource.k8s.io/v1", "resourceclaims")
    taken(claims.create(f"{path}?dryRun=All", claim("fine", selectors=selectors(H20))))
    taken(claims.create(f"{path}?dryRun=All", claim("narrower", selectors=selectors(H20, f'"uuid" in {NVIDIA}'))))
    tolerant = ("taints", claim("taints", selectors=selectors(H20), tolerations=[{"operator": "Exists"}]))
    for name, wider in (
        ("none", claim("none")),
        ("other", claim("other", selectors=selectors('device.driver == "gpu.nvidia.com"'))),
        ("or", claim("or", selectors=selectors(f"({H20}) || true"))),
        ("spaced", claim("spaced", selectors=selectors(f" {H20}"))),
        ("class", claim("class", deviceClassName="vfio.gpu.nvidia.com", selectors=selectors(H20))),
        *([tolerant] if versions.offered().has("device-taints") else []),
    ):
        refused(claims.create(path, wider), "USE-19 ")
        template = {"metadata": {"name": name}, "spec": {"spec": wider["spec"]}}
        refused(claims.create(ground.within("resource.k8s.io/v1", "resourceclaimtemplates"), template), "USE-19 ")
    one = {"name": "one", "deviceClassName": "gpu.nvidia.com", "selectors": selectors(H20)}
    both: Manifest = {"name": "gpu", "firstAvailable": [one, {"name": "two", "deviceClassName": "gpu.nvidia.com"}]}
    alternatives = {"metadata": {"name": "alternatives"}, "spec": {"devices": {"requests": [both]}}}
    refused(claims.create(path, alternatives), "USE-19 ")
    configured = claim("configured", selectors=selectors(H20))
    parameters = {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig", "sharing": {"strategy": "MPS"}}
    configured["spec"]["devices"]["config"] = [{"opaque": {"driver": "gpu.nvidia.com", "parameters": parameters}}]
    refused(claims.create(path, configured), "USE-19 ")


@pytest.mark.needs("claims")
def test_more_devices_that_somebody_else_than_the_scheduler_allocates(ground: Ground) -> None:
    """A kubelet hands out what the status of a claim names, whatever the claim asks for."""
    name = unique("claim")
    path = ground.within("resource.k8s.io/v1", "resourceclaims")
    body = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", **claim(name, selectors=selectors(H20))}
    ground.server.must("POST", path, body)
    writer = ground.with_rights(
        "writer",
        rule("resource.k8s.io", "resourceclaims/binding", "update patch"),
        rule("resource.k8s.io", "resourceclaims resourceclaims/status", "get update patch"),
    )
    results = [{"request": "gpu", "driver": "gpu.amd.com", "pool": "gpu-7", "device": "gpu-0"}]
    status = {"status": {"allocation": {"devices": {"results": results}}}}
    refused(writer.change(f"{path}/{name}", lambda c: c.update(status), "status"), "USE-15 ")


@pytest.mark.needs("claims")
def test_more_a_slice_that_somebody_invents(ground: Ground) -> None:
    """Who writes a ResourceSlice makes other hardware pass for an approved product."""
    path = "/apis/resource.k8s.io/v1/resourceslices"
    attributes = {"type": {"string": "gpu"}, "productName": {"string": "NVIDIA H20"}}
    spec: Manifest = {
        "driver": "gpu.nvidia.com",
        "pool": {"name": "x", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "gpu-0", "attributes": attributes}],
    }
    mallory = ground.with_rights("mallory", rule("resource.k8s.io", "resourceslices", "get create update"))
    for where in ({"nodeName": "h20-1"}, {"allNodes": True}):
        body = {"metadata": {"name": unique("slice")}, "spec": {**spec, **where}}
        refused(mallory.create(path, body), "MGD-14 ")
    # NodeRestriction keeps a kubelet to its own node by itself.
    body = {"metadata": {"name": unique("slice")}, "spec": {**spec, "nodeName": "h20-1"}}
    refused(ground.kubelet("h20-2").create(path, body), "MGD-14 ", "NodeName")


def test_row_32_what_no_policy_has_heard_of(ground: Ground) -> None:
    """Unknown resources and kinds of volumes are refused because they're unknown, and older versions are judged alike."""
    for name in ("example.org/new-npu", "nvidia.com/GPU", "huawei.com/ascend910"):
        refused(ground.tenant.create(ground.pods, ground.container(resources={"limits": {name: 1}})), "SUP-08 ")
    for volume in ({"flexVolume": {"driver": "example.com/x"}}, {"gitRepo": {"repository": "https://x"}}):
        pod = ground.pod(volumes=[{"name": "v", **volume}])
        refused(ground.tenant.create(ground.pods, pod), "STO-03 ", "not supported|no longer")
    for action in admission():
        path = f"/apis/admissionregistration.k8s.io/v1/{action}admissionpolicies"
        for manifest in ground.server.must("GET", path)["items"]:
            if manifest["metadata"]["name"].endswith(".daulat.dev"):
                assert manifest["spec"]["matchConstraints"]["matchPolicy"] == "Equivalent", manifest["metadata"]["name"]


def test_more_a_profile_that_claims_an_approved_vendor(ground: Ground) -> None:
    """A policy by vendors approves what profiles say, so who writes one decides what is approved."""
    path = "/apis/daulat.dev/v1alpha1/acceleratorprofiles"
    spec: Manifest = {
        "vendor": {"name": "Huawei", "country": "CN"},
        "family": "Ascend",
        "model": "910B",
        "resources": [{"name": "amd.com/gpu", "sharing": "Whole"}],
    }
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "AcceleratorProfile", "metadata": {"name": unique("npu")}}
    mallory = ground.with_rights("mallory", rule("daulat.dev", "acceleratorprofiles", "get create update delete"))
    refused(mallory.create(path, {**head, "spec": spec}), "MGD-07 ")
    refused(mallory.change(f"{path}/amd-mi300x", lambda p: p["spec"]["vendor"].update(country="CN")), "MGD-07 ")
    refused(mallory.change(f"{path}/huawei-ascend-910b", lambda p: p["spec"].pop("riskFlags")), "MGD-07 ")
    refused(mallory.ask("DELETE", f"{path}/huawei-ascend-910b"), "MGD-07 ")
    refused(ground.tenant.create(path, {**head, "spec": spec}), "cannot create")


def test_more_devices_in_every_kind_of_container(ground: Ground) -> None:
    bad = {"name": "i", "image": IMAGE, "resources": {"limits": {"amd.com/gpu": 1}}}
    for extra in ({}, {"restartPolicy": "Always"}):
        refused(ground.tenant.create(ground.pods, ground.pod(initContainers=[{**bad, **extra}])), "SUP-08 ")
    taken(
        ground.tenant.create(f"{ground.pods}?dryRun=All", ground.container(resources={"limits": {"nvidia.com/gpu": 1}}))
    )


def test_more_a_variable_that_a_settings_object_brings(ground: Ground) -> None:
    for kind, plural in (("ConfigMap", "configmaps"), ("Secret", "secrets")):
        path = ground.within("v1", plural)
        body = {"kind": kind, "metadata": {"name": unique("settings")}, "data": {"NVIDIA_VISIBLE_DEVICES": "YWxs"}}
        refused(ground.tenant.create(path, body), "USE-16 ")
        clean = {**body, "data": {"A": "YWxs"}}
        taken(ground.tenant.create(path, clean))
        name = clean["metadata"]["name"]  # type: ignore[index]
        later = ground.tenant.change(f"{path}/{name}", lambda o: o["data"].update(ASCEND_VISIBLE_DEVICES="MA=="))
        refused(later, "USE-16 ")
