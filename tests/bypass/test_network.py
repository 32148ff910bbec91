"""Ways into models' pods and out of governed namespaces over the network, under policies with and without an egress section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from daulat.workload.egress import NAMESPACE_EGRESS
from daulat.workload.network import DEFAULT_DENY
from dev.deployment import poll
from tests.corpus.server import Server
from tests.e2e.world import IMAGE, Manifest, World, model_manifest, unique

from .attack import Attacker, Edit, Ground, labelled, refused, rule, taken

BESIDE_MODELS = {"matchExpressions": [{"key": "daulat.dev/model", "operator": "DoesNotExist"}]}
ALL_MODELS = {"matchExpressions": [{"key": "daulat.dev/model", "operator": "Exists"}]}

OPENINGS: list[Manifest] = [{"ingress": [{}]}, {"egress": [{}]}, {"ingress": [{"from": [{"podSelector": {}}]}]}]


@pytest.fixture(scope="module")
def silent(world: World, server: Server) -> Iterator[Ground]:
    """A namespace with a model, under a policy that says nothing of the network."""
    with world.governed() as (policy, namespace):
        tenant = unique("tenant")
        world.make_admin(tenant, namespace)
        world.admin.apply([model_manifest("kept", namespace)])
        world.wait_condition("sovereignmodel", "kept", "Ready", "True", namespace)
        yield Ground(world, server, policy, namespace, Attacker(server, tenant))


def network_policy(pods: Manifest | None, **spec: Any) -> Manifest:
    """Return a NetworkPolicy of these pods; None leaves the selector out, which selects all."""
    selected = {} if pods is None else {"podSelector": pods}
    return {"metadata": {"name": unique("np")}, "spec": {**selected, **spec}}


def policies_of(ground: Ground) -> str:
    return ground.within("networking.k8s.io/v1", "networkpolicies")


def test_more_network_policies_that_select_models(silent: Ground) -> None:
    """Policies add up, so one more that selects a model's pods opens them, whatever the sovereignty policy says of egress."""
    path = policies_of(silent)
    selecting: list[Manifest | None] = [
        {},
        None,
        ALL_MODELS,
        {"matchLabels": {"daulat.dev/model": "kept"}},
        {"matchLabels": {"app.kubernetes.io/name": "sovereignmodel"}},
        {"matchLabels": {"app.kubernetes.io/managed-by": "daulat"}},
        {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
        {"matchExpressions": [{"key": "daulat.dev/model", "operator": "NotIn", "values": ["other"]}]},
        {
            "matchExpressions": [
                {"key": "app.kubernetes.io/name", "operator": "In", "values": ["web", "sovereignmodel"]}
            ]
        },
        {"matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]},
        {"matchLabels": {"example.com/team": "ml"}},
    ]
    for pods in selecting:
        for opening in OPENINGS:
            refused(silent.tenant.create(path, network_policy(pods, **opening)), "USE-05 ")
    for pods in (BESIDE_MODELS, {"matchLabels": {"app": "web"}}, {"matchLabels": {"app.kubernetes.io/name": "web"}}):
        taken(silent.tenant.create(path, network_policy(pods, ingress=[{}], egress=[{}])))
    taken(silent.tenant.create(path, network_policy({}, policyTypes=["Ingress", "Egress"])))
    later = network_policy({"matchLabels": {"app": "web"}}, ingress=[{}])
    taken(silent.tenant.create(path, later))
    mine = f"{path}/{later['metadata']['name']}"
    refused(silent.tenant.change(mine, lambda p: p["spec"].update(podSelector={})), "USE-05 ")


def test_more_ingress_of_models_beside_closed_egress(ground: Ground) -> None:
    path = policies_of(ground)
    refused(ground.tenant.create(path, network_policy({}, ingress=[{}])), "USE-05 ")
    refused(ground.tenant.create(path, network_policy(BESIDE_MODELS, egress=[{}])), "USE-05 ")
    taken(ground.tenant.create(path, network_policy(BESIDE_MODELS, ingress=[{}])))


def test_more_the_operators_network_policies_without_an_egress_section(silent: Ground) -> None:
    for name in ("kept", DEFAULT_DENY):
        path = f"{policies_of(silent)}/{name}"
        refused(silent.tenant.ask("DELETE", path), "USE-05 ")
        refused(silent.tenant.change(path, lambda p: p["spec"].update(ingress=[{}])), "USE-05 ")
    refused(silent.tenant.ask("DELETE", policies_of(silent)), "USE-05 ")


def test_more_egress_of_pods_that_are_no_models(world: World, server: Server) -> None:
    """With egress.scope Namespace the operator closes every pod; nobody else changes that, and no label takes a pod out."""
    section = {"scope": "Namespace", "allow": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    with world.governed(egress=section) as (policy, namespace):
        tenant = unique("tenant")
        world.make_admin(tenant, namespace)
        ground = Ground(world, server, policy, namespace, Attacker(server, tenant))
        world.wait_reason("sovereigntypolicy", policy, "EgressOpen", "EnforcementNotProven")
        selected = [{"key": "daulat.dev/model", "operator": how} for how in ("DoesNotExist", "Exists")]
        for name, expression in zip((NAMESPACE_EGRESS, DEFAULT_DENY), selected, strict=True):
            path = f"{policies_of(ground)}/{name}"
            spec = server.must("GET", path)["spec"]
            assert spec["podSelector"] == {"matchExpressions": [expression]}
            assert "Egress" in spec["policyTypes"]
            refused(ground.tenant.ask("DELETE", path), "USE-05 ")
            refused(ground.tenant.change(path, lambda p: p["spec"].update(egress=[{}])), "USE-05 ")
            refused(
                ground.tenant.change(path, lambda p: p["spec"].update(podSelector={"matchLabels": {"a": "b"}})),
                "USE-05 ",
            )
            refused(ground.tenant.change(path, lambda p: p["metadata"].update(labels={})), "USE-05 ")
        refused(
            ground.tenant.create(policies_of(ground), network_policy({"matchLabels": {"a": "b"}}, egress=[{}])),
            "USE-05 ",
        )
        # Taken away by somebody who may, they come back.
        world.admin.run("delete", "networkpolicy", NAMESPACE_EGRESS, DEFAULT_DENY, "-n", namespace)
        world.made("networkpolicy", NAMESPACE_EGRESS, namespace)
        world.made("networkpolicy", DEFAULT_DENY, namespace)
        world.admin.run(
            "patch", "sovereigntypolicy", policy, "--type=merge", '--patch={"spec": {"egress": {"scope": "Models"}}}'
        )
        world.wait_reason("sovereigntypolicy", policy, "EgressOpen", "ModelsOnly")
        poll("both to go", lambda: not server.must("GET", policies_of(ground))["items"])


def test_more_labels_by_which_others_network_policies_select_a_model(silent: Ground) -> None:
    """A label without a prefix is its users' own, so a policy of a tenant may select by it; a model's pod gets none."""
    pod = next(p for p in silent.world.pods(silent.namespace) if "daulat.dev/model" in p["metadata"].get("labels", {}))
    path = f"{silent.pods}/{pod['metadata']['name']}"
    for change in ({"app": "web"}, {"app.kubernetes.io/component": "web"}, {"app.kubernetes.io/name": "web"}):
        refused(silent.tenant.change(path, labelled(change)), "USE-05 ", "MGD-17 ")
    status = silent.with_rights("status", rule("", "pods/status", "get update"), rule("", "pods", "get"))
    refused(status.change(path, labelled({"app": "web"}), "status"), "USE-05 ")
    taken(silent.tenant.change(path, labelled({"example.com/team": "ml"})))


@pytest.mark.parametrize(
    "spec",
    [
        {"hostAliases": [{"ip": "203.0.113.7", "hostnames": ["registry.example.my"]}]},
        {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["a"]}, {"ip": "2001:db8::1", "hostnames": ["a", "b"]}]},
        {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["203.0.113.53"]}},
        {"dnsConfig": {"nameservers": ["127.0.0.1", "203.0.113.53"]}},
        {"dnsConfig": {"searches": ["example.sg"]}},
        {"dnsConfig": {"searches": ["svc.cluster.local.example.sg"]}},
    ],
    ids=str,
)
def test_more_names_that_lead_elsewhere(ground: Ground, spec: Manifest) -> None:
    refused(ground.tenant.create(ground.pods, ground.pod(**spec)), "USE-05 ")


def test_more_names_that_stay_within_the_cluster(ground: Ground) -> None:
    mine = [{"ip": "127.0.0.1", "hostnames": ["self.example"]}, {"ip": "::1", "hostnames": ["six.example"]}]
    config = {"searches": ["shop.svc.cluster.local"], "options": [{"name": "ndots", "value": "2"}]}
    taken(ground.tenant.create(ground.pods, ground.pod(hostAliases=mine, dnsPolicy="ClusterFirst", dnsConfig=config)))


@pytest.mark.parametrize("host", ["x.example.sg", "169.254.169.254", "127.0.0.1", "localhost", "::1"])
@pytest.mark.parametrize("at", ["livenessProbe", "readinessProbe", "startupProbe", "postStart", "preStop"])
def test_more_hosts_that_a_kubelet_is_made_to_ask(ground: Ground, at: str, host: str) -> None:
    """The kubelet connects from the node, where no network policy of the pod holds; loopback is the node's own."""
    for handler in ({"httpGet": {"host": host, "port": 443}}, {"tcpSocket": {"host": host, "port": 443}}):
        fields = {at: handler} if at.endswith("Probe") else {"lifecycle": {at: handler}}
        refused(ground.tenant.create(ground.pods, ground.container(**fields)), "USE-05 ")
    if at.endswith("Probe"):
        sidecar = {
            "name": "side",
            "image": IMAGE,
            "restartPolicy": "Always",
            at: {"tcpSocket": {"host": host, "port": 1}},
        }
        refused(ground.tenant.create(ground.pods, ground.pod(initContainers=[sidecar])), "USE-05 ")


def restated(fields: Manifest) -> Edit:
    """Return an edit that sets fields of the status."""
    return lambda body: body["status"].update(fields)


def test_more_addresses_that_somebody_writes_into_a_pods_status(silent: Ground) -> None:
    """They become the addresses behind the model's Service."""
    pod = next(p for p in silent.world.pods(silent.namespace) if "daulat.dev/model" in p["metadata"].get("labels", {}))
    path, node = f"{silent.pods}/{pod['metadata']['name']}", pod["spec"]["nodeName"]
    writer = silent.with_rights("writer", rule("", "pods/status", "get update patch"), rule("", "pods", "get"))
    nodes = Attacker(silent.server, writer.user, ("system:nodes",))
    abroad = {"podIP": "203.0.113.7", "podIPs": [{"ip": "203.0.113.7"}]}
    for fields in (abroad, {"hostIP": "203.0.113.7", "hostIPs": [{"ip": "203.0.113.7"}]}):
        for who in (writer, nodes):
            refused(who.change(path, restated(fields), "status"), "USE-05 ")
    refused(silent.kubelet("gpu-1").change(path, restated(abroad), "status"), "USE-05 ", "forbidden")
    condition = {"type": "example.my/seen", "status": "True"}
    taken(writer.change(path, lambda p: p["status"]["conditions"].append(condition), "status"))
    kubelet = silent.kubelet(node)
    taken(kubelet.change(path, restated({"podIP": "10.244.9.9", "podIPs": [{"ip": "10.244.9.9"}]}), "status"))


def test_more_a_slice_that_is_put_behind_another_service(silent: Ground) -> None:
    slices = silent.within("discovery.k8s.io/v1", "endpointslices")
    (found,) = [
        s
        for s in silent.server.must("GET", slices)["items"]
        if s["metadata"]["labels"].get("kubernetes.io/service-name") == "kept"
    ]
    writer = silent.with_rights("slices", rule("discovery.k8s.io", "endpointslices", "get update"))
    path = f"{slices}/{found['metadata']['name']}"
    refused(writer.change(path, labelled({"kubernetes.io/service-name": "other"})), "USE-05 ")
    taken(writer.change(path, labelled({"team": "ml"})))


def test_more_a_pod_that_is_made_one_of_a_model(silent: Ground) -> None:
    pod = silent.running()["metadata"]["name"]
    mine = {"app.kubernetes.io/name": "sovereignmodel", "daulat.dev/model": "kept"}
    refused(silent.tenant.change(f"{silent.pods}/{pod}", labelled(mine)), "MGD-17 ")
