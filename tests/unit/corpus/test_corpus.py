"""Every case of the corpus gets the verdict that it says from the offline evaluator, and no guard or control lacks cases."""

from __future__ import annotations

from functools import cache

import pytest

from daulat.controls import library
from tests.corpus import offline
from tests.corpus.files import cases
from tests.corpus.offline import Said

CASES = cases()
NAMES = [case.name for case in CASES]
ERROR = "error"
"""Stands for the id of a policy that can't be evaluated."""


@cache
def said(number: int) -> list[Said]:
    case = CASES[number]
    return offline.judge(offline.in_force(case), offline.request(case))


def _ids(number: int, action: str) -> set[str]:
    return {i for s in said(number) if s.action == action for i in ({ERROR} if s.verdict.error else s.ids)}


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_a_case_gets_the_verdict_that_it_says(number: int) -> None:
    case = CASES[number]
    if case.messages is not None:
        # A control's own example says what its own guard says.
        own = [s for s in said(number) if f".{case.guard}." in f".{s.policy}"]
        assert sorted(m for s in own for m in s.verdict.violations) == sorted(case.messages)
        return
    told = {action: _ids(number, action) for action in ("Deny", "Warn", "Audit")}
    assert told == {"Deny": {*case.refused}, "Warn": {*case.warned}, "Audit": {*case.audited}}
    text = "\n".join(s.verdict.message for s in said(number))
    assert [words for words in case.says if words not in text] == []


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 400


@pytest.mark.parametrize("guard", library.guards().values(), ids=list(library.guards()))
def test_a_guard_has_cases_of_every_request_that_it_judges(guard: library.Guard) -> None:
    covered = {(offline.request(c).resource, c.asked.operation) for c in CASES if c.guard == guard.guard}
    judged = {(r, o) for rule in guard.resources for r in rule.resources for o in rule.operations}
    assert {(r, o) for r, o in judged if _exists(r, o)} - covered == set()


@pytest.mark.parametrize("control", library.controls(), ids=lambda c: f"{c.id}.{c.guard}")
def test_a_control_has_cases_on_both_sides(control: library.Control) -> None:
    numbers = [n for n, c in enumerate(CASES) if c.guard == control.guard and not c.invalid]
    action = "Warn" if library.guards()[control.guard].action == "Warn" else "Deny"
    assert len([n for n in numbers if control.id in _ids(n, action)]) >= 2
    assert len([n for n in numbers if not _ids(n, action)]) >= 2


def _exists(resource: str, operation: str) -> bool:
    """Say whether the API server has such a request: most subresources are updated only."""
    return "/" not in resource or operation in {"UPDATE", "CONNECT"} or resource == "pods/binding"


def test_a_case_is_written_with_what_it_needs() -> None:
    known = library.ids() | {ERROR, "revision"}
    for case in CASES:
        assert {*case.refused, *case.warned, *case.audited} <= known, case.name
