"""Brings a model to where policies let it run, or says why it doesn't run. No pod is made until every check holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from daulat.admission.policy import CompiledPolicy, PolicyError
from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION
from daulat.cel.evaluator import Request, evaluate_all
from daulat.facts.child import Child
from daulat.facts.declared import Malformed
from daulat.facts.ref import Ref
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.facts.trouble import Trouble
from daulat.placement.choice import SAMPLE, Chosen, Decision, choose
from daulat.workload.labels import selector
from daulat.workload.manifests import manifests
from daulat.workload.network import url
from daulat.workload.pod import template, unusable_settings
from daulat.workload.weights import Loading, cache_name, loading

from .conditions import Told, told, write
from .effects import Apply, Delete, Effect, Outcome
from .hindrance import hindrance, refused_by
from .policies import compiled

RETRY = 15.0
"""Seconds after which a model that the API server refused is tried again."""


@dataclass(frozen=True)
class _Verdict:
    """What is decided on a model: its conditions, and what is applied."""

    compliant: Told
    decision: Decision | None = None
    run: Sequence[Manifest] = ()
    stop: bool = False
    weights: Loading | None = None


def reconcile_model(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return what the model needs, and its status."""
    model = snapshot.models.get(ref)
    if model is None:
        return Outcome()
    if isinstance(model, Malformed):
        invalid = told(reasons.READY, False, reasons.INVALID, model.reason)
        return Outcome(tuple(write(ref, model.uid, model.generation, model.status, [invalid], {}, now)))
    if model.deleting:
        return Outcome()
    policies = snapshot.governing(model.namespace)
    verdict = _decide(model, policies, snapshot, now)
    deployment = snapshot.children.get(Ref("Deployment", model.namespace, model.name))
    effects: list[Effect] = [Apply(m) for m in verdict.run]
    if verdict.stop and deployment is not None and deployment.owner_uid == model.uid and not deployment.deleting:
        effects.append(Delete(deployment.ref, deployment.uid))
    effects += _left_over(model, verdict, snapshot)
    obstacle = snapshot.obstacles.get(ref)
    conditions = _conditions(model, verdict, deployment, obstacle, hindrance(model, snapshot))
    fields = _fields(model, policies, verdict, deployment, conditions)
    effects += write(ref, model.uid, model.generation, model.status, conditions, fields, now)
    return Outcome(tuple(effects), RETRY if obstacle else None)


def _left_over(model: Model, verdict: _Verdict, snapshot: Snapshot) -> list[Effect]:
    """Return the removal of a cache that the model doesn't ask for any more. What is stopped keeps its cache."""
    claim = snapshot.children.get(Ref("PersistentVolumeClaim", model.namespace, cache_name(model)))
    wanted = any(m["kind"] == "PersistentVolumeClaim" for m in verdict.run)
    if not verdict.run or wanted or claim is None or claim.owner_uid != model.uid or claim.deleting:
        return []
    return [Delete(claim.ref, claim.uid)]


def _decide(model: Model, policies: Sequence[Policy], snapshot: Snapshot, now: float) -> _Verdict:
    unreadable = snapshot.malformed_policies()
    if unreadable:
        message = f"policy {', '.join(unreadable)} can't be read, so nobody can say what it allows; nothing is changed"
        return _Verdict(told(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNKNOWN, message))
    if not policies:
        message = (
            f"no policy governs namespace {model.namespace}, so nothing says where the model may run; "
            "label the namespace so that a SovereigntyPolicy selects it"
        )
        return _Verdict(told(reasons.POLICY_COMPLIANT, False, reasons.NOT_GOVERNED, message), stop=True)
    try:
        in_force = [compiled(policy, snapshot, now) for policy in policies]
    except PolicyError as error:
        message = f"a policy can't be compiled: {error}; nothing is changed"
        return _Verdict(told(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNKNOWN, message))
    namespace = _namespace(model.namespace, snapshot)
    violations = _model_violations(model, namespace, in_force)
    decision = choose(model, policies, snapshot)
    how: Loading | None = None
    if decision.chosen is not None:
        how = loading(model, decision.chosen, policies, snapshot.weights_image)
        violations += unusable_settings(model, decision.chosen)
        violations += [how.problem] if how.problem else []
        violations += _pod_violations(model, decision.chosen, namespace, policies, in_force, now, how)
    if violations:
        message = " ".join(dict.fromkeys(violations))
        return _Verdict(told(reasons.POLICY_COMPLIANT, False, reasons.VIOLATION, message), stop=True)
    compliant = told(reasons.POLICY_COMPLIANT, True, reasons.COMPLIANT, f"under {', '.join(p.name for p in policies)}")
    if decision.chosen is None or how is None:
        return _Verdict(compliant, decision, stop=True)
    return _Verdict(compliant, decision, manifests(model, decision.chosen, policies, how), weights=how)


def _namespace(name: str, snapshot: Snapshot) -> Manifest:
    found = snapshot.namespaces.get(name)
    labels = dict(found.labels) if found else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _model_violations(model: Model, namespace: Manifest, in_force: Sequence[CompiledPolicy]) -> list[str]:
    request = Request(
        object={
            "apiVersion": API_VERSION,
            "kind": "SovereignModel",
            "metadata": {"name": model.name, "namespace": model.namespace, "creationTimestamp": model.created},
            "spec": model.spec.model_dump(by_alias=True, exclude_none=True, mode="json"),
        },
        resource="sovereignmodels",
        group="daulat.dev",
        version="v1alpha1",
        namespace=model.namespace,
        namespace_object=namespace,
    )
    return [v.message for c in in_force for v in evaluate_all(c.refusing, request)]


def _pod_violations(
    model: Model,
    chosen: Chosen,
    namespace: Manifest,
    policies: Sequence[Policy],
    in_force: Sequence[CompiledPolicy],
    now: float,
    how: Loading,
) -> list[str]:
    pod = template(model, chosen, [p.name for p in policies], how)
    created = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {**pod["metadata"], "name": model.name, "namespace": model.namespace, "creationTimestamp": created}
    request = Request(
        object={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]},
        namespace=model.namespace,
        namespace_object=namespace,
    )
    return [v.message for c in in_force for v in evaluate_all(c.refusing, request)]


def _conditions(
    model: Model, verdict: _Verdict, deployment: Child | None, obstacle: str | None, hindered: Trouble | None
) -> list[Told]:
    compliant, decision = verdict.compliant, verdict.decision
    if decision is None:
        placed = told(reasons.PLACED, None, reasons.NOT_DECIDED, "waits for PolicyCompliant")
    else:
        placed = told(reasons.PLACED, decision.chosen is not None, decision.reason, decision.message)
    workload = _workload(model, placed, deployment, obstacle, hindered)
    parts = (compliant, placed, workload)
    first_bad = next((c for c in parts if c.status != "True"), None)
    if first_bad is None:
        ready = told(reasons.READY, True, reasons.REPLICAS_READY, workload.message)
    else:
        holds = None if first_bad.status == "Unknown" else False
        ready = told(reasons.READY, holds, first_bad.reason, first_bad.message)
    return [ready, *parts]


def _workload(
    model: Model, placed: Told, deployment: Child | None, obstacle: str | None, hindered: Trouble | None
) -> Told:
    if placed.status != "True":
        return told(reasons.WORKLOAD_READY, None, reasons.NOT_DECIDED, "waits for Placed")
    if obstacle:
        return told(reasons.WORKLOAD_READY, False, refused_by(obstacle), obstacle)
    if model.spec.replicas == 0:
        return told(reasons.WORKLOAD_READY, True, reasons.SCALED_TO_ZERO, "the model asks for no replica")
    ready = deployment.ready_replicas if deployment else 0
    message = f"{ready} of {model.spec.replicas} replicas are ready"
    if deployment is not None and deployment.message:
        why = refused_by(deployment.message)
        return told(reasons.WORKLOAD_READY, False, why, f"{message}: {deployment.message}")
    if ready < model.spec.replicas and hindered:
        return told(reasons.WORKLOAD_READY, False, hindered.reason, f"{message}; {hindered.message}")
    if ready < model.spec.replicas:
        return told(reasons.WORKLOAD_READY, False, reasons.REPLICAS_PENDING, message)
    return told(reasons.WORKLOAD_READY, True, reasons.REPLICAS_READY, message)


def _fields(
    model: Model, policies: Sequence[Policy], verdict: _Verdict, deployment: Child | None, conditions: Sequence[Told]
) -> Manifest:
    ready = deployment.ready_replicas if deployment else 0
    return {
        "phase": _phase(conditions, verdict),
        "url": url(model) if ready and verdict.decision and verdict.decision.chosen else None,
        "replicas": deployment.replicas if deployment else 0,
        "readyReplicas": ready,
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector(model).items())),
        "sizing": _sizing(model, verdict),
        "weights": _weights(model, verdict),
        "placement": _placement(model, policies, verdict),
    }


def _sizing(model: Model, verdict: _Verdict) -> Manifest | None:
    if verdict.decision is None:
        return None if verdict.stop else model.status.get("sizing")
    if verdict.decision.chosen is None:
        return None
    needed = verdict.decision.chosen.devices
    told: Manifest = {
        "devices": needed.count,
        "tensorParallel": needed.tensor_parallel,
        "pipelineParallel": needed.pipeline_parallel,
    }
    if needed.basis is not None:
        basis = needed.basis
        told |= {"model": basis.model, "context": basis.context, "concurrency": basis.concurrency}
        told |= {"precision": basis.precision} if basis.precision else {}
    if needed.sizing is not None:
        told["account"] = [f"{line.what}: {line.value}; {line.why}" for line in needed.sizing.lines]
    if needed.note:
        told["note"] = needed.note
    return told


def _weights(model: Model, verdict: _Verdict) -> Manifest | None:
    if verdict.decision is None:
        return None if verdict.stop else model.status.get("weights")
    return verdict.weights.told if verdict.weights is not None else None


def _placement(model: Model, policies: Sequence[Policy], verdict: _Verdict) -> Manifest | None:
    if verdict.decision is None:
        # Nothing was decided anew: where the model stands is kept as long as it isn't stopped.
        return None if verdict.stop else model.status.get("placement")
    chosen, rejected = verdict.decision.chosen, verdict.decision.rejected
    where: Manifest = {
        "policies": [{"name": p.name, "generation": p.generation} for p in policies],
        "rejected": [{"reason": g.reason, "count": len(g.nodes), "sample": list(g.nodes[:SAMPLE])} for g in rejected],
    }
    if chosen is not None:
        where |= {
            "zone": chosen.zone,
            "accelerator": chosen.choice.profile,
            "resource": chosen.resource,
            "nodes": list(chosen.nodes),
        }
    return where


def _phase(conditions: Sequence[Told], verdict: _Verdict) -> str:
    ready, compliant, placed, _ = conditions
    if ready.status == "True":
        return "Ready"
    if compliant.status == "False":
        return "Refused"
    return "Placing" if placed.status == "True" else "Pending"
