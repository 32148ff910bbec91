"""Whatever a policy admits that was called narrower, the national policy admits too: judged by the controls' own expressions."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, evaluate, matches_resource
from daulat.check.narrower.difference import Grade, Pair
from daulat.check.narrower.policies import compare
from daulat.controls import library
from tests.corpus.files import cases
from tests.corpus.offline import request
from tests.requests import merge

_SIDE_EFFECTS = ("USE-07",)
"""What a side effect is about: registries that engines' endpoints may lead to."""
_PARTS = 12
"""The requests are judged in parts, one for each pair of policies: all of them take seconds."""
_PROTECTING = ("classes", "storageclasses", "volumes")
"""Guards that protect what a policy approves by name from others. A policy that approves less protects less."""
_PROFILES = ["huawei-ascend-910b", "nvidia-h20", "amd-mi300x", "nvidia-h100"]
_CLASSES = ["encrypted-cyberjaya", "scratch-cyberjaya", "fast-singapore"]
_ACTIONS = ["Enforce", "Warn", "Audit", "Off"]


def _some(*items: str, least: int = 0) -> st.SearchStrategy[list[str] | None]:
    return st.none() | st.lists(st.sampled_from(items), min_size=least, max_size=3, unique=True)


_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "action": st.sampled_from(["Enforce", "Enforce", "Warn"]),
    "controls": st.none()
    | st.dictionaries(
        st.sampled_from(["SUP-01", "USE-20", "USE-21", "STO-07", "USE-16", "MGD-05"]), st.sampled_from(_ACTIONS)
    ),
    "zones.countries": _some("MY", "SG", least=1),
    "zones.operatorCountries": _some("MY", "SG", least=1),
    "zones.names": _some("cyberjaya-1", "singapore-1", least=1),
    "zones.minimumDataClass": st.none() | st.sampled_from(["public", "internal", "confidential"]),
    "accelerators.profiles": st.lists(st.sampled_from(_PROFILES), max_size=3, unique=True),
    "accelerators.vendors": _some("NVIDIA", "Huawei", least=1),
    "accelerators.vendorCountries": _some("US", "CN", least=1),
    "accelerators.excludeRegimes": _some("US-GP10"),
    "accelerators.otherResources": _some("rdma/hca", "nvidia.com/gpu", "example.my/nic"),
    "accelerators.componentUsers": _some("system:serviceaccount:kube-system:ascend-device-plugin", "tenant"),
    "accelerators.runtimeClassNames": _some("gvisor", "nvidia", "ascend"),
    "accelerators.requireAcknowledgement": _some("US-GP10"),
    "accelerators.acknowledgements": st.none() | st.just([{"regime": "US-GP10", "by": "DPO", "reference": "1"}]),
    "models.sources": _some("oci://registry.example.my/", "oci://registry.example.my/a/", "hf://", "pvc://", least=1),
    "models.endpoints": st.none() | st.just({"hf": ["https://hub.example.my"], "s3": ["https://s3.example.my"]}),
    "models.requireDigest": st.booleans(),
    "models.licenses": _some("MIT", "mit", "Apache-2.0", "GPL-2.0-only", least=1),
    "models.developers": _some("deepseek-ai", "mesolitica", "acme", least=1),
    "models.originCountries": _some("MY", "CN", "US", least=1),
    "models.parentCountries": _some("MY", "CN", "US", least=1),
    "models.excludeDevelopers": _some("acme", "deepseek-ai"),
    "images": st.none()
    | st.fixed_dictionaries(
        {
            "registries": st.lists(
                st.sampled_from(["registry.example.my/", "registry.example.my/a/", "docker.io/"]),
                min_size=1,
                unique=True,
            ),
            "requireDigest": st.booleans(),
        }
    ),
    "engines.requireOffline": st.booleans(),
    "engines.allowRemoteCode": st.booleans(),
    "engines.additionalArguments": _some("--new-option", "--api-server-count"),
    "storage": st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "storageClasses": st.lists(st.sampled_from(_CLASSES), unique=True),
            "volumeTypes": st.lists(st.sampled_from(["nfs", "csi", "image"]), unique=True),
            "drivers": st.lists(st.sampled_from(["csi.example.my", "nfs.csi.k8s.io"]), unique=True),
            "snapshotClasses": st.lists(st.sampled_from(["in-array"]), unique=True),
            "volumeAttributesClasses": st.lists(st.sampled_from(["gold"]), unique=True),
            "binders": st.lists(st.sampled_from(["tenant", "system:serviceaccount:velero:velero"]), unique=True),
        },
    ),
    "egress": st.none() | st.just({"allow": []}) | st.just({"allow": [], "scope": "Namespace"}),
    "hosts.aliases": st.none() | st.just([{"ip": "10.20.0.5", "hostnames": ["registry.example.my"]}]),
    "hosts.nameservers": _some("169.254.20.10", "8.8.8.8"),
    "hosts.searches": _some("example.my", "example.sg"),
    "hosts.probes": _some("health.example.my", "10.0.0.1"),
    "exposure.loadBalancerClasses": _some("", "example.my/internal"),
    "exposure.ingressClasses": _some("internal", "public"),
    "exposure.gatewayClasses": _some("internal", "public"),
    "exposure.domains": _some("example.my", "a.example.my", "example.sg"),
    "exposure.nodePorts": st.booleans(),
    "access": st.none()
    | st.fixed_dictionaries(
        {"users": st.lists(st.sampled_from(["support", "tenant"]), unique=True)},
        optional={"groups": st.just(["cleared-operators"])},
    ),
    "schedulers": st.sampled_from([["system:kube-scheduler"], ["system:kube-scheduler", "volcano"], ["volcano"]]),
}


def _patch(changes: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for path, value in changes.items():
        section, _, name = path.partition(".")
        patch = merge(patch, {section: {name: value}} if name else {section: value})
    return patch


def _set(spec: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the spec with fields set; sections that are fields of their own are replaced whole."""
    result = {k: v for k, v in spec.items() if k not in changes}
    merged: dict[str, Any] = merge(result, _patch({k: v for k, v in changes.items() if v is not None or "." in k}))
    return merged


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[SovereigntyPolicySpec, SovereigntyPolicySpec]:
    base = library.base()["policy"]
    names = st.sampled_from(sorted(_FIELDS))
    before = {n: draw(_FIELDS[n]) for n in draw(st.lists(names, max_size=8, unique=True))}
    after = {n: draw(_FIELDS[n]) for n in draw(st.lists(names, min_size=1, max_size=4, unique=True))}
    national = _set(base, before)
    local = _set(national, after)
    assume(local != national)
    return SovereigntyPolicySpec.model_validate(national), SovereigntyPolicySpec.model_validate(local)


@cache
def _zones() -> dict[str, SovereignZoneSpec]:
    return {n: SovereignZoneSpec.model_validate(z) for n, z in library.base()["zones"].items()}


@cache
def _requests() -> tuple[tuple[str, Request], ...]:
    """Return every request of the corpus about which policies are asked."""
    return tuple(
        (case.name, request(case))
        for case in cases()
        if library.guards()[case.guard].scope == "policy" and case.guard not in _PROTECTING
        if not case.invalid and not case.costly
    )


@cache
def _compiled(spec: str) -> tuple[dict[str, Any], ...]:
    compiled = compile_policy(
        "confidential", SovereigntyPolicySpec.model_validate_json(spec), accelerators.shipped(), zones=_zones()
    )
    return compiled.refusing


def _refused(spec: SovereigntyPolicySpec, asked: Request) -> frozenset[str]:
    found: set[str] = set()
    for manifest in _compiled(spec.model_dump_json(by_alias=True, exclude_none=True)):
        if matches_resource(manifest, asked):
            found |= {v.partition(" ")[0] for v in evaluate(manifest, asked).violations}
    return frozenset(found)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(_pairs(), st.integers(0, _PARTS - 1))
def test_what_a_narrower_policy_admits_the_national_policy_admits(
    pair: tuple[SovereigntyPolicySpec, SovereigntyPolicySpec], part: int
) -> None:
    national, local = pair
    found = compare(Pair(national, local, accelerators.shipped(), _zones()))
    if any(d.grade is not Grade.SIDE_EFFECT for d in found):
        return
    for name, asked in _requests()[part::_PARTS]:
        theirs = _refused(national, asked)
        if theirs - set(_SIDE_EFFECTS if found else ()) and not _refused(local, asked):
            changed = [json.loads(s.model_dump_json(by_alias=True, exclude_none=True)) for s in pair]
            raise AssertionError(
                f"{name}: national refuses by {sorted(theirs)}, local admits\n{changed[0]}\n{changed[1]}"
            )
