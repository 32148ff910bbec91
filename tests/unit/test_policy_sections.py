"""What docs/reference/policy-sections.md says a section of a policy means left out, and empty, is what the evaluator answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from daulat.admission.policy import compile_policy
from daulat.admission.zones import rejects
from daulat.api import crd
from daulat.api.meta import NON_EMPTY_SELECTOR
from daulat.api.policy import Drift, SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import evaluate_all
from daulat.controls import library
from daulat.controls.library import Example
from daulat.workload.network import network_policy
from tests.requests import merge, request_for
from tests.unit.world import World, the_model

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "policy-sections.md"
_ROW = re.compile(r"^\| `([A-Za-z.]+)` \| \*\*(\w+)\*\*[^|]* \| `([^|]*)` \| \*\*(\w+)\*\*[^|]* \|", re.MULTILINE)
BASE: dict[str, Any] = {
    "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
    "zones": {"countries": ["MY"]},
    "accelerators": {"profiles": ["huawei-ascend-910b", "nvidia-h20"]},
}
"""A policy with what must be there, and nothing else."""
ZONES = {name: SovereignZoneSpec.model_validate(spec) for name, spec in library.base()["zones"].items()}
ZERO = "sha256:" + "0" * 64
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
MIRROR = {"ipBlock": {"cidr": "203.0.113.0/24"}}
Probe = Callable[[SovereigntyPolicySpec], bool]
"""Whether a request, a zone or a peer that the section is about passes."""


def request(guard: str, object: Mapping[str, Any] | None = None, **changes: Any) -> Probe:  # noqa: A002 - as in an example
    """Return a probe that is a request to one guard."""

    def passes(spec: SovereigntyPolicySpec) -> bool:
        manifests = compile_policy("confidential", spec, accelerators.shipped(), zones=ZONES).manifests
        example = Example(name="probe", object=dict(object or {}), **changes)
        verdicts = evaluate_all(manifests, request_for(guard, example))
        assert not any(v.error for v in verdicts)
        return not any(v.violations for v in verdicts)

    return passes


def pod(**changes: Any) -> Probe:
    return request("pods", {"spec": changes})


def container(**changes: Any) -> dict[str, Any]:
    return {"name": "main", "image": f"registry.example.my/vllm@{ZERO}"} | changes


def zone(**changes: Any) -> Probe:
    """Return a probe that is a zone."""
    there = SovereignZoneSpec.model_validate(merge(library.base()["zones"]["singapore-1"], changes))
    return lambda spec: rejects(spec.zones, "singapore-1", there) is None


def asks(resource: str) -> Probe:
    return pod(containers=[container(resources={"limits": {resource: "1"}, "requests": {resource: "1"}})])


def model(**changes: Any) -> Probe:
    return request("models", {"spec": changes})


def traffic(direction: str, peer: Mapping[str, Any]) -> Probe:
    """Return a probe that is a connection of a model's pods to or from a peer outside of its namespace."""
    way = {"ingress": "from", "egress": "to"}[direction]

    def passes(spec: SovereigntyPolicySpec) -> bool:
        rules = network_policy(the_model(World().snapshot()), [spec])["spec"][direction]
        return any(peer in rule[way] for rule in rules)

    return passes


PROBES: dict[str, Probe] = {
    "zones": zone(),
    "zones.names": zone(),
    "zones.countries": zone(),
    "zones.operatorCountries": zone(),
    "zones.parentCountries": zone(),
    "accelerators": asks("huawei.com/Ascend910"),
    "accelerators.profiles": asks("huawei.com/Ascend910"),
    "accelerators.vendors": asks("huawei.com/Ascend910"),
    "accelerators.otherResources": asks("rdma/hca"),
    "models": model(model={"license": "Proprietary-1.0"}),
    "models.sources": model(),
    "models.licenses": model(),
    "models.developers": model(),
    "models.originCountries": model(),
    "models.excludeDevelopers": model(),
    "images": pod(containers=[container(image="docker.io/library/busybox")]),
    "engines": pod(containers=[container(command=["vllm", "serve", "/m"], args=["--trust-remote-code"])]),
    "storage": request("volumeclaims", {"spec": {"storageClassName": "fast-singapore"}}),
    "storage.storageClasses": request("volumeclaims", {"spec": {"storageClassName": "encrypted-cyberjaya"}}),
    "storage.volumeTypes": pod(volumes=[{"name": "v", "nfs": {"server": "nfs.example.sg", "path": "/"}}]),
    "storage.snapshotClasses": request("snapshots", {"spec": {"volumeSnapshotClassName": "any"}}),
    "egress": traffic("egress", MIRROR),
    "egress.allow": traffic("egress", MIRROR),
    "hosts": pod(hostAliases=[{"ip": "203.0.113.7", "hostnames": ["registry.example.my"]}]),
    "exposure": request("services", {"spec": {"type": "NodePort"}}),
    "monitoring": traffic("ingress", PROMETHEUS),
    "access": request("sessions", operation="CONNECT"),
    "access.users": request("sessions", operation="CONNECT"),
    "exemptions": request("exemption-terms", {"spec": {"expiresAt": "2299-01-31T00:00:00Z"}}),
    "schedulers": request("bindings", user="system:kube-scheduler"),
    "controls": pod(nodeName="anywhere"),
}
"""By section: something that the section decides about, with what it would refuse if it restricted anything."""


def rows() -> list[tuple[str, str, str, str]]:
    return _ROW.findall(PAGE.read_text())


def verdict(body: dict[str, Any], probe: Probe) -> str:
    try:
        spec = SovereigntyPolicySpec.model_validate(body, strict=False, by_alias=True, by_name=False)
    except ValidationError:
        return "refused"
    return "any" if probe(spec) else "none"


def without(body: dict[str, Any], path: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = merge(body, nested(path, None))
    return result


def nested(path: list[str], value: Any) -> dict[str, Any]:
    result: dict[str, Any] = {path[-1]: value}
    for part in reversed(path[:-1]):
        result = {part: result}
    return result


def around(path: list[str]) -> dict[str, Any]:
    """Return the policy with the section that the field is in, and of zones with nothing else that could refuse."""
    body: dict[str, Any] = BASE | {"zones": {}} if path[0] == "zones" else BASE
    result: dict[str, Any] = merge(body, nested(path[:-1], {})) if len(path) > 1 else body
    return result


@pytest.mark.parametrize(("field", "left_out", "empty", "if_empty"), rows(), ids=[r[0] for r in rows()])
def test_a_section_means_left_out_and_empty_what_the_page_says(
    field: str, left_out: str, empty: str, if_empty: str
) -> None:
    path = field.split(".")
    value: Any = [] if empty == "[]" else {}
    body = around(path)
    found = (
        verdict(without(body, path), PROBES[field]),
        verdict(merge(without(body, path), nested(path, value)), PROBES[field]),
    )
    assert found == (left_out, if_empty)


def test_the_page_has_a_row_for_each_section() -> None:
    sections = {f.alias or name for name, f in SovereigntyPolicySpec.model_fields.items()}
    told = {r[0] for r in rows()}
    # These are told of below the table: a selector, and sections of single values, which can't be empty.
    assert sections - {"namespaceSelector", "action", "preset", "enforcement", "drift"} <= {
        r.partition(".")[0] for r in told
    }
    assert told == {*PROBES}


def test_an_empty_selector_is_refused_by_the_api_server() -> None:
    # It is said in CEL alone. tests/e2e/test_kinds.py has an API server refuse what such rules refuse.
    policy = next(m for m in crd.manifests() if m["spec"]["names"]["kind"] == "SovereigntyPolicy")
    spec = policy["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert "namespaceSelector" in spec["required"]
    assert NON_EMPTY_SELECTOR in spec["properties"]["namespaceSelector"]["x-kubernetes-validations"]


def test_drift_left_out_is_drift_with_its_defaults() -> None:
    assert (Drift().action, Drift().grace_seconds, Drift().limit_percent) == ("Evict", 60, 20)
    assert "evicted after 60s" in PAGE.read_text()


ALLOWING: dict[str, Any] = {
    "accelerators.profiles": ["huawei-ascend-910b"],
    "accelerators.otherResources": ["rdma/hca"],
    "engines": {"allowRemoteCode": True},
    "storage.storageClasses": ["encrypted-cyberjaya"],
    "storage.volumeTypes": ["nfs"],
    "storage.snapshotClasses": ["any"],
    "egress": {"allow": [MIRROR]},
    "egress.allow": [MIRROR],
    "hosts": {"aliases": [{"ip": "203.0.113.7", "hostnames": ["registry.example.my"]}]},
    "exposure": {"nodePorts": True},
    "monitoring": {"allow": [PROMETHEUS]},
    "access": {"users": ["tenant"]},
    "access.users": ["tenant"],
    "controls": {"USE-04": "Off"},
}
"""By section that admits none: what lets its probe pass."""
RESTRICTING: dict[str, Any] = {
    "zones": {"countries": ["MY"]},
    "zones.names": ["cyberjaya-1"],
    "zones.countries": ["MY"],
    "zones.operatorCountries": ["MY"],
    "zones.parentCountries": ["MY"],
    "accelerators.vendors": ["NVIDIA"],
    "models": {"licenses": ["Apache-2.0"]},
    "models.sources": ["oci://registry.example.org/"],
    "models.licenses": ["BSD-3-Clause"],
    "models.developers": ["mistralai"],
    "models.originCountries": ["FR"],
    "models.excludeDevelopers": ["deepseek-ai"],
    "images": {"registries": ["registry.example.my/"]},
    "storage": {"storageClasses": ["encrypted-cyberjaya"]},
    "storage.storageClasses": ["fast-cyberjaya"],
    "storage.snapshotClasses": ["encrypted"],
    "access": {"users": ["another"]},
    "exemptions": {"maxDuration": "720h"},
    "schedulers": ["system:serviceaccount:volcano-system:volcano-scheduler"],
}
"""By section that admits any: what refuses its probe."""


@pytest.mark.parametrize("field", ALLOWING)
def test_what_passes_nowhere_passes_once_the_section_allows_it(field: str) -> None:
    path = field.split(".")
    assert verdict(merge(around(path), nested(path, ALLOWING[field])), PROBES[field]) == "any"


@pytest.mark.parametrize("field", RESTRICTING)
def test_what_passes_everywhere_is_refused_once_the_section_restricts_it(field: str) -> None:
    path = field.split(".")
    assert verdict(merge(around(path), nested(path, RESTRICTING[field])), PROBES[field]) == "none"


def test_a_class_passes_an_empty_storage_section_once_its_zone_is_accepted() -> None:
    # No list of classes admits it: a class has to be on record in an accepted zone as well.
    assert verdict(merge(BASE, {"zones": {"countries": ["MY", "SG"]}, "storage": {}}), PROBES["storage"]) == "any"
    assert verdict(merge(BASE, {"storage": {"storageClasses": ["fast-singapore"]}}), PROBES["storage"]) == "none"


def test_every_probe_is_tried_both_ways() -> None:
    assert {*ALLOWING, "storage"} == {r[0] for r in rows() if "none" in (r[1], r[3])}
    assert {*RESTRICTING} == {r[0] for r in rows() if "any" in (r[1], r[3])}
