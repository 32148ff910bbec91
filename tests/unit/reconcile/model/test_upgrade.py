"""An upgrade of the operator that renders other pods replaces those of one model at a time; the others go on as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daulat.api.names import INPUTS_ANNOTATION, REVISION_ANNOTATION
from daulat.kube.ref import Ref
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.registry import reconcile
from daulat.reconcile.result import Adjust, Apply, Delete, Result
from tests.unit.world import ASCEND, ASCEND_RESOURCE, H20, World, ascend, child, choice, model, pod, policy

from .deployed import LATE, NOW, OTHER_IMAGE

NAMES = ("a", "b", "c")
OLD = "0123456789ab"


def ref(name: str) -> Ref:
    return Ref("SovereignModel", "treasury", name)


class Fleet:
    """Models that serve, as an operator's former release has left them."""

    def __init__(self, *, noted: bool = True) -> None:
        self.world = World(
            nodes=[ascend(f"n{n}") for n in range(4)],
            models=[model(name, accelerators=[choice(ASCEND, 4)]) for name in NAMES],
        )
        self.target: dict[str, str] = {}
        self.inputs: dict[str, str] = {}
        for name in NAMES:
            self.take(name, self.run(name))
            self.serve(name)
            self.take(name, self.run(name))
            self.target[name] = self.notes(name)[REVISION_ANNOTATION]
            self.inputs[name] = self.notes(name)[INPUTS_ANNOTATION]
        self.now = NOW + 60
        for name in NAMES:
            self.notes(name)[REVISION_ANNOTATION] = OLD
            if not noted:
                del self.notes(name)[INPUTS_ANNOTATION]
            self.serve(name, OLD)

    now = NOW

    def run(self, name: str) -> Result:
        return reconcile_model(ref(name), self.world.snapshot(), self.now)

    def deployment(self, name: str) -> dict[str, Any]:
        return next(c for c in self.world.children if c["metadata"]["name"] == name)

    def notes(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.deployment(name)["metadata"]["annotations"]
        return found

    def raw(self, name: str) -> dict[str, Any]:
        return next(m for m in self.world.models if m["metadata"]["name"] == name)

    def take(self, name: str, result: Result) -> None:
        """Write what was applied and adjusted, as the API server would."""
        self.world.with_status_of(result.effects)
        for manifest in deployments(result):
            raw = child("Deployment", name, "treasury", model=name, spec=manifest["spec"])
            raw["metadata"]["annotations"] = dict(manifest["metadata"]["annotations"])
            raw["status"] = next((c["status"] for c in self.world.children if c["metadata"]["name"] == name), {})
            self.world.children = [c for c in self.world.children if c["metadata"]["name"] != name] + [raw]
        for effect in result.apply:
            if isinstance(effect, Adjust):
                self.notes(name).update(effect.annotations)
                if effect.replicas is not None:
                    self.deployment(name)["spec"]["replicas"] = effect.replicas

    def serve(self, name: str, revision: str = "", *, ready: bool = True) -> None:
        """Make the one pod of the model run its Deployment's template, or another one."""
        revision = revision or self.notes(name)[REVISION_ANNOTATION]
        one = pod(f"{name}-1", f"n{NAMES.index(name)}", {ASCEND_RESOURCE: "4"}, name)
        one["metadata"]["annotations"] = {REVISION_ANNOTATION: revision}
        one["status"] = {"conditions": [{"type": "Ready", "status": str(ready)}]}
        self.world.pods = [p for p in self.world.pods if p["metadata"]["name"] != f"{name}-1"] + [one]
        counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": int(ready), "observedGeneration": 1}
        self.deployment(name)["status"] = counts

    def pass_over(self, name: str) -> Result:
        result = self.run(name)
        self.take(name, result)
        return result

    def upgraded(self, name: str) -> tuple[str, str]:
        """Return the reason and the message of Upgraded, as it is stored; empty where it isn't there."""
        conditions = self.raw(name)["status"]["conditions"]
        return next(((c["reason"], c["message"]) for c in conditions if c["type"] == "Upgraded"), ("", ""))

    def ready(self, name: str) -> str:
        return next(str(c["status"]) for c in self.raw(name)["status"]["conditions"] if c["type"] == "Ready")


def deployments(result: Result) -> list[dict[str, Any]]:
    return [e.manifest for e in result.apply if isinstance(e, Apply) and e.manifest["kind"] == "Deployment"]


def test_what_a_release_renders_as_before_is_no_upgrade() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.notes(name)[REVISION_ANNOTATION] = fleet.target[name]
        fleet.serve(name)
        result = fleet.pass_over(name)
        assert fleet.upgraded(name) == ("", "")
        assert deployments(result)[0]["metadata"]["annotations"][INPUTS_ANNOTATION] == fleet.inputs[name]


def test_one_model_is_replaced_and_the_others_stay_as_they_are_and_say_so() -> None:
    fleet = Fleet()
    first = fleet.pass_over("b")
    assert deployments(first)[0]["metadata"]["annotations"][REVISION_ANNOTATION] == fleet.target["b"]
    assert first.reserve, "the turn is written down before it is used"
    assert fleet.upgraded("b")[0] == "Upgrading"
    for name in ("a", "c"):
        result = fleet.pass_over(name)
        assert deployments(result) == []
        assert not [e for e in result.effects if isinstance(e, Delete)]
        assert {e.manifest["kind"] for e in result.apply if isinstance(e, Apply)} >= {"NetworkPolicy", "Service"}
        reason, message = fleet.upgraded(name)
        assert reason == "UpgradePending"
        assert "waits until model treasury/b is upgraded" in message
        assert fleet.ready(name) == "True", "it serves as before"
        assert not result.events
    assert "and so does 1 other model;" in fleet.upgraded("c")[1]


def test_while_upgrades_are_paused_no_model_takes_a_turn_and_one_that_has_it_goes_on() -> None:
    fleet = Fleet()
    fleet.pass_over("a")
    fleet.world.platform = replace(fleet.world.platform, pause_upgrades=True)
    assert deployments(fleet.pass_over("a"))[0]["metadata"]["annotations"][REVISION_ANNOTATION] == fleet.target["a"]
    result = fleet.pass_over("b")
    assert deployments(result) == []
    assert fleet.upgraded("b")[0] == "UpgradesPaused"
    assert (fleet.ready("b"), list(result.events)) == ("True", [])
    fleet.serve("a")
    assert ref("b") not in fleet.pass_over("a").enqueue
    fleet.world.platform = replace(fleet.world.platform, pause_upgrades=False)
    assert deployments(fleet.pass_over("b"))
    assert fleet.upgraded("b")[0] == "Upgrading"


def test_a_model_that_is_changed_is_replaced_while_upgrades_are_paused() -> None:
    fleet = Fleet()
    fleet.world.platform = replace(fleet.world.platform, pause_upgrades=True)
    fleet.raw("a")["spec"]["engine"] = {**fleet.raw("a")["spec"].get("engine", {}), "gracePeriod": "90s"}
    assert deployments(fleet.pass_over("a"))
    assert fleet.upgraded("a") == ("", "")


def test_the_next_one_is_woken_and_replaced_once_the_former_is_ready() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.pass_over(name)
    fleet.serve("a", ready=False)
    assert fleet.pass_over("a").enqueue == ()
    assert fleet.upgraded("a")[0] == "Upgrading"
    assert deployments(fleet.pass_over("b")) == []
    fleet.serve("a")
    assert ref("b") in fleet.pass_over("a").enqueue
    assert fleet.upgraded("a") == ("", "")
    assert deployments(fleet.pass_over("b"))
    assert fleet.upgraded("b")[0] == "Upgrading"
    assert deployments(fleet.pass_over("c")) == []


def test_the_next_one_comes_after_one_that_has_failed_its_deadline() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.pass_over(name)
    fleet.serve("a", ready=False)
    fleet.deployment("a")["status"]["conditions"] = [LATE]
    result = fleet.pass_over("a")
    assert fleet.upgraded("a")[0] == "UpgradeFailed"
    assert [e.type for e in result.events if e.reason == "UpgradeFailed"] == ["Warning"]
    assert ref("b") in result.enqueue
    assert deployments(fleet.pass_over("b"))
    # The one that failed doesn't take the turn again, and is done when it is ready after all.
    fleet.pass_over("a")
    assert fleet.upgraded("a")[0] == "UpgradeFailed"
    fleet.serve("a")
    fleet.pass_over("a")
    assert fleet.upgraded("a") == ("", "")


def test_a_turn_that_lasts_too_long_ends_without_a_word_of_the_deployment() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.pass_over(name)
    fleet.serve("a", ready=False)
    result = fleet.pass_over("a")
    assert result.requeue_after is not None
    assert 0 < result.requeue_after < 4000
    fleet.now += 4000
    fleet.pass_over("a")
    assert fleet.upgraded("a")[0] == "UpgradeFailed"


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "of a release that noted nothing"])
def test_a_change_of_the_model_itself_waits_for_nothing(noted: bool) -> None:
    fleet = Fleet(noted=noted)
    fleet.pass_over("a")
    fleet.pass_over("b")
    assert fleet.notes("b")[INPUTS_ANNOTATION] == fleet.inputs["b"], "what it said when the upgrade came is noted"
    fleet.raw("b")["spec"]["accelerators"][0]["image"] = OTHER_IMAGE
    result = fleet.pass_over("b")
    assert deployments(result)
    assert fleet.upgraded("b") == ("", "")


def test_a_policy_that_demands_something_else_waits_for_nothing() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.pass_over(name)
    fleet.world.policies.append(policy("second"))
    assert deployments(fleet.run("b"))


def test_a_model_that_waits_can_be_scaled_with_the_pods_that_it_has() -> None:
    fleet = Fleet()
    fleet.pass_over("a")
    fleet.pass_over("b")
    fleet.raw("b")["spec"]["replicas"] = 2
    result = fleet.pass_over("b")
    assert deployments(result) == []
    assert [(e.ref.name, e.replicas) for e in result.apply if isinstance(e, Adjust)] == [("b", 2)]
    assert fleet.upgraded("b")[0] == "UpgradePending"
    assert not [e for e in fleet.run("b").apply if isinstance(e, Adjust)], "once"


def test_a_model_without_replicas_has_nothing_to_wait_for() -> None:
    fleet = Fleet()
    fleet.pass_over("a")
    fleet.raw("b")["spec"]["replicas"] = 0
    assert deployments(fleet.pass_over("b"))


def test_the_turn_goes_on_when_its_model_is_deleted_or_must_not_run() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.pass_over(name)
    gone = fleet.raw("a")
    fleet.world.models.remove(gone)
    assert ref("b") in reconcile(ref("a"), fleet.world.snapshot(), fleet.now).enqueue
    fleet.world.models.append(gone)
    gone["spec"]["model"]["license"] = "unknown-1.0"
    fleet.world.policies[0]["spec"]["models"] = {"licenses": ["MIT"]}
    assert ref("b") in fleet.pass_over("a").enqueue


def test_a_new_leader_upgrades_no_second_model_and_a_later_release_goes_on_with_the_first() -> None:
    fleet = Fleet()
    for name in NAMES:
        fleet.pass_over(name)
    fleet.serve("a", ready=False)
    for name in reversed(NAMES):
        assert bool(deployments(fleet.pass_over(name))) is (name == "a")
    # Another release that renders otherwise again: it still has the turn.
    fleet.notes("a")[REVISION_ANNOTATION] = OLD
    assert deployments(fleet.pass_over("a"))
    assert fleet.upgraded("a")[0] == "Upgrading"


def test_the_digest_is_on_workloads_alone_and_doesnt_depend_on_what_no_pod_has() -> None:
    fleet = Fleet()
    fleet.raw("a")["spec"]["replicas"] = 3
    fleet.raw("a")["spec"]["accelerators"].append(choice(H20, 2))
    (made,) = deployments(fleet.run("a"))
    assert made["metadata"]["annotations"][INPUTS_ANNOTATION] == fleet.inputs["a"]
    assert INPUTS_ANNOTATION not in made["spec"]["template"]["metadata"]["annotations"]
    fleet.raw("a")["spec"]["engine"] = {"args": ["--seed=1"]}
    assert deployments(fleet.run("a"))[0]["metadata"]["annotations"][INPUTS_ANNOTATION] != fleet.inputs["a"]
