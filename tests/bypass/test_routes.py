"""Ways for a route to lead requests, or a copy of each, out of the namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from daulat.catalog.kubernetes import Minor
from dev.cluster.kubernetes import versions
from dev.deployment import poll
from dev.routes import projects
from tests.corpus.furniture import definition
from tests.corpus.server import Answer, Server
from tests.e2e.world import Manifest, lower, raise_world, unique

from .attack import Attacker, Ground, refused, respecified, taken

GATEWAY = "gateway.networking.k8s.io"
OWN = {"name": "model", "port": 80}
ELSEWHERE = {"name": "logger", "namespace": "edge", "port": 80}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FOREIGN = "v1alpha9"
LISTED: dict[tuple[str, str], tuple[str, list[Manifest], list[Manifest]]] = {
    ("Route", "route.openshift.io"): (
        "routes",
        [{"to": {"kind": "Service", "name": "model"}, "alternateBackends": [{"kind": "Service", "name": "next"}]}],
        [
            {"to": {"kind": "Bucket", "name": "out"}},
            {"to": {"kind": "Service", "name": "model"}, "alternateBackends": [{"kind": "Bucket", "name": "out"}]},
        ],
    ),
    ("VirtualService", "networking.istio.io"): (
        "virtualservices",
        [{"gateways": ["mesh"], "hosts": ["model"], "http": [{"route": [{"destination": {"host": "model"}}]}]}],
        [
            {"gateways": ["istio-system/public"]},
            {"http": [{"route": [{"destination": {"host": "model"}}], "mirror": {"host": "logger.edge.svc"}}]},
            {"http": [{"route": [{"destination": {"host": "models.example.sg"}}]}]},
            {"tcp": [{"route": [{"destination": {"host": "logger.edge"}}]}]},
        ],
    ),
    ("IngressRoute", "traefik.io"): (
        "ingressroutes",
        [{"routes": [{"match": "PathPrefix(`/`)", "services": [{"name": "model", "port": 80}]}]}],
        [
            {"routes": [{"services": [{"name": "logger", "namespace": "edge", "port": 80}]}]},
            {"routes": [{"services": [{"kind": "TraefikService", "name": "edge-logger@kubernetescrd"}]}]},
            {"routes": [{"services": [], "middlewares": [{"name": "auth", "namespace": "edge"}]}]},
        ],
    ),
    ("Middleware", "traefik.io"): (
        "middlewares",
        [{"stripPrefix": {"prefixes": ["/llm"]}}],
        [{"forwardAuth": {"address": "https://example.sg"}}, {"plugin": {"x": {}}}, {"redirectRegex": {"regex": ".*"}}],
    ),
    ("TraefikService", "traefik.io"): (
        "traefikservices",
        [{"weighted": {"services": [{"name": "model", "port": 80}]}}],
        [{"mirroring": {"name": "model", "mirrors": [{"name": "logger", "namespace": "edge", "percent": 100}]}}],
    ),
    ("HTTPProxy", "projectcontour.io"): (
        "httpproxies",
        [{"virtualhost": {"fqdn": "model.example.my"}, "routes": [{"services": [{"name": "model", "port": 80}]}]}],
        [
            {"includes": [{"name": "x", "namespace": "edge"}]},
            {
                "virtualhost": {
                    "fqdn": "a.example.my",
                    "authorization": {"extensionRef": {"name": "x", "namespace": "edge"}},
                }
            },
            {"ingressClassName": "public"},
        ],
    ),
}
"""Kinds that a policy lists, with what passes and what leads out."""
pytestmark = pytest.mark.skipif(
    versions.offered().version < Minor.of("1.31"), reason="the Gateway API's own definitions need Kubernetes 1.31"
)
EXPOSURE = {"gatewayClasses": ["internal"], "ingressClasses": ["internal"], "domains": ["example.my"]}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A namespace whose policy allows Gateways, on a cluster with the real kinds of the Gateway API."""
    raised = raise_world(unique("routes"), tmp_path_factory.mktemp("operator"), say=lambda line: None)
    try:
        raised.cluster.addon("gateway-api")
        server = Server(raised.cluster.kubeconfig())
        policy, namespace = raised.govern(exposure=EXPOSURE)
        tenant = unique("tenant")
        raised.make_admin(tenant, namespace)
        # Each of these projects gives its kinds to the admins of namespaces, by its own aggregated role.
        raised.grant(
            tenant, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "create", "update", "patch", "list"]}
        )
        yield Ground(raised, server, policy, namespace, Attacker(server, tenant))
    finally:
        lower(raised)


def route(kind: str = "HTTPRoute", **spec: Any) -> Manifest:
    named = {"hostnames": ["model.example.my"]} if kind in ("HTTPRoute", "GRPCRoute", "TLSRoute") else {}
    return {
        "kind": kind,
        "metadata": {"name": unique("route")},
        "spec": {"parentRefs": [{"name": "edge"}], **named, **spec},
    }


def attempt(ground: Ground, plural: str, body: Manifest, group: str = GATEWAY, version: str = "v1") -> Answer:
    """Create an object as the tenant."""
    api = f"{group}/{version}"
    return ground.tenant.create(ground.within(api, plural), {"apiVersion": api, **body})


@pytest.mark.parametrize(
    "backend",
    [
        ELSEWHERE,
        {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "out"},
        {"group": "multicluster.x-k8s.io", "kind": "ServiceImport", "name": "out", "port": 80},
        {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "out", "namespace": "edge"},
        {"group": "networking.istio.io", "kind": "Hostname", "name": "out.example.sg", "port": 443},
        {**OWN, "group": "example.sg"},
    ],
    ids=lambda b: f"{b.get('kind', 'Service')}.{b.get('group', '')}",
)
def test_more_a_route_to_a_backend_elsewhere(exposed: Ground, backend: Manifest) -> None:
    for plural, kind in (("httproutes", "HTTPRoute"), ("grpcroutes", "GRPCRoute")):
        body = route(kind, rules=[{"backendRefs": [OWN]}, {"backendRefs": [OWN, backend]}])
        refused(attempt(exposed, plural, body), "USE-09 spec.rules.backendRefs")
    body = route("TLSRoute", rules=[{"backendRefs": [backend]}])
    refused(attempt(exposed, "tlsroutes", body), "USE-09 spec.rules.backendRefs")


def test_more_a_route_that_comes_to_lead_elsewhere(exposed: Ground) -> None:
    path = exposed.within(f"{GATEWAY}/v1", "httproutes")
    body = route(rules=[{"backendRefs": [OWN]}])
    taken(attempt(exposed, "httproutes", body))
    edit = respecified(rules=[{"backendRefs": [ELSEWHERE]}])
    refused(exposed.tenant.change(f"{path}/{body['metadata']['name']}", edit), "USE-09 ")


@pytest.mark.parametrize(
    "filter_",
    [
        {"type": "RequestMirror", "requestMirror": {"backendRef": ELSEWHERE}},
        {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": {"group": "e.org", "kind": "Backend", "name": "out"}},
        },
        {"type": "RequestRedirect", "requestRedirect": {"hostname": "models.example.sg"}},
        {"type": "URLRewrite", "urlRewrite": {"hostname": "models.example.sg"}},
        {
            "type": "ExtensionRef",
            "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "x"},
        },
    ],
    ids=lambda f: str(f["type"]),
)
def test_more_a_filter_that_leads_elsewhere(exposed: Ground, filter_: Manifest) -> None:
    redirects = filter_["type"] == "RequestRedirect"
    body = route(rules=[{"filters": [filter_], **({} if redirects else {"backendRefs": [OWN]})}])
    refused(attempt(exposed, "httproutes", body), "USE-09 spec.rules.filters")
    if not redirects:
        body = route(rules=[{"backendRefs": [{**OWN, "filters": [filter_]}]}])
        refused(attempt(exposed, "httproutes", body), "USE-09 spec.rules.backendRefs")


def test_more_a_route_of_a_version_that_no_rule_names(exposed: Ground) -> None:
    """Every version that the Gateway API's definitions have, served or not by default, and one of a copy of the kinds."""
    exposed.server.must("POST", DEFINITIONS, definition("policy.linkerd.io", "v1beta7", "httproutes", "HTTPRoute"))
    poll("the copy to be served", lambda: exposed.server.ask("GET", "/apis/policy.linkerd.io/v1beta7").status == 200)
    tried = []
    for made in exposed.server.must("GET", DEFINITIONS)["items"]:
        spec = made["spec"]
        kind, plural, group = spec["names"]["kind"], spec["names"]["plural"], spec["group"]
        if not kind.endswith("Route") or group not in (GATEWAY, "policy.linkerd.io"):
            continue
        for version in [v["name"] for v in spec["versions"] if v["served"]]:
            body = route(kind, rules=[{"backendRefs": [ELSEWHERE]}])
            refused(attempt(exposed, plural, body, group, version), "USE-09 ")
            taken(attempt(exposed, plural, route(kind, rules=[{"backendRefs": [OWN]}]), group, version))
            tried.append((kind, version))
    assert {k for k, _ in tried} == {"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"}
    assert len(tried) > 6


def test_more_a_grant_for_backends_of_any_kind(exposed: Ground) -> None:
    for kind in ("Service", "InferencePool", "Backend"):
        spec = {
            "from": [{"group": GATEWAY, "kind": "HTTPRoute", "namespace": "edge"}],
            "to": [{"group": "", "kind": kind}],
        }
        body = {"kind": "ReferenceGrant", "metadata": {"name": unique("grant")}, "spec": spec}
        refused(attempt(exposed, "referencegrants", body, version="v1beta1"), "USE-09 ")


def test_more_an_ingress_that_leads_to_another_kind(exposed: Ground) -> None:
    path = exposed.within("networking.k8s.io/v1", "ingresses")
    bucket = {"resource": {"apiGroup": "k8s.example.sg", "kind": "StorageBucket", "name": "out"}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": bucket}]
    exposed.server.must(
        "POST",
        "/apis/networking.k8s.io/v1/ingressclasses",
        {"metadata": {"name": "internal"}, "spec": {"controller": "example.my/internal"}},
    )
    for spec in ({"defaultBackend": bucket}, {"rules": [{"http": {"paths": paths}}]}):
        body = {"metadata": {"name": unique("ingress")}, "spec": {"ingressClassName": "internal", **spec}}
        refused(exposed.tenant.create(path, body), "USE-09 ")
    service = {"service": {"name": "model", "port": {"number": 80}}}
    body = {
        "metadata": {"name": unique("ingress")},
        "spec": {"ingressClassName": "internal", "defaultBackend": service},
    }
    taken(exposed.tenant.create(path, body))


@pytest.fixture(scope="module")
def foreign(exposed: Ground) -> list[tuple[str, str, str]]:
    """Other projects' kinds by group, plural and kind, each defined as one that takes any content, of a version of its own."""
    found = [(p.group, plural, kind) for p in projects() for kind, plural in p.kinds.items()]
    for group, plural, kind in found:
        exposed.server.must("POST", DEFINITIONS, definition(group, FOREIGN, plural, kind))
    paths = [exposed.within(f"{group}/{FOREIGN}", plural) for group, plural, _ in found]
    poll("the kinds to be served", lambda: all(exposed.server.ask("GET", path).status == 200 for path in paths))
    return found


def test_more_a_route_of_another_project(exposed: Ground, foreign: list[tuple[str, str, str]]) -> None:
    """Each is another way in or out, and an API server needn't know the kind when the policy is made."""
    for group, plural, kind in foreign:
        body = {"kind": kind, "metadata": {"name": unique("route")}, "spec": {}}
        refused(attempt(exposed, plural, body, group, FOREIGN), f"USE-09 kind: a {kind}.{group} was made")


@pytest.mark.usefixtures("foreign")
def test_more_a_listed_route_of_another_project_that_leads_out(exposed: Ground) -> None:
    """What a policy lists is held to its fields, where these are known."""
    kinds = [f"{kind}.{group}" for kind, group in LISTED]
    with exposed.world.governed(exposure={"ingressClasses": ["internal"], "routeKinds": kinds}) as (policy, namespace):
        tenant = Attacker(exposed.server, exposed.tenant.user)
        ground = Ground(exposed.world, exposed.server, policy, namespace, tenant)
        for (kind, group), (plural, good, bad) in LISTED.items():
            for spec in bad:
                body = {"kind": kind, "metadata": {"name": unique("route")}, "spec": spec}
                refused(attempt(ground, plural, body, group, FOREIGN), "USE-09 spec")
            for spec in good:
                body = {"kind": kind, "metadata": {"name": unique("route")}, "spec": spec}
                taken(attempt(ground, plural, body, group, FOREIGN))


def test_more_what_a_route_is_for_is_taken(exposed: Ground) -> None:
    """As users, Helm charts and the projects that make routes write it."""
    kept = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-team", "value": "a"}]}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"}}},
    ]
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "model"}
    match = [{"path": {"type": "PathPrefix", "value": "/llm"}}]
    weighted = [{**OWN, "weight": 9, "filters": kept[:2]}, {**pool, "weight": 1}]
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shadow", "port": 80}, "percent": 5}}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    rules = [
        {"matches": match, "filters": [*kept, mirror], "backendRefs": weighted, "timeouts": {"request": "3600s"}},
        {"filters": [redirect]},
    ]
    taken(attempt(exposed, "httproutes", route(rules=rules)))
