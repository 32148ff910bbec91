"""Knative Serving in a governed namespace: revisions, what Knative writes beside them, and how refusals reach its users."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from dev.cluster import audit
from dev.deployment import poll
from dev.neighbours.knative import QUEUE_IMAGE, Knative, ksvc
from tests.e2e.world import IMAGE, Manifest, World, lower, raise_world, unique

from .conftest import FORBIDDEN, REPLICASETS, Requests, backs_off, events, pinned

CONTROLLER = "system:serviceaccount:knative-serving:controller"
GATEWAY = "kourier-internal.kourier-system.svc.cluster.local"
EXPOSURE = {"knativeControllers": [CONTROLLER], "knativeGateways": [GATEWAY]}
SAMPLE_IMAGE = "ghcr.io/knative/helloworld-go@sha256:" + "6f" * 32
"""From the registry of the project's sample. By its digest, so that Knative doesn't look the digest up."""
RELEASED_QUEUE = "gcr.io/knative-releases/knative.dev/serving/cmd/queue@sha256:" + "7a" * 32
INGRESS = "ingresses.networking.internal.knative.dev"
WRITES = ("create", "update", "patch", "delete")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat and Knative of their own: without Knative, its webhooks would refuse its kinds."""
    directory = tmp_path_factory.mktemp("serving")
    logged = audit.requests_of([REPLICASETS, CONTROLLER])
    raised = raise_world(unique("serving"), directory / "operator", say=lambda line: None, audit_policy=logged)
    knative = Knative(raised.cluster, directory / "knative")
    try:
        knative.start()
        yield raised
    finally:
        knative.stop()
        lower(raised)


@pytest.fixture
def requests_of_serving(serving: World) -> Requests:
    """What the API server of Knative's cluster logged."""
    return Requests(serving.cluster)


@pytest.fixture
def team(serving: World) -> Iterator[tuple[str, str]]:
    """A policy that lets Knative's controller do its work, and a namespace that it governs."""
    policy, namespace = serving.govern(exposure=EXPOSURE)
    yield policy, namespace
    leave(serving, namespace, policy)


def leave(world: World, namespace: str, policy: str) -> None:
    """Remove the Services of Knative first, which make everything else anew."""
    world.admin.run("delete", "ksvc", "--all", "-n", namespace)
    world.remove(namespace, policy)


def serve(world: World, namespace: str, image: str = IMAGE) -> None:
    """Create a Service of Knative, or change its image, and wait until Knative has made a revision."""
    world.admin.apply([ksvc("hello", namespace, {"name": "main", "image": image})])
    world.made("revision", "hello-00001", namespace)


def ready(world: World, namespace: str, **balancer: str) -> None:
    """Write into the status of the route's Ingress what a networking layer writes: where it is served."""
    poll("the Ingress", lambda: world.exists(INGRESS, "hello", namespace))
    generation = world.get(INGRESS, "hello", namespace=namespace)["metadata"]["generation"]
    kept = {"status": "True", "lastTransitionTime": "2026-11-30T00:00:00Z"}
    conditions = [{"type": t, **kept} for t in ("NetworkConfigured", "LoadBalancerReady", "Ready")]
    served = {"ingress": [balancer]}
    status = {"observedGeneration": generation, "conditions": conditions, "privateLoadBalancer": served}
    patch = json.dumps({"status": {**status, "publicLoadBalancer": served}})
    world.admin.run("patch", INGRESS, "hello", "-n", namespace, "--type=merge", "--subresource=status", f"-p={patch}")


def service(world: World, namespace: str) -> Manifest:
    """Return the spec of the route's Service."""
    return dict(world.get("services", "hello", namespace=namespace)["spec"])


def test_a_service_runs_pinned_and_becomes_ready(serving: World, team: tuple[str, str]) -> None:
    policy, namespace = team
    serve(serving, namespace)
    ready(serving, namespace, domainInternal=GATEWAY)
    serving.wait_condition("ksvc", "hello", "Ready", "True", namespace)
    pods = serving.pods(namespace)
    assert [pinned(serving, pod, policy) for pod in pods] == [True]
    assert {c["image"] for c in pods[0]["spec"]["containers"]} == {IMAGE, QUEUE_IMAGE}
    assert service(serving, namespace)["externalName"] == GATEWAY
    targets = addresses(serving, namespace)
    assert targets
    assert {t["targetRef"]["namespace"] for t in targets} <= {namespace, Knative.namespace}


def addresses(world: World, namespace: str) -> list[dict[str, Any]]:
    """Return the addresses that Knative's controller wrote for the revision."""
    subsets = world.get("endpoints", "hello-00001", namespace=namespace).get("subsets", [])
    return [a for s in subsets for a in (*s.get("addresses", ()), *s.get("notReadyAddresses", ()))]


def test_an_image_that_does_not_comply_is_explained_in_every_status_and_backs_off(
    serving: World, team: tuple[str, str], requests_of_serving: Requests
) -> None:
    policy, namespace = team
    serve(serving, namespace, SAMPLE_IMAGE)
    reason = f"policy {policy} allows images from registry.example.my/"
    said = (
        ("revision", "hello-00001", "Ready"),
        ("configuration", "hello", "Ready"),
        ("ksvc", "hello", "ConfigurationsReady"),
    )
    for kind, name, type_ in said:
        condition = serving.wait_condition(kind, name, type_, "False", namespace)
        assert reason in condition["message"]
    poll("the ReplicaSet to back off", lambda: backs_off(requests_of_serving.refusals(REPLICASETS, namespace)))
    assert serving.pods(namespace) == []
    writes = requests_of_serving.of(CONTROLLER, namespace, *WRITES)
    # As many as for a Service that complies: each object, its status, and Events. None is repeated for a refusal.
    assert len(writes) <= 90, [(e["verb"], e["requestURI"]) for e in writes]
    # The next revision is made of the corrected Service, and is the one that runs.
    serve(serving, namespace)
    poll(
        "the corrected revision's pod", lambda: [pinned(serving, p, policy) for p in serving.pods(namespace)] == [True]
    )


def test_the_proxy_beside_each_container_is_judged_too(serving: World, team: tuple[str, str]) -> None:
    _, namespace = team
    with_queue(serving, RELEASED_QUEUE)
    try:
        serve(serving, namespace)
        said = serving.wait_condition("revision", "hello-00001", "Ready", "False", namespace)["message"]
    finally:
        with_queue(serving, QUEUE_IMAGE)
    assert 'STO-07 spec.containers["queue-proxy"].image' in said


def with_queue(world: World, image: str) -> None:
    patch = json.dumps({"data": {"queue-sidecar-image": image}})
    world.admin.run("patch", "configmap", "config-deployment", "-n", Knative.namespace, "--type=merge", f"-p={patch}")


def test_without_the_setting_a_route_is_refused_with_the_reason_and_backs_off(
    serving: World, requests_of_serving: Requests
) -> None:
    policy, namespace = serving.govern()
    try:
        serve(serving, namespace)
        aliases = f"policy {policy} allows only Services of pods"
        poll("the reason", lambda: any(aliases in m for m in events(serving, namespace, "Route", "CreationFailed")))
        copies = f"policy {policy} leaves that to the controllers of Kubernetes"
        sks = "ServerlessService"
        poll("its reason", lambda: any(copies in m for m in events(serving, namespace, sks, "InternalError")))
        for resource in ("services", "endpoints"):
            poll("Knative to back off", partial(tries_less_often, requests_of_serving, namespace, resource))
    finally:
        leave(serving, namespace, policy)


def tries_less_often(requests: Requests, namespace: str, resource: str) -> bool:
    return backs_off(refusals(requests, namespace, resource))


def refusals(requests: Requests, namespace: str, resource: str) -> list[datetime]:
    """Return when requests of Knative's controller were refused."""
    found = [e for e in requests.of(CONTROLLER, namespace, *WRITES) if e["objectRef"]["resource"] == resource]
    refused = [e for e in found if e["responseStatus"]["code"] == FORBIDDEN]
    return sorted(datetime.fromisoformat(e["requestReceivedTimestamp"]) for e in refused)


@pytest.mark.parametrize(
    ("balancer", "resource"),
    [({"domainInternal": "api.example.sg"}, "services"), ({"ip": "203.0.113.7"}, "endpoints")],
    ids=["name", "address"],
)
def test_the_status_of_an_ingress_makes_no_way_out(
    serving: World, team: tuple[str, str], requests_of_serving: Requests, balancer: dict[str, str], resource: str
) -> None:
    """Whoever may write the status of an Ingress chooses what Knative writes, but not where that may lead."""
    _, namespace = team
    serve(serving, namespace)
    ready(serving, namespace, **balancer)
    poll("Knative to try", lambda: bool(refusals(requests_of_serving, namespace, resource)))
    assert service(serving, namespace).get("externalName") in (None, f"hello.{namespace}.svc.cluster.local")
    assert not serving.exists("endpoints", "hello", namespace)
