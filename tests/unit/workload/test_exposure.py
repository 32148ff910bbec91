"""A model's route: by a Gateway of its namespace alone, of a class that policies and the zone of record allow, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daulat.api.model import SovereignModelSpec
from daulat.kube.ref import Ref
from daulat.workload.exposure import POOL, ROUTE, Route, route
from tests.unit.world import World, gateway, model, policy, the_model, zone

from .others import problems

ALL = {ROUTE: True, POOL: True}
APPROVED = policy(exposure={"gatewayClasses": ["internal"]})
ON_RECORD = zone(gatewayClasses=["internal"])
PICKER = {"endpointPicker": {"service": "picker"}}


def routed(served: dict[str, bool] | None = None, **world: Any) -> Route:
    """Return the route of the world's only model, in cyberjaya-1."""
    asked = {
        "models": [exposed()],
        "policies": [APPROVED],
        "zones": [ON_RECORD],
        "gateways": [gateway()],
    }
    snapshot = World(**{**asked, **world}).snapshot()
    found = the_model(snapshot)
    assert found.spec.exposure is not None
    made = route(
        found,
        "cyberjaya-1",
        snapshot.known_zones["cyberjaya-1"].spec,
        snapshot.governing("treasury"),
        snapshot.gateways.get(Ref("Gateway", "treasury", found.spec.exposure.gateway)),
        served or ALL,
    )
    assert made is not None
    return made


def exposed(**exposure: Any) -> dict[str, Any]:
    """Return a model that is exposed by the Gateway internal."""
    return model(exposure={"gateway": "internal", **exposure})


def spec(made: Route) -> dict[str, Any]:
    (found,) = [m["spec"] for m in made.manifests if m["kind"] == ROUTE]
    assert isinstance(found, dict)
    return found


def test_a_model_that_asks_for_no_route_has_none() -> None:
    snapshot = World().snapshot()
    assert route(the_model(snapshot), "z", None, [], None, ALL) is None


def test_a_route_leads_from_the_gateway_to_the_service_and_lets_the_api_through_alone() -> None:
    made = routed(models=[exposed(hostnames=["deepseek.example.my"], listener="https")])
    assert (made.problem, made.url) == ("", "https://deepseek.example.my/v1")
    assert spec(made)["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "internal", "sectionName": "https"}
    ]
    (rule,) = spec(made)["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1"}}]
    (behind,) = rule["backendRefs"]
    assert (behind["kind"], behind["name"], behind["port"]) == ("Service", "deepseek", 80)
    assert rule["timeouts"] == {"request": "3600s", "backendRequest": "3600s"}


def test_a_route_never_names_another_namespace() -> None:
    for manifest in routed(models=[exposed(**PICKER)]).manifests:
        assert manifest["metadata"]["namespace"] == "treasury"
        assert "'namespace'" not in repr(manifest["spec"])


def test_an_endpoint_picker_gets_a_pool_of_the_models_pods() -> None:
    made = routed(models=[exposed(**PICKER)])
    (pool,) = [m["spec"] for m in made.manifests if m["kind"] == POOL]
    assert pool["selector"]["matchLabels"]["daulat.dev/model"] == "deepseek"
    assert pool["targetPorts"] == [{"number": 8000}]
    assert pool["endpointPickerRef"] == {
        "group": "",
        "kind": "Service",
        "name": "picker",
        "port": {"number": 9002},
        "failureMode": "FailClose",
    }
    (behind,) = spec(made)["rules"][0]["backendRefs"]
    assert (behind["group"], behind["kind"], behind["name"]) == ("inference.networking.k8s.io", POOL, "deepseek")


def test_without_the_inference_extension_requests_go_to_the_service_and_that_is_told() -> None:
    made = routed({ROUTE: True, POOL: False}, models=[exposed(**PICKER)])
    assert [m["kind"] for m in made.manifests] == [ROUTE]
    assert spec(made)["rules"][0]["backendRefs"][0]["kind"] == "Service"
    assert (made.reason, made.problem.split(":")[0]) == ("CRDNotInstalled", "spec.exposure.endpointPicker")


@pytest.mark.parametrize(
    ("served", "world", "reason", "words"),
    [
        ({ROUTE: False, POOL: True}, {}, "CRDNotInstalled", "no Gateway API"),
        (ALL, {"gateways": []}, "GatewayNotFound", "isn't in namespace treasury"),
        (ALL, {"gateways": [gateway(namespace="edge")]}, "GatewayNotFound", "isn't in namespace treasury"),
        (ALL, {"models": [exposed(listener="other")]}, "GatewayNotFound", "has no listener other"),
        (ALL, {"gateways": [gateway(class_="public")]}, "GatewayClassNotApproved", 'policy confidential allows internal'),
        (ALL, {"policies": [policy()]}, "GatewayClassNotApproved", "policy confidential allows no Gateway"),
        (ALL, {"policies": [APPROVED, policy("other")]}, "GatewayClassNotApproved", "policy other allows no Gateway"),
        (ALL, {"zones": [zone()]}, "GatewayClassNotInZone", 'zone cyberjaya-1 has none on record'),
        (ALL, {"zones": [zone(gatewayClasses=["outside"])]}, "GatewayClassNotInZone", "has outside on record"),
    ],
)  # fmt: skip
def test_whatever_is_in_doubt_has_no_route(
    served: dict[str, bool], world: dict[str, Any], reason: str, words: str
) -> None:
    made = routed(served, **world)
    assert (made.manifests, made.url, made.reason) == ((), "", reason)
    assert words in made.problem


@pytest.mark.parametrize(
    ("listener", "addresses", "hostnames", "url"),
    [
        ({"protocol": "HTTP", "port": 80}, [], ["a.example.my"], "http://a.example.my/v1"),
        ({"protocol": "HTTPS", "port": 8443}, [], ["*.b.my", "a.example.my"], "https://a.example.my:8443/v1"),
        ({"protocol": "HTTP", "port": 80, "hostname": ""}, ["10.0.0.7"], [], "http://10.0.0.7/v1"),
        ({"protocol": "HTTP", "port": 80, "hostname": ""}, ["fd00::7"], [], "http://[fd00::7]/v1"),
        ({"protocol": "HTTP", "port": 80, "hostname": ""}, [], [], ""),
    ],
)
def test_the_address_outside_is_what_clients_can_use(
    listener: dict[str, Any], addresses: list[str], hostnames: list[str], url: str
) -> None:
    raw = gateway()
    raw["spec"]["listeners"] = [{**raw["spec"]["listeners"][0], **listener}]
    raw["status"] = {"addresses": [{"value": a} for a in addresses]}
    assert routed(gateways=[raw], models=[exposed(hostnames=hostnames)]).url == url


@pytest.mark.parametrize(
    "told",
    [
        {"gateway": "edge/public"},
        {"namespace": "edge"},
        {"gateway": "internal", "parentRefs": []},
        {"hostnames": ["a.example.my/path"]},
        {"hostnames": ["a.example.my:443"]},
        {"hostnames": ["a b"]},
        {"hostnames": ["*"]},
        {"paths": ["v1"]},
        {"paths": ["/v1?key=1"]},
        {"paths": []},
        {"timeoutSeconds": 86401},
        {"endpointPicker": {"service": "edge/picker"}},
        {"endpointPicker": {"service": "picker.edge.svc"}},
        {"endpointPicker": {"service": "picker", "namespace": "edge"}},
        {"endpointPicker": {"service": "picker", "kind": "Secret"}},
        {"endpointPicker": {"service": "picker", "port": 0}},
    ],
)
def test_another_namespace_or_kind_cant_be_named(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SovereignModelSpec.model_validate(exposed(**told)["spec"])


@pytest.mark.parametrize("told", [{}, PICKER, {"listener": "https", "timeoutSeconds": 0, "paths": ["/v1", "/score"]}])
def test_what_is_rendered_is_what_others_take(told: dict[str, Any]) -> None:
    made = routed(models=[exposed(hostnames=["deepseek.example.my"], **told)])
    for manifest in made.manifests:
        assert problems(manifest) == []


def test_the_schemas_find_what_is_wrong() -> None:
    (manifest,) = routed().manifests
    manifest["spec"]["rules"][0]["timeout"] = "1s"
    manifest["spec"]["rules"][0]["timeouts"]["request"] = "forever"
    assert len(problems(manifest)) == 2
