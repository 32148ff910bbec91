"""The evaluator gives the API server's verdict; what can't be evaluated is refused."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.cel.environment import compiled
from daulat.cel.evaluator import Request, evaluate, evaluate_all, matches_resource


def admission(*violations: str, conditions: tuple[str, ...] = (), **variables: str) -> dict[str, Any]:
    """Return a policy that refuses with the listed CEL texts."""
    return {
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
                ]
            },
            "matchConditions": [{"name": str(i), "expression": e} for i, e in enumerate(conditions)],
            "variables": [{"name": name, "expression": e} for name, e in variables.items()],
            "validations": [
                {"expression": e, "messageExpression": "'told: ' + string(object.kind)", "message": "refused"}
                for e in violations
            ],
        },
    }


POD: dict[str, Any] = {"kind": "Pod", "spec": {"nodeName": None, "containers": [{"name": "c", "image": None}]}}


def test_a_rule_that_holds_allows() -> None:
    assert evaluate(admission("object.kind == 'Pod'"), Request(POD)).allowed


def test_a_rule_that_fails_refuses_with_its_message() -> None:
    verdict = evaluate(admission("object.kind == 'Node'"), Request(POD))
    assert (verdict.allowed, verdict.message, verdict.error) == (False, "told: Pod", False)


@pytest.mark.parametrize(
    "expression", ["object.spec.nothing == 1", "1 / 0 == 1", "object.kind", "object.spec.containers[7].name == 'c'"]
)
def test_what_cant_be_evaluated_to_true_is_refused(expression: str) -> None:
    assert not evaluate(admission(expression), Request(POD)).allowed


def test_an_error_is_marked_as_one() -> None:
    assert evaluate(admission("object.nothing"), Request(POD)).error


def test_a_text_that_isnt_cel_is_refused() -> None:
    assert evaluate(admission("object.kind =="), Request(POD)).error


def test_an_error_in_a_variable_is_a_refusal() -> None:
    assert evaluate(admission("variables.x == 1", x="object.nothing"), Request(POD)).error


def test_an_error_in_a_condition_is_a_refusal() -> None:
    assert not evaluate(admission("true", conditions=("object.nothing == 1",)), Request(POD)).allowed


def test_an_error_in_the_message_is_a_refusal() -> None:
    policy = admission("false")
    policy["spec"]["validations"][0]["messageExpression"] = "object.nothing"
    assert not evaluate(policy, Request(POD)).allowed


@pytest.mark.parametrize("text", ["''", "'  '", "'a\\nb'"])
def test_a_message_that_the_api_server_would_not_tell_is_replaced(text: str) -> None:
    policy = admission("false")
    policy["spec"]["validations"][0]["messageExpression"] = text
    assert evaluate(policy, Request(POD)).message == "refused"


def test_a_condition_that_doesnt_hold_lets_the_request_by() -> None:
    assert evaluate(admission("false", conditions=("true", "object.kind == 'Node'")), Request(POD)).allowed
    assert not evaluate(admission("false", conditions=("true", "true")), Request(POD)).allowed


def test_nulls_are_absent() -> None:
    rule = "!has(object.spec.nodeName) && object.spec.containers.all(c, !has(c.image))"
    assert evaluate(admission(rule), Request(POD)).allowed


def test_an_absent_old_object_is_null() -> None:
    assert evaluate(admission("oldObject == null"), Request(POD)).allowed


def test_variables_see_those_before_them() -> None:
    assert evaluate(admission("variables.b == 2", a="1", b="variables.a + 1"), Request(POD)).allowed


def test_policies_that_differ_in_a_text_share_their_programs() -> None:
    def named(name: str) -> dict[str, Any]:
        found = admission("size(variables.found) == 0", policy=f'"{name}"', found="[variables.policy + ' refuses it']")
        found["spec"]["validations"][0]["messageExpression"] = "variables.found[0]"
        return found

    assert evaluate(named("one"), Request(POD)).message == "one refuses it"
    before = compiled.cache_info().misses
    assert evaluate(named("another"), Request(POD)).message == "another refuses it"
    assert compiled.cache_info().misses == before


def test_what_is_found_in_a_map_is_told_in_the_same_order_each_time() -> None:
    """An operator writes it into a status, and would write it anew at every pass."""
    labels = {f"k{n}": "" for n in range(12)}
    policy = admission(
        "size(variables.violations) == 0",
        violations="[object.metadata.labels.map(k, 'B ' + k), ['A']]",
        text="variables.violations.map(l, l.join(' ')).join(' ')",
    )
    policy["spec"]["validations"][0]["messageExpression"] = "variables.text"
    told = {evaluate(policy, Request({"metadata": {"labels": dict(labels)}})) for _ in range(20)}
    assert [t.violations for t in told] == [(*sorted(f"B {k}" for k in labels), "A")]
    assert [t.message for t in told] == [" ".join(t.violations) for t in told]


def test_a_message_that_is_cut_is_cut_at_the_same_place_each_time() -> None:
    labels = {f"k{n}": "" for n in range(12)}
    policy = admission(
        "false", violations="[object.metadata.labels.map(k, 'B ' + k)]", text="variables.violations[0].join(' ')"
    )
    policy["spec"]["validations"][0]["messageExpression"] = "variables.text.substring(0, 9) + '...'"
    told = {evaluate(policy, Request({"metadata": {"labels": dict(labels)}})).message for _ in range(20)}
    assert told == {"B k0 B k1..."}


@pytest.mark.parametrize("call", ["[[1]].flatten()", "[1].sort()", "[1].distinct()", "[1].transformList(i, v, v)"])
def test_what_older_api_servers_lack_is_unknown_here_too(call: str) -> None:
    assert evaluate(admission(f"size({call}) == 1"), Request(POD)).error


def test_the_authorizer_allows_exactly_what_is_listed() -> None:
    rule = "authorizer.group('daulat.dev').resource('sovereignzones').check('certify').allowed()"
    assert evaluate(admission(rule), Request(POD, allowed=frozenset({"daulat.dev/sovereignzones/certify"}))).allowed
    assert not evaluate(admission(rule), Request(POD, allowed=frozenset({"daulat.dev/sovereignzones/get"}))).allowed
    assert not evaluate(admission(rule), Request(POD)).allowed


def test_a_subresource_is_told_apart_from_its_resource() -> None:
    rule = "request.resource.resource == 'pods' && request.subResource == 'binding'"
    assert evaluate(admission(rule), Request(POD, resource="pods/binding")).allowed
    assert not matches_resource(admission("true"), Request(POD, resource="pods/binding"))


@pytest.mark.parametrize("other", [{"operation": "DELETE"}, {"resource": "nodes"}, {"group": "x"}])
def test_a_policy_is_not_asked_about_what_it_doesnt_match(other: dict[str, str]) -> None:
    assert evaluate_all([admission("false")], Request(POD, **other)) == []  # type: ignore[arg-type]
    assert len(evaluate_all([admission("false")], Request(POD))) == 1


def test_a_policy_is_asked_about_a_resource_in_each_of_its_versions() -> None:
    assert len(evaluate_all([admission("false")], Request(POD, version="v2"))) == 1


def test_bindings_and_mutations_are_not_asked() -> None:
    assert evaluate_all([{**admission("false"), "kind": "MutatingAdmissionPolicy"}], Request(POD)) == []


@pytest.mark.parametrize("hostile", [{"v": "good\0evil"}, {"v\0x": 1}, {"v": ["good\0evil"]}])
def test_a_nul_character_does_not_hide_what_follows(hostile: dict[str, Any]) -> None:
    verdict = evaluate(admission("true"), Request({"kind": "X", **hostile}))
    assert verdict.error
    assert not verdict.allowed


def test_a_refusal_tells_its_violations_one_by_one() -> None:
    policy = admission("size(variables.violations) == 0", violations="[object.kind + ' a; b', 'c']")
    assert evaluate(policy, Request(POD)).violations == ("Pod a; b", "c")


def test_violations_in_lists_are_told_one_by_one_too() -> None:
    policy = admission("size(variables.violations) == 0", violations="[['a', 'b'], ['c']]")
    assert evaluate(policy, Request(POD)).violations == ("a", "b", "c")


def test_what_is_allowed_or_in_error_has_no_violations() -> None:
    assert evaluate(admission("true", violations="['a']"), Request(POD)).violations == ()
    assert evaluate(admission("1 / 0 == 1", violations="['a']"), Request(POD)).violations == ()
    assert evaluate(admission("false"), Request(POD)).violations == ()
