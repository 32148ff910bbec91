"""How many commands of the documentation no test runs, and why."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

import pytest

from tests.docs import given
from tests.docs.page import PAGES, Page, read

READ = [read(page) for page in PAGES]
MARKED = {
    "containers": 20,
    "data": 12,
    "docker": 1,
    "gpu": 8,
    "long": 20,
    "npu": 4,
    "openshift": 13,
    "registry": 11,
    "root": 1,
    "software": 16,
}
"""Commands by what they need; one that needs two things counts for both."""
NOT_FOLLOWED: dict[str, int] = {
    "docs/how-to/ascend": 13,
    "docs/how-to/attestation": 8,
    "docs/how-to/break-glass": 11,
    "docs/how-to/explain": 10,
    "docs/how-to/helm": 10,
    "docs/how-to/intel": 3,
    "docs/how-to/llama.cpp": 1,
    "docs/how-to/many-clusters": 5,
    "docs/how-to/nvidia": 10,
    "docs/how-to/other-accelerators": 4,
    "docs/how-to/platforms": 3,
    "docs/how-to/runbooks/DaulatAdmissionNotCompiled": 3,
    "docs/how-to/runbooks/DaulatAdmissionOutOfBudget": 2,
    "docs/how-to/runbooks/DaulatAdmissionSlow": 1,
    "docs/how-to/runbooks/DaulatCRDsOutdated": 2,
    "docs/how-to/runbooks/DaulatCanaryTooOld": 1,
    "docs/how-to/runbooks/DaulatChipsUnaccounted": 2,
    "docs/how-to/runbooks/DaulatEvictionsHeld": 3,
    "docs/how-to/runbooks/DaulatExemptionEndsSoon": 2,
    "docs/how-to/runbooks/DaulatFactsStale": 1,
    "docs/how-to/runbooks/DaulatFactsUntrusted": 3,
    "docs/how-to/runbooks/DaulatLogEntriesPending": 1,
    "docs/how-to/runbooks/DaulatLogGapOpen": 2,
    "docs/how-to/runbooks/DaulatLogNotWritten": 1,
    "docs/how-to/runbooks/DaulatLogQuorumMissed": 1,
    "docs/how-to/runbooks/DaulatModelNotReady": 3,
    "docs/how-to/runbooks/DaulatModelWithoutPlace": 2,
    "docs/how-to/runbooks/DaulatOperatorAbsent": 2,
    "docs/how-to/runbooks/DaulatOperatorWithoutLeader": 2,
    "docs/how-to/runbooks/DaulatPinFails": 3,
    "docs/how-to/runbooks/DaulatPodsDrifted": 3,
    "docs/how-to/runbooks/DaulatPolicyNotEnforced": 3,
    "docs/how-to/runbooks/DaulatRecorderDown": 2,
    "docs/how-to/runbooks/DaulatZoneConflict": 2,
    "docs/how-to/simulate": 7,
    "docs/how-to/status": 7,
    "docs/reference/accelerators": 4,
    "docs/reference/kinds": 7,
}
"""Pages that no test follows yet, with the number of their commands."""
ILLUSTRATIONS = 2
"""Outputs that no test compares."""


def _id(page: Page) -> str:
    return page.name


def _state(page: Page) -> given.Given:
    """Return what a page is given, also where it isn't followed yet."""
    return given.of(page, given.every()).model_copy(update={"followed": True})


def test_the_commands_that_no_test_runs_are_counted_by_what_they_need() -> None:
    assert Counter(str(n) for page in READ for c in page.commands for n in c.marks.needs) == MARKED


def test_the_commands_of_pages_that_no_test_follows_are_counted() -> None:
    all_ = given.every()
    assert {p.name: len(p.unmarked) for p in READ if not given.of(p, all_).followed} == NOT_FOLLOWED


def test_the_outputs_that_no_test_compares_are_counted() -> None:
    assert sum(page.illustrations for page in READ) == ILLUSTRATIONS


def test_most_commands_are_run() -> None:
    total, run = sum(len(page.commands) for page in READ), sum(len(page.unmarked) for page in READ)
    assert total > 300
    assert run / total > 0.7


def test_what_is_given_is_given_to_pages_that_run_commands() -> None:
    assert set(given.every()) <= {page.name.removeprefix("docs/") for page in READ if page.unmarked}


def test_files_are_given_to_pages_that_run_commands() -> None:
    assert {p.name for p in given.FOLDER.iterdir()} <= {page.path.stem for page in READ if page.unmarked}


@pytest.mark.parametrize("page", READ, ids=_id)
def test_an_edit_that_is_given_comes_before_a_command_of_the_page(page: Page) -> None:
    for pattern in given.of(page, given.every()).edits:
        assert any(fnmatchcase(command.bare, pattern) for command in page.unmarked), pattern


@pytest.mark.parametrize("page", [page for page in READ if page.unmarked], ids=_id)
def test_a_word_that_is_replaced_is_one_of_the_page_or_of_those_given_the_same(page: Page) -> None:
    state = _state(page)
    alike = [other.path.read_text() for other in READ if _state(other) == state]
    assert [word for word in state.names if not any(word in text for text in alike)] == []
