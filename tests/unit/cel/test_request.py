"""An admission policy sees of a request what the API server shows it, no less and no more."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.cel.evaluator import Request, evaluate

from .test_evaluator import POD, admission

NAMESPACE = {
    "kind": "Namespace",
    "metadata": {
        "name": "treasury",
        "labels": {"daulat.dev/data-class": "confidential"},
        "managedFields": [{"manager": "kubectl"}],
    },
}


def holds(expression: str, request: Request) -> bool:
    """Say whether the expression is true of the request."""
    return evaluate(admission(expression), request).allowed


def test_the_namespace_is_seen_without_what_the_api_server_hides() -> None:
    request = Request(POD, namespace="treasury", namespace_object=NAMESPACE)
    assert holds("namespaceObject.metadata.labels['daulat.dev/data-class'] == 'confidential'", request)
    assert holds("namespaceObject.metadata.name == 'treasury' && !has(namespaceObject.metadata.annotations)", request)
    assert holds("!has(namespaceObject.metadata.managedFields) && size(namespaceObject.spec) == 0", request)


def test_a_namespace_that_isnt_known_refuses_what_reads_it() -> None:
    verdict = evaluate(admission("namespaceObject.metadata.name != 'x'"), Request(POD, namespace="treasury"))
    assert (verdict.allowed, verdict.error) == (False, True)
    assert holds("namespaceObject == null", Request(POD))


def test_a_deleted_object_is_the_old_one() -> None:
    request = Request(None, old_object={**POD, "metadata": {"name": "p"}}, operation="DELETE")
    assert holds("object == null && oldObject.kind == 'Pod' && request.name == 'p'", request)


def test_a_connection_shows_its_options() -> None:
    options = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"], "stdin": True}
    request = Request(options, operation="CONNECT", resource="pods/exec", name="p", namespace="treasury")
    assert holds("request.kind == {'group': '', 'version': 'v1', 'kind': 'PodExecOptions'}", request)
    assert holds("request.subResource == 'exec' && request.requestSubResource == 'exec'", request)
    assert holds("request.name == 'p' && object.command == ['sh'] && oldObject == null", request)


def test_the_kind_of_a_group_is_told_with_its_group() -> None:
    request = Request({"apiVersion": "apps/v1", "kind": "Deployment"}, resource="deployments", group="apps")
    assert holds("request.kind.group == 'apps' && request.kind.version == 'v1'", request)
    assert holds("request.requestKind == request.kind && request.requestResource == request.resource", request)


@pytest.mark.parametrize(
    "field",
    ["request.name", "request.namespace", "request.subResource", "request.requestSubResource", "request.options"]
    + [f"request.userInfo.{name}" for name in ("uid", "extra")],
)
def test_an_empty_field_isnt_there(field: str) -> None:
    assert holds(f"!has({field})", Request({"kind": "Pod"}))


def test_an_unknown_user_has_no_name_and_no_groups() -> None:
    assert holds("request.userInfo.username == '' && request.userInfo.groups == []", Request(POD))


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_is_told(dry_run: bool) -> None:
    assert holds(f"request.dryRun == {str(dry_run).lower()}", Request(POD, dry_run=dry_run))


def test_the_user_is_told_in_full() -> None:
    request = Request(POD, user="m", user_uid="7", user_groups=("a", "b"), user_extra={"k": ("x", "y")})
    assert holds("request.userInfo.username == 'm' && request.userInfo.uid == '7'", request)
    assert holds("request.userInfo.groups == ['a', 'b'] && request.userInfo.extra == {'k': ['x', 'y']}", request)


def test_options_are_told_as_they_are() -> None:
    options = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 0}
    assert holds("request.options.gracePeriodSeconds == 0", Request(None, POD, operation="DELETE", options=options))


@pytest.mark.parametrize(
    "hostile",
    [{"user": "a\0b"}, {"name": "a\0b"}, {"namespace_object": {"metadata": {"labels": {"a": "b\0"}}}}],
)
def test_a_nul_character_anywhere_is_refused(hostile: dict[str, Any]) -> None:
    assert evaluate(admission("true"), Request(POD, **hostile)).error
