"""The status of a NodeAttestation, when it is looked at again, and whom a change of it wakes."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api import reasons
from daulat.api.authorities import posix
from daulat.kube.ref import Ref
from daulat.reconcile.inventory.attestations import reconcile_attestation
from daulat.reconcile.registry import woken
from daulat.reconcile.result import Result
from tests.requests import merge
from tests.unit.attestation.statements import BEGINS, ENDS, NOW, OTHER_UUID, UUID, attestation, trust
from tests.unit.world import World, h20, policy, zone

REF = Ref("NodeAttestation", "", "h1")


def node(name: str = "h1", uuid: str = UUID) -> dict[str, Any]:
    return dict(merge(h20(name), {"status": {"nodeInfo": {"systemUUID": uuid}}}))


def world(*attestations: dict[str, Any], **more: Any) -> World:
    asked = {"minimumEvidence": "attested", "attestations": more.pop("asked", trust())}
    more = {"nodes": [node()], "policies": [policy(zones=asked)], "moment": NOW, **more}
    return World(attestations=list(attestations), **more)


def reconciled(made: World) -> Result:
    return reconcile_attestation(REF, made.snapshot(), made.moment)


def accepted(made: World) -> tuple[str, str, str]:
    (status,) = reconciled(made).status
    found = {c["type"]: c for c in status.status["conditions"]}
    assert found["Ready"]["reason"] == found["Accepted"]["reason"]
    return found["Accepted"]["status"], found["Accepted"]["reason"], found["Accepted"]["message"]


def test_the_status_says_what_the_statement_says_and_for_which_policies_it_is_evidence() -> None:
    (status,) = reconciled(world(attestation())).status
    said = {key: value for key, value in status.status.items() if key not in ("conditions", "observedGeneration")}
    assert said.pop("digest").startswith("sha256:")
    assert said == {
        "node": "h1",
        "systemUUID": UUID,
        "facility": "DC 1",
        "country": "MY",
        "authority": "my-inspectorate",
        "serialNumber": "2026-0017",
        "notAfter": ENDS,
        "policies": ["confidential"],
    }
    assert accepted(world(attestation())) == ("True", reasons.IS_EVIDENCE, f"evidence for confidential until {ENDS}")


def test_a_status_that_is_so_already_is_not_written_again() -> None:
    made = world(attestation())
    assert reconciled(made.with_status_of(reconciled(made).effects)).effects == ()


@pytest.mark.parametrize(
    ("made", "reason", "said"),
    [
        (world(attestation(key="forger")), reasons.NOT_TRUSTED, "policy confidential: no key of authority"),
        (world(attestation(), policies=[policy()]), reasons.NOT_TRUSTED, "no policy trusts any authority"),
        (world(attestation(), moment=posix(ENDS)), reasons.EXPIRED, "it expired"),
        (world(attestation(), moment=posix(BEGINS) - 1), reasons.NOT_VALID_YET, "it isn't valid before"),
        (world(attestation(), asked=trust(revoked=["2026-0017"])), reasons.REVOKED, "has it revoked"),
        (world(attestation(), nodes=[h20("h2")]), reasons.NODE_NOT_FOUND, f"no node reports system UUID {UUID}"),
        (
            world(attestation(), nodes=[node(uuid=OTHER_UUID)]),
            reasons.MISMATCH,
            f"node h1 reports system UUID {OTHER_UUID}",
        ),
        (
            world(attestation(), nodes=[node("h2")]),
            reasons.MISMATCH,
            "node h2 reports the system UUID that is attested of",
        ),
        (world(attestation(), zones=[]), reasons.MISMATCH, "node h1 stands in no zone of record"),
        (world(attestation(), zones=[zone(country="SG")]), reasons.MISMATCH, "node h1 is attested by my-inspectorate"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_the_reason_says_why_it_is_no_evidence(made: World, reason: str, said: str) -> None:
    status, found, message = accepted(made)
    assert (status, found) == ("False", reason)
    assert said in message
    (written,) = reconciled(made).status
    assert written.status["policies"] == []


def test_one_that_cant_be_read_says_so_and_keeps_nothing() -> None:
    broken = attestation()
    broken["spec"]["envelope"]["payload"] = "QUJD"
    assert accepted(world(broken))[:2] == ("False", reasons.INVALID)
    future = {**attestation(), "spec": {"futureField": 1}}
    assert accepted(world(future))[:2] == ("False", reasons.INVALID)


@pytest.mark.parametrize(
    ("moment", "again"),
    [(posix(BEGINS) - 60, 60.1), (NOW, posix(ENDS) - NOW + 0.1), (posix(ENDS), None)],
    ids=["before", "during", "after"],
)
def test_it_is_looked_at_again_when_the_statement_begins_and_ends(moment: float, again: float | None) -> None:
    assert reconciled(world(attestation(), moment=moment)).requeue_after == (
        again if again is None else pytest.approx(again)
    )


NODE, POLICY = Ref("Node", "", "h1"), Ref("SovereigntyPolicy", "", "confidential")


def test_a_statement_that_comes_or_goes_wakes_its_node_and_the_policies_that_ask() -> None:
    found = world().woken("NodeAttestation", attestation())
    assert {REF, NODE, POLICY} <= set(found)
    assert {REF, NODE, POLICY} <= set(world().woken("NodeAttestation", attestation(), gone=True))
    assert not any(ref.kind == "Node" and ref.name != "h1" for ref in found)


def test_a_statement_wakes_nothing_else_where_no_policy_asks() -> None:
    assert world(policies=[policy()]).woken("NodeAttestation", attestation()) == [REF]


def test_a_node_that_takes_anothers_system_uuid_wakes_that_one() -> None:
    found = world(attestation(), nodes=[node(), node("h2", OTHER_UUID)]).woken("Node", node("h2"))
    assert {REF, NODE, Ref("Node", "", "h2"), POLICY} <= set(found)


def test_a_heartbeat_wakes_no_statement() -> None:
    made = node()
    made["status"]["conditions"][0]["status"] = "False"
    assert REF not in world(attestation()).woken("Node", made)


def test_time_wakes_as_a_change_does() -> None:
    store = world(attestation()).store()
    (change,) = store.advance(posix(ENDS))
    assert {REF, NODE, POLICY} <= {key for key, _ in woken(change, store.snapshot())}
