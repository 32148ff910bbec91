"""A kind is withdrawn and served again, or its objects can't be converted: everything else goes on."""

from __future__ import annotations

import json

from dev.deployment import poll

from .faulty import Faulty
from .world import Manifest, World, model_manifest

AT_ONCE = {"gracePeriod": "1s", "limit": "100%"}
ROUTES = "httproutes.gateway.networking.k8s.io"
ZONES = "sovereignzones.daulat.dev"


def _exposed(namespace: str) -> list[Manifest]:
    listener = {"name": "http", "hostname": "*.example.my", "port": 80, "protocol": "HTTP"}
    edge = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": namespace},
        "spec": {"gatewayClassName": "internal", "listeners": [listener]},
    }
    return [edge, model_manifest("m", namespace, exposure={"gateway": "edge", "hostnames": ["m.example.my"]})]


def _definition(world: World, name: str) -> Manifest:
    found = json.loads(world.admin.run("get", "crd", name, "-o", "json"))
    return {**found, "metadata": {k: found["metadata"][k] for k in ("name", "annotations")}, "status": None}


def test_a_kind_that_is_withdrawn_and_served_again_stops_nothing_else(faulty: Faulty) -> None:
    world = faulty.world
    world.cluster.addon("gateway-api")
    faulty.restart()
    faulty.leads()
    with faulty.hall(drift=AT_ONCE, exposure={"gatewayClasses": ["internal"], "domains": ["example.my"]}) as own:
        record = '--patch={"spec": {"gatewayClasses": ["internal"]}}'
        world.admin.run("patch", "sovereignzone", own.site, "--type=merge", record)
        world.admin.apply(_exposed(own.namespace))
        world.made("httproute", "m", own.namespace)
        world.wait_reason("sovereignmodel", "m", "Exposed", "RoutePending", own.namespace)
        world.wait_condition("sovereignmodel", "m", "WorkloadReady", "True", own.namespace, 60)
        pid, uids = world.operator.pid, [p["metadata"]["uid"] for p in own.running()]
        definition = _definition(world, ROUTES)
        world.admin.run("delete", "crd", ROUTES)
        try:
            with world.governed() as (policy, _):
                assert world.condition("sovereigntypolicy", policy, "Enforced")["status"] == "True"
            assert world.metric(world.operator, "daulat_leader") == 1
        finally:
            world.admin.run("create", "-f", "-", stdin=json.dumps(definition))
        poll("the kind to be served", lambda: "httproutes" in world.admin.run("api-resources"))
        poll("the route to be made anew", lambda: world.exists("httproute", "m", own.namespace), 90)
        world.wait_reason("sovereignmodel", "m", "Exposed", "RoutePending", own.namespace)
        assert world.operator.pid == pid
        assert [p["metadata"]["uid"] for p in own.running()] == uids
