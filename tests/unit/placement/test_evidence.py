"""Where a policy asks how it is known that a node stands in its zone: missing evidence decides nothing, evidence against does."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.authorities import posix
from daulat.api.names import UNDECIDED_TAINT, ZONE_LABEL, eligible_label
from daulat.facts.node import REGION, Node
from daulat.facts.snapshot import Snapshot
from daulat.placement.certify import Record, certify
from daulat.placement.eligibility import ELIGIBLE, Eligibility, EligibilityState, eligibility
from daulat.signing import keys
from tests.requests import merge
from tests.unit.attestation.statements import BEGINS, ENDS, NOW, OTHER_UUID, UUID, attestation, chip, trust
from tests.unit.world import World, ascend, device, h20, offered, policy, zone

CONFIDENTIAL = eligible_label("confidential")
CERTIFIED = {ZONE_LABEL: "cyberjaya-1", CONFIDENTIAL: "eligible"}
ATTESTED = {"minimumEvidence": "attested", "attestations": trust()}


def node(name: str = "h1", uuid: str = UUID, **more: Any) -> dict[str, Any]:
    """Return a node that reports a system UUID."""
    return dict(merge(h20(name, **more), {"status": {"nodeInfo": {"systemUUID": uuid}}}))


def world(*attestations: dict[str, Any], asked: dict[str, Any] | None = None, **more: Any) -> World:
    """Return a cluster with one node under a policy that asks for evidence."""
    more.setdefault("nodes", [node()])
    policies = [policy(zones=ATTESTED if asked is None else asked)]
    return World(policies=policies, attestations=list(attestations), moment=NOW, **more)


def answer(made: World | Snapshot, name: str = "h1") -> Eligibility:
    snapshot = made.snapshot() if isinstance(made, World) else made
    return eligibility(snapshot.nodes[name], snapshot.known_policies["confidential"], snapshot)


def record(made: World, name: str = "h1") -> Record:
    snapshot = made.snapshot()
    found = snapshot.nodes[name]
    assert isinstance(found, Node)
    return certify(found, snapshot)


def undecided(reason: str) -> Eligibility:
    return Eligibility(EligibilityState.UNDECIDED, reason)


def ineligible(reason: str) -> Eligibility:
    return Eligibility(EligibilityState.INELIGIBLE, reason)


def test_an_attested_node_is_eligible_and_gets_its_labels() -> None:
    assert answer(world(attestation())) == ELIGIBLE
    assert record(world(attestation())).labels == CERTIFIED


def test_the_system_uuid_is_compared_in_any_letter_case() -> None:
    assert answer(world(attestation(), nodes=[node(uuid=UUID.upper())])) == ELIGIBLE


def test_a_node_without_a_statement_is_undecided_and_gets_no_label() -> None:
    assert answer(world()) == undecided("has no NodeAttestation")
    assert record(world()) == Record({ZONE_LABEL: "cyberjaya-1"}, None)


def test_a_node_that_loses_its_statement_keeps_its_pods_and_takes_no_new_ones() -> None:
    assert record(world(nodes=[node(labels=CERTIFIED)])) == Record({}, taint=True)


def test_nothing_changes_until_the_statements_were_listed() -> None:
    made = world(nodes=[node(labels=CERTIFIED)], unlisted=("NodeAttestation",))
    assert record(made) == Record({})
    assert "couldn't be listed yet" in answer(made).reason


def test_where_the_list_of_statements_is_refused_nodes_keep_their_pods_and_take_no_new_ones() -> None:
    refused: dict[str, Any] = {"unlisted": ("NodeAttestation",), "refused": ("NodeAttestation",)}
    assert record(world(nodes=[node(labels=CERTIFIED)], **refused)) == Record({}, taint=True)
    assert record(world(**refused)) == Record({ZONE_LABEL: "cyberjaya-1"}, None)
    assert record(world(nodes=[node(labels=CERTIFIED)], asked={}, **refused)) == Record({})


def test_where_the_kind_isnt_served_nodes_keep_their_pods_and_take_no_new_ones() -> None:
    assert record(world(nodes=[node(labels=CERTIFIED)], unserved=("NodeAttestation",))) == Record({}, taint=True)


def test_an_observed_node_isnt_eligible_while_a_statement_against_it_may_be_there() -> None:
    shown: dict[str, Any] = {
        "zones": REGIONS,
        "nodes": [node(labels={REGION: "my-central"})],
        "unlisted": ("NodeAttestation",),
    }
    trusting = {"minimumEvidence": "observed", "attestations": trust()}
    assert "couldn't be listed yet" in answer(world(asked=trusting, **shown)).reason
    assert answer(world(asked=OBSERVED, **shown)) == ELIGIBLE, "no authority is trusted to state anything"


def test_statements_that_cant_be_listed_hold_nothing_up_where_no_policy_asks_for_them() -> None:
    tainted = node(labels=CERTIFIED)
    tainted["spec"]["taints"] = [{"key": UNDECIDED_TAINT, "effect": "NoSchedule"}]
    assert record(world(nodes=[tainted], asked={}, unlisted=("NodeAttestation",))) == Record({}, taint=False)


def test_a_policy_that_asks_for_nothing_reads_no_statement() -> None:
    revoked = {"attestations": trust(revoked=["2026-0017"])}
    for asked in ({}, {"minimumEvidence": "declared"}, revoked):
        assert answer(world(attestation(facility={"country": "SG"}), asked=asked)) == ELIGIBLE


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (attestation(key="forger"), "no key of authority my-inspectorate has signed it"),
        (attestation(authority="stranger"), "authority stranger isn't trusted"),
        (attestation(notAfter="2027-01-01T00:00:00Z"), "it expired at 2027-01-01T00:00:00Z"),
        (attestation(notBefore="2027-02-01T00:00:00Z"), "it isn't valid before 2027-02-01T00:00:00Z"),
    ],
    ids=["forged", "stranger", "expired", "early"],
)
def test_a_statement_that_is_no_evidence_leaves_the_node_undecided(made: dict[str, Any], reason: str) -> None:
    assert answer(world(made)) == undecided(f"has no valid NodeAttestation: h1: {reason}")
    assert record(world(made, nodes=[node(labels=CERTIFIED)])) == Record({}, taint=True)


def test_a_revoked_statement_is_a_decision_against_the_node() -> None:
    asked = {"minimumEvidence": "attested", "attestations": trust(revoked=["2026-0017"])}
    found = answer(world(attestation(), asked=asked))
    assert found == ineligible("has no valid NodeAttestation: h1: authority my-inspectorate has it revoked")
    assert record(world(attestation(), asked=asked, nodes=[node(labels=CERTIFIED)])) == Record(
        {CONFIDENTIAL: None}, None
    )
    newer = attestation(name="newer", serialNumber="2026-0018")
    assert answer(world(attestation(), newer, asked=asked)) == ELIGIBLE


def test_a_statement_that_the_node_stands_elsewhere_is_a_decision_against_it() -> None:
    found = answer(world(attestation(facility={"country": "SG"})))
    assert found == ineligible("is attested by my-inspectorate to stand in SG, and zone cyberjaya-1 is in MY")
    observed = {"minimumEvidence": "observed", "attestations": trust()}
    assert answer(world(attestation(facility={"country": "SG"}), asked=observed)) == found


def test_another_nodes_statement_doesnt_count() -> None:
    """Copied under another object's name, or for a node that has taken the name of the one that is attested."""
    copied = attestation("h1", name="h2")
    nodes = [node(), node("h2", OTHER_UUID)]
    assert answer(world(attestation(), copied, nodes=nodes), "h2") == undecided("has no NodeAttestation")
    assert answer(world(attestation(), copied, nodes=nodes), "h1") == ELIGIBLE
    impostor = world(attestation(), nodes=[node(uuid=OTHER_UUID)])
    assert answer(impostor) == undecided(f"reports system UUID {OTHER_UUID}, and its attestation is of {UUID}")
    renamed = world(attestation(), nodes=[node("h9")])
    assert answer(renamed, "h9") == undecided("reports the system UUID that is attested of node h1")


def test_a_machine_that_takes_the_place_of_another_needs_its_own_statement_and_no_more() -> None:
    replaced, own = [node(uuid=OTHER_UUID)], attestation(name="own", systemUUID=OTHER_UUID)
    assert answer(world(attestation(), nodes=replaced)).verdict is EligibilityState.UNDECIDED
    assert answer(world(attestation(), own, nodes=replaced)) == ELIGIBLE


def test_two_nodes_with_one_system_uuid_are_both_undecided() -> None:
    twins = world(attestation(), nodes=[node(), node("h2")])
    assert answer(twins) == undecided("reports the same system UUID as node h2")
    assert answer(twins, "h2") == undecided("reports the same system UUID as node h1")


def test_two_statements_that_contradict_each_other_decide_nothing() -> None:
    second = attestation(name="second", serialNumber="2026-0018", facility={"country": "SG"})
    found = answer(world(attestation(), second))
    assert found.verdict is EligibilityState.UNDECIDED
    assert "2026-0017 by my-inspectorate and 2026-0018 by my-inspectorate" in found.reason


def test_statements_that_no_trusted_key_has_signed_change_nothing() -> None:
    noise = [attestation(name=f"noise-{n}", key="forger", facility={"country": "SG"}) for n in range(3)]
    assert answer(world(*noise, attestation())) == ELIGIBLE


def test_a_statement_that_cant_be_read_is_none() -> None:
    broken = attestation()
    broken["spec"]["envelope"]["payload"] = "QUJD"
    unknown = {**attestation(name="future"), "spec": {"futureField": 1}}
    assert answer(world(broken, unknown)) == undecided("has no NodeAttestation")
    assert answer(world(broken, unknown, attestation(name="good"))) == ELIGIBLE


def test_the_chips_that_resource_slices_show_are_those_that_are_attested() -> None:
    named = attestation(chips=[chip("GPU-0"), chip("GPU-1")])
    slices = [offered("h1", device("0"), device("1"))]
    assert answer(world(named, slices=slices)) == ELIGIBLE
    assert answer(world(attestation(), slices=slices)) == ELIGIBLE, "it says nothing of chips"
    assert answer(world(named)) == ELIGIBLE, "there is nothing to compare with"
    swapped = world(named, slices=[offered("h1", device("0"), device("2"))])
    assert answer(swapped) == undecided("shows the chip GPU-2, which its attestation doesn't name")
    gone = world(named, slices=[offered("h1", device("0"))])
    assert answer(gone) == undecided("doesn't show the chip GPU-1 (NVIDIA H20), which its attestation names")


def test_what_is_decided_against_a_node_stays_so_without_a_statement() -> None:
    found = answer(world(nodes=[ascend("h1")], asked={**ATTESTED, "countries": ["SG"]}))
    assert found.verdict is EligibilityState.INELIGIBLE


OBSERVED = {"minimumEvidence": "observed"}
REGIONS = [zone(regions=["my-central"])]


@pytest.mark.parametrize(
    ("zones", "nodes", "reason"),
    [
        (REGIONS, [node(labels={REGION: "my-central"})], ""),
        (REGIONS, [h20("h1", labels={REGION: "my-central"})], "reports no system UUID"),
        ([zone()], [node()], "shows nothing to compare with zone cyberjaya-1, which has no regions on record"),
        (
            REGIONS,
            [node(labels={REGION: "my-central"}), node("h2", labels={REGION: "my-central"})],
            "reports the same system UUID as node h2",
        ),
    ],
    ids=["observed", "no-uuid", "no-regions", "twins"],
)
def test_a_node_is_observed_where_it_shows_itself_where_the_record_has_it(
    zones: list[Any], nodes: list[Any], reason: str
) -> None:
    found = answer(world(asked=OBSERVED, zones=zones, nodes=nodes))
    assert found == (undecided(reason) if reason else ELIGIBLE)


def test_an_attested_node_is_good_enough_where_an_observed_one_is() -> None:
    both = {"minimumEvidence": "observed", "attestations": trust()}
    assert answer(world(attestation(), asked=both)) == ELIGIBLE


def test_time_alone_begins_and_ends_evidence() -> None:
    store = world(attestation()).store()
    store.advance(posix(BEGINS) - 1)
    assert answer(store.snapshot()).verdict is EligibilityState.UNDECIDED
    (change,) = store.advance(posix(BEGINS))
    assert (change.ref.name, change.before is change.after) == ("h1", True)
    assert answer(store.snapshot()) == ELIGIBLE
    assert store.advance(posix(ENDS) - 1) == []
    (change,) = store.advance(posix(ENDS))
    assert "it expired" in answer(store.snapshot()).reason
    (change,) = store.advance(posix(ENDS) - 1)
    assert answer(store.snapshot()) == ELIGIBLE, "the clock was set back"


def test_answers_that_are_kept_are_those_that_are_worked_out_anew() -> None:
    made = world(attestation(), nodes=[node(), node("h2", OTHER_UUID)])
    store = made.store()

    def same() -> None:
        kept, fresh = store.snapshot(), made.store()
        fresh.advance(store.snapshot().moment)
        for name in ("h1", "h2"):
            assert answer(kept, name) == answer(fresh.snapshot(), name)

    same()
    for change in ("apply", "twin", "untwin", "delete"):
        if change == "apply":
            made.attestations.append(attestation("h2", systemUUID=OTHER_UUID))
            store.apply("NodeAttestation", made.attestations[-1])
        elif change == "twin":
            made.nodes[1] = node("h2", UUID)
            store.apply("Node", made.nodes[1])
        elif change == "untwin":
            made.nodes[1] = node("h2", OTHER_UUID)
            store.apply("Node", made.nodes[1])
        else:
            store.delete("NodeAttestation", made.attestations.pop(0))
        same()
    store.advance(posix(ENDS))
    same()


def test_a_second_pass_verifies_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = attestation(serialNumber="verified-once")
    store = world(signed).store()
    verified: list[bytes] = []

    def verifies(pem: str, signature: bytes, message: bytes) -> bool:
        verified.append(message)
        return True

    monkeypatch.setattr(keys, "verifies", verifies)
    assert answer(store.snapshot()) == ELIGIBLE
    assert len(verified) == 1
    store.apply("Node", node(labels={"team": "a"}))
    store.apply("SovereignZone", zone(regions=[]))
    assert answer(store.snapshot()) == ELIGIBLE
    assert len(verified) == 1
