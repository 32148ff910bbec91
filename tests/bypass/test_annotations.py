"""Ways to devices through annotations of components that no resource was asked of."""

from __future__ import annotations

import pytest

from .attack import Attacker, Ground, annotated, refused, rule, taken

CHOOSING = {
    "nvidia.cdi.k8s.io/container.main": "management.nvidia.com/gpu=all",
    "nvidia.cdi.k8s.io": "nvidia.com/gpu=all",
    "hami.io/vgpu-devices-to-allocate": "GPU-0,NVIDIA,1024,10:;",
    "metax-tech.com/use-gpuuuid": "GPU-0",
    "volcano.sh/vgpu-ids-new": "GPU-0,NVIDIA,1024,10:",
    "scheduling.koordinator.sh/device-allocated": '{"gpu":[{"minor":0}]}',
    "huawei.com/Ascend910B": "Ascend910B-0",
    "ALIYUN_COM_GPU_MEM_IDX": "0",
    "tencent.com/predicate-gpu-idx-0": "0",
    "gas-container-cards": "card0",
    "gpu-fraction": "0.5",
    "devices.crio.io.main": "/dev/nvidia0",
    "org.systemd.property.DeviceAllow": "[('/dev/nvidia0', 'rwm')]",
    "io.katacontainers.config.hypervisor.cold_plug_vfio": "root-port",
}
"""Of each project that lets an annotation choose devices, one key."""
ASKING = {
    "scheduling.volcano.sh/queue-name": "research",
    "scheduling.k8s.io/group-name": "a",
    "volcano.sh/task-spec": "worker",
    "huawei.com/schedule_policy": "chip8-node8",
    "huawei.com/schedule_minAvailable": "2",
    "gang.scheduling.koordinator.sh/name": "a",
    "hami.io/gpu-scheduler-policy": "binpack",
    "nvidia.com/dynamo-discovery-backend": "kubernetes",
    "prometheus.io/scrape": "true",
}
"""What honest users and operators write."""


@pytest.fixture(scope="module")
def owner(ground: Ground) -> Attacker:
    """Whoever may change pods in every way that the API server has."""
    every = "pods pods/status pods/ephemeralcontainers pods/resize pods/binding bindings"
    return ground.with_rights("owner", rule("", every, "get create update patch"))


@pytest.mark.parametrize("key", CHOOSING)
def test_more_an_annotation_that_chooses_devices(ground: Ground, owner: Attacker, key: str) -> None:
    change = {key: CHOOSING[key]}
    pod = ground.pod()
    pod["metadata"]["annotations"] = change
    refused(ground.tenant.create(ground.pods, pod), "USE-20 ")
    name = ground.running()["metadata"]["name"]
    for subresource in ("", "status"):
        refused(owner.change(f"{ground.pods}/{name}", annotated(change), subresource), "USE-20 ")
    # What these write of a pod's metadata, the API server drops.
    for subresource in ("ephemeralcontainers", "resize"):
        owner.change(f"{ground.pods}/{name}", annotated(change), subresource)
    bound = {"kind": "Binding", "metadata": {"name": name, "annotations": change}, "target": {"name": "ascend-1"}}
    refused(owner.create(f"{ground.pods}/{name}/binding", bound), "USE-20 ")
    assert key not in (ground.server.must("GET", f"{ground.pods}/{name}")["metadata"].get("annotations") or {})


def test_more_an_annotation_that_only_queues(ground: Ground) -> None:
    pod = ground.pod()
    pod["metadata"]["annotations"] = dict(ASKING)
    taken(ground.tenant.create(ground.pods, pod))
    name = ground.running()["metadata"]["name"]
    taken(ground.tenant.change(f"{ground.pods}/{name}", annotated(ASKING)))
