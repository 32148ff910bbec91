"""What a cluster's Kubernetes offers, by its version or by its own account."""

from __future__ import annotations

import pytest

from daulat.catalog.kubernetes import (
    DEFAULT,
    NEWEST,
    OLDEST,
    CapabilityError,
    Minor,
    Pin,
    features,
    observed,
    of_version,
    served_kinds,
)

MAP = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
DRA = ("resourceclaims", "resourceclaimtemplates", "resourceslices", "deviceclasses")
ADMISSION = "admissionregistration.k8s.io"


def discovered(**versions: list[str]) -> dict[tuple[str, str], list[str]]:
    found = {(ADMISSION, r): versions.get("policies", []) for r in MAP}
    found |= {("resource.k8s.io", r): versions.get("devices", []) for r in DRA}
    return {key: each for key, each in found.items() if each}


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("1.32", (1, 32)),
        ("v1.37.2", (1, 37)),
        ("v1.31.1-gke.100", (1, 31)),
        ("v1.34.13+k3s1", (1, 34)),
        ("1.30.", (1, 30)),
    ],
)
def test_a_version_is_read_as_platforms_write_it(text: str, minor: tuple[int, int]) -> None:
    assert Minor.of(text) == Minor(*minor)


@pytest.mark.parametrize("text", ["", "latest", "1", "1.x", "1.32abc", "v-1.30", "30"])
def test_what_is_no_version_is_an_error(text: str) -> None:
    with pytest.raises(CapabilityError, match="is not a Kubernetes version"):
        Minor.of(text)


def test_minor_versions_are_compared_as_numbers() -> None:
    assert Minor(1, 9) < Minor(1, 30) < Minor(2, 0)


def test_a_version_before_the_oldest_is_refused() -> None:
    with pytest.raises(CapabilityError, match=f"Daulat supports {OLDEST} and later"):
        of_version("1.29")


@pytest.mark.parametrize(
    ("version", "pin", "policies", "devices"),
    [
        ("1.30", Pin.REFUSE, None, None),
        ("1.33", Pin.REFUSE, None, None),
        ("1.34", Pin.REFUSE, None, "v1"),
        ("1.35", Pin.REFUSE, None, "v1"),
        ("1.36", Pin.MUTATING_POLICY, "v1", "v1"),
        ("1.37", Pin.MUTATING_POLICY, "v1", "v1"),
        ("1.50", Pin.MUTATING_POLICY, "v1", "v1"),
    ],
)
def test_by_its_version_a_cluster_has_what_is_on_by_default(
    version: str, pin: Pin, policies: str | None, devices: str | None
) -> None:
    found = of_version(version)
    assert found.pin is pin
    assert {found.served.get(r) for r in MAP} == {policies}
    assert {found.served.get(r) for r in DRA} == {devices}


def test_a_pin_that_a_version_has_as_a_beta_can_be_named() -> None:
    found = of_version("1.34", Pin.MUTATING_POLICY)
    assert (found.pin, found.served["mutatingadmissionpolicies"]) == (Pin.MUTATING_POLICY, "v1beta1")
    assert found.has("pin")
    with pytest.raises(CapabilityError, match=r"1\.33 has no MutatingAdmissionPolicy: 1\.34 is the first"):
        of_version("1.33", Pin.MUTATING_POLICY)


@pytest.mark.parametrize("pin", [Pin.OPENSHIFT, Pin.POD_NODE_SELECTOR, Pin.REFUSE])
@pytest.mark.parametrize("version", [str(OLDEST), str(NEWEST)])
def test_the_other_pins_can_be_named_on_every_version(pin: Pin, version: str) -> None:
    assert of_version(version, pin).pin is pin
    assert bool(pin.annotation) is (pin is not Pin.REFUSE)


def test_a_cluster_is_taken_by_what_it_serves_and_not_by_its_version() -> None:
    beta = observed("v1.34.13", discovered(policies=["v1beta1"], devices=["v1", "v1beta1"]))
    assert (beta.pin, beta.served["mutatingadmissionpolicies"], beta.served["resourceslices"]) == (
        Pin.MUTATING_POLICY,
        "v1beta1",
        "v1",
    )
    off = observed("v1.36.3", discovered(devices=["v1"]))
    assert (off.pin, off.has("pin")) == (Pin.POD_NODE_SELECTOR, False)
    old = observed("v1.32.13", discovered(devices=["v1alpha3", "v1beta1"]))
    assert old.served["resourceclaims"] == "v1beta1"


def test_policies_without_their_bindings_pin_nothing() -> None:
    assert observed("v1.36.0", {(ADMISSION, MAP[0]): ["v1"]}).pin is Pin.POD_NODE_SELECTOR


def test_openshift_is_known_by_its_configuration() -> None:
    group = {("config.openshift.io", "clusterversions"): ["v1"]}
    assert observed("v1.31.9", group).pin is Pin.OPENSHIFT
    assert observed("v1.36.1", {**group, **discovered(policies=["v1"])}).pin is Pin.MUTATING_POLICY


def test_a_pin_that_somebody_decided_on_is_kept() -> None:
    assert observed("v1.37.2", discovered(policies=["v1"]), Pin.REFUSE).pin is Pin.REFUSE


def test_by_default_the_newest_version_has_everything() -> None:
    assert of_version(str(NEWEST)) == DEFAULT
    assert DEFAULT.missing == ()
    assert {f.feature for f in of_version(str(OLDEST)).missing} == {f.feature for f in features()} - {"guards"}


@pytest.mark.parametrize("feature", features(), ids=lambda f: f.feature)
def test_the_table_says_of_each_feature_what_holds_without_it(feature: object) -> None:
    known = {f.feature: f for f in features()}
    found = known[feature.feature]  # type: ignore[attr-defined]
    assert found.at(NEWEST) == "yes"
    assert found.opt_in is None or found.since is None or found.opt_in < found.since
    assert bool(found.without) is (found.at(OLDEST) != "yes")


def test_kinds_are_served_in_the_best_version_first() -> None:
    for kind in served_kinds():
        firsts = [v.since or v.opt_in for v in kind.versions]
        assert firsts == sorted(firsts, key=lambda m: (m is None, m), reverse=True)
