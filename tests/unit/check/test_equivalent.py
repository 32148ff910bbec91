"""Guards are asked about every version of the resources that they name, as the API server asks them by equivalence."""

from __future__ import annotations

import pytest

from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.catalog.scopes import known_groups
from daulat.cel.evaluator import Request, matches_resource
from daulat.check.scopes import is_namespaced, resource_of
from daulat.controls import library

from .scene import Raw, judged, namespace, owner, policy

MATCHES = sorted(
    {
        (name, rule.group, resource)
        for name, guard in library.guards().items()
        if guard.scope == "policy"
        for rule in guard.resources
        for resource in rule.resources
        if "CREATE" in rule.operations and "/" not in resource
    }
)
FULL: Raw = {
    "egress": {"allow": []},
    "exposure": {"gatewayClasses": ["internal"], "ingressClasses": ["internal"]},
    "storage": {},
}


@pytest.mark.parametrize("version", ["v1", "v2", "v1beta1", "v1alpha3"])
def test_a_guard_matches_its_resources_in_any_version(version: str) -> None:
    spec = SovereigntyPolicySpec.model_validate(policy(**FULL)["spec"])
    rules = [m for m in compile_policy("p", spec, accelerators.shipped()).manifests if "matchConstraints" in m["spec"]]
    compiled = {
        (g, r)
        for m in rules
        for x in m["spec"]["matchConstraints"]["resourceRules"]
        for g in x["apiGroups"]
        for r in x["resources"]
    }
    for _, group, resource in MATCHES:
        if (group, resource) in compiled:
            request = Request(object={}, resource=resource, group=group, version=version)
            assert any(matches_resource(rule, request) for rule in rules), (group, resource)


KINDS = [
    ("gateway.networking.k8s.io", "Gateway", {"gatewayClassName": "public", "listeners": []}, "USE-09"),
    *(
        (
            "gateway.networking.k8s.io",
            kind,
            {"parentRefs": [{"name": "x", "namespace": "other"}], "rules": []},
            "USE-09",
        )
        for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
    ),
    ("networking.k8s.io", "Ingress", {"ingressClassName": "public"}, "USE-09"),
]


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha2", "v1alpha3"])
@pytest.mark.parametrize(("group", "kind", "spec", "control"), KINDS, ids=[k[1] for k in KINDS])
def test_an_object_gets_the_same_verdict_in_every_version(
    group: str, kind: str, spec: Raw, control: str, version: str
) -> None:
    (found,) = judged(owner(f"{group}/{version}", kind, spec), by=(policy(**FULL), namespace()))
    assert control in {f.control for f in found.findings}


def _claim(version: str, request: Raw) -> Raw:
    # In v1alpha3 and v1beta1 what later versions have under exactly stands in the request.
    nested = version in ("v1", "v1beta2")
    return {"devices": {"requests": [{"name": "gpu", **({"exactly": request} if nested else request)}]}}


@pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1", "v1alpha3"])
@pytest.mark.parametrize("kind", ["ResourceClaim", "ResourceClaimTemplate"])
def test_a_claim_is_judged_by_what_its_version_calls_the_class(version: str, kind: str) -> None:
    def spec(name: str) -> Raw:
        claim = _claim(version, {"deviceClassName": name})
        return claim if kind == "ResourceClaim" else {"spec": claim}

    (found,) = judged(owner(f"resource.k8s.io/{version}", kind, spec("gpu.evil.com")))
    assert [f.control for f in found.findings] == ["USE-19"]


def test_the_scope_of_every_kind_that_a_guard_matches_is_known() -> None:
    assert {group for _, group, _ in MATCHES} <= known_groups().cluster.keys()


def test_a_cluster_kind_of_a_guard_is_in_no_namespace() -> None:
    wide = [(g, k) for g, kinds in known_groups().cluster.items() for k in kinds]
    guarded = {(g, r) for _, g, r in MATCHES}
    assert {(g, k) for g, k in wide if (g, resource_of(g, k)) in guarded}, "no kind of the whole cluster is guarded"
    assert all(is_namespaced(g, k) is False for g, k in wide)
