"""Each field of a policy has a direction, and each direction finds what is wider and takes what is narrower."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from daulat.api.meta import LabelSelector
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators
from daulat.check.narrower import selectors
from daulat.check.narrower.difference import Grade, Pair
from daulat.check.narrower.directions import DIRECTIONS, Direction
from daulat.check.narrower.policies import COMPARISONS, compare
from daulat.controls import library
from tests.requests import merge

BASE: dict[str, Any] = {
    "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
    "zones": {"countries": ["MY"]},
    "accelerators": {"profiles": ["nvidia-h20"]},
}
NS = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
NOTHING = object()
"""Where the national policy restricts nothing."""
KNATIVE = "system:serviceaccount:knative-serving:controller"
KEY = "-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----\n"
OTHER_KEY = "-----BEGIN PUBLIC KEY-----\nREVG\n-----END PUBLIC KEY-----\n"


def authority(name: str, key: str = KEY, **window: str) -> dict[str, Any]:
    """Return an authority that is trusted by one key."""
    return {"name": name, "keys": [{"publicKey": key, **window}]}


TRUST = {"authorities": [authority("a")]}
ATTESTED = {"minimumEvidence": "attested", "attestations": TRUST}

# A field, what both policies have beside it, and its value in the national policy, in a narrower one, and in a wider one.
CASES: list[tuple[str, dict[str, Any], Any, Any, Any]] = [
    ("action", {}, "Warn", "Enforce", "Audit"),
    ("controls", {}, {"SUP-01": "Warn"}, {"SUP-01": "Enforce"}, {"STO-07": "Off"}),
    ("controls", {}, {"USE-21": "Enforce"}, {"USE-21": "Enforce"}, {}),
    ("controls", {}, {"USE-20": "Warn"}, {"USE-20": "Warn"}, {}),
    ("zones.names", {}, ["a", "b"], ["a"], ["c"]),
    ("zones.countries", {}, ["MY", "SG"], ["SG"], ["MY", "ID"]),
    ("zones.countries", {}, ["MY"], ["MY"], None),
    ("zones.operatorCountries", {}, ["MY"], ["MY"], ["US"]),
    ("zones.parentCountries", {}, ["MY"], ["MY"], ["US"]),
    ("zones.minimumDataClass", {}, "confidential", "confidential", "restricted"),
    ("zones.minimumDataClass", {}, "internal", "restricted", "confidential"),
    ("zones.minimumEvidence", {"attestations": TRUST}, "observed", "attested", "declared"),
    ("zones.minimumEvidence", {"attestations": TRUST}, "attested", "attested", None),
    ("zones.attestations.authorities", ATTESTED, [authority("a"), authority("b")], [authority("b")], [authority("c")]),
    (
        "zones.attestations.authorities",
        ATTESTED,
        [authority("a")],
        [authority("a", notAfter="2027-01-01T00:00:00Z")],
        [authority("a", OTHER_KEY)],
    ),
    (
        "zones.attestations.authorities",
        ATTESTED,
        [authority("a", notBefore="2027-01-01T00:00:00Z")],
        [authority("a", notBefore="2027-01-02T00:00:00Z")],
        [authority("a")],
    ),
    (
        "zones.attestations.authorities",
        ATTESTED,
        [{**authority("a"), "revoked": ["1"]}],
        [{**authority("a"), "revoked": ["1", "2"]}],
        [authority("a")],
    ),
    ("zones.attestations", {"minimumEvidence": "observed"}, None, None, TRUST),
    ("zones.attestations.authorities", {}, [authority("a")], [authority("b")], NOTHING),
    ("zones.attestations.maxDuration", {"attestations": TRUST}, "2160h", "720h", "2161h"),
    ("accelerators.profiles", {}, ["nvidia-h20", "nvidia-h100"], ["nvidia-h100"], ["amd-mi300x"]),
    ("accelerators.vendors", {"profiles": None}, ["NVIDIA", "AMD"], ["AMD"], ["Huawei"]),
    ("accelerators.vendors", {"profiles": None, "families": ["Hopper"]}, ["NVIDIA"], ["NVIDIA"], None),
    ("accelerators.vendorCountries", {"profiles": None}, ["US", "CN"], ["CN"], ["US", "KR"]),
    ("accelerators.families", {"profiles": None}, ["Hopper", "Ada"], ["Ada"], ["Blackwell"]),
    ("accelerators.excludeRegimes", {"profiles": None, "vendors": ["Huawei"]}, ["US-GP10"], ["US-GP10", "EU-1"], []),
    ("accelerators.otherResources", {}, ["rdma/hca", "a/b"], ["a/b"], ["nvidia.com/gpu"]),
    ("accelerators.otherDrivers", {}, ["a.example.my"], [], ["b.example.my"]),
    ("accelerators.componentUsers", {}, ["a"], ["a"], ["b"]),
    ("accelerators.runtimeClassNames", {}, ["gvisor"], [], ["kata"]),
    ("accelerators.requireAcknowledgement", {}, ["US-GP10"], ["US-GP10", "EU-1"], []),
    (
        "accelerators.acknowledgements",
        {"requireAcknowledgement": ["US-GP10"]},
        [],
        [{"regime": "EU-1", "by": "x", "reference": "1"}],
        [{"regime": "US-GP10", "by": "x", "reference": "1"}],
    ),
    ("models.sources", {}, ["oci://registry.example.my/"], ["oci://registry.example.my/a/"], ["oci://"]),
    ("models.sources", {}, ["pvc://"], ["pvc://weights/"], None),
    ("models.endpoints.s3", {}, ["https://s3.example.my"], [], ["https://s3.example.sg"]),
    ("models.endpoints.hf", {}, ["https://hf.example.my"], [], ["https://hf.example.sg"]),
    ("models.endpoints.ms", {}, ["https://ms.example.my"], [], ["https://ms.example.sg"]),
    ("models.endpoints.proxies", {}, [], [], ["http://proxy.example.my:3128"]),
    ("models.signatures", {}, {"keys": [KEY]}, {"keys": [KEY]}, None),
    ("models.signatures.keys", {}, [KEY], [KEY], [KEY, OTHER_KEY]),
    ("models.requireDigest", {}, True, True, False),
    ("models.licenses", {}, ["MIT", "Apache-2.0"], ["mit"], ["GPL-2.0-only"]),
    ("models.developers", {}, ["mesolitica"], ["mesolitica"], ["acme"]),
    ("models.originCountries", {}, ["MY", "CN"], ["CN"], None),
    ("models.parentCountries", {}, ["MY"], ["MY"], ["SG"]),
    ("models.excludeDevelopers", {}, ["acme"], ["acme", "b"], []),
    ("images", {}, {"registries": ["a.example.my/"]}, {"registries": ["a.example.my/x/"]}, None),
    ("images.registries", {}, ["a.example.my/"], ["a.example.my/x/"], ["a.example.my.sg/"]),
    ("images.requireDigest", {"registries": ["a.example.my/"]}, True, True, False),
    ("engines.requireOffline", {}, True, True, False),
    ("engines.allowRemoteCode", {}, False, False, True),
    ("engines.additionalArguments", {}, ["--a"], [], ["--b"]),
    ("engines.additionalVariables", {}, ["A"], [], ["B"]),
    ("storage", {}, {}, {"storageClasses": ["a"]}, None),
    ("storage.storageClasses", {}, ["a"], ["a"], None),
    ("storage.storageClasses", {}, None, [], NOTHING),
    ("storage.volumeTypes", {}, ["nfs"], [], ["nfs", "csi"]),
    ("storage.drivers", {}, ["a"], ["a"], []),
    ("storage.drivers", {}, [], ["a"], NOTHING),
    ("storage.snapshotClasses", {}, ["a"], [], None),
    ("storage.volumeAttributesClasses", {}, ["a"], [], ["b"]),
    ("storage.binders", {}, ["a"], [], ["b"]),
    ("egress", {}, {"allow": []}, {"allow": []}, None),
    ("egress", {}, None, {"allow": []}, {"allow": [NS]}),
    ("egress.allow", {}, [NS], [{**NS, "ports": [{"port": 443}]}], [{"namespaceSelector": {}}]),
    ("egress.allow", {}, [{"ipBlock": {"cidr": "10.0.0.0/8"}}], [{"ipBlock": {"cidr": "10.1.0.0/16"}}], [NS]),
    ("egress.allow", {}, [{**NS, "ports": [{"port": 443}]}], [{**NS, "ports": [{"port": 443}]}], [NS]),
    ("egress.scope", {"allow": []}, "Namespace", "Namespace", "Models"),
    ("egress.allowKubernetesAPI", {"allow": [], "scope": "Namespace"}, False, False, True),
    ("hosts.aliases", {}, [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}], [], [{"ip": "10.0.0.2", "hostnames": ["a"]}]),
    ("hosts.nameservers", {}, ["10.0.0.1"], [], ["10.0.0.2"]),
    ("hosts.searches", {}, ["a.my"], [], ["b.my"]),
    ("hosts.probes", {}, ["a"], [], ["b"]),
    ("exposure.loadBalancerClasses", {}, ["a/b"], [], [""]),
    ("exposure.ingressClasses", {}, ["a"], [], ["b"]),
    ("exposure.gatewayClasses", {}, ["a"], [], ["b"]),
    ("exposure.domains", {}, ["example.my"], ["a.example.my"], ["anexample.my"]),
    ("exposure.domains", {}, ["example.my"], ["example.my"], []),
    ("exposure.routeKinds", {}, [], [], ["Route.route.openshift.io"]),
    ("exposure.backendNamespaces", {}, ["a"], [], ["b"]),
    ("exposure.knativeControllers", {}, [KNATIVE], [], [KNATIVE, "system:serviceaccount:other:controller"]),
    ("exposure.knativeGateways", {}, ["gateway.kourier-system.svc"], [], ["gateway.other.svc"]),
    (
        "exposure.gatewayPeers",
        {},
        [NS],
        [{**NS, "podSelector": {"matchLabels": {"x": "y"}}}],
        [{"namespaceSelector": {}}],
    ),
    ("exposure.nodePorts", {}, False, False, True),
    ("monitoring.allow", {}, [], [], [NS]),
    ("monitoring.prometheus", {}, {"address": "http://a.b"}, {"address": "http://a.b"}, {"address": "http://c.d"}),
    ("access", {}, {}, {}, None),
    ("access.users", {}, ["a", "b"], ["b"], ["c"]),
    ("access.groups", {}, [], [], ["c"]),
    ("exemptions.maxDuration", {}, "720h", "24h", "43201m"),
    ("exemptions.maxDuration", {}, "720h", "720h", None),
    ("drift.action", {}, "Evict", "Evict", "Report"),
    ("drift.gracePeriod", {}, "5m", "300s", "301s"),
    ("drift.limit", {}, "20%", "50%", "10%"),
    ("schedulers", {}, ["system:kube-scheduler", "volcano"], ["volcano"], ["other"]),
]


def spec(path: str, around: dict[str, Any], value: Any) -> SovereigntyPolicySpec:
    """Return a policy with one field set."""
    section = path.partition(".")[0]
    body = merge(BASE, {section: around} if around else {})
    patch: Any = value
    for part in reversed(path.split(".")):
        patch = {part: patch}
    return SovereigntyPolicySpec.model_validate(merge(body, patch))


def found(national: SovereigntyPolicySpec, local: SovereigntyPolicySpec, **more: Any) -> list[tuple[str, Grade]]:
    return [(d.field, d.grade) for d in compare(Pair(national, local, accelerators.shipped(), **more))]


@pytest.mark.parametrize(
    ("path", "around", "national", "narrower", "wider"), CASES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_field_is_compared_by_its_direction(
    path: str, around: dict[str, Any], national: Any, narrower: Any, wider: Any
) -> None:
    theirs = spec(path, around, national)
    assert found(theirs, theirs) == []
    assert found(theirs, spec(path, around, narrower)) == []
    if wider is NOTHING:
        return
    differences = found(theirs, spec(path, around, wider))
    assert differences
    assert all(field.startswith(path) or path.startswith(field) for field, _ in differences), differences
    assert all(grade is not Grade.SIDE_EFFECT for _, grade in differences)


def test_every_field_of_a_policy_has_a_direction_and_no_other_has() -> None:
    assert set(fields(SovereigntyPolicySpec)) == set(DIRECTIONS)


def test_every_direction_that_compares_has_a_case_on_both_sides() -> None:
    compared = {p for p, d in DIRECTIONS.items() if d in COMPARISONS}
    covered = {path for path, *_ in CASES}
    # A section is compared by its fields, and the certificates as the keys are.
    assert compared - covered - {"models.signatures.certificates", "monitoring.prometheus.address"} == set()


def test_a_direction_compares_or_says_that_it_does_not() -> None:
    silent = {Direction.PARTS, Direction.SELECTOR, Direction.NEUTRAL, Direction.ITEM}
    assert set(Direction) - COMPARISONS.keys() == silent


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the path of every field of a model and of the models in it; of items of lists only where they are objects."""
    for name, info in model.model_fields.items():
        path = f"{prefix}{info.alias or name}"
        yield path
        inner, is_list = _inner(info.annotation)
        if inner is LabelSelector and prefix:
            continue
        if inner is not None and not (is_list and inner.__name__ == "EgressPort"):
            children = fields(inner, f"{path}[]." if is_list else f"{path}.")
            yield from (c for c in children if not _deeper(c))


def _deeper(path: str) -> bool:
    """Say whether the path is of what an item of a list is made of, beyond the item's own fields."""
    return "." in path.partition("[].")[2]


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    is_list = get_origin(annotation) is tuple
    for each in get_args(annotation):
        model, listed = _inner(each)
        if model is not None:
            return model, is_list or listed
    return None, False


def test_a_profile_that_is_created_later_leaves_selectors_undecided() -> None:
    national = spec("accelerators.vendors", {"profiles": None}, ["NVIDIA"])
    local = spec("accelerators.families", {"profiles": None}, ["Hopper"])
    assert found(national, local) == [("accelerators.vendors", Grade.UNDECIDED)]


@pytest.mark.parametrize(
    ("profile", "expected"), [("nvidia-h20", []), ("amd-mi300x", [Grade.WIDER]), ("unknown", [Grade.UNDECIDED])]
)
def test_a_profile_is_compared_with_selectors_by_what_is_known_of_it(profile: str, expected: list[Grade]) -> None:
    national = spec("accelerators.vendors", {"profiles": None}, ["NVIDIA"])
    assert [grade for _, grade in found(national, spec("accelerators.profiles", {}, [profile]))] == expected


def test_the_record_of_a_named_zone_stands_for_what_the_policy_leaves_out() -> None:
    zones = {n: SovereignZoneSpec.model_validate(z) for n, z in library.base()["zones"].items()}
    national = spec("zones.operatorCountries", {}, ["MY"])
    for name, expected in (("cyberjaya-1", []), ("singapore-1", [Grade.WIDER]), ("johor-1", [Grade.UNDECIDED])):
        local = SovereigntyPolicySpec.model_validate({**BASE, "zones": {"names": [name], "countries": ["MY"]}})
        assert [grade for _, grade in found(national, local, zones=zones)] == expected, name


def test_registries_of_a_policy_without_national_ones_are_a_side_effect() -> None:
    national = SovereigntyPolicySpec.model_validate(BASE)
    local = spec("images.registries", {}, ["registry.example.my/"])
    assert found(national, local) == [("images.registries", Grade.SIDE_EFFECT)]


def test_weights_from_a_registry_that_national_images_may_not_come_from_are_wider() -> None:
    national = spec("images.registries", {}, ["registry.example.my/"])
    local = SovereigntyPolicySpec.model_validate(
        merge(
            BASE,
            {"images": {"registries": ["registry.example.my/"]}, "models": {"sources": ["oci://other.example.my/"]}},
        )
    )
    assert found(national, local) == [("models.sources", Grade.WIDER)]


@pytest.mark.parametrize(
    ("whole", "parts", "example"),
    [
        ({"matchLabels": {"a": "1"}}, [{"matchLabels": {"a": "1"}}], None),
        ({"matchLabels": {"a": "1", "b": "2"}}, [{"matchLabels": {"a": "1"}}], None),
        ({"matchLabels": {"a": "1"}}, [{"matchLabels": {"a": "1", "b": "2"}}], {"a": "1", "b": "any-other"}),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]},
            [{"matchLabels": {"a": "1"}}, {"matchLabels": {"a": "2"}}],
            None,
        ),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, [{"matchLabels": {"a": "1"}}], {"a": "any-other"}),
        (
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]},
            [{"matchLabels": {"a": "2"}}],
            {"a": "any-other"},
        ),
        (
            {"matchLabels": {"c": "1"}},
            [
                {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
                {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
            ],
            None,
        ),
        (
            {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["x"]}]},
            [{"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]}],
            None,
        ),
    ],
)
def test_selectors_are_compared_by_what_they_select(
    whole: dict[str, Any], parts: list[dict[str, Any]], example: dict[str, str] | None
) -> None:
    read = LabelSelector.model_validate
    assert selectors.left_over(read(whole), [read(p) for p in parts]) == example


def test_selectors_with_too_many_combinations_are_undecided() -> None:
    keys = [{"key": f"k{n}", "operator": "NotIn", "values": ["a", "b", "c"]} for n in range(20)]
    whole = LabelSelector.model_validate({"matchExpressions": keys})
    with pytest.raises(selectors.Undecided):
        selectors.left_over(whole, [whole.model_copy(update={"match_labels": {"x": "y"}})])
