"""Writes everything that a placed model needs, in the order in which it may be applied."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.facts.snapshot import Model, Policy
from daulat.placement.choice import Chosen

from .labels import owned, selector
from .network import network_policy, service
from .pod import template
from .weights import Loading, cache_claim


def manifests(model: Model, chosen: Chosen, policies: Sequence[Policy], how: Loading) -> list[Manifest]:
    """Return the manifests, the same for the same model, choice, policies and way of the weights."""
    return [
        # The network is closed before the first pod comes.
        network_policy(model, [p.spec for p in policies]),
        owned(model, "v1", "ServiceAccount", {"automountServiceAccountToken": False}),
        service(model),
        owned(
            model,
            "policy/v1",
            "PodDisruptionBudget",
            {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(model)}}},
        ),
        *cache_claim(model, how),
        deployment(model, chosen, [p.name for p in policies], how),
    ]


def deployment(model: Model, chosen: Chosen, policies: Sequence[str], how: Loading) -> Manifest:
    """Return the Deployment."""
    spec = {
        "replicas": model.spec.replicas,
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 3900,
        "selector": {"matchLabels": selector(model)},
        # A surge would wait for ever where no spare device exists: old pods go before new ones come.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        "template": template(model, chosen, policies, how),
    }
    return owned(model, "apps/v1", "Deployment", {"spec": spec})
