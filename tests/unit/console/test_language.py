"""Every string is there in every language, is used, and has the same values to fill in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import daulat.console
from daulat.catalog.countries import codes
from daulat.console.chips import COUNTS
from daulat.console.language import LANGUAGES, Language, strings
from daulat.console.whatif import State as Known
from daulat.console.whatif import What
from daulat.doctor.finding import Severity as Rank
from daulat.simulate.compare import WHATS
from daulat.status.view import Severity, State

MODEL_CHANGES = [each.replace(" ", "_") for each in WHATS]
SOURCE = Path(str(daulat.console.__file__)).parent


def filled(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", strings())
def test_a_string_has_every_language_with_the_same_values(key: str) -> None:
    texts = strings()[key]
    assert set(texts) == set(LANGUAGES)
    assert all(isinstance(text, str) and text.strip() for text in texts.values())
    assert len({frozenset(filled(text)) for text in texts.values()}) == 1


def test_every_string_is_used_by_a_template_or_by_the_code() -> None:
    # Not what a template only writes as text, such as a class.
    text = "".join(file.read_text() for pattern in ("*.py", "templates/*.html") for file in SOURCE.glob(pattern))
    used = set(re.findall(r"[\"']([A-Za-z_]+)[\"']", text))
    used |= {f"state_{state}" for state in State} | {f"severity_{severity}" for severity in Severity}
    used |= {f"chips_{count}" for count in COUNTS} | {f"rank_{severity}" for severity in Rank}
    used |= {f"whatif_{each}" for each in (*Known, *What)} | {f"whatif_model_{each}" for each in MODEL_CHANGES}
    assert set(strings()) - used == set()


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_country_has_a_name(tag: str) -> None:
    assert [code for code in codes() if Language(tag).country(code) == code] == []


def test_a_country_that_isnt_known_is_shown_by_its_code() -> None:
    assert Language("ms").country("QQ") == "QQ"


@pytest.mark.parametrize(
    ("seconds", "span"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86400, "1 d"), (86400 * 400, "400 d")],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(seconds: float, span: str) -> None:
    assert Language("en").span(seconds) == span
