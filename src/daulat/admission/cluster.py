"""Compiles the guards of the whole cluster, which no policy owns: records, nodes, namespaces, exemptions, the operator itself."""

from __future__ import annotations

from dataclasses import dataclass

from daulat import __version__
from daulat.api.kinds import Manifest
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
            "leaderWorkerSetUsers": self.leader_worker_set_users,
            "kedaUsers": self.keda_users,
        }


RELEASED = Installation()
"""As the chart installs it where no value says otherwise."""


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
        body = validating.spec(guard, controls, installation.constants)
        binding = validating.binding_spec(name, "Enforce", selector)
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
