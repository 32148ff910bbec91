"""Says in plain Python what a pod reaches that its policy keeps from it, by what Kubernetes and container runtimes do.

It shares nothing with the controls: no text, no constant, no list of names. Where it says that something is reached, the
controls must refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from .rules import Manifest, Rules

DEVICE, IMAGE, NODE, STORAGE = "a device", "an unapproved image", "an ineligible node", "storage elsewhere"
HOST = "a host elsewhere"

# What accelerator runtimes read from a container's environment.
_VARIABLES = frozenset(
    f"{vendor}_VISIBLE_DEVICES"
    for vendor in [
        "NVIDIA",
        "ASCEND",
        "AMD",
        "HABANA",
        "CAMBRICON",
        "CAMBRICON_SPLIT",
        "MTHREADS",
        "IX",
        "HYGON",
        "ENFLAME",
        "BIREN",
    ]
) | {
    "NVIDIA_IMEX_CHANNELS",
    "ASCEND_RUNTIME_OPTIONS",
    "ASCEND_RUNTIME_MOUNTS",
    "ASCEND_VNPU_SPECS",
    "ASCEND_ALLOW_LINK",
    "HABANA_VISIBLE_MODULES",
    "EXAMPLE_NPU_DEVICES",
}
# What device plugins, NRI plugins and runtimes read from a pod's annotations: these, and these with a slash and more.
_INJECTED = tuple(
    f"{what}.{by}" for what in ("devices", "cdi-devices", "mounts") for by in ("nri.io", "noderesource.dev")
)
_ANNOTATIONS = frozenset(
    f"huawei.com/{name}" for name in ["Ascend910", "Ascend310", "Ascend310P", "npu", "npu-core", "AscendReal", "kltDev"]
) | {
    *_INJECTED,
    "nvidia.com/use-gpuuuid",
    "nvidia.com/nouse-gpuuuid",
    "nvidia.cdi.k8s.io",
    "scheduling.koordinator.sh/device-allocated",
    "devices.crio.io",
    "io.kubernetes.cri-o.Devices",
    "npu.example.my/cards",
}
_ANNOTATION_PREFIXES = (
    *("cdi.k8s.io/", "nvidia.cdi.k8s.io/", "hami.io/amd-devices-", "hami.io/vgpu-devices-", "volcano.sh/vgpu-ids-"),
    *("huawei.com/Ascend", "tencent.com/predicate-gpu-idx-", "ALIYUN_COM_GPU_MEM_", "devices.crio.io."),
    *("org.systemd.property.", "gas-container-", *(f"{name}/" for name in _INJECTED)),
)
# Capabilities that Pod Security's baseline allows, but for MKNOD, by which a device file is made.
_HARMLESS = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "IPC_LOCK",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
# Volumes that hold nothing of another node or namespace, or are judged where their claim is.
_WITHIN = frozenset(
    ["emptyDir", "configMap", "secret", "downwardAPI", "projected", "persistentVolumeClaim", "ephemeral", "image"]
)
_DEVICE_RUNTIMES = frozenset({"nvidia", "nvidia-cdi", "nvidia-legacy", "ascend", "example-npu"})
# How a container runtime reads an image's name (github.com/distribution/reference).
_HOST = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}(?:\.{_HOST})*(?::[0-9]+)?/)?{_PATH}(?:/{_PATH})*)"
    r"(?::[\w][\w.-]{0,127})?(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def reached(pod: Manifest, rules: Rules) -> frozenset[str]:
    """Return what the pod reaches that it may not: DEVICE, IMAGE, NODE, STORAGE or HOST."""
    spec = pod.get("spec") or {}
    asked = set(_asked_for(spec))
    found = {
        DEVICE: bool(asked - rules.resources) or _reaches_host(pod, spec) or _runs_with_devices(spec, asked, rules),
        IMAGE: any(not _approved(image, rules.repositories, rules) for image in _images(spec))
        or any(not _approved(image, rules.repositories + rules.weights, rules) for image in _image_volumes(spec)),
        NODE: _leaves_eligible_nodes(pod, spec, rules),
        STORAGE: any(_lies_elsewhere(volume, rules) for volume in _listed(spec, "volumes")),
        HOST: _leads_elsewhere(spec),
    }
    if _listed(spec, "resourceClaims") and not rules.device_classes:
        found[DEVICE] = True
    return frozenset(what for what, so in found.items() if so)


def pulled(image: str) -> str | None:
    """Return the whole name of the repository from which a runtime pulls the image, or None where it can't be read."""
    match = _REFERENCE.fullmatch(image)
    if match is None or re.fullmatch(r"[0-9a-f]{64}", image):
        return None
    host, slash, path = match["name"].partition("/")
    if not slash:
        return f"docker.io/library/{host}"
    if not ("." in host or ":" in host or host == "localhost" or host != host.lower()):
        return f"docker.io/{host}/{path}"
    return f"{host}/{path}"


# --- containers


def _containers(spec: Manifest) -> list[Manifest]:
    return [c for kind in ("containers", "initContainers", "ephemeralContainers") for c in _listed(spec, kind)]


def _asked_for(spec: Manifest) -> Iterator[str]:
    """Yield the extended resources of which the pod asks for at least one."""
    for holder in [spec, *_containers(spec)]:
        resources = holder.get("resources") or {}
        for amounts in (resources.get("limits") or {}, resources.get("requests") or {}):
            yield from (name for name, amount in amounts.items() if "/" in name and _some(amount))


def _some(amount: Any) -> bool:
    number = re.match(r"[+-]?[0-9.]*", str(amount or 0))
    return bool(number and number[0].strip("+-.") and float(number[0]) > 0)


def _images(spec: Manifest) -> Iterator[str]:
    yield from (str(c.get("image") or "") for c in _containers(spec))


def _image_volumes(spec: Manifest) -> Iterator[str]:
    for volume in _listed(spec, "volumes"):
        if volume.get("image") is not None:
            yield str(volume["image"].get("reference") or "")


def _approved(image: str, repositories: tuple[str, ...], rules: Rules) -> bool:
    """Say whether what is pulled under the name is approved. What no runtime can pull never runs."""
    name, match = pulled(image), _REFERENCE.fullmatch(image)
    if name is None or match is None:
        return True
    pinned = re.fullmatch(r"@sha256:[0-9a-f]{64}", match["digest"] or "") is not None
    return any(name.startswith(r) for r in repositories) and (pinned or not rules.digest)


def _reaches_host(pod: Manifest, spec: Manifest) -> bool:
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    windows = [(h.get("securityContext") or {}).get("windowsOptions") or {} for h in [spec, *_containers(spec)]]
    return (
        any(spec.get(field) is True for field in ("hostNetwork", "hostPID", "hostIPC"))
        or any(a in _ANNOTATIONS or a.startswith(_ANNOTATION_PREFIXES) for a in annotations)
        or any(options.get("hostProcess") is True for options in windows)
        or any(v.get("hostPath") is not None for v in _listed(spec, "volumes"))
        or any(_container_reaches_host(c) for c in _containers(spec))
    )


def _container_reaches_host(container: Manifest) -> bool:
    security = container.get("securityContext") or {}
    added = (security.get("capabilities") or {}).get("add") or []
    prefixes = [str(source.get("prefix") or "") for source in _listed(container, "envFrom")]
    return (
        security.get("privileged") is True
        or any(str(c or "").upper().removeprefix("CAP_") not in _HARMLESS for c in added)
        or bool(_listed(container, "volumeDevices"))
        or any(e.get("name") in _VARIABLES and e.get("value") != "void" for e in _listed(container, "env"))
        # A key can't be empty, so the prefix alone is no name.
        or any(p and v != p and v.startswith(p) for p in prefixes for v in _VARIABLES)
    )


def _runs_with_devices(spec: Manifest, asked: set[str], rules: Rules) -> bool:
    runtime = spec.get("runtimeClassName")
    if not runtime:
        return False
    return runtime not in rules.runtime_classes or (runtime in _DEVICE_RUNTIMES and not asked & rules.accelerators)


# --- where it runs, and where its data lies


def _leaves_eligible_nodes(pod: Manifest, spec: Manifest, rules: Rules) -> bool:
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    return (
        (spec.get("nodeSelector") or {}).get(rules.pin) != "eligible"
        or bool(spec.get("nodeName"))
        or "kubernetes.io/config.mirror" in annotations
        or any(_tolerates_too_much(t) for t in _listed(spec, "tolerations"))
    )


def _tolerates_too_much(toleration: Manifest) -> bool:
    key = str(toleration.get("key") or "")
    return not key or key.startswith(("daulat.dev/", "daulat.node-restriction.kubernetes.io/"))


def _lies_elsewhere(volume: Manifest, rules: Rules) -> bool:
    kinds = {kind for kind, source in volume.items() if kind != "name" and source is not None}
    if kinds - _WITHIN - rules.volumes - {"hostPath"}:
        return True
    if "csi" in kinds and volume["csi"].get("driver") not in rules.drivers:
        return True
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    return template is not None and _claims_elsewhere(template, rules)


def _claims_elsewhere(template: Manifest, rules: Rules) -> bool:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    # The annotation is what the class was called once, and goes before the field still.
    chosen = annotations.get(
        "volume.beta.kubernetes.io/storage-class", (template.get("spec") or {}).get("storageClassName")
    )
    if chosen not in rules.classes:
        return True
    # A claim that says which volume it has, or that it is bound, gets a volume of any class.
    return bool((template.get("spec") or {}).get("volumeName")) or any(_binds(name) for name in annotations)


def _binds(annotation: str) -> bool:
    prefix, _, name = annotation.partition("/")
    return prefix == "pv.kubernetes.io" or (
        prefix in {"volume.kubernetes.io", "volume.beta.kubernetes.io"}
        and (name == "storage-provisioner" or annotation == "volume.kubernetes.io/selected-node")
    )


# --- names and hosts


def _leads_elsewhere(spec: Manifest) -> bool:
    """Say whether the pod brings a name, a resolver or a search domain from outside, or a kubelet would connect elsewhere."""
    config = spec.get("dnsConfig") or {}
    return (
        any(alias.get("hostnames") and not _is_loopback(alias.get("ip")) for alias in _listed(spec, "hostAliases"))
        or not all(map(_is_loopback, config.get("nameservers") or []))
        or not all(
            ("." + s).endswith(".svc.cluster.local") or s == "cluster.local" for s in config.get("searches") or []
        )
        or any(_hosts_of(handler) for c in _containers(spec) for handler in _handlers(c))
    )


def _is_loopback(address: Any) -> bool:
    return ip_address(address).is_loopback


def _handlers(container: Manifest) -> Iterator[Manifest]:
    yield from (container.get(f"{kind}Probe") or {} for kind in ("liveness", "readiness", "startup"))
    yield from ((container.get("lifecycle") or {}).get(when) or {} for when in ("postStart", "preStop"))


def _hosts_of(handler: Manifest) -> bool:
    return any((handler.get(how) or {}).get("host") for how in ("httpGet", "tcpSocket"))


def _listed(holder: Manifest, field: str) -> list[Manifest]:
    return list(holder.get(field) or [])
