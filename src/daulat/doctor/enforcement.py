"""Whether what the API server enforces is what Daulat compiles, and whether its operator is alive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from daulat.admission.cluster import Installation, cluster_name, compile_cluster_guards
from daulat.admission.policy import CompiledPolicy
from daulat.api import reasons
from daulat.api.counted import counted, either
from daulat.api.kinds import Manifest
from daulat.api.names import LEASE, MANAGED_BY, POLICY_LABEL, REVISION_ANNOTATION
from daulat.api.policy import EnforcementSource
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import Store
from daulat.kube.resources import REGISTRY, Use
from daulat.reconcile.policy import volumes
from daulat.reconcile.policy.gitops import source
from daulat.reconcile.policy.ungoverned import KEY, reconcile_ungoverned
from daulat.reconcile.result import Apply

from .cluster import FACTS, Cluster, labels_of, name_of
from .finding import Found, NotLooked, Severity

KINDS = {r.kind: r.plural for r in REGISTRY if r.use is Use.ADMISSION}
"""What policies compile to, with the sources in which it is looked for."""
_OTHER_VERSION = "Use the command line in the operator's version. If it is, check whether the operator runs."
SOFTWARE_GUARD = cluster_name("software")
GENERATED_GUARD = cluster_name("generated")
OPERATOR_GUARD = "operator.cluster.daulat.dev"
_CONSTANTS = {
    "operatorImage": "image",
    "sidecarImages": "sidecar_images",
    "operatorArgs": "args",
    "operatorEnv": "env",
    "operatorNodeSelector": "node_selector",
    "sidecarPrograms": "sidecar_programs",
    "injectedEnv": "injected_env",
    "injectedMounts": "injected_mounts",
    "injectedVolumes": "injected_volumes",
    "leaderWorkerSetUsers": "leader_worker_set_users",
    "kedaUsers": "keda_users",
}
"""What guards hold of the installation, which the chart's values decide."""
STALE = 60.0
"""Seconds without a renewal after which a Lease means that no operator leads: four times its duration."""


def guards(cluster: Cluster) -> Iterator[Found]:
    """Say which of the cluster's guards are missing, or say something else than they should."""
    live = _live(cluster, ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"))
    if not cluster.served("sovereigntypolicies"):
        return
    installation = _installation(cluster, live)
    for manifest in compile_cluster_guards(installation):
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        found = live.get((kind, name))
        if found is None:
            yield Found(f"{kind} {name} is missing", (f"{kind} {name}",))
        elif _comparable(found.get("spec") or {}) != _comparable(manifest["spec"]):
            yield Found(f"{kind} {name} differs from what this version of daulat compiles", (f"{kind} {name}",))
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        if (kind, OPERATOR_GUARD) not in live:
            what = f"{kind} {OPERATOR_GUARD} is missing, so the operator's ServiceAccount may start pods"
            yield Found(what, (f"{kind} {OPERATOR_GUARD}",), Severity.MEDIUM)
    if installation.sidecar_images:
        what = f"sidecars of the operator may run {', '.join(installation.sidecar_images)}, by {SOFTWARE_GUARD}"
        yield Found(what, (f"ValidatingAdmissionPolicy {SOFTWARE_GUARD}",), Severity.INFO)
    for item in cluster.items("deployments"):
        if item["metadata"]["name"] == "daulat":
            yield from _running(item, installation)


def _comparable(spec: Manifest) -> Manifest:
    """Return the spec with constants as values: Helm writes JSON with other spaces and escapes."""
    return {**spec, "variables": [(v.get("name"), _constant(v.get("expression"))) for v in spec.get("variables") or ()]}


def _constant(expression: Any) -> Any:
    try:
        return json.loads(expression)
    except (TypeError, ValueError):
        return expression


def operator(cluster: Cluster) -> Iterator[Found]:
    """Say whether an operator leads."""
    if not cluster.served("sovereigntypolicies"):
        return
    lease = next((i for i in cluster.items("leases") if i["metadata"]["name"] == LEASE), None)
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    if not renewed:
        yield Found(f"no operator leads: Lease {cluster.operator_namespace}/{LEASE} doesn't exist or has no holder")
        return
    age = cluster.now - datetime.fromisoformat(str(renewed)).timestamp()
    if age > STALE:
        yield Found(f"no operator leads: Lease {cluster.operator_namespace}/{LEASE} was renewed {age:.0f} s ago")


def drift(cluster: Cluster) -> Iterator[Found]:
    """Name admission policies that are missing, say something else than they should, or are left over."""
    live = _live(cluster, KINDS)
    wanted: set[tuple[str, str]] = set()
    for policy in cluster.compiled:
        declared = cluster.policies[policy]
        if source(declared) is EnforcementSource.GITOPS:
            continue
        for manifest in volumes.guard(declared, cluster.snapshot.governed_by(declared), cluster.snapshot, cluster.now):
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            wanted.add((kind, name))
            if (found := live.get((kind, name))) is None:
                yield Found(
                    f"{kind} {name} of policy {policy} is missing", (f"{kind} {name}", f"SovereigntyPolicy {policy}")
                )
            elif found.get("spec") != manifest["spec"]:
                what = f"{kind} {name} isn't what policy {policy} compiles to for the namespaces that it governs"
                yield Found(what, (f"{kind} {name}", f"SovereigntyPolicy {policy}"))
    for policy, compiled in sorted(cluster.compiled.items()):
        others: dict[str, list[str]] = {}
        if _static(cluster, policy, compiled, live):
            what = f"policy {policy} has no object in the API and a violating pod is refused: static manifests hold it"
            yield Found(what, (f"SovereigntyPolicy {policy}",), Severity.INFO)
            continue
        for manifest in compiled.manifests:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            wanted.add((kind, name))
            found = live.get((kind, name))
            revision = ((found or {}).get("metadata") or {}).get("annotations", {}).get(REVISION_ANNOTATION, "none")
            if found is not None and found.get("spec") != manifest["spec"] and revision != compiled.revision:
                others.setdefault(revision, []).append(f"{kind} {name}")
            elif found is None:
                yield Found(
                    f"{kind} {name} of policy {policy} is missing", (f"{kind} {name}", f"SovereigntyPolicy {policy}")
                )
            elif found.get("spec") != manifest["spec"]:
                what = f"{kind} {name} was changed: it isn't what revision {revision} of policy {policy} says"
                yield Found(what, (f"{kind} {name}", f"SovereigntyPolicy {policy}"))
        for revision, names in sorted(others.items()):
            objects = f"{counted(len(names), 'object')} of policy {policy} {either(len(names), 'is', 'are')} of revision {revision}"
            what = f"{objects}; this daulat compiles {compiled.revision}"
            yield Found(what, (*names, f"SovereigntyPolicy {policy}"), Severity.MEDIUM, _OTHER_VERSION)
    # What governs is decided on what is applied, so that a new policy opens nothing before it is in force.
    shared = reconcile_ungoverned(KEY, _applied(cluster), cluster.now).effects
    for manifest in (effect.manifest for effect in shared if isinstance(effect, Apply)):
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        found = live.get((kind, name))
        if found is None:
            yield Found(f"{kind} {name}, which all policies share, is missing", (f"{kind} {name}",))
        elif found.get("spec") != manifest["spec"]:
            yield Found(f"{kind} {name} isn't what the policies compile to", (f"{kind} {name}",))
    for (kind, name), found in sorted(live.items()):
        policy = labels_of(found).get(POLICY_LABEL, "")
        ours = labels_of(found).get(MANAGED_BY) == "daulat" and policy
        # What belongs to a policy that can't be compiled stays as it was, on purpose.
        if (
            ours
            and (kind, name) not in wanted
            and (policy in cluster.compiled or policy not in cluster.snapshot.policies)
        ):
            what = f"{kind} {name} is left over of policy {policy}"
            yield Found(what, (f"{kind} {name}",), Severity.LOW)


def node_restriction(cluster: Cluster) -> Iterator[Found]:
    """Say whether a kubelet may write reserved labels, by a dry run in a kubelet's name."""
    probe = cluster.probes.get("node-restriction")
    if probe is None:
        raise NotLooked("--probe, and the right to impersonate a node's user and the group system:nodes", rights=False)
    if not probe.refused:
        yield Found("a kubelet may label its node under node-restriction.kubernetes.io/, so NodeRestriction is off")
    elif "is not allowed to modify labels" not in probe.message:
        raise NotLooked(f"an answer of NodeRestriction; the API server said: {probe.message}")


def anchor(cluster: Cluster) -> Iterator[Found]:
    """Say whether an administrator could delete a policy's binding, by a dry run."""
    probe = cluster.probes.get("anchor")
    if probe is None:
        raise NotLooked("--probe, and the right to delete validatingadmissionpolicybindings", rights=False)
    if not probe.refused:
        yield Found("a user who may delete admission policies can delete Daulat's: no static policy prevents it")
    elif "ValidatingAdmissionPolicy" not in probe.message:
        raise NotLooked(f"an answer of admission; the API server said: {probe.message}", rights=False)


def kubelet_ports(_: Cluster) -> Iterator[Found]:
    """Say that the API doesn't show how kubelets are configured."""
    raise NotLooked("the kubelets' own configuration, which the API doesn't show; check each node", rights=False)
    yield


def _installation(cluster: Cluster, live: Mapping[tuple[str, str], Manifest]) -> Installation:
    """Return where and as what the operator is installed, as the live guards say: the chart's values decide that."""
    own = Installation(cluster.operator_namespace, cluster.operator_account)
    guards = [live.get(("ValidatingAdmissionPolicy", name)) or {} for name in (SOFTWARE_GUARD, GENERATED_GUARD)]
    for variable in (v for guard in guards for v in (guard.get("spec") or {}).get("variables") or ()):
        try:
            value = json.loads(variable["expression"])
        except ValueError:
            continue
        field = _CONSTANTS.get(variable["name"])
        if field == "image" and isinstance(value, str):
            own = replace(own, image=value)
        elif field == "node_selector" and isinstance(value, dict):
            own = replace(own, node_selector=value)
        elif field is not None and isinstance(value, list):
            changed: dict[str, Any] = {field: tuple(map(str, value))}
            own = replace(own, **changed)
    return own


def _running(deployment: Manifest, installation: Installation) -> Iterator[Found]:
    spec = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    known = (installation.image, *installation.sidecar_images)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        image = str(container.get("image"))
        if image not in known and not image.startswith(f"{installation.image}@sha256:"):
            what = f"Deployment {name_of(deployment)} runs {image}, which isn't the operator's image of record"
            yield Found(what, (f"Deployment {name_of(deployment)}",))


def _applied(cluster: Cluster) -> Snapshot:
    """Return the facts with the admission objects that Daulat has applied."""
    store = Store(cluster.operator_namespace)
    for kind, key in {**{kind: key for key, kind in FACTS.items()}, **KINDS}.items():
        for item in cluster.items(key):
            store.apply(kind, item)
    return store.snapshot()


def _static(cluster: Cluster, policy: str, compiled: CompiledPolicy, live: Mapping[tuple[str, str], Manifest]) -> bool:
    """Say whether a policy that GitOps applies is proved to be in force without an object in the API."""
    declared = cluster.policies[policy]
    absent = not any((m["kind"], m["metadata"]["name"]) in live for m in compiled.manifests)
    return absent and declared.status.is_true(reasons.ENFORCED) and source(declared) is EnforcementSource.GITOPS


def _live(cluster: Cluster, kinds: Iterable[str]) -> dict[tuple[str, str], Manifest]:
    return {(kind, name_of(item)): item for kind in kinds for item in cluster.items(KINDS[kind])}
