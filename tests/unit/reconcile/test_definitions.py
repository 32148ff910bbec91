"""Where the CustomResourceDefinition is older than the operator, a status is written without what it lacks, and says so."""

from __future__ import annotations

from daulat.facts.definition import Definition
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.registry import reconcile
from daulat.reconcile.result import Result
from tests.unit.world import World, model, policy

MODEL, POLICY = Ref("SovereignModel", "treasury", "deepseek"), Ref("SovereigntyPolicy", "", "confidential")
NOW = 1_800_000_000.0
LACKS = Definition("u", frozenset({"status.placement", "status.sizing"}))


def snapshot(world: World, *lacking: str, lacks: Definition = LACKS) -> Snapshot:
    store = world.store()
    for kind in lacking:
        store.record_definition(kind, lacks)
    return store.snapshot()


def said(result: Result) -> dict[str, tuple[str, str, str]]:
    (written,) = result.status
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in written.status["conditions"]}


def test_a_status_is_written_without_what_the_definition_lacks_and_says_so() -> None:
    whole = reconcile(MODEL, World().snapshot(), NOW)
    partly = reconcile(MODEL, snapshot(World(), "SovereignModel"), NOW)
    assert whole.status[0].status.keys() - partly.status[0].status.keys() == {"placement", "sizing"}
    assert (partly.apply, partly.requeue_after) == (whole.apply, whole.requeue_after), "all else goes on"
    assert "placement" not in partly.reserve[0].status
    status, reason, message = said(partly)["SchemaCurrent"]
    assert (status, reason) == ("False", "DefinitionOutdated")
    assert "of SovereignModel is of another release and lacks status.placement, status.sizing." in message
    assert "helm show crds" in message
    assert "SchemaCurrent" not in said(whole)
    assert said(partly)["Ready"] == said(whole)["Ready"]


def test_fields_that_users_set_and_lose_are_named() -> None:
    lacks = Definition("u", frozenset({"spec.egress.scope", "status.drift"}))
    message = said(reconcile(POLICY, snapshot(World(), "SovereigntyPolicy", lacks=lacks), NOW))["SchemaCurrent"][2]
    assert "The API server drops spec.egress.scope from what users apply" in message


def test_one_object_of_a_kind_gets_the_event_and_it_is_told_once() -> None:
    world = World(models=[model(), model("second")])
    first = reconcile(MODEL, snapshot(world, "SovereignModel"), NOW)
    assert [e.reason for e in first.events if "SchemaCurrent" in e.message] == ["DefinitionOutdated"]
    other = reconcile(Ref("SovereignModel", "treasury", "second"), snapshot(world, "SovereignModel"), NOW)
    assert not [e for e in other.events if "SchemaCurrent" in e.message]
    world.with_status_of(first.status)
    again = reconcile(MODEL, snapshot(world, "SovereignModel"), NOW + 60)
    assert not [e for e in again.events if "SchemaCurrent" in e.message]


def test_a_status_that_is_stored_as_far_as_it_can_be_isnt_written_again_and_again() -> None:
    """Also where nothing that is missing is set: then the reconciler itself has nothing to write."""
    for lacks in (Definition("u", frozenset({"status.eligibleNodes"})), Definition("u", frozenset({"status.brake"}))):
        world = World(policies=[policy()])
        for _ in range(2):
            world.with_status_of(reconcile(POLICY, snapshot(world, "SovereigntyPolicy", lacks=lacks), NOW).status)
        assert reconcile(POLICY, snapshot(world, "SovereigntyPolicy", lacks=lacks), NOW).status == ()


def test_the_condition_goes_with_the_difference() -> None:
    world = World()
    world.with_status_of(reconcile(POLICY, snapshot(world, "SovereigntyPolicy"), NOW).status)
    world.with_status_of(reconcile(POLICY, snapshot(world, "SovereigntyPolicy"), NOW).status)
    result = reconcile(POLICY, world.snapshot(), NOW)
    assert "SchemaCurrent" not in said(result)


def test_a_newer_definition_changes_nothing_that_is_written() -> None:
    newer = Definition("u", frozenset(), frozenset({"spec.later"}))
    assert reconcile(POLICY, snapshot(World(), "SovereigntyPolicy", lacks=newer), NOW) == reconcile(
        POLICY, World().snapshot(), NOW
    )
