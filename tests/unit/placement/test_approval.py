"""Nodes under a policy that approves by vendor, country, family or regime, and what becomes of them when profiles change."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import NODE_PREFIX
from daulat.kube.ref import Ref
from daulat.placement.approval import approval
from daulat.placement.certify import certify
from daulat.placement.eligibility import ineligible
from daulat.reconcile.policy.reconciler import reconcile_policy
from tests.unit.world import ASCEND, H20, Raw, World, ascend, h20, node, policy, the_policy

LABEL = NODE_PREFIX + "confidential"
CERTIFIED = {NODE_PREFIX + "zone": "cyberjaya-1", LABEL: "eligible"}
NPU = "acme.example/npu"


def selecting(**selectors: Any) -> Raw:
    return policy(accelerators={"profiles": None, **selectors})


def profile(name: str = "acme-npu", country: str = "MY", **spec: Any) -> Raw:
    body = {
        "vendor": {"name": "Acme", "country": country},
        "family": "NPU",
        "model": "1",
        "resources": [{"name": NPU, "sharing": "Whole"}],
    }
    return {"metadata": {"name": name, "uid": f"uid-{name}", "generation": 1}, "spec": {**body, **spec}}


def world(*nodes: Raw, more: tuple[Raw, ...] = (), **selectors: Any) -> World:
    found = World(nodes=list(nodes) or [ascend("a1"), h20("h1")], policies=[selecting(**selectors)])
    found.profiles += more
    return found


def why(found: World, name: str) -> str | None:
    snapshot = found.snapshot()
    return ineligible(snapshot.nodes[name], the_policy(snapshot), snapshot)


def eligible(found: World) -> list[str]:
    return [name for name in found.snapshot().nodes if why(found, name) is None]


@pytest.mark.parametrize(
    ("selectors", "nodes"),
    [
        ({"vendors": ["Huawei"]}, ["a1"]),
        ({"vendorCountries": ["US"]}, ["h1"]),
        ({"vendorCountries": ["US", "CN"]}, ["a1", "h1"]),
        ({"vendorCountries": ["US", "CN"], "excludeRegimes": ["US-GP10"]}, ["h1"]),
        ({"families": ["Ascend"]}, ["a1"]),
        ({"families": ["Ascend"], "vendors": ["NVIDIA"]}, []),
        ({"profiles": [ASCEND, H20], "vendorCountries": ["CN"]}, ["a1"]),
    ],
)
def test_a_node_is_eligible_by_what_its_accelerators_profile_says(selectors: dict[str, Any], nodes: list[str]) -> None:
    assert eligible(world(**selectors)) == nodes


def test_a_node_of_a_profile_that_doesnt_match_is_told_as_one_that_nothing_approves() -> None:
    assert (
        why(world(vendors=["NVIDIA"]), "a1")
        == "has the accelerator huawei.com/Ascend910, which no approved profile names"
    )


def record(found: World, name: str = "n1") -> tuple[dict[str, str | None], bool | None]:
    snapshot = found.snapshot()
    changed = certify(snapshot.nodes[name], snapshot)  # type: ignore[arg-type]
    return changed.labels, changed.taint


def test_a_node_keeps_its_label_and_gets_no_new_pod_where_a_profile_that_may_match_cant_be_read() -> None:
    found = world(node("n1", devices={NPU: "8"}, labels=CERTIFIED), vendorCountries=["MY"])
    found.profiles.append(profile(futureField=1))
    assert record(found) == ({}, True)
    assert "AcceleratorProfile acme-npu, which may describe it, can't be read" in (why(found, "n1") or "")


def test_a_node_gets_no_label_by_a_profile_that_cant_be_read() -> None:
    found = world(node("n1", devices={NPU: "8"}), vendorCountries=["MY"], more=(profile(futureField=1),))
    assert record(found) == ({NODE_PREFIX + "zone": "cyberjaya-1"}, None)


def test_a_profile_that_cant_be_read_concerns_no_policy_that_lists_others_by_name() -> None:
    found = world(node("n1", devices={NPU: "8"}, labels=CERTIFIED), more=(profile(futureField=1),))
    found.policies = [policy(accelerators={"profiles": [H20], "vendorCountries": ["US"]})]
    assert record(found) == ({LABEL: None}, None)


def approved_before(found: World) -> World:
    """Let the operator write into the policy's status what it approves."""
    result = reconcile_policy(Ref("SovereigntyPolicy", "", "confidential"), found.snapshot(), 1_800_000_000.0)
    return found.with_status_of(result.effects)


def certified(**selectors: Any) -> World:
    """A node that is eligible by a profile that the selectors match."""
    found = approved_before(world(node("n1", devices={NPU: "8"}, labels=CERTIFIED), more=(profile(),), **selectors))
    assert record(found) == ({}, None)
    return found


def test_a_profile_that_selectors_approved_and_that_is_deleted_revokes_nothing() -> None:
    found = certified(vendorCountries=["MY"])
    found.profiles.pop()
    assert record(found) == ({}, True)
    assert why(found, "n1") == (
        f"has the accelerator {NPU}, and AcceleratorProfile acme-npu, which may describe it, doesn't exist any more"
    )
    # The operator remembers it by the status, also after it is started anew.
    assert record(approved_before(found)) == ({}, True)
    assert found.policies[0]["status"]["accelerators"]["missing"] == ["acme-npu"]
    found.profiles.append(profile())
    assert record(approved_before(found)) == ({}, None)
    assert found.policies[0]["status"]["accelerators"]["missing"] == []


def test_a_profile_that_is_changed_so_that_it_matches_no_more_is_a_decision() -> None:
    found = certified(vendorCountries=["MY"])
    found.profiles[-1] = profile(country="SG")
    assert record(found) == ({LABEL: None}, None)


def test_a_change_of_the_selectors_decides_about_a_profile_that_is_deleted() -> None:
    found = certified(vendorCountries=["MY"])
    found.profiles.pop()
    found.policies[0]["spec"]["action"] = "Audit"
    assert record(found) == ({}, True)
    found.policies[0]["spec"]["accelerators"]["vendorCountries"] = ["MY", "SG"]
    assert record(found) == ({LABEL: None}, None)


def test_a_named_profile_that_is_gone_leaves_nodes_undecided_whatever_else_the_policy_asks() -> None:
    found = world(node("n1", devices={NPU: "8"}, labels=CERTIFIED))
    found.policies = [policy(accelerators={"profiles": ["acme-npu"], "vendorCountries": ["MY"]})]
    assert record(found) == ({}, True)
    snapshot = found.snapshot()
    assert approval(the_policy(snapshot), snapshot).unreadable == {"acme-npu": "doesn't exist"}


def test_a_new_profile_that_matches_makes_nodes_eligible_and_wakes_them() -> None:
    found = world(node("n1", devices={NPU: "8"}), ascend("a1"), vendorCountries=["MY"])
    store = found.store()
    before = store.snapshot()
    assert ineligible(before.nodes["n1"], the_policy(before), before) is not None
    assert Ref("Node", "", "n1") in found.woken("AcceleratorProfile", profile())
    assert Ref("Node", "", "n1") not in found.woken("AcceleratorProfile", profile(country="SG"))
    store.apply("AcceleratorProfile", profile())
    after = store.snapshot()
    assert ineligible(after.nodes["n1"], the_policy(after), after) is None


def test_what_was_worked_out_is_forgotten_when_a_profile_comes_to_match_or_matches_no_more() -> None:
    store = world(node("n1", devices={NPU: "8"}), vendorCountries=["MY"]).store()
    for country, fits in [("SG", False), ("MY", True), ("SG", False)]:
        store.apply("AcceleratorProfile", profile(country=country))
        snapshot = store.snapshot()
        assert (ineligible(snapshot.nodes["n1"], the_policy(snapshot), snapshot) is None) == fits
