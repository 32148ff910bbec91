"""Ways to write what a policy lets Knative's controller alone write, or to have that controller write something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.deployment import poll
from tests.corpus.furniture import definition
from tests.corpus.server import Answer, Server
from tests.e2e.world import Manifest, World, unique

from .attack import Attacker, Ground, refused, respecified, rule, taken

CONTROLLER = "system:serviceaccount:knative-serving:controller"
GATEWAY = "kourier-internal.kourier-system.svc.cluster.local"
GROUP, VERSION = "networking.internal.knative.dev", "v1alpha1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WRITES = (
    rule("discovery.k8s.io", "endpointslices endpointslices/restricted", "get create update patch"),
    rule(GROUP, "*", "get create update patch"),
    rule("", "endpoints/restricted services endpoints", "get create update patch"),
)


@pytest.fixture(scope="module")
def shared(world: World, server: Server) -> Iterator[Ground]:
    """A namespace whose policy names Knative's controller, and an account of the namespace itself. RBAC stops nobody."""
    server.must("POST", DEFINITIONS, definition(GROUP, VERSION, "ingresses", "Ingress"))
    namespace = unique("knative")
    exposure = {"knativeControllers": [CONTROLLER, own_account(namespace)], "knativeGateways": [GATEWAY]}
    policy, _ = world.govern(namespace, exposure=exposure)
    for user in (CONTROLLER, own_account(namespace)):
        world.grant(user, *WRITES)
    tenant = unique("tenant")
    world.make_admin(tenant, namespace)
    world.grant(tenant, *WRITES)
    ground = Ground(world, server, policy, namespace, Attacker(server, tenant))
    poll(
        "the kind to be served",
        lambda: server.ask("GET", ground.within(f"{GROUP}/{VERSION}", "ingresses")).status == 200,
    )
    yield ground
    server.must("DELETE", f"{DEFINITIONS}/ingresses.{GROUP}")
    world.remove(namespace, policy)


def own_account(namespace: str) -> str:
    return f"system:serviceaccount:{namespace}:controller"


def owned(kind: str, api: str, name: str) -> Manifest:
    """Return metadata of an object that Knative made for another."""
    owner = {"apiVersion": api, "kind": kind, "name": name, "uid": "0", "controller": True}
    return {"name": name, "ownerReferences": [owner]}


def addresses(ground: Ground, target: str = "", **address: Any) -> Manifest:
    """Return the Endpoints of a revision with one address, by default that of a pod."""
    name = unique("revision")
    pod = {"kind": "Pod", "namespace": target or ground.namespace, "name": "a"}
    subset = {"addresses": [{"ip": "10.244.0.7", "targetRef": pod, **address}], "ports": [{"port": 8012}]}
    return {"metadata": owned("ServerlessService", f"{GROUP}/{VERSION}", name), "subsets": [subset]}


def alias(to: str) -> Manifest:
    """Return the Service of a route."""
    metadata = owned("Route", "serving.knative.dev/v1", unique("route"))
    return {"metadata": metadata, "spec": {"type": "ExternalName", "externalName": to}}


def ingress(ground: Ground, visibility: str = "ClusterLocal", **split: Any) -> Manifest:
    """Return the Ingress of a route."""
    splits = [{"serviceNamespace": ground.namespace, "serviceName": "a", "servicePort": 80, **split}]
    rules = [{"hosts": ["a"], "visibility": visibility, "http": {"paths": [{"splits": splits}]}}]
    metadata = owned("Route", "serving.knative.dev/v1", unique("route"))
    return {"kind": "Ingress", "metadata": metadata, "spec": {"rules": rules}}


def write(ground: Ground, who: Attacker, plural: str, body: Manifest) -> Answer:
    """Create an object."""
    api = f"{GROUP}/{VERSION}" if plural == "ingresses" else "v1"
    return who.create(ground.within(api, plural), {"apiVersion": api, **body})


def test_more_what_knatives_controller_alone_may_write(shared: Ground) -> None:
    """By the tenant, by the account of that name in the namespace, and by accounts beside Knative's controller."""
    others = ["system:serviceaccount:knative-serving:activator", f"{CONTROLLER}2", "controller"]
    for user in others:
        shared.world.grant(user, *WRITES)
    for who in (shared.tenant, *(Attacker(shared.server, u) for u in (own_account(shared.namespace), *others))):
        refused(write(shared, who, "endpoints", addresses(shared)), "USE-05 metadata.name")
        refused(write(shared, who, "services", alias(GATEWAY)), "USE-05 spec.type")
        refused(write(shared, who, "ingresses", ingress(shared)), "USE-09 kind")
    knative = Attacker(shared.server, CONTROLLER)
    for plural, body in (
        ("endpoints", addresses(shared)),
        ("endpoints", addresses(shared, "knative-serving")),
        ("services", alias(GATEWAY)),
        ("ingresses", ingress(shared)),
    ):
        taken(write(shared, knative, plural, body))


def test_more_what_knatives_controller_can_be_made_to_write(shared: Ground) -> None:
    """Knative copies addresses and names from the status of an Ingress, and labels and annotations from a tenant's objects."""
    knative = Attacker(shared.server, CONTROLLER)
    # An address of the status of an Ingress comes with no pod.
    refused(
        write(shared, knative, "endpoints", addresses(shared, ip="203.0.113.7", targetRef=None)), "USE-05 metadata.name"
    )
    refused(write(shared, knative, "endpoints", addresses(shared, "edge")), "USE-05 metadata.name")
    for host in ("api.example.sg", f"{GATEWAY}.example.sg", "logger.edge.svc.cluster.local"):
        refused(write(shared, knative, "services", alias(host)), "USE-05 spec.type")
    refused(write(shared, knative, "ingresses", ingress(shared, "ExternalIP")), "USE-09 kind")
    refused(write(shared, knative, "ingresses", ingress(shared, serviceNamespace="edge")), "USE-09 kind")


def test_more_what_knative_wrote_comes_to_lead_elsewhere(shared: Ground) -> None:
    """By the tenant, or by Knative itself."""
    knative = Attacker(shared.server, CONTROLLER)
    made = {"endpoints": addresses(shared), "services": alias(GATEWAY), "ingresses": ingress(shared)}
    for plural, body in made.items():
        taken(write(shared, knative, plural, body))
    elsewhere = addresses(shared, ip="203.0.113.7", targetRef=None)["subsets"]
    for who in (shared.tenant, knative):
        path = f"{shared.within('v1', 'endpoints')}/{made['endpoints']['metadata']['name']}"
        refused(who.change(path, lambda found: found.update(subsets=elsewhere)), "USE-05 metadata.name")
        path = f"{shared.within('v1', 'services')}/{made['services']['metadata']['name']}"
        refused(who.change(path, respecified(externalName="api.example.sg")), "USE-05 spec.type")
        path = f"{shared.within(f'{GROUP}/{VERSION}', 'ingresses')}/{made['ingresses']['metadata']['name']}"
        refused(who.change(path, respecified(rules=[{"visibility": "ExternalIP"}])), "USE-09 kind")
