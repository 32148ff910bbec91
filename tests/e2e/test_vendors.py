"""A policy that approves by the country of vendors: what it lets in, and that a new accelerator which matches isn't silent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.deployment import poll

from .world import IMAGE, Manifest, World, pod_manifest, policy_manifest, unique


@pytest.fixture(scope="module")
def governed(world: World) -> Iterator[tuple[str, str]]:
    with world.governed(accelerators={"vendorCountries": ["CN", "BN"]}) as names:
        yield names


def _asking(namespace: str, resource: str) -> Manifest:
    container = {"name": "main", "image": IMAGE, "resources": {"limits": {resource: "1"}}}
    return pod_manifest("p", namespace, containers=[container])


def _profile(name: str, resource: str, country: str) -> Manifest:
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "AcceleratorProfile",
        "metadata": {"name": name},
        "spec": {
            "vendor": {"name": "Example", "country": country},
            "family": "Example",
            "model": "NPU 1",
            "resources": [{"name": resource, "sharing": "Whole"}],
        },
    }


def _events(world: World, policy: str) -> list[tuple[str, str]]:
    found = world.get("events", namespace="default")["items"]
    own = [e for e in found if e["involvedObject"]["name"] == policy and e["reason"] == "AcceleratorsApproved"]
    return [(e["type"], e["message"]) for e in own]


def test_a_pod_is_let_in_by_the_country_of_its_accelerators_vendor_and_another_is_refused(
    world: World, governed: tuple[str, str]
) -> None:
    policy, namespace = governed
    assert world.refusal(_asking(namespace, "huawei.com/Ascend910"), "--dry-run=server") == ""
    told = world.refusal(_asking(namespace, "nvidia.com/gpu"), "--dry-run=server")
    assert f'SUP-08 spec.containers[*].resources: "nvidia.com/gpu" was requested; policy {policy} approves ' in told
    approved = world.get("sovereigntypolicy", policy)["status"]["accelerators"]
    assert "huawei-ascend-910b" in approved["profiles"]
    assert not [name for name in approved["profiles"] if name.startswith("nvidia-")]
    assert approved["count"] == len(approved["profiles"])


def test_a_new_profile_that_matches_is_told_in_status_and_as_an_event(world: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    name = unique("npu")
    resource = f"example.com/{name}"

    def approved() -> bool:
        return name in world.get("sovereigntypolicy", policy)["status"]["accelerators"]["profiles"]

    def warned(what: str) -> bool:
        return any(type_ == "Warning" and what in note for type_, note in _events(world, policy))

    poll("an Event of what is approved at first", lambda: bool(_events(world, policy)))
    assert "SUP-08" in world.refusal(_asking(namespace, resource), "--dry-run=server")
    world.admin.apply([_profile(name, resource, "BN")])
    try:
        poll("the profile to be in the status", approved)
        poll("a Warning", lambda: warned(f"; added AcceleratorProfile {name}, resource {resource}. "))
        poll("a pod to be let in", lambda: not world.refusal(_asking(namespace, resource), "--dry-run=server"))
        # Another country takes it away again, and that is told, too.
        world.admin.apply([_profile(name, resource, "SG")])
        poll("the profile to be out of the status", lambda: not approved())
        poll("another Warning", lambda: warned(f"; removed AcceleratorProfile {name}, resource {resource}. "))
        poll("a pod to be refused", lambda: "SUP-08" in world.refusal(_asking(namespace, resource), "--dry-run=server"))
    finally:
        world.admin.run("delete", "acceleratorprofile", name, "--ignore-not-found")


@pytest.mark.parametrize("selectors", [{}, {"excludeRegimes": ["US-GP10"]}])
def test_a_policy_that_only_excludes_is_refused_by_the_kind(world: World, selectors: Manifest) -> None:
    told = world.refusal(policy_manifest(unique("pol"), accelerators=selectors), "--dry-run=server")
    assert "profiles is required unless vendors, vendorCountries or families is set" in told
