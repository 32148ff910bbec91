"""What holds for any statement, any damage to an envelope, and any order in which facts change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.api.attestation import Envelope
from daulat.api.authorities import AttestationRequirements, posix
from daulat.attestation import dsse
from daulat.attestation.judgement import Standing, judge
from daulat.attestation.statement import Statement, read, written
from daulat.facts.snapshot import Snapshot
from daulat.ledger import base64
from daulat.placement.eligibility import Eligibility, EligibilityState, eligibility
from tests.requests import merge
from tests.unit.attestation.statements import (
    BEGINS,
    ENDS,
    NOW,
    OTHER_UUID,
    UUID,
    attestation,
    envelope,
    public_pem,
    statement,
    trust,
)
from tests.unit.world import World, h20, policy

TIMES = st.integers(946_684_800, 4_102_444_800).map(
    lambda at: datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
)
SIGNED = {kind: envelope(kind=kind) for kind in ("ed25519", "p256")}
"""Signed once: ECDSA makes another signature each time."""
TEXTS = st.text(min_size=1, max_size=40)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    begins, ends = sorted(draw(st.lists(TIMES, min_size=2, max_size=2, unique=True)))
    ids = draw(st.lists(TEXTS, max_size=4, unique=True))
    chips = [{"vendor": draw(TEXTS), "product": draw(TEXTS), "id": each} for each in ids]
    more: dict[str, Any] = {"operator": draw(TEXTS)} if draw(st.booleans()) else {}
    facility = {"name": draw(TEXTS), "country": draw(st.sampled_from(["MY", "SG"]))}
    return statement("n1", notBefore=begins, notAfter=ends, chips=chips, facility=facility, **more)


@given(statements())
def test_a_statement_is_read_as_it_was_written_and_written_the_same_again(made: Statement) -> None:
    assert read(written(made)) == made
    assert written(read(written(made))) == written(made)


@given(st.data())
def test_no_changed_byte_of_payload_or_signature_stays_signed(data: st.DataObject) -> None:
    signed = SIGNED[data.draw(st.sampled_from(sorted(SIGNED)))]
    part = data.draw(st.sampled_from(["payload", "sig"]))
    text = signed.payload if part == "payload" else signed.signatures[0].sig
    raw = bytearray(base64.decode(text))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    changed = base64.encode(bytes(raw))
    update: dict[str, Any] = {"payload": changed}
    if part == "sig":
        update = {"signatures": (signed.signatures[0].model_copy(update={"sig": changed}),)}
    damaged: Envelope = signed.model_copy(update=update)
    assert not any(dsse.is_signed_by(damaged, public_pem("one", kind)) for kind in ("ed25519", "p256"))


@given(TIMES)
def test_a_statement_is_valid_exactly_from_its_beginning_to_before_its_end(at: str) -> None:
    requirements = AttestationRequirements.model_validate(trust())
    found = judge(envelope(), statement(), requirements, posix(at))
    assert (found.standing is Standing.VALID) == (BEGINS <= at < ENDS)
    assert (found.reason == "") == (found.standing is Standing.VALID)


NODES = {"h1": UUID, "h2": OTHER_UUID}


def _node(name: str, uuid: str) -> dict[str, Any]:
    return dict(merge(h20(name), {"status": {"nodeInfo": {"systemUUID": uuid}}}))


def _world(*attestations: dict[str, Any]) -> World:
    asked = {"minimumEvidence": "attested", "attestations": trust()}
    nodes = [_node(name, uuid) for name, uuid in NODES.items()]
    return World(nodes=nodes, policies=[policy(zones=asked)], attestations=list(attestations), moment=NOW)


def _answers(snapshot: Snapshot) -> list[Eligibility]:
    of = snapshot.known_policies["confidential"]
    return [eligibility(snapshot.nodes[name], of, snapshot) for name in NODES]


_CLAIMS = st.fixed_dictionaries(
    {
        "node": st.sampled_from(sorted(NODES)),
        "systemUUID": st.sampled_from(sorted(NODES.values())),
        "facility": st.fixed_dictionaries({"country": st.sampled_from(["MY", "SG"])}),
        "notAfter": st.sampled_from([ENDS, "2026-12-31T00:00:00Z"]),
        "authority": st.sampled_from(["my-inspectorate", "stranger"]),
    }
)


@settings(max_examples=50)
@given(st.lists(_CLAIMS, max_size=4), st.booleans())
def test_statements_that_no_trusted_key_has_signed_change_no_answer(
    claims: list[dict[str, Any]], attested: bool
) -> None:
    good = [attestation()] if attested else []
    noise = [attestation(name=f"x{n}", key="forger", **claim) for n, claim in enumerate(claims)]
    before, after = _answers(_world(*good).snapshot()), _answers(_world(*good, *noise).snapshot())
    assert [answer.verdict for answer in after] == [answer.verdict for answer in before]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "node", "time"]), _CLAIMS, st.booleans()), max_size=8))
def test_answers_that_are_kept_are_those_of_a_fresh_start(steps: list[tuple[str, dict[str, Any], bool]]) -> None:
    store, known, nodes, moment = _world().store(), dict[str, Any](), dict(NODES), NOW
    for step, claim, other in steps:
        name = claim["node"]
        if step == "put":
            known[name] = attestation(**{**claim, "node": name}, key="one" if other else "forger")
            store.apply("NodeAttestation", known[name])
        elif step == "drop" and name in known:
            store.delete("NodeAttestation", known.pop(name))
        elif step == "node":
            nodes[name] = claim["systemUUID"]
            store.apply("Node", _node(name, nodes[name]))
        elif step == "time":
            moment = posix(ENDS) if other else NOW
            store.advance(moment)
        fresh = _world(*known.values())
        fresh.nodes, fresh.moment = [_node(n, uuid) for n, uuid in nodes.items()], moment
        assert _answers(store.snapshot()) == _answers(fresh.snapshot())


def test_the_properties_see_all_three_answers() -> None:
    """Else they would hold of a cluster where nothing ever happens."""
    good, against = attestation(), attestation("h2", systemUUID=OTHER_UUID, facility={"country": "SG"})
    found = [answer.verdict for answer in [*_answers(_world(good, against).snapshot()), *_answers(_world().snapshot())]]
    assert set(found) == set(EligibilityState)
