"""A model that comes before its policy waits for it, and is judged as admission would have judged it once it is in force."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.policy import compile_policy
from daulat.admission.ungoverned import UNGOVERNED
from daulat.controls import library
from daulat.facts.snapshot import Canary
from daulat.kube.ref import Ref
from daulat.reconcile.model.compliance import model_violations
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Result
from tests.requests import NAMESPACE, policy_of, profiles_of, request_of, zones_of
from tests.unit.world import ASCEND, ASCEND_RESOURCE, World, child, model, namespace, policy, standing, the_model

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
KEY = "confidential/ungoverned"


def run(world: World) -> Result:
    return reconcile_model(REF, world.snapshot(), NOW)


def compliant(result: Result) -> tuple[str, str, str]:
    (written,) = result.status
    found = next(c for c in written.status["conditions"] if c["type"] == "PolicyCompliant")
    return found["status"], found["reason"], found["message"]


def waits(world: World) -> str:
    """Check that the model waits, and that nothing is made of it or taken from it; return the message."""
    result = run(world)
    assert (result.apply, result.evict, result.sweep, result.events) == ((), (), (), ())
    status, reason, message = compliant(result)
    assert (status, reason) == ("Unknown", "WaitingForPolicy")
    (written,) = result.status
    assert written.status["phase"] == "Pending"
    ready = next(c for c in written.status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (status, reason, message)
    return message


def test_a_model_waits_where_data_has_a_class_and_there_is_no_policy() -> None:
    assert waits(World(policies=[])) == (
        "namespace treasury has the label daulat.dev/data-class=confidential, and no policy in force selects it; "
        "the model waits until one does. Ask a policy admin for a SovereigntyPolicy that selects it"
    )


def test_a_model_waits_for_a_policy_that_is_only_written_down() -> None:
    assert waits(World(in_force=False)).endswith("Policy confidential is coming into force")
    assert run(World()).apply, "its guard of pods is there"


def test_a_model_waits_until_the_namespace_is_open_to_pods() -> None:
    shut = World(canaries={KEY: Canary("treasury", True, f"{UNGOVERNED} denied request: GOV-01", NOW)})
    assert waits(shut).endswith("Policy confidential is coming into force")
    assert run(World(canaries={KEY: Canary("treasury", True, "a quota", NOW)})).apply


def test_what_keeps_a_policy_out_of_force_is_said() -> None:
    refused = policy()
    refused["status"] = {
        "conditions": [
            {"type": "Compiled", "status": "False", "reason": "ApplyFailed", "message": "no", "observedGeneration": 1}
        ]
    }
    message = waits(World(policies=[refused], in_force=False))
    assert message.endswith("Policy confidential isn't in force (ApplyFailed): no")


def test_a_canary_that_was_let_in_is_no_failure_of_a_policy_that_comes_into_force() -> None:
    admitted = policy()
    enforced = {"type": "Enforced", "status": "False", "reason": "CanaryAdmitted", "message": "let in"}
    admitted["status"] = {"conditions": [{**enforced, "observedGeneration": 1}]}
    assert waits(World(policies=[admitted], in_force=False)).endswith("Policy confidential is coming into force")


def test_a_policy_in_force_elsewhere_ends_no_wait() -> None:
    wider = policy(namespaceSelector={"matchLabels": {"daulat.dev/data-class": "confidential"}})
    bound = {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}
    name, kind = "confidential.pods.daulat.dev", "ValidatingAdmissionPolicy"
    binding = child(
        f"{kind}Binding", name, policy="confidential", spec={"matchResources": {"namespaceSelector": bound}}
    )
    children = [child(kind, name, policy="confidential"), binding]
    waits(World(policies=[wider], children=children, in_force=False))


def test_one_policy_in_force_is_enough_and_all_that_select_the_namespace_judge() -> None:
    second = policy("second", models={"licenses": ["Apache-2.0"]})
    result = run(World(policies=[policy(), second]))
    assert compliant(result)[:2] == ("False", "PolicyViolation")
    assert "SUP-04 " in compliant(result)[2]


def test_a_model_that_runs_stays_as_it_is_while_no_policy_is_in_force() -> None:
    """Not even a change of its spec gets through meanwhile, such as another image."""
    running = World(
        models=[model(status=standing(ASCEND, ASCEND_RESOURCE, "a1"), engine={"args": ["--seed=1"]})],
        children=[child("Deployment", "deepseek", "treasury", model="deepseek")],
        in_force=False,
    )
    result = run(running)
    assert (result.apply, result.evict, result.sweep) == ((), (), ())
    assert compliant(result)[:2] == ("Unknown", "WaitingForPolicy")
    (written,) = result.status
    assert written.status["placement"]["zone"] == "cyberjaya-1"


def test_where_data_has_no_class_a_model_without_a_policy_isnt_governed() -> None:
    assert compliant(run(World(namespaces=[namespace(team="ml")])))[:2] == ("False", "NotGoverned")


def test_a_namespace_that_is_labelled_after_its_model_makes_it_wait_and_then_run() -> None:
    assert compliant(run(World(namespaces=[namespace(team="ml")])))[:2] == ("False", "NotGoverned")
    waits(World(in_force=False))
    assert run(World()).apply
    assert REF in World(namespaces=[namespace(team="ml")]).woken("Namespace", namespace())


def test_a_waiting_model_is_looked_at_again_when_its_policy_is_written_down_and_after_each_pass_over_it() -> None:
    assert REF in World(policies=[]).woken("SovereigntyPolicy", policy())
    world = World(in_force=False)
    of_policy = Ref("SovereigntyPolicy", "", "confidential")
    assert REF not in reconcile_policy(of_policy, world.snapshot(), NOW).enqueue
    world.with_status_of(run(world).effects)
    assert REF in reconcile_policy(of_policy, world.snapshot(), NOW).enqueue


EXAMPLES = [
    (control, example)
    for control in library.controls()
    if control.guard == "models"
    for example in control.examples
    if example.operation == "CREATE"
]


@pytest.mark.parametrize(("control", "example"), EXAMPLES, ids=[f"{c.id}: {e.name}" for c, e in EXAMPLES])
def test_the_operator_says_of_a_model_what_admission_says(control: library.Control, example: library.Example) -> None:
    """A model that was let in before its policy is judged by every control of models before anything of it is made."""
    compiled = compile_policy(
        "confidential", policy_of(example), profiles_of(example.profiles), zones=zones_of(example)
    )
    enforced = {c.control.id for c in compiled.controls if c.action == "Enforce" and c.control.guard == "models"}
    asked = request_of(control, example)
    assert asked.object is not None
    raw: dict[str, Any] = model(NAMESPACE)
    raw["spec"] = asked.object["spec"]
    labels = dict((asked.namespace_object or {})["metadata"]["labels"])
    world = World(models=[raw], namespaces=[{"metadata": {"name": "treasury", "labels": labels}}])
    snapshot = world.snapshot()
    found = model_violations(the_model(snapshot, NAMESPACE), [compiled], snapshot)
    told = " ".join(found)
    assert enforced
    if control.id in enforced:
        assert [v for v in example.violations if v not in told] == []
        assert told.count(f"{control.id} ") == len(example.violations)
