"""Writes everything that a placed model needs, in the order in which it may be applied."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import REVISION_ANNOTATION
from daulat.facts.platform import STANDARD, Platform
from daulat.facts.snapshot import Model, Policy
from daulat.placement.choice import Chosen
from daulat.placement.loading import Loading

from .claims import claim_templates
from .container import PRESTOP_SECONDS, image_of
from .group import group_manifests
from .labels import owned, selector
from .network import network_policy, service
from .plan import Plan
from .pod import template
from .weights import cache_claim

CAUSE = "kubernetes.io/change-cause"
DEADLINE = 3900
"""Seconds that one step of a rollout may take: an engine has an hour to start, and images are pulled before."""


def manifests(
    model: Model,
    chosen: Chosen,
    policies: Sequence[Policy],
    how: Loading,
    plan: Plan,
    platform: Platform = STANDARD,
    pinned: Sequence[str] | None = None,
) -> list[Manifest]:
    """Return the manifests, the same for the same model, choice, policies, way of the weights, plan, platform and pins.

    ``pinned``: the policies to whose nodes pods are pinned, where they aren't those that govern the model.
    """
    grouped = chosen.devices.nodes > 1
    names = [p.name for p in policies] if pinned is None else pinned
    return [
        # The network is closed before the first pod comes.
        network_policy(model, [p.spec for p in policies], platform, grouped=grouped),
        owned(model, "v1", "ServiceAccount", {"automountServiceAccountToken": False}),
        service(model, chosen, grouped=grouped),
        _budget(model, plan),
        *cache_claim(model, how),
        *claim_templates(model, chosen),
        *(m for group in plan.groups for m in group_manifests(model, chosen, names, how, group, platform)),
        *([] if grouped else [_deployment(model, chosen, names, how, plan, platform)]),
    ]


def _budget(model: Model, plan: Plan) -> Manifest:
    spec = {
        "maxUnavailable": plan.evictable,
        "selector": {"matchLabels": selector(model)},
        # A pod that doesn't serve is no loss: it must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return owned(model, "policy/v1", "PodDisruptionBudget", {"spec": spec})


def _deployment(
    model: Model, chosen: Chosen, policies: Sequence[str], how: Loading, plan: Plan, platform: Platform
) -> Manifest:
    pods = template(model, chosen, policies, how, None, platform)
    revision = pods["metadata"]["annotations"][REVISION_ANNOTATION]
    spec = {
        "replicas": plan.replicas,
        "revisionHistoryLimit": 10,
        # Where no device is spare, a new pod waits for the end of an old one first.
        "progressDeadlineSeconds": DEADLINE + model.spec.engine.grace_seconds - PRESTOP_SECONDS,
        "selector": {"matchLabels": selector(model)},
        # A surge waits for ever where no spare device exists: there, old pods go before new ones come.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": int(plan.surge), "maxUnavailable": int(not plan.surge)},
        },
        "template": pods,
    }
    made = owned(model, "apps/v1", "Deployment", {"spec": spec})
    made["metadata"]["annotations"] = {REVISION_ANNOTATION: revision, CAUSE: summary(model, chosen)}
    return made


def summary(model: Model, chosen: Chosen) -> str:
    """Return what the pods run, in a sentence: what ``kubectl rollout history`` shows as the cause."""
    image = image_of(model, chosen)
    spread = f" on {chosen.devices.nodes} nodes" if chosen.devices.nodes > 1 else ""
    return (
        f"{model.spec.engine.name} {image} serves {model.spec.model.uri} with {chosen.devices.count} x {chosen.choice.profile}"
        f"{spread} in zone {chosen.zone}"
    )
