"""Compiles the guards of the whole cluster, which no policy owns: records, nodes, namespaces, exemptions, the operator itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from daulat import __version__
from daulat.api.kinds import Manifest
from daulat.catalog import countries
from daulat.controls import library

from . import validating
from .literals import Constant
from .policy import ADMISSION


@dataclass(frozen=True)
class Installation:
    """Where the operator is installed, and as what."""

    namespace: str = "daulat-system"
    service_account: str = "daulat"
    image: str = f"ghcr.io/daulat/daulat:{__version__}"
    """The reference in the operator's pod, with a tag or with a digest."""
    sidecar_images: tuple[str, ...] = ()
    """References of what runs beside it in its pod, such as a service mesh's proxy."""
    args: tuple[str, ...] = ("operator",)
    """The arguments of the operator's container."""
    env: tuple[str, ...] | None = None
    """Its variables, each as NAME=value or NAME<source; as the chart sets them without values where left out."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """What the nodeSelector of its pod holds at least."""
    sidecar_programs: tuple[str, ...] = ()
    """What sidecars run beside their images' own programs: a command with its arguments, words divided by spaces."""
    injected_env: tuple[str, ...] = ()
    """Names of variables that a webhook adds to the operator's container."""
    injected_mounts: tuple[str, ...] = ()
    """Paths at which a webhook mounts volumes in it."""
    injected_volumes: tuple[str, ...] = ()
    """Names of volumes of other types that a webhook adds to its pod."""
    leader_worker_set_users: tuple[str, ...] = ("system:serviceaccount:lws-system:lws-controller-manager",)
    """The user names of LeaderWorkerSet's controller, which makes the StatefulSets of models."""
    keda_users: tuple[str, ...] = ("system:serviceaccount:keda:keda-operator",)
    """The user names of KEDA's operator, which makes the HorizontalPodAutoscalers of models."""

    @property
    def constants(self) -> dict[str, Constant]:
        """What the guards read of it, by CEL variable name."""
        return {
            "operatorServiceAccount": self.service_account,
            "operatorImage": self.image,
            "sidecarImages": self.sidecar_images,
            "operatorArgs": self.args,
            "operatorEnv": self.env if self.env is not None else _default_env(self.image),
            "operatorNodeSelector": dict(self.node_selector),
            "sidecarPrograms": self.sidecar_programs,
            "injectedEnv": self.injected_env,
            "injectedMounts": self.injected_mounts,
            "injectedVolumes": self.injected_volumes,
            "leaderWorkerSetUsers": self.leader_worker_set_users,
            "kedaUsers": self.keda_users,
        }


def of_deployment(deployment: Manifest, installation: Installation) -> Installation:
    """Return the installation with what a Deployment, as the chart renders it, says of the operator's pods."""
    pod = deployment["spec"]["template"]["spec"]
    container = next(c for c in pod["containers"] if c["name"] == "operator")
    return replace(
        installation,
        service_account=str(pod["serviceAccountName"]),
        image=str(container["image"]),
        args=tuple(map(str, container.get("args") or ())),
        env=tuple(_variable(v) for v in container.get("env") or ()),
        node_selector={str(k): str(v) for k, v in (pod.get("nodeSelector") or {}).items()},
        injected_mounts=_beside(
            installation.injected_mounts, (m["mountPath"] for m in container.get("volumeMounts") or ()), TMP
        ),
        injected_volumes=_beside(
            installation.injected_volumes, (v["name"] for v in pod.get("volumes") or ()), TMP.strip("/")
        ),
    )


def _beside(injected: tuple[str, ...], rendered: Iterable[object], own: str) -> tuple[str, ...]:
    """Return what webhooks add and what the chart's extraVolumes and extraVolumeMounts do, without the chart's own."""
    return tuple(dict.fromkeys([*injected, *(str(each) for each in rendered if each != own)]))


def _variable(variable: Manifest) -> str:
    """Return a variable as the guard of the operator's pods writes it."""
    name, source = str(variable["name"]), variable.get("valueFrom")
    if not source:
        return f"{name}={variable.get('value') or ''}"
    for kind, found in source.items():
        where = found.get("fieldPath") or found.get("resource") or f"{found.get('name', '')}/{found.get('key', '')}"
        return f"{name}<{kind}:{where}"
    return f"{name}<another source"


def _default_env(image: str) -> tuple[str, ...]:
    own = ("DAULAT_NAMESPACE<fieldRef:metadata.namespace", "POD_NAME<fieldRef:metadata.name")
    return (*own, f"DAULAT_WEIGHTS_IMAGE={image}")


TMP = "/tmp"  # noqa: S108
"""Where the chart mounts the one volume of its own, which is called as the path is."""

RELEASED = Installation()
"""As the chart installs it where no value says otherwise."""


_CATALOGUE: dict[str, Constant] = {
    "knownControls": sorted(library.ids()),
    "exemptibleControls": sorted(library.exemptible_ids()),
    "countryCodes": countries.codes(),
    "countriesInstead": countries.instead(),
}
"""What guards read of the controls that there are, and of the countries."""


def compile_cluster_guards(installation: Installation = RELEASED) -> list[Manifest]:
    """Return the manifests, the same bytes for the same installation. The chart ships them."""
    manifests: list[Manifest] = []
    own_namespace = {"matchLabels": {"kubernetes.io/metadata.name": installation.namespace}}
    for guard in library.guards().values():
        if guard.scope != "cluster":
            continue
        controls = [c for c in library.controls() if c.guard == guard.guard]
        name = cluster_name(guard.guard)
        selector = own_namespace if guard.operator_namespace else {}
        body = validating.spec(guard, controls, {**installation.constants, **_CATALOGUE})
        binding = validating.binding_spec(name, guard.action, selector)
        manifests.append(manifest("ValidatingAdmissionPolicyBinding", name, binding))
        manifests.append(manifest("ValidatingAdmissionPolicy", name, body))
    return manifests


def cluster_name(guard: str) -> str:
    """Return the name of the admission policy of one of the cluster's guards."""
    return f"{guard}.cluster.daulat.dev"


def manifest(kind: str, name: str, spec: Manifest) -> Manifest:
    """Return an admission object that belongs to Daulat and to no policy."""
    return {
        "apiVersion": ADMISSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "daulat"}},
        "spec": spec,
    }
