"""Ways to a device, an unapproved image, an ineligible node or storage elsewhere, in many spellings, planted into a pod.

Each says what it reaches. It takes any pod, and changes only what it needs, so several can stand in one pod.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from .oracle import DEVICE, HOST, IMAGE, NODE, STORAGE
from .pods import AMOUNTS, Draw, added_to, containers
from .rules import DIGEST, Manifest, Rules


@dataclass(frozen=True)
class Plant:
    """One way round."""

    name: str
    reaches: str
    plant: Callable[[Draw, Manifest, Rules], None]
    """Writes it into a pod, or into a container for those that containers hold."""


# --- in containers


def _resource(draw: Draw, container: Manifest, rules: Rules) -> None:
    names = [name for name in _RESOURCES if name not in rules.resources]
    name, amount = draw(st.sampled_from(names)), draw(AMOUNTS)
    form = draw(st.sampled_from(["limits", "limits", "both", "with others"]))
    resources: Manifest = {"limits": {name: amount}}
    if form == "both":
        resources["requests"] = {name: amount, "cpu": None}
    if form == "with others":
        resources["limits"] |= {"cpu": "1", draw(st.sampled_from(sorted(rules.resources))): 1}
    container["resources"] = resources


_RESOURCES = [
    "nvidia.com/gpu",
    "nvidia.com/GPU",
    "nvidia.com/gpu.shared",
    "nvidia.com/mig-1g.10gb",
    "huawei.com/ascend910",
    "huawei.com/Ascend910B",
    "huawei.com/Ascend910-12c.3cpu.32g",
    "npu.huawei.com/Ascend910",
    "amd.com/gpu",
    "intel.com/gpu",
    "habana.ai/gaudi",
    "google.com/tpu",
    "cambricon.com/vmlu",
    "example.org/x",
    "squat.ai/dev-nvidia0",
    "smarter-devices/fuse",
    "devices.kubevirt.io/kvm",
    "deviceclass.resource.kubernetes.io/gpu.nvidia.com",
    "deviceclass.resource.kubernetes.io/npu.example.my2",
]


def _variable(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    name = draw(st.sampled_from(_VARIABLES))
    values: list[Manifest] = [
        {
            "value": draw(
                st.sampled_from(["all", "0", "0-127", "GPU-0", "Void", "void ", "void,0", " ", "", "$(X)", "VOID"])
            )
        },
        {},
        {"value": None},
        {"value": "", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['huawei.com/Ascend910']"}}},
        {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        {"value": None, "valueFrom": {"configMapKeyRef": {"name": "c", "key": "void"}}},
        {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
    ]
    planted = {"name": name, **draw(st.sampled_from(values))}
    # Runtimes take the first or the last of several.
    void = {"name": name, "value": "void"}
    order = draw(st.sampled_from([[planted], [void, planted], [planted, void], [void, planted, void]]))
    container["env"] = (
        [*order, *(container.get("env") or [])] if draw(st.booleans()) else [*(container.get("env") or []), *order]
    )


_VARIABLES = [
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_IMEX_CHANNELS",
    "ASCEND_VISIBLE_DEVICES",
    "ASCEND_RUNTIME_OPTIONS",
    "ASCEND_RUNTIME_MOUNTS",
    "ASCEND_VNPU_SPECS",
    "ASCEND_ALLOW_LINK",
    "AMD_VISIBLE_DEVICES",
    "HABANA_VISIBLE_DEVICES",
    "HABANA_VISIBLE_MODULES",
    "CAMBRICON_VISIBLE_DEVICES",
    "MTHREADS_VISIBLE_DEVICES",
    "IX_VISIBLE_DEVICES",
    "HYGON_VISIBLE_DEVICES",
    "ENFLAME_VISIBLE_DEVICES",
    "BIREN_VISIBLE_DEVICES",
    "EXAMPLE_NPU_DEVICES",
]


def _prefix(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    name = draw(st.sampled_from(_VARIABLES))
    prefix = name[: draw(st.integers(1, len(name) - 1))]
    kind = draw(st.sampled_from(["configMapRef", "secretRef"]))
    added_to(container, "envFrom", {"prefix": prefix, kind: {"name": "settings", "optional": draw(st.booleans())}})


def _privilege(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    strong = [
        {"privileged": True},
        {"privileged": True, "capabilities": {"drop": ["ALL"]}},
        *({"capabilities": {"add": add}} for add in _CAPABILITIES),
    ]
    container["securityContext"] = draw(st.sampled_from(strong))


_CAPABILITIES = [
    ["ALL"],
    ["all"],
    ["SYS_ADMIN"],
    ["sys_admin"],
    ["CAP_SYS_ADMIN"],
    ["cap_mknod"],
    ["CHOWN", "MKNOD"],
    ["NET_BIND_SERVICE", "SYS_RAWIO", "CHOWN"],
    ["SYS_PTRACE"],
    ["SYS_MODULE"],
    ["DAC_READ_SEARCH"],
    ["BPF", "PERFMON"],
    ["NET_ADMIN"],
]


def _image(draw: Draw, container: Manifest, rules: Rules) -> None:
    container["image"] = draw(st.sampled_from(_unapproved(rules)))


def _unapproved(rules: Rules) -> list[str]:
    found = [f"{name}{DIGEST}" for name in _REPOSITORIES] + [name for name in _REPOSITORIES if ":" not in name]
    if rules.digest:
        first = rules.repositories[0]
        found += [first + rest for rest in ("a", "a:latest", "a/b:v1", "a:sha256-" + "0" * 64, "a@sha512:" + "0" * 128)]
        found += [first + "a@sha256:" + "0" * 63 + "F", first + "a@sha256:" + "0" * 32]
    return found


_REPOSITORIES = [
    "nginx",
    "library/nginx",
    "docker.io/library/nginx",
    "docker.io/registry.example.my/a",
    "localhost/registry.example.my/a",
    "registry.example.my.evil.org/a",
    "evil-registry.example.my/a",
    "registry.example.my:5000/a",
    "registry.example.my:443/a",
    "REGISTRY.EXAMPLE.MY/a",
    "registry.example.myx/a",
    "registry-example.my/a",
    "example.my/registry.example.my/a",
    "mirror.example.org:5000/team-ab/a",
    "mirror.example.org:5000/team-a-evil/a",
    "mirror.example.org/team-a/a",
    "mirror.example.org:5000/team-b/team-a/a",
    "10.0.0.1/registry.example.my/a",
]


def _block_device(draw: Draw, container: Manifest, rules: Rules) -> None:
    del rules
    path = draw(st.sampled_from(["/dev/nvidia0", "/dev/xvda", "/data"]))
    container["volumeDevices"] = [{"name": "block", "devicePath": path}]


IN_EPHEMERAL = (
    Plant("a device variable", DEVICE, _variable),
    Plant("a prefix for device variables", DEVICE, _prefix),
    Plant("privilege", DEVICE, _privilege),
    Plant("an unapproved image", IMAGE, _image),
)
IN_CONTAINERS = (*IN_EPHEMERAL, Plant("an extended resource", DEVICE, _resource))
_HOSTS = ["x.example.sg", "203.0.113.7", "127.0.0.1", "localhost", "::1", "metadata"]

# --- in pods


def _in_a_container(plant: Plant) -> Plant:
    def planted(draw: Draw, pod: Manifest, rules: Rules) -> None:
        spec = pod["spec"]
        kind = draw(st.sampled_from(["containers", "containers", "initContainers", "sidecar"]))
        if kind in {"initContainers", "sidecar"} and len(spec.get("initContainers") or []) < 3:
            name = f"p{len(spec.get('initContainers') or [])}"
            added_to(spec, "initContainers", draw(containers(rules, name)))
            if kind == "sidecar":
                spec["initContainers"][-1]["restartPolicy"] = "Always"
        inside = spec["containers" if kind == "containers" else "initContainers"]
        plant.plant(draw, draw(st.sampled_from(inside)) if kind == "containers" else inside[-1], rules)

    return Plant(f"{plant.name} in a container", plant.reaches, planted)


def _block_volume(draw: Draw, pod: Manifest, rules: Rules) -> None:
    _add_volume(pod, "block", {"persistentVolumeClaim": {"claimName": "raw"}})
    _block_device(draw, pod["spec"]["containers"][-1], rules)


def _host_path(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    path = draw(st.sampled_from(_PATHS))
    kind = draw(
        st.sampled_from([{}, {"type": ""}, {"type": "CharDevice"}, {"type": "DirectoryOrCreate"}, {"type": None}])
    )
    _add_volume(pod, "host", {"hostPath": {"path": path, **kind}, **draw(st.sampled_from([{}, {"emptyDir": None}]))})
    if draw(st.booleans()):
        where = draw(st.sampled_from(["/dev/davinci0", "/data", "/var/run/nvidia-container-devices/all"]))
        added_to(pod["spec"]["containers"][0], "volumeMounts", {"name": "host", "mountPath": where, "readOnly": True})


_PATHS = [
    "/dev/nvidia0",
    "/dev/davinci_manager",
    "/dev",
    "/dev/null",
    "/",
    "/usr/local/Ascend/driver",
    "/var/lib/kubelet/device-plugins",
    "/run/containerd/containerd.sock",
    "relative/dev",
    "/tmp",
]


def _flag(field: str) -> Callable[[Draw, Manifest, Rules], None]:
    def planted(draw: Draw, pod: Manifest, rules: Rules) -> None:
        del draw, rules
        pod["spec"][field] = True

    return planted


def _host_process(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    context = {"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}
    if draw(st.booleans()):
        pod["spec"]["securityContext"] = context
    else:
        for container in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]:
            container["securityContext"] = context
    pod["spec"]["hostNetwork"] = True


def _runtime_class(draw: Draw, pod: Manifest, rules: Rules) -> None:
    """Set one that isn't approved, or one that hands out devices, without asking for any."""
    spec = pod["spec"]
    for holder in [spec, *spec["containers"], *(spec.get("initContainers") or [])]:
        holder.pop("resources", None)
    every = ["nvidia", "nvidia-cdi", "nvidia-legacy", "ascend", "example-npu", "kata-qemu"]
    spec["runtimeClassName"] = draw(st.sampled_from(every))
    if draw(st.booleans()):
        other = sorted(rules.resources - rules.accelerators) or sorted(rules.accelerators)
        amount = 1 if rules.resources - rules.accelerators else draw(st.sampled_from([0, "0", "0m", "0k"]))
        spec["containers"][0]["resources"] = {"limits": {draw(st.sampled_from(other)): amount}}


def _annotation(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    key = draw(st.sampled_from(_ANNOTATIONS))
    value = draw(st.sampled_from(["nvidia.com/gpu=all", "Ascend910-0,Ascend910-1", "", "[/dev/nvidia0]", "0"]))
    pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), key: value}


_INJECTED = [f"{what}.{by}" for what in ("devices", "cdi-devices", "mounts") for by in ("nri.io", "noderesource.dev")]
_ANNOTATIONS = [
    *_INJECTED,
    *(f"{key}/{rest}" for key in _INJECTED for rest in ("pod", "container.c0")),
    "cdi.k8s.io/a",
    "cdi.k8s.io/nvidia.com_gpu",
    "devices.crio.io",
    "io.kubernetes.cri-o.Devices",
    "huawei.com/Ascend910",
    "huawei.com/Ascend310P",
    "huawei.com/npu-core",
    "huawei.com/AscendReal",
    "nvidia.com/use-gpuuuid",
    "nvidia.cdi.k8s.io",
    "nvidia.cdi.k8s.io/container.c0",
    "hami.io/vgpu-devices-to-allocate",
    "volcano.sh/vgpu-ids-new",
    "scheduling.koordinator.sh/device-allocated",
    "huawei.com/Ascend910B",
    "tencent.com/predicate-gpu-idx-0",
    "ALIYUN_COM_GPU_MEM_IDX",
    "devices.crio.io.c0",
    "org.systemd.property.DeviceAllow",
    "gas-container-cards",
    "npu.example.my/cards",
]


def _claim(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    by = draw(st.sampled_from(["resourceClaimName", "resourceClaimTemplateName"]))
    pod["spec"]["resourceClaims"] = [{"name": "gpu", by: "gpus"}]
    if draw(st.booleans()):
        pod["spec"]["containers"][0]["resources"] = {"claims": [{"name": "gpu"}]}


def _image_volume(draw: Draw, pod: Manifest, rules: Rules) -> None:
    image: Manifest = {"reference": draw(st.sampled_from(_unapproved(rules)))}
    _add_volume(pod, "weights", {"image": {**image, **draw(st.sampled_from([{}, {"pullPolicy": "Never"}]))}})


def _node_name(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    pod["spec"]["nodeName"] = draw(st.sampled_from(["gpu-7", "ascend-1", "a.b"]))


def _pin(draw: Draw, pod: Manifest, rules: Rules) -> None:
    value = draw(st.sampled_from(["", "Eligible", "eligible.", "ineligible", "true", "x", None]))
    pod["spec"]["nodeSelector"] = {**(pod["spec"].get("nodeSelector") or {}), rules.pin: value}


def _toleration(draw: Draw, pod: Manifest, rules: Rules) -> None:
    taints = [
        {"operator": "Exists"},
        {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3600},
        {"key": "", "operator": "Exists", "effect": "NoSchedule"},
        {"key": None, "operator": "Exists", "value": None},
        {"key": "daulat.dev/quarantine", "operator": "Exists"},
        {"key": "daulat.dev/quarantine", "value": "true", "effect": "NoSchedule"},
        {"key": rules.pin, "operator": "Equal", "value": "no"},
    ]
    added_to(pod["spec"], "tolerations", draw(st.sampled_from(taints)))


def _probe(draw: Draw, pod: Manifest, rules: Rules) -> None:
    """Probes and hooks are for containers that stay; of init containers only sidecars have them."""
    del rules
    by = draw(st.sampled_from([{"httpGet": {"port": 80}}, {"tcpSocket": {"port": 80}}]))
    handler = {how: {**fields, "host": draw(st.sampled_from(_HOSTS))} for how, fields in by.items()}
    at = draw(st.sampled_from(["livenessProbe", "readinessProbe", "startupProbe", "postStart", "preStop"]))
    fields = {at: handler} if at.endswith("Probe") else {"lifecycle": {at: handler}}
    pod["spec"]["containers"][0].update(fields)


def _alias(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    mine = [{"ip": "127.0.0.1", "hostnames": ["self"]}] * draw(st.integers(0, 1))
    address = draw(st.sampled_from(["203.0.113.7", "10.0.0.1", "2001:db8::1", "1.127.0.1"]))
    pod["spec"]["hostAliases"] = [*mine, {"ip": address, "hostnames": ["registry.example.my", "a"]}]


def _resolver(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    addresses = draw(st.sampled_from([["8.8.8.8"], ["127.0.0.1", "8.8.8.8"], ["2001:4860:4860::8888"]]))
    domains = draw(st.sampled_from([["example.sg"], ["a.svc.cluster.local", "cluster.local.sg"], ["xcluster.local"]]))
    what = draw(st.sampled_from([{"nameservers": addresses}, {"searches": domains}]))
    pod["spec"].update({"dnsPolicy": "ClusterFirst", "dnsConfig": {**what, "options": [{"name": "edns0"}]}})


def _mirror(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    key = "kubernetes.io/config.mirror"
    pod["metadata"]["annotations"] = {
        **(pod["metadata"].get("annotations") or {}),
        key: draw(st.sampled_from(["", "x"])),
    }
    pod["spec"]["nodeName"] = "gpu-7"


def _volume_elsewhere(draw: Draw, pod: Manifest, rules: Rules) -> None:
    found = {kind: source for kind, source in _ELSEWHERE.items() if kind not in rules.volumes}
    kind = draw(st.sampled_from(sorted(found)))
    _add_volume(pod, "elsewhere", {kind: found[kind]})


_ELSEWHERE: dict[str, Any] = {
    "nfs": {"server": "nfs.evil.org", "path": "/a"},
    "csi": {"driver": "csi.example.my"},
    "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:a", "lun": 0},
    "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 2},
    "rbd": {"monitors": ["10.0.0.1"], "image": "a"},
    "cephfs": {"monitors": ["10.0.0.1"]},
    "glusterfs": {"endpoints": "g", "path": "a"},
    "flexVolume": {"driver": "example.com/lvm"},
    "gitRepo": {"repository": "https://evil.org/a.git"},
    "azureFile": {"secretName": "s", "shareName": "a"},
    "awsElasticBlockStore": {"volumeID": "vol-1"},
    "gcePersistentDisk": {"pdName": "a"},
    "vsphereVolume": {"volumePath": "[a] b.vmdk"},
    "portworxVolume": {"volumeID": "a"},
    "quobyte": {"registry": "10.0.0.1:7861", "volume": "a"},
    "storageos": {"volumeName": "a"},
    "scaleIO": {"gateway": "https://g", "system": "s", "secretRef": {"name": "s"}, "volumeName": "v"},
    "photonPersistentDisk": {"pdID": "a"},
    "cinder": {"volumeID": "a"},
    "flocker": {"datasetName": "a"},
}


def _driver(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    driver = draw(st.sampled_from(["csi.evil.org", "csi.example.my.evil.org", "CSI.example.my", "image.csi.k8s.io"]))
    _add_volume(pod, "inline", {"csi": {"driver": driver, "volumeAttributes": {"a": "b"}}})


def _storage_class(draw: Draw, pod: Manifest, rules: Rules) -> None:
    del rules
    old = {"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "fast-singapore"}}}
    claim: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    templates: list[Manifest] = [
        {"spec": claim},
        {"spec": {**claim, "storageClassName": None}},
        {"spec": {**claim, "storageClassName": ""}},
        {"spec": {**claim, "storageClassName": "fast-singapore"}},
        {"spec": {**claim, "storageClassName": "encrypted2"}, "metadata": {"annotations": None}},
        {"spec": claim, **old},
    ]
    _add_volume(pod, "scratch", {"ephemeral": {"volumeClaimTemplate": draw(st.sampled_from(templates))}})


def _bound_claim(draw: Draw, pod: Manifest, rules: Rules) -> None:
    claim: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim["storageClassName"] = draw(st.sampled_from([*sorted(rules.classes), "encrypted"]))
    names = [f"pv.kubernetes.io/{name}" for name in ("bind-completed", "bound-by-controller", "migrated-to", "x")]
    names += ["volume.kubernetes.io/selected-node", "volume.kubernetes.io/storage-provisioner"]
    names += ["volume.beta.kubernetes.io/storage-provisioner"]
    annotations = dict.fromkeys(draw(st.lists(st.sampled_from(names), unique=True, max_size=2)), "yes")
    named = {"volumeName": "nfs-abroad"} if not annotations or draw(st.booleans()) else {}
    harmless = draw(st.sampled_from([{}, {"volume.kubernetes.io/x": "y"}, {"pv.kubernetes.io.example.my/a": "b"}]))
    template: Manifest = {"spec": {**claim, **named}, "metadata": {"annotations": {**harmless, **annotations}}}
    _add_volume(pod, "bound", {"ephemeral": {"volumeClaimTemplate": template}})


def _add_volume(pod: Manifest, name: str, volume: Manifest) -> None:
    others = [v for v in pod["spec"].get("volumes") or [] if v["name"] != name]
    pod["spec"]["volumes"] = [*others, {"name": name, **volume}]


IN_PODS = (
    *(_in_a_container(plant) for plant in IN_CONTAINERS),
    Plant("a raw block device", DEVICE, _block_volume),
    Plant("a host path", DEVICE, _host_path),
    Plant("the host's network", DEVICE, _flag("hostNetwork")),
    Plant("the host's processes", DEVICE, _flag("hostPID")),
    Plant("the host's memory", DEVICE, _flag("hostIPC")),
    Plant("a process of the host", DEVICE, _host_process),
    Plant("a runtime class", DEVICE, _runtime_class),
    Plant("a device annotation", DEVICE, _annotation),
    Plant("a resource claim", DEVICE, _claim),
    Plant("an unapproved image volume", IMAGE, _image_volume),
    Plant("a node's name", NODE, _node_name),
    Plant("a false pin", NODE, _pin),
    Plant("a toleration of everything, or of Daulat's taints", NODE, _toleration),
    Plant("a mirror pod", NODE, _mirror),
    Plant("a name for another host", HOST, _alias),
    Plant("a foreign resolver", HOST, _resolver),
    Plant("a host that the kubelet is made to ask", HOST, _probe),
    Plant("a volume elsewhere", STORAGE, _volume_elsewhere),
    Plant("another CSI driver", STORAGE, _driver),
    Plant("another StorageClass", STORAGE, _storage_class),
    Plant("a claim that is bound", STORAGE, _bound_claim),
)
