"""A replica of several nodes is a group of pods in one domain: whole, or not at all; replaced group by group."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import DOMAIN_ANNOTATION, GROUP_LABEL, eligible_label
from daulat.facts.child import WORKLOADS
from daulat.kube.ref import Ref
from daulat.reconcile.model.groups import HALF_PLACED
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Result
from tests.unit.world import ASCEND, ASCEND_RESOURCE, IMAGE, SITE, World, ascend, child, choice, model, pod

from .deployed import at

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
DOMAIN = "huawei.com/topotree.superpodid"


def nodes(**domains: int) -> list[dict[str, Any]]:
    """Return so many nodes with eight devices in each domain."""
    return [ascend(f"{d}{n}", labels={DOMAIN: d}) for d, count in domains.items() for n in range(count)]


class Cluster:
    """A model of groups, with what the API server and the controllers have made of it so far."""

    def __init__(
        self, there: list[dict[str, Any]], replicas: int = 1, *, lws: bool = False, domain: bool = True, **more: Any
    ) -> None:
        self.world = World(
            nodes=there, models=[model(accelerators=[choice(ASCEND, 16, nodes=2)], replicas=replicas, **more)]
        )
        self.world.profiles = [*self.world.profiles]
        if domain:
            mine = next(p for p in self.world.profiles if p["metadata"]["name"] == ASCEND)
            joined = {"scope": "Domain", "devices": 768, "nodeLabel": DOMAIN}
            changed = {**mine, "spec": {**mine["spec"], "interconnect": joined}}
            self.world.profiles = [changed if p is mine else p for p in self.world.profiles]
        self.world.unserved = () if lws else ("LeaderWorkerSet",)
        self.made: dict[Ref, dict[str, Any]] = {}
        self.on: dict[tuple[int, int], str] = {}
        self.waits: dict[tuple[int, int], float] = {}
        self.ready: set[int] = set()
        self.grace = 60
        self.pins: dict[str, str] = {}
        self.ending: list[dict[str, Any]] = []
        """Pods of groups that are gone, which still take their time."""

    def run(self, now: float = NOW) -> Result:
        """Run one pass on what is there now."""
        self.world.children = list(self.made.values())
        self.world.pods = [*self._pods(), *self.ending]
        for raw in self.world.children:
            wanted = raw.get("spec", {}).get("replicas", 1)
            number = raw["metadata"]["labels"].get(GROUP_LABEL, "")
            ready = wanted if number and int(number) in self.ready else 0
            raw["status"] = {"replicas": wanted, "readyReplicas": ready, "observedGeneration": 1}
        snapshot = self.world.snapshot()
        result = reconcile_model(REF, snapshot, now)
        self.world.with_status_of(result.effects)
        for effect in result.effects:
            if isinstance(effect, Apply):
                manifest = effect.manifest
                raw = child(manifest["kind"], manifest["metadata"]["name"], "treasury", model="deepseek")
                raw["spec"] = manifest.get("spec", {})
                raw["metadata"]["labels"] |= manifest["metadata"]["labels"]
                raw["metadata"]["annotations"] = manifest["metadata"].get("annotations", {})
                self.made[Ref.of(manifest["kind"], manifest)] = raw
            elif isinstance(effect, Delete):
                self.made.pop(effect.ref, None)
        gone = {p[0] for p in self.on} - self.numbers().keys()
        self.on = {p: node for p, node in self.on.items() if p[0] not in gone}
        self.ready -= gone
        return result

    def _pods(self) -> list[dict[str, Any]]:
        found = []
        for number, backend in self.numbers().items():
            for rank in range(2) if backend["spec"]["replicas"] else ():
                raw = pod(f"g{number}-{rank}", self.on.get((number, rank), ""), {ASCEND_RESOURCE: "8"}, "deepseek")
                raw["metadata"]["labels"][GROUP_LABEL] = str(number)
                raw["spec"] |= {"terminationGracePeriodSeconds": self.grace, "nodeSelector": self.pins}
                raw["metadata"]["uid"] = f"uid-{raw['metadata']['name']}"
                raw["metadata"]["annotations"] = {"daulat.dev/revision": self.revision(number)}
                if (number, rank) in self.waits:
                    since = at(self.waits[number, rank])
                    told = {"type": "PodScheduled", "status": "False", "lastTransitionTime": since}
                    raw["status"]["conditions"] = [told]
                found.append(raw)
        return found

    def numbers(self) -> dict[int, dict[str, Any]]:
        """Return the groups by number, each with the object that makes its first pod."""
        kinds = ("LeaderWorkerSet", "StatefulSet")
        return {
            int(raw["metadata"]["labels"][GROUP_LABEL]): raw
            for ref, raw in sorted(self.made.items(), reverse=True)
            if ref.kind in kinds
        }

    def revision(self, number: int) -> str:
        """Return the revision that a group was made by."""
        return str(self.numbers()[number]["metadata"]["annotations"]["daulat.dev/revision"])

    def domain(self, number: int) -> str:
        """Return the domain that a group was made for."""
        return str(self.numbers()[number]["metadata"]["annotations"].get(DOMAIN_ANNOTATION))

    def held(self, number: int) -> bool:
        """Say whether a group has no pods."""
        return bool(self.numbers()[number]["spec"]["replicas"] == 0)

    def place(self, number: int, *names: str) -> None:
        """Put a group's pods on nodes, and make it ready where all are."""
        self.on |= {(number, rank): name for rank, name in enumerate(names)}
        if len(names) == 2:
            self.ready.add(number)

    def end(self, number: int, *names: str, grace: int = 655) -> None:
        """Have pods of a group that take so long to end, and are about to."""
        for rank, name in enumerate(names):
            raw = pod(f"e{number}-{rank}", name, {ASCEND_RESOURCE: "8"}, "deepseek")
            raw["metadata"] |= {"deletionTimestamp": at(NOW + grace)}
            raw["metadata"]["labels"][GROUP_LABEL] = str(number)
            raw["spec"]["terminationGracePeriodSeconds"] = grace
            self.ending.append(raw)

    def change(self) -> None:
        """Ask for another image."""
        self.world.models[0]["spec"]["accelerators"][0]["image"] = IMAGE.replace("2b", "5e")


def two_ready(count: int, *, lws: bool = False) -> Cluster:
    """Return a cluster of so many nodes, in which both replicas are ready."""
    cluster = Cluster(nodes(a=count), replicas=2, lws=lws)
    cluster.run()
    cluster.place(0, "a0", "a1")
    cluster.place(1, "a2", "a3")
    cluster.run()
    return cluster


def condition(result: Result, type_: str) -> dict[str, Any]:
    (found,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return next(c for c in found["conditions"] if c["type"] == type_)


def kinds(cluster: Cluster) -> set[str]:
    return {ref.kind for ref in cluster.made}


def test_without_leader_worker_sets_a_group_is_two_stateful_sets_and_an_address() -> None:
    cluster = Cluster(nodes(a=2))
    cluster.run()
    sets = {ref.name: raw["spec"] for ref, raw in cluster.made.items() if ref.kind == "StatefulSet"}
    assert {name: (s["replicas"], s["ordinals"]["start"]) for name, s in sets.items()} == {
        "deepseek-0": (1, 0),
        "deepseek-0-w": (1, 1),
    }
    assert all(s["serviceName"] == "deepseek-0" for s in sets.values())
    service = cluster.made[Ref("Service", "treasury", "deepseek-0")]["spec"]
    assert service["publishNotReadyAddresses"] is True
    assert "Deployment" not in kinds(cluster)


def test_with_leader_worker_sets_a_group_is_one() -> None:
    cluster = Cluster(nodes(a=2), lws=True)
    cluster.run()
    spec = cluster.made[Ref("LeaderWorkerSet", "treasury", "deepseek-0")]["spec"]
    assert (spec["replicas"], spec["leaderWorkerTemplate"]["size"]) == (1, 2)
    assert "StatefulSet" not in kinds(cluster)


def test_every_group_is_in_one_domain() -> None:
    cluster = Cluster(nodes(a=1, b=3, c=2), replicas=2)
    cluster.run()
    assert {cluster.domain(n) for n in cluster.numbers()} == {"b", "c"}
    for number, raw in cluster.numbers().items():
        assert raw["spec"]["template"]["spec"]["nodeSelector"][DOMAIN] == cluster.domain(number)


def test_nodes_of_several_domains_are_no_room_for_a_group() -> None:
    cluster = Cluster(nodes(a=1, b=1))
    result = cluster.run()
    assert (condition(result, "Placed")["status"], condition(result, "Placed")["reason"]) == (
        "False",
        "InsufficientDevices",
    )
    assert not cluster.numbers()


def test_a_node_without_the_label_is_in_no_domain() -> None:
    assert condition(Cluster([ascend("x"), ascend("y")]).run(), "Placed")["status"] == "False"
    assert condition(Cluster([ascend("x"), ascend("y")], domain=False).run(), "Placed")["status"] == "True"


def test_the_engine_is_told_how_many_nodes_there_are_and_which_it_is() -> None:
    cluster = Cluster(nodes(a=2))
    cluster.run()
    leader, worker = (
        cluster.made[Ref("StatefulSet", "treasury", n)]["spec"]["template"] for n in ("deepseek-0", "deepseek-0-w")
    )
    (first,), (second,) = leader["spec"]["containers"], worker["spec"]["containers"]
    meeting = "--master-addr=deepseek-0-0.deepseek-0.treasury.svc"
    for container in (first, second):
        assert {"--nnodes=2", "--node-rank=$(GROUP_RANK)", meeting, "--tensor-parallel-size=8"} <= {*container["args"]}
        assert "--pipeline-parallel-size=2" in container["args"]
        env = {e["name"]: e.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") for e in container["env"]}
        assert env["GROUP_RANK"] == "metadata.labels['apps.kubernetes.io/pod-index']"
        assert env["VLLM_HOST_IP"] == "status.podIP"
        assert container["resources"]["limits"] == {ASCEND_RESOURCE: "8"}
    assert "--headless" in second["args"]
    assert "--headless" not in first["args"]
    assert "readinessProbe" in first
    assert "readinessProbe" not in second, "nobody answers there"


def test_the_address_of_the_model_leads_to_leaders_alone() -> None:
    cluster = Cluster(nodes(a=2))
    cluster.run()
    selector = cluster.made[Ref("Service", "treasury", "deepseek")]["spec"]["selector"]
    assert selector["daulat.dev/role"] == "leader"
    status = cluster.world.models[0]["status"]
    assert "daulat.dev/role=leader" in status["selector"].split(",")


def test_a_model_is_ready_when_all_of_its_groups_are() -> None:
    cluster = Cluster(nodes(a=4), replicas=2)
    cluster.run()
    cluster.place(0, "a0", "a1")
    one = cluster.run()
    assert condition(one, "WorkloadReady")["message"].startswith("1 of 2 replicas are ready")
    cluster.place(1, "a2", "a3")
    assert condition(cluster.run(), "Ready")["status"] == "True"


def test_a_group_that_is_half_placed_is_held_back_after_a_while() -> None:
    cluster = Cluster(nodes(a=2))
    cluster.run()
    cluster.place(0, "a0")
    cluster.waits[0, 1] = NOW
    cluster.world.pods.append(pod("thief", "a1", {ASCEND_RESOURCE: "8"}))
    early = cluster.run(NOW + HALF_PLACED - 1)
    assert not cluster.held(0)
    assert early.requeue_after == 1
    late = cluster.run(NOW + HALF_PLACED)
    assert cluster.held(0)
    said = condition(late, "WorkloadReady")["message"]
    assert "; 1 waits until one interconnect domain has room for all pods of a replica, and holds no devices" in said


def test_a_group_that_is_held_back_comes_when_there_is_room_for_all_of_it() -> None:
    cluster = Cluster(nodes(a=2, b=2))
    cluster.run()
    taken = cluster.domain(0)
    cluster.place(0, f"{taken}0")
    cluster.waits[0, 1] = NOW
    cluster.run(NOW + HALF_PLACED)
    assert cluster.held(0)
    cluster.on.clear()
    cluster.waits.clear()
    cluster.run(NOW + HALF_PLACED + 1)
    assert not cluster.held(0)


def test_a_rollout_makes_a_new_group_before_an_old_one_goes_where_there_is_room() -> None:
    cluster = two_ready(6)
    old = cluster.revision(0)
    cluster.change()
    cluster.run()
    assert sorted(cluster.numbers()) == [0, 1, 2]
    assert cluster.revision(2) != old
    rolling = cluster.run()
    assert condition(rolling, "RolledOut")["reason"] == "RollingOut"
    assert sorted(cluster.numbers()) == [0, 1, 2], "nothing goes before the new one is ready"
    cluster.place(2, "a4", "a5")
    cluster.run()
    assert sorted(cluster.numbers()) == [0, 2]
    cluster.run()
    assert sorted(cluster.numbers()) == [0, 1, 2]
    cluster.place(1, "a2", "a3")
    cluster.run()
    assert sorted(cluster.numbers()) == [1, 2]
    assert condition(cluster.run(), "RolledOut")["status"] == "True"


def test_a_rollout_takes_an_old_group_first_where_there_is_no_room() -> None:
    cluster = two_ready(4)
    old = cluster.revision(0)
    cluster.change()
    cluster.run()
    assert [cluster.revision(n) for n in sorted(cluster.numbers())] == [old]
    cluster.run()
    assert sorted(cluster.revision(n) == old for n in cluster.numbers()) == [False, True]
    cluster.run()
    assert sorted(cluster.revision(n) == old for n in cluster.numbers()) == [False, True], "the new one isn't ready"


def test_a_rollout_of_groups_that_fails_stops_there() -> None:
    cluster = two_ready(6)
    cluster.change()
    for _ in range(4):
        cluster.run()
    assert sorted(cluster.numbers()) == [0, 1, 2]
    said = {c["type"]: c["status"] for c in cluster.world.models[0]["status"]["conditions"]}
    assert (said["WorkloadReady"], said["RolledOut"]) == ("True", "False"), "the former ones serve"


def test_fewer_replicas_take_groups_away() -> None:
    cluster = Cluster(nodes(a=4), replicas=2)
    cluster.run()
    cluster.place(1, "a2", "a3")
    cluster.run()
    cluster.world.models[0]["spec"]["replicas"] = 1
    cluster.run()
    assert sorted(cluster.numbers()) == [1], "the one that serves stays"


def test_a_model_that_grows_beyond_a_node_keeps_its_deployment_until_the_group_is_ready() -> None:
    cluster = Cluster(nodes(a=3))
    cluster.world.models[0]["spec"]["accelerators"] = [choice(ASCEND, 8)]
    cluster.run()
    assert "Deployment" in kinds(cluster)
    cluster.world.models[0]["spec"]["accelerators"] = [choice(ASCEND, 16, nodes=2)]
    cluster.run()
    assert {"Deployment", "StatefulSet"} <= kinds(cluster)
    cluster.place(0, "a0", "a1")
    cluster.run()
    assert "Deployment" not in kinds(cluster)


def test_a_long_name_fits_into_the_labels_of_its_pods() -> None:
    cluster = Cluster(nodes(a=2))
    cluster.world.models[0]["metadata"] |= {"name": "m" * 50}
    result = reconcile_model(Ref("SovereignModel", "treasury", "m" * 50), cluster.world.snapshot(), NOW)
    names = [e.manifest["metadata"]["name"] for e in result.effects if isinstance(e, Apply)]
    assert max(len(f"{n}-0123456789") for n in names if n.endswith("-w")) <= 63
    assert len(set(names)) > 1


def test_a_replica_that_cant_be_spread_evenly_is_refused_with_the_numbers() -> None:
    cluster = Cluster(nodes(a=3))
    cluster.world.models[0]["spec"]["accelerators"] = [choice(ASCEND, 16, nodes=3)]
    told = condition(cluster.run(), "Placed")
    assert told["reason"] == "DoesNotFit"
    assert "16 devices can't be spread evenly over 3 nodes" in told["message"]


def test_a_rollout_without_room_waits_for_the_old_groups_end_before_another_one_goes() -> None:
    cluster = two_ready(4)
    cluster.change()
    cluster.run()
    (stays,) = cluster.numbers()
    cluster.end(1 - stays, *(("a2", "a3") if stays == 0 else ("a0", "a1")))
    for _ in range(3):
        cluster.run()
        assert sorted(cluster.numbers()) == [stays], "there is no room yet, and one of two serves"
    said = cluster.world.models[0]["status"]["conditions"]
    waits = next(c for c in said if c["type"] == "WorkloadReady")
    assert waits["reason"] == "InsufficientDomainCapacity"
    assert (
        "; 2 wait until one interconnect domain has room for all pods of a replica, and hold no devices; pod e1-1"
        in waits["message"]
    )
    assert "go on with earlier requests and hold their devices, until" in waits["message"]
    cluster.ending.clear()
    cluster.run()
    assert len(cluster.numbers()) == 2


def test_the_name_of_a_group_isnt_used_again_while_its_pods_are_ending() -> None:
    cluster = Cluster(nodes(a=6), replicas=1)
    cluster.end(0, "a0", "a1")
    cluster.run()
    assert sorted(cluster.numbers()) == [1]


@pytest.mark.parametrize(("grace", "together"), [(60, False), (655, True)])
def test_a_leader_worker_set_whose_pods_wait_ends_all_at_once(grace: int, together: bool) -> None:
    """Its workers go after the leader, unless they are told to go with it: then they would wait in their turn."""
    cluster = two_ready(4, lws=True)
    cluster.grace = grace
    cluster.world.models[0]["spec"]["replicas"] = 1
    result = cluster.run()
    assert [e.foreground for e in result.effects if isinstance(e, Delete)] == [together]


def drifting(count: int, *, lws: bool) -> Cluster:
    """Return such a cluster once the node of a replica isn't eligible any more."""
    cluster = two_ready(count, lws=lws)
    cluster.pins = {eligible_label("confidential"): "eligible"}
    cluster.run()
    cluster.world.nodes[0]["metadata"]["labels"].pop(SITE)
    return cluster


@pytest.mark.parametrize("lws", [True, False], ids=["LeaderWorkerSet", "StatefulSet"])
def test_a_group_on_a_node_that_isnt_eligible_goes_once_another_one_serves_in_its_place(lws: bool) -> None:
    cluster = drifting(6, lws=lws)
    result = cluster.run()
    assert deleted(result) == []
    assert sorted(cluster.numbers()) == [0, 1, 2]
    cluster.place(2, "a4")
    assert deleted(cluster.run()) == [], "it doesn't serve yet"
    cluster.place(2, "a4", "a5")
    ends = [e for e in cluster.run().effects if isinstance(e, Delete) and e.ref.kind in WORKLOADS]
    assert [e.ref.name for e in ends] == (["deepseek-0"] if lws else ["deepseek-0", "deepseek-0-w"])
    assert {(e.charged_to, e.charge_id, e.pods) for e in ends} == {(("confidential",), ends[0].uid, 2)}
    for _ in range(2):
        cluster.run()
        assert sorted(cluster.numbers()) == [1, 2]


@pytest.mark.parametrize("lws", [True, False], ids=["LeaderWorkerSet", "StatefulSet"])
def test_a_group_on_a_node_that_isnt_eligible_stays_where_there_is_no_room_for_another_one(lws: bool) -> None:
    cluster = drifting(5, lws=lws)
    for _ in range(2):
        assert deleted(cluster.run()) == []
        assert sorted(cluster.numbers()) == [0, 1]
        assert not cluster.held(0)


@pytest.mark.parametrize("drifted", [0, 2], ids=["first", "second"])
def test_a_rollout_takes_no_group_on_a_node_that_isnt_eligible_to_make_room(drifted: int) -> None:
    cluster = two_ready(4)
    old = cluster.revision(0)
    cluster.world.nodes[drifted]["metadata"]["labels"].pop(SITE)
    cluster.change()
    for _ in range(3):
        cluster.run()
        # The other one makes room for its own replacement.
        assert drifted // 2 in cluster.numbers()
        assert cluster.revision(drifted // 2) == old
    assert sum(cluster.revision(n) == old for n in cluster.numbers()) == 1


def deleted(result: Result) -> list[str]:
    return [str(e.ref) for e in result.effects if isinstance(e, Delete) and e.ref.kind in WORKLOADS]


@pytest.mark.parametrize("lws", [False, True], ids=["StatefulSets", "LeaderWorkerSets"])
def test_groups_stay_as_they_are_until_the_turn_of_their_model_in_an_upgrade(lws: bool) -> None:
    cluster = two_ready(6, lws=lws)
    for raw in cluster.made.values():
        if "daulat.dev/revision" in raw["metadata"]["annotations"]:
            raw["metadata"]["annotations"]["daulat.dev/revision"] = "0123456789ab"
    upgrading = {"type": "Upgraded", "status": "Unknown", "reason": "Upgrading", "lastTransitionTime": at(NOW)}
    cluster.world.models.append(model("other", status={"conditions": [upgrading]}, replicas=0))
    before = {ref: dict(raw["metadata"]) for ref, raw in cluster.made.items() if ref.kind in WORKLOADS}
    result = cluster.run()
    assert [e for e in result.effects if isinstance(e, Delete)] == []
    assert {ref: raw["metadata"] for ref, raw in cluster.made.items() if ref.kind in WORKLOADS} == before
    (written,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    told = {c["type"]: (c["status"], c["reason"]) for c in written["conditions"]}
    assert (told["Upgraded"], told["Ready"][0]) == (("False", "UpgradePending"), "True")
    cluster.world.models.pop()
    cluster.run()
    assert sorted(cluster.numbers()) == [0, 1, 2], "one of the release's beside the two that serve"
    assert cluster.revision(2) != "0123456789ab"
    cluster.place(2, "a4", "a5")
    cluster.run()
    assert len(cluster.numbers()) == 2
