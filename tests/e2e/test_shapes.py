"""Shapes that a model takes, on a real API server: rollouts, drains, and replicas of several nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from dev.deployment import DEADLINE_SECONDS, ROOT, poll

from .world import IMAGE, Manifest, World, lower, model_manifest, node_manifest, raise_world, unique, zone_manifest

ASCEND = "huawei-ascend-910b"
OTHER_IMAGE = IMAGE.replace("2b", "5e")
DOMAIN = "huawei.com/topotree.superpodid"


class Site:
    """A zone with nodes of a test's own, so that no other test takes its devices."""

    def __init__(self, world: World) -> None:
        self.world, self.name = world, unique("site")
        self.nodes: list[str] = []
        world.admin.apply([zone_manifest(self.name)])
        self.policy, self.namespace = world.govern(zones={"names": [self.name], "minimumDataClass": "confidential"})

    def add(self, count: int, **labels: str) -> list[str]:
        """Add nodes with eight Ascend devices each."""
        made = [node_manifest(unique("n"), self.name) for _ in range(count)]
        for node in made:
            node["metadata"]["labels"] |= labels
        self.world.admin.apply(made)
        self.nodes += [n["metadata"]["name"] for n in made]
        return self.nodes[-count:]

    def model(self, count: int = 8, **spec: Any) -> str:
        """Apply a model on Ascend, and return its name."""
        name = unique("m")
        image = "registry.example.my/ascend/vllm-ascend@sha256:" + "2b" * 32
        accelerators = [{"profile": ASCEND, "count": count, "image": image, **spec.pop("accelerator", {})}]
        self.world.admin.apply([model_manifest(name, self.namespace, accelerators=accelerators, **spec)])
        return name

    def patch(self, name: str, **spec: Any) -> None:
        """Change a model."""
        self.world.admin.run(
            "patch", "smodel", name, "-n", self.namespace, "--type=merge", f"--patch={json.dumps({'spec': spec})}"
        )

    def use(self, name: str, image: str, **env: str) -> None:
        """Give a model another image and environment on its accelerator."""
        (choice,) = self.get(name)["spec"]["accelerators"]
        self.patch(name, accelerators=[{**choice, "image": image, "env": env}])

    def get(self, name: str) -> Manifest:
        """Return a model."""
        return self.world.get("smodel", name, namespace=self.namespace)

    def wait(self, name: str, type_: str, status: str) -> str:
        """Wait until a condition of a model has a status, and return its reason."""
        return self.world.wait_condition("smodel", name, type_, status, self.namespace)["reason"]

    def pods(self, name: str) -> list[Manifest]:
        """Return the pods of a model that aren't on their way out."""
        found = self.world.get("pods", "-l", f"daulat.dev/model={name}", namespace=self.namespace)["items"]
        return [p for p in found if not p["metadata"].get("deletionTimestamp")]

    def finalize(self, pod: str, by: list[str] | None) -> None:
        """Say who has to see the end of a pod."""
        patch = json.dumps({"metadata": {"finalizers": by}})
        self.world.admin.run("patch", "pod", pod, "-n", self.namespace, "--type=merge", f"--patch={patch}")

    def remove(self) -> None:
        """Remove everything."""
        self.world.remove(self.namespace, self.policy)
        self.world.admin.run("delete", "node", *self.nodes, "--ignore-not-found", "--wait=false")
        self.world.admin.run("delete", "sovereignzone", self.name)


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    """A site of the test's own."""
    made = Site(world)
    yield made
    made.remove()


def on(pod: Manifest) -> str:
    return str(pod["spec"].get("nodeName", ""))


def is_ready(pod: Manifest) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def image(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def strategy(site: Site, name: str) -> Manifest:
    found: Manifest = site.world.get("deployment", name, namespace=site.namespace)["spec"]["strategy"]["rollingUpdate"]
    return found


def test_a_rollout_brings_the_new_one_first_where_a_device_is_spare(site: Site) -> None:
    site.add(2)
    name = site.model()
    site.wait(name, "Ready", "True")
    (old,) = site.pods(name)
    # Slow to start: that the old one serves meanwhile can be seen.
    site.use(name, OTHER_IMAGE, SLOW_START="5s")
    poll("the new pod beside the old one", lambda: len(site.pods(name)) == 2)
    assert strategy(site, name) == {"maxSurge": 1, "maxUnavailable": 0}
    assert site.wait(name, "RolledOut", "True") == "UpToDate"
    site.wait(name, "Ready", "True")
    (new,) = site.pods(name)
    assert image(new) == OTHER_IMAGE
    assert on(new) != on(old)
    history = site.get(name)["status"]["history"]
    assert [(e["revision"], "finishedAt" in e) for e in history] == [(1, True), (2, True)]
    told = site.world.admin.run("rollout", "history", f"deployment/{name}", "-n", site.namespace)
    assert f"vllm {OTHER_IMAGE} serves" in told


def test_a_rollout_without_a_spare_device_isnt_stuck(site: Site) -> None:
    site.add(2)
    name = site.model(replicas=2)
    site.wait(name, "Ready", "True")
    site.use(name, OTHER_IMAGE)
    poll("all pods to be new", lambda: [image(p) for p in site.pods(name)] == [OTHER_IMAGE] * 2)
    assert strategy(site, name) == {"maxSurge": 0, "maxUnavailable": 1}
    site.wait(name, "Ready", "True")


def test_a_surge_whose_device_is_taken_meanwhile_isnt_stuck(site: Site) -> None:
    first, second = site.add(2)
    name = site.model()
    site.wait(name, "Ready", "True")
    free = second if on(site.pods(name)[0]) == first else first
    # Nobody but this pod may use the device, and the operator hears of it only after it has begun the rollout.
    site.world.admin.run("cordon", free)
    poll("the drain's own surge to be ruled out", lambda: not site.get(name)["status"].get("drain"))
    site.world.admin.run("uncordon", free)
    thief = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "thief", "namespace": site.namespace},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": free},
            "containers": [{"name": "c", "image": IMAGE, "resources": {"limits": {"huawei.com/Ascend910": "8"}}}],
        },
    }
    site.use(name, OTHER_IMAGE, SLOW_START="1h")
    poll("the surge to begin", lambda: strategy(site, name)["maxSurge"] == 1)
    poll("the new pod", lambda: len(site.pods(name)) == 2)
    new = next(p["metadata"]["name"] for p in site.pods(name) if image(p) == OTHER_IMAGE)
    # The scheduler's place is given to somebody else, as by a pod of higher priority.
    site.world.admin.run("cordon", free)
    site.world.admin.run("delete", "pod", new, "-n", site.namespace, "--force", "--grace-period=0")
    site.world.admin.run("uncordon", free)
    site.world.admin.apply([thief])
    site.use(name, OTHER_IMAGE)
    poll(
        "the old pod to make way or the new one to find room",
        lambda: [image(p) for p in site.pods(name)] == [OTHER_IMAGE],
    )
    site.wait(name, "Ready", "True")


def test_a_failed_rollout_keeps_the_old_one_and_a_revert_brings_it_back(site: Site) -> None:
    site.add(2)
    name = site.model()
    site.wait(name, "Ready", "True")
    before = yaml.safe_load(site.world.admin.run("get", "smodel", name, "-n", site.namespace, "-o", "yaml"))["spec"]
    (old,) = site.pods(name)
    site.use(name, OTHER_IMAGE, FAULT="image")
    assert site.wait(name, "RolledOut", "False")
    site.world.wait_reason("smodel", name, "RolledOut", "RolloutFailed", site.namespace)
    failed = site.world.condition("smodel", name, "RolledOut", site.namespace)
    assert "Back-off pulling image" in failed["message"]
    assert site.world.condition("smodel", name, "WorkloadReady", site.namespace)["status"] == "True"
    assert old["metadata"]["uid"] in {p["metadata"]["uid"] for p in site.pods(name)}
    assert site.get(name)["status"]["url"]
    # GitOps puts the former manifest back.
    site.patch(name, accelerators=before["accelerators"])
    site.wait(name, "Ready", "True")
    (kept,) = site.pods(name)
    assert kept["metadata"]["uid"] == old["metadata"]["uid"]
    last = site.get(name)["status"]["history"][-1]
    assert (last["revision"], last["rollbackTo"]) == (3, 1)


def drain(site: Site, node: str) -> None:
    waits = f"--timeout={DEADLINE_SECONDS:.0f}s"
    site.world.admin.run(
        "drain",
        node,
        "--ignore-daemonsets",
        "--force",
        "--delete-emptydir-data",
        waits,
        timeout_seconds=DEADLINE_SECONDS,
    )


def test_a_drain_brings_the_only_replica_elsewhere_first(site: Site) -> None:
    site.add(2)
    name = site.model()
    site.wait(name, "Ready", "True")
    (old,) = site.pods(name)
    uid = site.get(name)["metadata"]["uid"]
    drain(site, on(old))
    site.wait(name, "Ready", "True")
    poll("one pod, elsewhere", lambda: [on(p) != on(old) for p in site.pods(name)] == [True])
    # It never was without a replica: WorkloadReady had been False once only, before it first was True.
    events = site.world.get("events", namespace=site.namespace)["items"]
    lost = [e for e in events if e["involvedObject"].get("uid") == uid and "WorkloadReady=False" in e["message"]]
    assert len(lost) <= 1, [e["message"] for e in lost]


def test_a_drain_ends_where_nothing_can_take_the_replicas(site: Site) -> None:
    (node,) = site.add(1)
    name = site.model(count=4, replicas=2)
    site.wait(name, "Ready", "True")
    drain(site, node)
    poll("nothing left there", lambda: not [p for p in site.pods(name) if on(p) == node])
    site.world.admin.run("uncordon", node)
    site.wait(name, "Ready", "True")


def test_a_replica_may_take_an_hour_to_end(site: Site) -> None:
    """The API server lets no pod sleep for longer than it has to end in all."""
    site.add(1)
    name = site.model(engine={"name": "vllm", "gracePeriod": "1h"})
    site.wait(name, "Ready", "True")
    (pod,) = site.pods(name)
    assert pod["spec"]["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 3600}}
    assert pod["spec"]["terminationGracePeriodSeconds"] == 3655


def grouped(site: Site, **spec: Any) -> str:
    return site.model(16, accelerator={"nodes": 2}, **spec)


def test_a_replica_of_two_nodes_is_whole_and_its_leader_answers(site: Site) -> None:
    site.add(2)
    name = grouped(site)
    site.wait(name, "Ready", "True")
    pods = {p["metadata"]["labels"]["daulat.dev/role"]: p for p in site.pods(name)}
    assert {on(p) for p in pods.values()} == set(site.nodes)
    slices = site.world.get("endpointslices", "-l", f"kubernetes.io/service-name={name}", namespace=site.namespace)
    targets = [e["targetRef"]["name"] for s in slices["items"] for e in s.get("endpoints") or []]
    assert targets == [pods["leader"]["metadata"]["name"]]
    rank = {e["name"]: e for e in pods["worker"]["spec"]["containers"][0]["env"]}["GROUP_RANK"]
    label = rank["valueFrom"]["fieldRef"]["fieldPath"].removeprefix("metadata.labels['").removesuffix("']")
    assert pods["worker"]["metadata"]["labels"][label] == "1"
    assert pods["leader"]["metadata"]["labels"][label] == "0"


def test_a_rollout_of_groups_has_one_whole_group_all_the_time(site: Site) -> None:
    site.add(4)
    name = grouped(site)
    site.wait(name, "Ready", "True")
    site.use(name, OTHER_IMAGE)
    site.wait(name, "RolledOut", "True")
    site.wait(name, "Ready", "True")
    poll("the old pods to go", lambda: [image(p) for p in site.pods(name)] == [OTHER_IMAGE] * 2)


def test_a_group_that_finds_half_of_its_nodes_gives_them_back(site: Site) -> None:
    first, second = site.add(2)
    name = grouped(site)
    site.wait(name, "Ready", "True")
    # One node goes: what was on the other serves nobody, and would hold its devices for ever.
    (lost,) = (p["metadata"]["name"] for p in site.pods(name) if on(p) == second)
    site.world.admin.run("delete", "node", second)
    # As the garbage collection of pods does, which waits for 40 s.
    site.world.admin.run("delete", "pod", lost, "-n", site.namespace, "--force", "--grace-period=0")
    poll("the devices to be free", lambda: not [p for p in site.pods(name) if on(p) == first])
    site.world.wait_reason("smodel", name, "Ready", "InsufficientDomainCapacity", site.namespace)
    site.add(1)
    site.wait(name, "Ready", "True")


def test_a_model_of_groups_says_how_they_are_reached_in_the_network(site: Site) -> None:
    site.add(2)
    name = grouped(site)
    site.wait(name, "Ready", "True")
    policy = site.world.get("networkpolicy", name, namespace=site.namespace)["spec"]
    own = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "sovereignmodel", "daulat.dev/model": name}}}
    assert {"from": [own]} in policy["ingress"]
    assert {"to": [own]} in policy["egress"]


def test_the_example_of_several_nodes_serves(site: Site) -> None:
    site.add(2)
    example = yaml.safe_load((ROOT / "examples" / "several-nodes.yaml").read_text())
    example["metadata"]["namespace"] = site.namespace
    site.world.admin.apply([example])
    site.wait(example["metadata"]["name"], "Ready", "True")


@pytest.fixture(scope="module")
def with_lws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster in which LeaderWorkerSets are installed."""
    raised = raise_world(unique("lws"), tmp_path_factory.mktemp("lws"), say=lambda line: None, addons=("lws",))
    yield raised
    lower(raised)


def test_a_replica_of_two_nodes_is_a_leader_worker_set_where_there_are_such(with_lws: World) -> None:
    site = Site(with_lws)
    site.add(4)
    name = grouped(site)
    site.wait(name, "Ready", "True")
    (made,) = with_lws.get("leaderworkersets", namespace=site.namespace)["items"]
    assert made["metadata"]["name"] == f"{name}-0"
    pods = {p["metadata"]["labels"]["daulat.dev/role"]: p for p in site.pods(name)}
    for role, rank in (("leader", "0"), ("worker", "1")):
        assert pods[role]["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/worker-index"] == rank
    address = next(a for a in pods["worker"]["spec"]["containers"][0]["args"] if a.startswith("--master-addr="))
    assert address == f"--master-addr={name}-0-0.{name}-0.{site.namespace}.svc"
    service = with_lws.get("service", f"{name}-0", namespace=site.namespace)["spec"]
    assert service["clusterIP"] == "None"
    site.use(name, OTHER_IMAGE)
    site.wait(name, "RolledOut", "True")
    site.wait(name, "Ready", "True")
    # What made them is gone; the garbage collector follows.
    poll("the old pods to go", lambda: {image(p) for p in site.pods(name)} == {OTHER_IMAGE})
    (made,) = with_lws.get("leaderworkersets", namespace=site.namespace)["items"]
    assert made["metadata"]["name"] == f"{name}-1"


@contextmanager
def kept(site: Site, name: str) -> Iterator[None]:
    """Keep a model's pods from going once they are deleted, as an engine that answers does."""
    pods = [p["metadata"]["name"] for p in site.pods(name)]
    for pod in pods:
        site.finalize(pod, ["example.my/seen"])
    try:
        yield
    finally:
        for pod in pods:
            site.finalize(pod, None)
        poll("the pods to go", lambda: not any(site.world.exists("pod", pod, site.namespace) for pod in pods))


def test_all_pods_of_a_leader_worker_set_begin_to_end_together_where_they_take_their_time(with_lws: World) -> None:
    """Left alone, workers go once their leader has ended, and then take as long again."""
    site = Site(with_lws)
    site.add(2)
    name = grouped(site, engine={"name": "vllm", "gracePeriod": "10m"})
    site.wait(name, "Ready", "True")
    with kept(site, name):
        assert len(site.pods(name)) == 2
        site.patch(name, replicas=0)
        poll("the end of both to begin", lambda: site.pods(name) == [])
    poll("what made them to go", lambda: not with_lws.get("leaderworkersets", namespace=site.namespace)["items"])
