"""Ways to devices that admission doesn't see: runtimes, privileged components, feature discovery, device classes, fake nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.approval import approved_profiles
from daulat.api.counted import counted
from daulat.api.kinds import Manifest
from daulat.catalog import accelerators
from daulat.facts.node import is_extended
from daulat.facts.store import Store

from .cluster import Cluster, labels_of, name_of
from .finding import Found, Severity
from .versions import version_of

_UNPRIVILEGED = "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED"
_STRATEGY = "DEVICE_LIST_STRATEGY"


def runtimes(cluster: Cluster) -> Iterator[Found]:
    """Name vendors' components that hand out devices by environment variables, and runtime classes that select such runtimes."""
    for daemons, container in _containers(cluster):
        image, env = str(container.get("image") or ""), _environment(container)
        if "container-toolkit" in image and env.get(_UNPRIVILEGED, "true").lower() != "false":
            what = f"DaemonSet {daemons} sets up a runtime that gives unprivileged containers devices by NVIDIA_VISIBLE_DEVICES"
            yield Found(what, (f"DaemonSet {daemons}",))
        if "nvidia" in image and "device-plugin" in image:
            strategy = env.get(_STRATEGY, "envvar")
            if "envvar" in strategy.split(","):
                what = f"DaemonSet {daemons} allocates devices by environment variables ({_STRATEGY} is {strategy})"
                yield Found(what, (f"DaemonSet {daemons}",))
        if "ascend" in image.lower() and "device" in image.lower() and "plugin" in image.lower():
            what = f"DaemonSet {daemons} is Ascend's device plugin, whose runtime injects devices by ASCEND_VISIBLE_DEVICES"
            yield Found(what, (f"DaemonSet {daemons}",))
    known = {c for p in accelerators.shipped().values() for c in p.device_access.runtime_class_names}
    for item in cluster.items("runtimeclasses"):
        name, handler = name_of(item), str(item.get("handler"))
        if name in known or handler in known:
            what = f"RuntimeClass {name} selects the device runtime {handler}; outside governed namespaces any pod may use it"
            yield Found(what, (f"RuntimeClass {name}",), Severity.LOW)


def privileged(cluster: Cluster) -> Iterator[Found]:
    """Name DaemonSets with a privileged container, but for those of kube-system."""
    seen = set()
    for daemons, container in _containers(cluster):
        context = container.get("securityContext") or {}
        if context.get("privileged") and not daemons.startswith("kube-system/") and daemons not in seen:
            seen.add(daemons)
            image = container.get("image")
            yield Found(f"DaemonSet {daemons} runs {image} as a privileged container", (f"DaemonSet {daemons}",))


def node_features(cluster: Cluster) -> Iterator[Found]:
    """Say whether labels for any node may come from any namespace by Node Feature Discovery."""
    if not cluster.served("nodefeatures"):
        return
    configured = [
        (name_of(item), (item.get("data") or {})["nfd-master.conf"])
        for item in cluster.items("nfdconfig")
        if "nfd-master.conf" in (item.get("data") or {})
    ]
    for name, text in configured:
        if not _restricted(text):
            yield Found(f"ConfigMap {name} sets no restrictions.nodeFeatureNamespaceSelector", (f"ConfigMap {name}",))
    if not configured:
        yield Found("NodeFeature objects are served, and no configuration of nfd-master was found that restricts them")


def device_classes(cluster: Cluster) -> Iterator[Found]:
    """Name DeviceClasses that take an approved resource's name without being of an approved profile."""
    profiles = _profiles(cluster)
    for item in cluster.items("deviceclasses"):
        name = name_of(item)
        resource = (item.get("spec") or {}).get("extendedResourceName")
        if not resource:
            continue
        for policy in cluster.policies.values():
            approved = approved_profiles(policy.spec.accelerators, profiles).values()
            named = any(p.resource(resource) is not None for p in approved)
            if named and not any(r.device_class_name == name for p in approved for r in p.dynamic_resources):
                what = (
                    f"DeviceClass {name} answers for {resource}, which policy {policy.name} approves as another device"
                )
                yield Found(what, (f"DeviceClass {name}", f"SovereigntyPolicy {policy.name}"))


def fake_devices(cluster: Cluster) -> Iterator[Found]:
    """Name nodes that offer devices without a kubelet that reports them."""
    signs: dict[str, list[str]] = {}
    for node in cluster.items("nodes"):
        status = node.get("status") or {}
        if any(is_extended(resource) for resource in status.get("allocatable") or {}) and (sign := _unreal(node)):
            signs.setdefault(sign, []).append(name_of(node))
    for sign, names in sorted(signs.items()):
        some = f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        what = f"devices are offered by {counted(len(names), 'node')} {sign}: {some}"
        yield Found(what, tuple(f"Node {n}" for n in names))


def _unreal(node: Manifest) -> str:
    annotations = (node.get("metadata") or {}).get("annotations") or {}
    version = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion")
    if annotations.get("kwok.x-k8s.io/node"):
        return "made up by KWOK"
    if labels_of(node).get("type") == "virtual-kubelet":
        return "of virtual-kubelet, whose pods run elsewhere"
    if version_of(str(version or "")) is None:
        return "without a kubelet's version"
    return ""


def _restricted(text: str) -> bool:
    try:
        config: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    restrictions = config.get("restrictions") if isinstance(config, dict) else None
    return bool(restrictions.get("nodeFeatureNamespaceSelector")) if isinstance(restrictions, dict) else False


def _containers(cluster: Cluster) -> Iterator[tuple[str, Manifest]]:
    for item in cluster.items("daemonsets"):
        spec = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            yield name_of(item), container


def _environment(container: Manifest) -> dict[str, str]:
    return {e["name"]: str(e.get("value", "")) for e in container.get("env") or ()}


def _profiles(cluster: Cluster) -> dict[str, AcceleratorProfileSpec]:
    store = Store("")
    for item in cluster.items("acceleratorprofiles"):
        store.apply("AcceleratorProfile", item)
    return store.snapshot().known_profiles
