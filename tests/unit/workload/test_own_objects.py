"""What the operator makes for a model passes the strictest policy, as does what the cluster's controllers make of it."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, evaluate_all
from daulat.controls import library
from daulat.placement.choice import choose
from daulat.placement.loading import loading
from daulat.workload.manifests import manifests
from daulat.workload.plan import Plan
from tests.requests import merge
from tests.unit.world import ASCEND, H20, IMAGE, World, choice, model, policy, the_model

KEY = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
ENDPOINTS = {"s3": ["https://s3.example.my"], "hf": ["https://hub.example.my"]}
SOURCES: dict[str, dict[str, Any]] = {
    "pvc": {"uri": "pvc://weights/deepseek"},
    "s3": {"uri": "s3://models/r1", "fetch": {"secretName": "reader", "caConfigMapName": "ca"}},
    "hf": {"uri": "hf://deepseek-ai/DeepSeek-R1:main"},
}
OPERATOR = "system:serviceaccount:daulat-system:daulat"
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "treasury", "labels": {"daulat.dev/data-class": "confidential"}},
}
STRICT = {
    "zones": {"minimumDataClass": "confidential"},
    "accelerators": {
        "requireAcknowledgement": ["US-GP10"],
        "acknowledgements": [{"regime": "US-GP10", "by": "Data Protection Office", "reference": "DPO-2026-118"}],
    },
    "engines": {"requireOffline": True},
    "exposure": {},
    "egress": {"allow": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
}
RESOURCES = {
    "NetworkPolicy": ("networking.k8s.io", "v1", "networkpolicies"),
    "Service": ("", "v1", "services"),
}


@pytest.mark.parametrize(("profile", "uri"), [(ASCEND, "oci"), (H20, "oci"), (H20, "pvc"), (H20, "s3"), (ASCEND, "hf")])
def test_nothing_that_the_operator_makes_breaks_a_control(profile: str, uri: str) -> None:
    base = library.base()
    spec = SovereigntyPolicySpec.model_validate(merge(base["policy"], STRICT))
    zones = {n: SovereignZoneSpec.model_validate(z) for n, z in base["zones"].items()}
    compiled = compile_policy("confidential", spec, accelerators.shipped(), zones=zones)
    weights: dict[str, Any] = {"model": SOURCES[uri]} if uri in SOURCES else {}
    world = World(
        models=[model(accelerators=[choice(profile, 2, image=IMAGE)], **weights)],
        policies=[policy(egress=STRICT["egress"], models={"endpoints": ENDPOINTS, "signatures": {"keys": [KEY]}})],
    )
    snapshot = world.snapshot()
    found = the_model(snapshot)
    policies = snapshot.governing(found.namespace)
    decision = choose(found, policies, snapshot)
    assert decision.chosen is not None, decision.message
    judged = []
    for manifest in manifests(
        found,
        decision.chosen,
        policies,
        loading(found, decision.chosen, policies, snapshot.weights_image),
        Plan(found.spec.replicas),
    ):
        if manifest["kind"] == "Deployment":
            template = manifest["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", **template["metadata"]}}
            request = Request(
                {**pod, "spec": template["spec"]}, namespace="treasury", user="rs", namespace_object=NAMESPACE
            )
        elif manifest["kind"] in RESOURCES:
            group, version, resource = RESOURCES[manifest["kind"]]
            request = Request(
                manifest,
                group=group,
                version=version,
                resource=resource,
                namespace="treasury",
                user=OPERATOR,
                allowed=frozenset({"daulat.dev/sovereigntypolicies/govern"}),
                namespace_object=NAMESPACE,
            )
        else:
            continue
        judged.append(manifest["kind"])
        assert [v.message for v in evaluate_all(compiled.manifests, request)] == []
    assert sorted(judged) == ["Deployment", "NetworkPolicy", "Service"]
