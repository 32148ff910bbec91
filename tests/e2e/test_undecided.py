"""What decides about nodes is gone or can't be read: what runs stays, nothing new comes, and both end once it is back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from daulat.catalog import accelerators
from dev.deployment import poll

from .faulty import Faulty
from .hall import Hall
from .world import Manifest, World, accelerator_node, unique, zone_manifest

AT_ONCE = {"gracePeriod": "1s", "limit": "100%"}


@pytest.fixture
def laboratory(faulty: Faulty) -> Iterator[tuple[Hall, Manifest]]:
    """A hall whose nodes have an accelerator with a profile of the test's own, and that profile."""
    with _laboratory(faulty) as found:
        yield found


@contextmanager
def _laboratory(faulty: Faulty, *, by_vendor: bool = False) -> Iterator[tuple[Hall, Manifest]]:
    """The same, with a policy that approves the profile by its name or by its vendor's."""
    world, name = faulty.world, unique("npu")
    spec = accelerators.shipped()["huawei-ascend-910b"].model_dump(by_alias=True, exclude_none=True, mode="json")
    spec["vendor"] = {"name": name, "country": "MY"}
    spec["resources"] = [{**spec["resources"][0], "name": f"example.com/{name}"}]
    profile = {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "AcceleratorProfile",
        "metadata": {"name": name},
        "spec": spec,
    }
    world.admin.apply([profile])
    shipped = accelerators.shipped()["huawei-ascend-910b"]
    nodes = [accelerator_node(unique("node"), shipped, {f"example.com/{name}": 8}) for _ in range(2)]
    try:
        approved = {"vendors" if by_vendor else "profiles": [name]}
        with faulty.hall(nodes=nodes, drift=AT_ONCE, accelerators=approved) as own:
            yield own, profile
    finally:
        world.admin.run("delete", "acceleratorprofile", name, "--ignore-not-found")


@contextmanager
def _newer(faulty: Faulty, plural: str) -> Iterator[Callable[[str], None]]:
    """A kind as a newer release has it. Yields what writes a field of that release into an object."""
    world, between = faulty.world, faulty.between
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/future"
    crd = f"{plural}.daulat.dev"

    def patch(op: str, **value: object) -> None:
        before = between.opened(plural)
        body = json.dumps([{"op": op, "path": path, **value}])
        world.admin.run("patch", "crd", crd, "--type=json", f"--patch={body}")
        # The API server ends watches that read objects by the definition before.
        poll("the kind to be watched anew", lambda: between.opened(plural) > before)

    patch("add", value={"type": "string"})
    try:
        yield lambda name: _write(world, plural, name)
    finally:
        patch("remove")


def _write(world: World, plural: str, name: str) -> None:
    body = '--patch={"spec": {"future": "set by a newer release"}}'

    def taken() -> bool:
        world.admin.run("patch", plural, name, "--type=merge", body)
        return "future" in world.get(plural, name)["spec"]

    poll("the field to be served", taken)


def _stays(own: Hall, uids: list[str], reason: str) -> None:
    """Wait until the nodes are undecided, and see that nothing was taken away."""
    world = own.world
    poll("the nodes to be undecided", lambda: own.undecided() == [*own.nodes])
    told = world.wait_reason("sovereigntypolicy", own.policy, "Upheld", "Undecided")
    assert told["status"] == "Unknown"
    assert reason in told["message"]
    assert own.eligible() == [*own.nodes]
    assert sorted(p["metadata"]["uid"] for p in own.running()) == sorted(uids)


def _ends(own: Hall, uids: list[str]) -> None:
    """Wait until the nodes are decided again."""
    poll("the nodes to be decided", lambda: own.undecided() == [])
    own.upheld("True")
    assert own.eligible() == [*own.nodes]
    assert sorted(p["metadata"]["uid"] for p in own.running()) == sorted(uids)


def test_where_a_profile_is_deleted_what_runs_stays_and_nothing_new_comes(
    laboratory: tuple[Hall, Manifest],
) -> None:
    own, profile = laboratory
    uids = own.fill(2)
    own.world.admin.run("delete", "acceleratorprofile", profile["metadata"]["name"])
    _stays(own, uids, f"AcceleratorProfile {profile['metadata']['name']}, which may describe it, doesn't exist")
    own.world.admin.apply([profile])
    _ends(own, uids)


def test_where_a_profile_is_deleted_that_a_policy_approved_by_its_vendor_what_runs_stays(faulty: Faulty) -> None:
    with _laboratory(faulty, by_vendor=True) as (own, profile):
        world, name = own.world, profile["metadata"]["name"]
        uids = own.fill(2)
        world.admin.run("delete", "acceleratorprofile", name)
        _stays(own, uids, f"AcceleratorProfile {name}, which may describe it, doesn't exist any more")
        assert world.wait_reason("sovereigntypolicy", own.policy, "Compiled", "ProfileNotFound")
        # The operator knows it by the policy's status alone.
        world.operator.stop()
        world.operator.start()
        _stays(own, uids, "doesn't exist any more")
        world.admin.apply([profile])
        _ends(own, uids)
        world.wait_reason("sovereigntypolicy", own.policy, "Compiled", "Applied")
        # To revoke it, the policy is changed.
        world.admin.run("delete", "acceleratorprofile", name)
        _stays(own, uids, "doesn't exist any more")
        other = json.dumps({"spec": {"accelerators": {"vendors": ["NVIDIA"]}}})
        own.closed.update(own.nodes)
        world.admin.run("patch", "sovereigntypolicy", own.policy, "--type=merge", f"--patch={other}")
        poll("the labels to be taken", lambda: own.eligible() == [])
        poll("the pods to go", lambda: not own.running())


def test_where_a_zone_is_deleted_what_runs_stays_and_nothing_new_comes(faulty: Faulty) -> None:
    with faulty.hall(drift=AT_ONCE) as own:
        uids = own.fill(2)
        own.world.admin.run("delete", "sovereignzone", own.site)
        _stays(own, uids, f"zone {own.site}, which doesn't exist any more")
        own.world.admin.apply([zone_manifest(own.site)])
        _ends(own, uids)


def test_where_a_profile_and_a_zone_cant_be_read_what_runs_stays(
    faulty: Faulty, laboratory: tuple[Hall, Manifest]
) -> None:
    own, profile = laboratory
    world, name = own.world, profile["metadata"]["name"]
    uids = own.fill(2)
    with _newer(faulty, "acceleratorprofiles") as write:
        write(name)
        _stays(own, uids, f"AcceleratorProfile {name}, which may describe it, can't be read")
        world.admin.run("patch", "acceleratorprofile", name, "--type=merge", '--patch={"spec": {"future": null}}')
        _ends(own, uids)
    with _newer(faulty, "sovereignzones") as write:
        write(own.site)
        _stays(own, uids, f"zone {own.site} can't be read")
        world.admin.run("patch", "sovereignzone", own.site, "--type=merge", '--patch={"spec": {"future": null}}')
        _ends(own, uids)


def test_where_a_zone_is_edited_so_that_a_policy_rejects_it_its_pods_go_after_the_grace_period(faulty: Faulty) -> None:
    world, between, grace = faulty.world, faulty.between, 10
    with faulty.hall(drift={"gracePeriod": f"{grace}s", "limit": "100%"}, zones={"countries": ["MY"]}) as own:
        own.fill(2)
        start = len(between.asked)
        world.admin.run("patch", "sovereignzone", own.site, "--type=merge", '--patch={"spec": {"country": "SG"}}')
        own.closed.update(own.nodes)
        poll("the labels to be taken", lambda: own.eligible() == [])
        assert f"zone {own.site} is in SG" in own.upheld("False")
        poll("the pods to go", lambda: not own.running())
        own.upheld("True")
        labels = next(a for a in between.asked[start:] if a.path.startswith("/api/v1/nodes/"))
        # The status has whole seconds.
        assert faulty.deletions(start, own.namespace)[0].at - labels.at > grace - 2
