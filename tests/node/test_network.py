"""NetworkPolicies are enforced here: what Daulat's let through, and what they hold back, seen from pods on both nodes."""

from __future__ import annotations

import http.client
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from daulat.workload.network import DEFAULT_DENY
from dev.cluster.node import addresses
from dev.cluster.node.real import ENFORCER
from dev.deployment import poll
from tests.e2e.world import Manifest

from .container import Container
from .models import Model, Served, Weights, pods_of, serve
from .reach import Way, listening, open_ways
from .world import GPU, NPU, RealWorld, client_pod

HOST = "kubernetes.io/hostname"
SYSTEM, DNS = "kube-system", {"k8s-app": "kube-dns"}
PORT = 9000


@dataclass(frozen=True)
class Neighbours:
    """A model, and the pods around it: of its namespace, of one that its policy lets in when asked to, and of a stranger."""

    address: str
    port: int
    service: str
    node: str
    """Where the model is."""
    network: int
    reader: str
    """The namespace that the policy can let in."""
    pods: dict[str, int]
    """By whose pod it is and where, its network namespace."""
    addresses: dict[str, str]

    @property
    def readers(self) -> Manifest:
        """All pods of the namespace that the policy can let in, as a policy says it."""
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.reader}}}

    def ways_in(self) -> dict[str, Way]:
        """Return the ways from each pod to the model, by its own address and by that of its Service."""
        direct = {f"{who} by pod": Way(network, self.address, self.port) for who, network in self.pods.items()}
        return direct | {f"{who} by service": Way(network, self.service, 80) for who, network in self.pods.items()}


def on(real: RealWorld, node: str, name: str, namespace: str, **labels: str) -> Manifest:
    pod = client_pod(real, name, namespace, nodeSelector={HOST: node})
    pod["metadata"]["labels"] = labels
    return pod


@pytest.fixture(scope="module")
def around(real: RealWorld, model: Model) -> Iterator[Neighbours]:
    served = model.now()
    with real.ungoverned() as reader, real.ungoverned() as stranger:
        whose = {"own": served.namespace, "reader": reader, "stranger": stranger}
        where = {"here": served.node, "there": NPU if served.node == GPU else GPU}
        named = {f"{who} {place}": (place, whose[who], node) for who in whose for place, node in where.items()}
        real.admin.apply([on(real, node, name, namespace) for name, namespace, node in named.values()])
        for name, namespace, _ in named.values():
            real.wait_phase(name, namespace, "Running")
        engine = real.get("pod", served.pod, namespace=served.namespace)
        service = real.get("service", served.name, namespace=served.namespace)["spec"]["clusterIP"]
        (port,) = {p["containerPort"] for c in engine["spec"]["containers"] for p in c["ports"] if p["name"] == "http"}
        yield Neighbours(
            engine["status"]["podIP"],
            port,
            service,
            served.node,
            real.network_of(served.pod, served.namespace),
            reader,
            {who: real.network_of(name, namespace) for who, (name, namespace, _) in named.items()},
            {who: real.address_of(name, namespace) for who, (name, namespace, _) in named.items()},
        )


def test_a_model_answers_its_own_namespace_and_whom_its_policy_lets_in(
    real: RealWorld, served: Served, around: Neighbours
) -> None:
    ways = around.ways_in()
    own = {name for name in ways if name.startswith("own ")}
    readers = {name for name in ways if name.startswith("reader ")}
    assert open_ways(ways) == own
    with served.under(monitoring={"allow": [around.readers]}):
        poll("readers to be let in", lambda: open_ways(ways) == own | readers)
    poll("readers to be kept out again", lambda: open_ways(ways) == own)


def test_the_pods_of_a_gateway_elsewhere_reach_a_model_that_is_exposed(
    real: RealWorld, served: Served, around: Neighbours
) -> None:
    ways = {name: way for name, way in around.ways_in().items() if not name.startswith("own ")}
    patch = ["patch", "sovereignmodel", served.name, "-n", served.namespace, "--type=merge"]
    with served.under(exposure={"gatewayPeers": [around.readers]}):
        real.admin.run(*patch, '--patch={"spec": {"exposure": {"gateway": "edge"}}}')
        try:
            poll("them to be let in", lambda: open_ways(ways) == {name for name in ways if name.startswith("reader ")})
        finally:
            real.admin.run(*patch, '--patch={"spec": {"exposure": null}}')
        # Its policy still names them.
        poll("them to be kept out", lambda: open_ways(ways) == set())


def test_a_model_reaches_nothing_but_dns_and_what_its_policy_allows(
    real: RealWorld, served: Served, around: Neighbours
) -> None:
    real.admin.apply([on(real, GPU, "dns", SYSTEM, **DNS)])
    try:
        real.wait_phase("dns", SYSTEM, "Running")
        dns, network = real.address_of("dns", SYSTEM), real.network_of("dns", SYSTEM)
        near, far = around.addresses["own here"], around.addresses["stranger there"]
        targets = {
            "a pod beside it": (near, PORT),
            "a pod elsewhere": (far, PORT),
            "the API server": (addresses.FABRIC, addresses.API_PORT),
            "another port of DNS": (dns, PORT),
            "DNS": (dns, 53),
        }
        anyone = {name: Way(around.pods["stranger here"], *target) for name, target in targets.items()}
        model = {name: Way(around.network, *target) for name, target in targets.items()}
        with (
            listening(around.pods["own here"], PORT),
            listening(around.pods["stranger there"], PORT),
            listening(network, PORT),
            listening(network, 53),
        ):
            assert open_ways(anyone) == set(targets)
            assert open_ways(model) == {"DNS"}
            allowed = {"ipBlock": {"cidr": f"{far}/32"}, "ports": [{"port": PORT}]}
            with served.under(egress={"allow": [allowed]}):
                poll("the policy's word to count", lambda: open_ways(model) == {"DNS", "a pod elsewhere"})
    finally:
        real.admin.run("delete", "pod", "dns", "-n", SYSTEM, "--now")


def probes(real: RealWorld, served: Served) -> dict[str, float]:
    """Return how many probes of the model's pod there were, by how they ended: the kubelet counts them."""
    told = real.admin.run("get", "--raw", f"/api/v1/nodes/{served.node}/proxy/metrics/probes")
    counted: dict[str, float] = {}
    for line in told.splitlines():
        if line.startswith("prober_probe_total{") and f'pod="{served.pod}"' in line:
            (result,) = re.findall(r'result="(\w+)"', line)
            counted[result] = counted.get(result, 0) + float(line.rpartition(" ")[2])
    return counted


def test_where_nobody_judges_nobody_new_is_let_through(real: RealWorld, served: Served, around: Neighbours) -> None:
    ways = around.ways_in()
    own = {name for name in ways if name.startswith("own ")}
    before = probes(real, served)
    known = served.chat.connection()
    known.request("GET", "/health")
    assert known.getresponse().read()
    real.kill(served.node, ENFORCER)
    try:
        poll("it to be gone", lambda: not real.machine(served.node).enforces)
        assert open_ways(ways) == set()
        # Who is known goes on, and so does the node itself: the kubelet takes the pod for well.
        known.request("GET", "/health")
        assert known.getresponse().status == http.client.OK
        asked = probes(real, served)
        poll("two more probes", lambda: probes(real, served)["successful"] >= asked["successful"] + 2)
        assert probes(real, served).get("failed", 0) == before.get("failed", 0)
        assert real.condition("pod", served.pod, "Ready", served.namespace)["status"] == "True"
    finally:
        real.machine(served.node).start(ENFORCER)
    assert open_ways(ways) == own


def test_who_deletes_a_model_doesnt_let_its_engine_out(real: RealWorld, weights: Weights, place: str) -> None:
    """One that takes no notice of being told to end has a minute, and its model's own policy is gone long before."""
    served = serve(real, weights.uris["first"], place).now()
    engine = Container.of(real, served.pod, place)
    out = {"out": Way(real.network_of(served.pod, place), addresses.FABRIC, addresses.API_PORT)}
    engine.signal(signal.SIGSTOP)
    real.admin.run("delete", "sovereignmodel", served.name, "-n", place)
    poll("its own policy to be gone", lambda: not real.exists("networkpolicy", served.name, place))
    # More than once, since who enforces hears of it a moment later.
    assert [open_ways(out) for _ in range(4)] == [set()] * 4
    assert engine.runs
    engine.kill()
    poll("nothing to be left", lambda: not real.exists("networkpolicy", DEFAULT_DENY, place))
    assert not pods_of(real, place)


def test_a_policy_holds_from_a_pods_first_packet(real: RealWorld, around: Neighbours) -> None:
    """A pod is known to who enforces before its containers start, and not only once the API server has its address."""
    shut = {"podSelector": {"matchLabels": {"shut": "yes"}}, "policyTypes": ["Egress"]}
    with real.ungoverned() as namespace, listening(around.pods["stranger there"], PORT) as listener:
        policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
        real.admin.apply([{**policy, "metadata": {"name": "shut", "namespace": namespace}, "spec": shut}])
        # Who may is let through at once, unless the machine is busy.
        once = f"nc -w 1 {around.addresses['stranger there']} {PORT} </dev/null"
        ask = ["/bin/sh", "-c", f"until {once}; do sleep 0.1; done; exec sleep 1000000"]
        named = {f"{kind}-{n}": (kind, (NPU, GPU)[n % 2]) for kind in ("shut", "open") for n in range(3)}
        pods = [on(real, node, name, namespace, **{kind: "yes"}) for name, (kind, node) in named.items()]
        for pod in pods:
            pod["spec"]["containers"][0]["command"] = ask
        real.admin.apply(pods)
        for name in named:
            real.wait_phase(name, namespace, "Running")
        found = {real.address_of(name, namespace): kind for name, (kind, _) in named.items()}
        opened = {address for address, kind in found.items() if kind == "open"}
        poll("the pods that may to come", lambda: opened <= listener.came)
        assert listener.came & set(found) == opened
