"""A kind is withdrawn and served again, or its objects can't be converted: everything else goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from daulat.kube.resources import WATCHED
from dev.cluster import ClusterError
from dev.deployment import poll

from .faulty import Faulty
from .stranger import Stranger
from .world import Manifest, World, model_manifest, unique

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


@contextmanager
def _cannot_be_converted(world: World, zone: str) -> Iterator[Stranger]:
    """One zone is stored in a version from which it can't be converted, for as long as the block lasts."""

    def patch(*changes: Manifest) -> None:
        world.admin.run("patch", "crd", ZONES, "--type=json", f"--patch={json.dumps(changes)}")

    (version,) = json.loads(world.admin.run("get", "crd", ZONES, "-o", "json"))["spec"]["versions"]
    versions = "/spec/versions"
    patch(
        {"op": "replace", "path": f"{versions}/0/storage", "value": False},
        {"op": "add", "path": f"{versions}/-", "value": {**version, "name": "v1alpha0", "storage": True}},
    )
    try:
        world.admin.run("annotate", "sovereignzone", zone, "test/stored=anew")
        with Stranger() as stranger:
            webhook = {"clientConfig": stranger.client_config, "conversionReviewVersions": ["v1"]}
            conversion = {"strategy": "Webhook", "webhook": webhook}
            patch({"op": "replace", "path": "/spec/conversion", "value": conversion})
            try:
                poll("the zones to be unreadable", lambda: not _answers(world))
                yield stranger
            finally:
                patch({"op": "replace", "path": "/spec/conversion", "value": {"strategy": "None"}})
    finally:
        patch(
            {"op": "replace", "path": f"{versions}/0/storage", "value": True},
            {"op": "replace", "path": f"{versions}/1/storage", "value": False},
        )
        poll("the zones to be readable", lambda: _answers(world))
        # All are stored anew before the other version goes.
        world.admin.run("annotate", "sovereignzones", "--all", f"test/stored={unique('again')}", "--overwrite")
        stored = json.dumps({"status": {"storedVersions": ["v1alpha1"]}})
        world.admin.run("patch", "crd", ZONES, "--subresource=status", "--type=merge", f"--patch={stored}")
        patch({"op": "remove", "path": f"{versions}/1"})


def _answers(world: World) -> bool:
    try:
        world.admin.run("get", "sovereignzones.v1alpha1.daulat.dev")
    except ClusterError:
        return False
    return True


def test_zones_that_cant_be_converted_cost_no_label_and_stop_no_eviction(faulty: Faulty) -> None:
    world = faulty.world
    with faulty.hall(size=3, drift=AT_ONCE) as own:
        uids = own.fill_each(1)
        with _cannot_be_converted(world, own.site) as stranger:
            # What the operator knows already goes on.
            own.close(own.nodes[0])
            poll("the pods to be evicted", lambda: not own.running(own.nodes[0]))
            poll("the label to be taken", lambda: own.eligible() == [*own.nodes[1:]])
            # One that starts now doesn't begin without the zones.
            start = faulty.restart()
            poll("the zones to be asked for", lambda: "SovereignZone" in world.operator.asked("/readyz")[1])
            own.close(own.nodes[1])
            poll("all others to be known", lambda: _missing(faulty) == ["SovereignZone"])
            assert world.metric(world.operator, "daulat_leader") == 0
            assert [a for a in faulty.between.asked[start:] if a.method != "GET"] == []
            assert own.eligible() == [*own.nodes[1:]]
            assert stranger.asked
        faulty.leads()
        poll("the pods to be evicted", lambda: not own.running(own.nodes[1]))
        own.upheld("True")
        assert {p["metadata"]["uid"] for p in own.running()} < set(uids)


def _missing(faulty: Faulty) -> list[str]:
    """Return the kinds that the operator says it couldn't list."""
    said = faulty.world.operator.asked("/readyz")[1]
    names = said.removeprefix("facts are not synced yet: ").removesuffix(" couldn't be listed")
    # Each kind may have a reason in brackets behind it.
    return [r.kind for r in WATCHED if re.search(rf"(^|, ){r.kind}( \(|, |$)", names)]


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
        world.wait_condition("sovereignmodel", "m", "WorkloadReady", "True", own.namespace)
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
        poll("the route to be made anew", lambda: world.exists("httproute", "m", own.namespace))
        world.wait_reason("sovereignmodel", "m", "Exposed", "RoutePending", own.namespace)
        assert world.operator.pid == pid
        assert [p["metadata"]["uid"] for p in own.running()] == uids
