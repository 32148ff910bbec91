"""The way to the API server fails: it asks for patience, breaks off, answers for some kinds alone, or loses its answers."""

from __future__ import annotations

import json

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll

from .faulty import Faulty
from .hall import PREFIX
from .world import model_manifest, node_manifest, policy_manifest, unique, zone_manifest

AT_ONCE = {"gracePeriod": "1s", "limit": "100%"}


def test_a_deletion_is_not_tried_again_before_the_api_server_wants_it(faulty: Faulty) -> None:
    between, wait = faulty.between, 3
    with faulty.hall(drift=AT_ONCE) as own:
        own.fill(2)
        pods = f"/namespaces/{own.namespace}/pods/"
        with (
            between.fault("DELETE", pods, status=429, retry_after=wait, left=2) as refused,
            between.fault(
                "PATCH", f"/sovereigntypolicies/{own.policy}/status", status=429, retry_after=1, left=3
            ) as untold,
        ):
            own.close(*own.nodes)
            poll("the pods to be evicted", lambda: not own.running())
            own.upheld("True")
        assert (len(refused.met), len(untold.met)) == (2, 3)
        for first in refused.met:
            again = next(a for a in between.writes("DELETE", pods) if a.path == first.path and a.at > first.at)
            assert again.at - first.at >= wait


def test_what_changes_while_the_watches_are_cut_is_seen(faulty: Faulty) -> None:
    between = faulty.between
    with faulty.hall(size=4, drift=AT_ONCE) as own:
        own.fill(6)
        for node in own.nodes[:2]:
            assert between.cut_watches() > 10
            own.close(node)
            poll("the pods to be evicted", lambda n=node: not own.running(n))  # type: ignore[misc]
        # Longer, too: nothing of it is heard until the API server lets itself be watched again.
        with between.fault("GET", "", watch=True, status=503) as refused:
            between.cut_watches()
            own.close(own.nodes[2])
            poll("the watches to be refused", lambda: len(refused.met) > 20)
        poll("the pods to be evicted", lambda: not own.running(own.nodes[2]))
        own.upheld("True")


def test_a_kind_that_clusters_do_without_holds_nothing_up_but_what_needs_it(faulty: Faulty) -> None:
    world, between = faulty.world, faulty.between
    with faulty.hall(drift=AT_ONCE) as own:
        uids = own.fill(2)
        with (
            between.fault("GET", r"/resourceslices$", status=503) as slices,
            between.fault("GET", r"/leaderworkersets$", status=503, retry_after=1),
        ):
            faulty.restart()
            faulty.leads()
            assert slices.met
            # What devices are on a node can't be told. What runs there goes on, and what is decided all the same is done.
            told = world.wait_reason("sovereigntypolicy", own.policy, "Upheld", "Undecided")
            assert told["status"] == "Unknown"
            assert world.condition("sovereigntypolicy", own.policy, "Enforced")["status"] == "True"
            own.close(own.nodes[0])
            poll("the pods to be evicted", lambda: not own.running(own.nodes[0]))
            poll("the label to be taken", lambda: own.eligible() == [own.nodes[1]])
            assert own.undecided() == []
        own.upheld("True")
        assert {p["metadata"]["uid"] for p in own.running()} <= set(uids)


@pytest.mark.parametrize("kind", ["nodes", "sovereignzones"])
def test_without_a_kind_that_decisions_need_nothing_is_done(faulty: Faulty, kind: str) -> None:
    world, between = faulty.world, faulty.between
    with faulty.hall(drift=AT_ONCE) as own:
        uids = own.fill(2)
        with between.fault("GET", rf"/{kind}$", status=503) as refused:
            start = faulty.restart()
            poll("the kind to be asked for again and again", lambda: len(refused.met) >= 3)
            own.close(own.nodes[0])
            status, said = world.operator.asked("/readyz")
            assert (status, "couldn't be listed" in said) == (503, True)
            assert world.metric(world.operator, "daulat_leader") == 0
            assert [a for a in between.asked[start:] if a.method != "GET"] == []
            assert own.eligible() == [*own.nodes]
            assert {p["metadata"]["uid"] for p in own.running()} == set(uids)
        faulty.leads()
        poll("the pods to be evicted", lambda: not own.running(own.nodes[0]))
        own.upheld("True")


def test_an_answer_that_is_lost_neither_undoes_nor_repeats_a_write(faulty: Faulty) -> None:
    world, between = faulty.world, faulty.between
    with faulty.hall(size=3, drift=AT_ONCE) as own:
        own.fill(3)
        with (
            between.fault("DELETE", f"/namespaces/{own.namespace}/pods/", lose=True, left=2) as deletions,
            between.fault("PATCH", f"/nodes/{own.nodes[0]}$", lose=True, left=1) as labels,
            between.fault("PATCH", f"/sovereigntypolicies/{own.policy}/status", lose=True, left=2) as statuses,
            between.fault("PATCH", "/deployments/m$", lose=True, left=1) as deployments,
            between.fault("PATCH", "/sovereignmodels/m/status", lose=True, left=2) as models,
            between.fault("PUT", "/leases/", lose=True, left=2) as leases,
        ):
            own.close(*own.nodes[:2])
            world.admin.apply([model_manifest("m", own.namespace)])
            poll("the pods to be evicted", lambda: not own.running(*own.nodes[:2]))
            poll("the labels to be taken", lambda: own.eligible() == [own.nodes[2]])
            world.wait_condition("sovereignmodel", "m", "Ready", "True", own.namespace)
            own.upheld("True")
            poll("the lease to be renewed all the same", lambda: len(leases.met) == 2)
        assert all(f.met for f in (deletions, labels, statuses, deployments, models))
        assert len(world.get("replicasets", namespace=own.namespace)["items"]) == 1
        assert world.metric(world.operator, "daulat_leader") == 1


def test_a_node_that_was_made_anew_gets_no_label_of_the_one_before(faulty: Faulty) -> None:
    world, between = faulty.world, faulty.between
    with faulty.hall() as own:
        name = unique("late")
        # The operator decides on a node of the hall. Before its patch arrives, another one has the name.
        site = {PREFIX + "site": own.site}
        first = node_manifest(name, site=own.site)

        def replaced() -> None:
            world.admin.run("delete", "node", name)
            world.admin.apply([node_manifest(name)])

        try:
            with between.fault("PATCH", f"/nodes/{name}$", before=replaced, left=1) as patched:
                world.admin.apply([first])
                poll("the patch to arrive", lambda: bool(patched.met and patched.met[0].status))
            body = patched.met[0].body or {}
            assert body["metadata"]["labels"][own.label] == "eligible"
            assert patched.met[0].status == 422
            labels = world.get("node", name)["metadata"]["labels"]
            assert {k: v for k, v in labels.items() if k.startswith(PREFIX)} == {}
            # Once something vouches for it, it gets them.
            world.admin.run("label", "node", name, *(f"{k}={v}" for k, v in site.items()))
            poll("the label", lambda: world.get("node", name)["metadata"]["labels"].get(own.label) == "eligible")
        finally:
            world.admin.run("delete", "node", name, "--ignore-not-found")


def test_a_policy_that_was_made_anew_gets_no_status_of_the_one_before(faulty: Faulty) -> None:
    world, between = faulty.world, faulty.between
    with faulty.hall() as own:
        name = unique("late")
        manifest = policy_manifest(name, zones={"names": [own.site]})
        other = policy_manifest(name, action="Warn", zones={"names": ["nowhere"]})

        def replaced() -> None:
            world.admin.run("delete", "sovereigntypolicy", name)
            world.admin.apply([other])

        try:
            path = f"/sovereigntypolicies/{name}/status$"
            with between.fault("PATCH", path, before=replaced, left=1) as patched:
                world.admin.apply([manifest])
                poll("the status to arrive", lambda: bool(patched.met and patched.met[0].status))
            assert patched.met[0].status == 409
            poll("the other's own status", lambda: world.condition("sovereigntypolicy", name, "Ready") != {})
            poll("no eligible node", lambda: world.get("sovereigntypolicy", name)["status"]["eligibleNodes"] == 0)
            first = between.writes("PATCH", path)
            live = world.get("sovereigntypolicy", name)["metadata"]["uid"]
            assert [a.status for a in first if (a.body or {})["metadata"]["uid"] != live] == [409]
        finally:
            world.admin.run("delete", "sovereigntypolicy", name, "--ignore-not-found")


def test_the_api_server_refuses_a_write_for_another_uid(faulty: Faulty) -> None:
    world, name = faulty.world, unique("other")
    meta = {"uid": "00000000-0000-0000-0000-000000000000", "labels": {"test": "elsewhere"}}
    patch = f"--patch={json.dumps({'metadata': meta})}"
    refused = r"metadata\.uid: Invalid value: .* field is immutable"
    kinds = {"node": node_manifest(name), "sovereignzone": zone_manifest(name)}
    for kind, manifest in kinds.items():
        world.admin.apply([manifest])
        try:
            with pytest.raises(ClusterError, match=refused):
                world.admin.run("patch", kind, name, "--type=merge", patch)
            with pytest.raises(ClusterError, match=refused):
                world.admin.apply([{**manifest, "metadata": {**meta, "name": name}}], "--force-conflicts")
            if kind == "sovereignzone":
                # It takes a status for another uid. So the operator's writes carry the version, too.
                world.admin.run("patch", kind, name, "--subresource=status", "--type=merge", patch)
        finally:
            world.admin.run("delete", kind, name)
