"""Writes what a model's pods claim devices by, where they don't ask for an extended resource: a template of ResourceClaims."""

from __future__ import annotations

from daulat.admission.claims import selector
from daulat.api.accelerator import DynamicResource
from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen

from .labels import labels, owned

DEVICES = "devices"
"""The name of the claim in the pod, and of its one request."""


def claim_templates(model: Model, chosen: Chosen) -> list[Manifest]:
    """Return the template that the pods need, if they need one."""
    if chosen.claim is None:
        return []
    body: Manifest = {"spec": _spec(model, chosen, chosen.claim)}
    if chosen.claims_version == "v1beta1":
        body = _flat(body)
    version = f"resource.k8s.io/{chosen.claims_version}"
    return [owned(model, version, "ResourceClaimTemplate", body, claim_template_name(model, chosen))]


def claim_template_name(model: Model, chosen: Chosen) -> str:
    """Return the template's name. A template can't be changed, so another content gets another name, and old pods keep theirs."""
    spec = _spec(model, chosen, chosen.claim) if chosen.claim is not None else {}
    return f"{model.name}-{digest(spec)}"


def pod_claims(model: Model, chosen: Chosen) -> Manifest:
    """Return what a pod's spec says of its claims; nothing where it has none."""
    if chosen.claim is None:
        return {}
    return {"resourceClaims": [{"name": DEVICES, "resourceClaimTemplateName": claim_template_name(model, chosen)}]}


def resources(chosen: Chosen) -> Manifest:
    """Return the resources of the container that gets the devices."""
    if chosen.claim is not None:
        return {"claims": [{"name": DEVICES}]}
    devices = {chosen.resource: str(chosen.devices.per_node)}
    return {"limits": devices, "requests": devices}


def _flat(body: Manifest) -> Manifest:
    """Return the template as v1beta1 has it: what later versions have in ``exactly`` stands in the request itself.

    Its name is that of the template in v1, so that an upgrade of the cluster makes no other template, and rolls no pod.
    """
    requests = [{"name": r["name"], **r["exactly"]} for r in body["spec"]["spec"]["devices"]["requests"]]
    return {"spec": {**body["spec"], "spec": {"devices": {"requests": requests}}}}


def _spec(model: Model, chosen: Chosen, claim: DynamicResource) -> Manifest:
    exactly = {
        "deviceClassName": claim.device_class_name,
        "selectors": [{"cel": {"expression": selector(claim)}}],
        "allocationMode": "ExactCount",
        "count": chosen.devices.per_node,
    }
    # The labels tell whose claims they are, also while no pod of the model is there yet.
    return {
        "metadata": {"labels": labels(model)},
        "spec": {"devices": {"requests": [{"name": DEVICES, "exactly": exactly}]}},
    }
