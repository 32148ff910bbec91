"""Condition types and reasons are data: documented, found in every use of them, and a plain string wherever one is wanted."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

from daulat.api import reasons
from daulat.api.kinds import KINDS
from daulat.api.reasons import ConditionType, Reason
from dev import conditiontables, generate

SOURCES = sorted(p for p in (generate.ROOT / "src/daulat").rglob("*.py") if "api/reasons" not in str(p))
REFERENCE = (generate.ROOT / conditiontables.REFERENCE).read_text()


def mentioned(tree: ast.AST) -> Iterator[str]:
    """Yield the condition types and reasons that code mentions as ``reasons.NAME``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "reasons":
            value = vars(reasons).get(node.attr)
            if isinstance(value, ConditionType | Reason):
                yield value


def misplaced(source: str) -> list[str]:
    """Return each reason that code gives to a condition that isn't documented to have it, whatever the called function's name.

    Where the condition isn't said in the same call, the reasons that a module gives must suit a condition that it mentions; in a
    module that mentions none, one condition has to have all of them.
    """
    tree = ast.parse(source)
    found = []
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        arguments = [*call.args, *(k.value for k in call.keywords)]
        # A call within an argument says for itself which condition it is about.
        types, given = divided(w for a in arguments if not isinstance(a, ast.Call) for w in mentioned(a))
        found += [f"line {call.lineno}: {t} has {r}" for t, r in product(types, given) if t not in r.conditions]
    types, given = divided(mentioned(Given().visit(tree)))
    if types:
        found += [f"{r} suits none of {', '.join(types)}" for r in given if not set(types).intersection(r.conditions)]
    elif given and not set.intersection(*(set(r.conditions) for r in given)):
        found.append(f"no condition has all of {', '.join(given)}")
    return found


class Given(ast.NodeTransformer):
    """Leaves out what code only compares with: reasons in comparisons, and in sets and lists of reasons."""

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.Pass() if isinstance(node, ast.Compare | ast.Set | ast.List) else self.generic_visit(node)


def divided(words: Iterable[str]) -> tuple[list[ConditionType], list[Reason]]:
    """Return the condition types and the reasons apart."""
    found = list(words)
    return [w for w in found if isinstance(w, ConditionType)], [w for w in found if isinstance(w, Reason)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(generate.ROOT / "src/daulat")))
def test_every_reason_is_set_on_a_condition_that_is_documented_to_have_it(path: Path) -> None:
    assert misplaced(path.read_text()) == []


@pytest.mark.parametrize(
    "code",
    [
        "told(reasons.PLACED, False, reasons.CANARY_REFUSED, '')",
        "anything(type_=reasons.PLACED, reason=reasons.CANARY_REFUSED)",
        "one(reasons.ENFORCED, None, reasons.CANARY_REFUSED if x else reasons.COMPLIANT)",
        "kind, reason = reasons.PLACED, reasons.CANARY_REFUSED",
        "Trouble(reasons.POD_STARTING, ''), Trouble(reasons.CANARY_REFUSED, '')",
    ],
)
def test_a_reason_of_another_condition_is_found(code: str) -> None:
    assert misplaced(code) != []


def test_a_reason_of_the_same_condition_is_fine() -> None:
    assert misplaced("f(reasons.ENFORCED, g(reasons.PLACED, reasons.PLACEMENT_CHOSEN), reasons.CANARY_REFUSED)") == []


def test_code_sets_reasons() -> None:
    assert len({w for p in SOURCES for w in mentioned(ast.parse(p.read_text()))}) > 90


@pytest.mark.parametrize("reason", reasons.REASONS.values())
def test_a_reason_is_documented_in_the_table_of_each_of_its_conditions(reason: Reason) -> None:
    assert reason.conditions
    for condition in reason.conditions:
        section = re.search(rf"^##+ {condition}\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
        assert section is not None
        assert f"| `{reason}` | {reason.meaning} | {reason.remedy} |" in section[1]


@pytest.mark.parametrize("reason", reasons.REASONS.values())
def test_a_reason_says_in_sentences_what_it_means_and_what_to_do(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z].*\.", reason.meaning, re.IGNORECASE)
    assert re.fullmatch(r"([A-Z].*\.)?", reason.remedy)
    assert "|" not in reason.meaning + reason.remedy


@pytest.mark.parametrize("word", [*reasons.CONDITIONS.values(), *reasons.REASONS.values()])
def test_a_constant_has_the_name_of_its_value(word: str) -> None:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word).upper()
    assert vars(reasons)[name] is word


def test_no_word_is_there_twice() -> None:
    words = [v for v in vars(reasons).values() if isinstance(v, ConditionType | Reason)]
    assert len(words) == len(set(words)) == len(reasons.CONDITIONS) + len(reasons.REASONS)


def test_every_kind_has_ready_and_conditions_of_its_own() -> None:
    for kind in KINDS:
        first, *own = reasons.conditions_of(kind.kind)
        assert first == reasons.READY
        assert own
        assert all(reasons.reasons_of(condition) for condition in own)


def test_every_kind_of_a_condition_exists() -> None:
    assert {k for c in reasons.CONDITIONS.values() for k in c.kinds} == {k.kind for k in KINDS}


@pytest.mark.parametrize("word", [reasons.PLACED, reasons.INSUFFICIENT_DEVICES])
def test_a_word_is_a_string_wherever_one_is_wanted(word: str) -> None:
    plain = str(word)
    assert type(plain) is str
    assert word == plain
    assert hash(word) == hash(plain)
    assert {plain: 1}[word] == 1
    assert json.dumps({"reason": word}) == json.dumps({"reason": plain})
    assert yaml.safe_load(yaml.safe_dump({"reason": str(word)})) == {"reason": plain}


@pytest.mark.parametrize("word", [*reasons.CONDITIONS.values(), *reasons.REASONS.values()])
def test_a_word_keeps_its_documentation_when_it_is_copied(word: str) -> None:
    for other in (pickle.loads(pickle.dumps(word)), copy.deepcopy(word)):  # noqa: S301 - what was just written
        assert type(other) is type(word)
        assert all(getattr(other, a) == getattr(word, a) for a in type(word).__slots__)  # type: ignore[attr-defined]


def test_models_that_wait_for_devices_are_known() -> None:
    assert {r for r in reasons.REASONS.values() if r.awaits_devices} == {
        reasons.INSUFFICIENT_DEVICES,
        reasons.WAITING_FOR_SCHEDULING,
        reasons.INSUFFICIENT_DOMAIN_CAPACITY,
    }
