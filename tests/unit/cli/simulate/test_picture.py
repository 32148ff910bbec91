"""The picture of a simulation is an SVG that stands alone: what it says is there as text, and names can't become markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from daulat.cli.simulate.picture import svg
from daulat.simulate.compare import Eviction, ModelChange, Outcome, PolicyChange
from daulat.simulate.standing import ModelStanding, Place, PolicyStanding

SVG = "{http://www.w3.org/2000/svg}"
HERE, THERE = (ModelStanding(Place.RUNS, zone, "nvidia-h20") for zone in ("singapore-1", "johor-1"))
NOWHERE = ModelStanding(Place.NOWHERE, reason="NoCapacity")
MOVED = ModelChange("treasury", "r1", "moved", HERE, THERE, True)
LEFT = ModelChange("treasury", "glm", "without a place", HERE, NOWHERE, True)


def outcome(*models: ModelChange, **others: object) -> Outcome:
    parts: dict[str, object] = {
        "changes": 1,
        "converged": True,
        "seconds": 65.0,
        "passes": 9,
        "policies": (),
        "models": models,
        "evictions": (),
        "waiting": (),
        "refused": (),
        "exemptions": (),
        "under_way": 0,
        **others,
    }
    return Outcome(**parts)  # type: ignore[arg-type]


def parsed(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)  # noqa: S314 - it is our own


def texts(drawn: str) -> list[str]:
    return ["".join(each.itertext()) for each in parsed(drawn).iter(f"{SVG}text")]


def test_models_are_counted_by_zone_before_and_after() -> None:
    found = texts(svg(outcome(MOVED, LEFT)))
    for zone, before, after in (("singapore-1", "2", "0"), ("johor-1", "0", "1"), ("without a zone", "0", "1")):
        at = found.index(zone)
        assert found[at + 1 : at + 3] == [before, after]
    at = found.index("treasury/glm")
    assert found[at + 1 : at + 4] == ["singapore-1, nvidia-h20", "NoCapacity", "without a place"]


def test_policies_and_pods_that_end_are_drawn() -> None:
    before, after = (PolicyStanding(1, nodes, held, "", {}) for nodes, held in ((4, 0), (2, 3)))
    ends = Eviction(("confidential",), "its zone is revoked", 7, 2, 60.0, 60.0, (), ())
    found = texts(svg(outcome(policies=(PolicyChange("confidential", before, after, True),), evictions=(ends,))))
    assert found[found.index("confidential") + 1 :][:3] == ["4", "2", "3"]
    assert found[-3:] == ["confidential", "7", "its zone is revoked"]


def test_a_screen_reader_gets_a_title_and_a_description() -> None:
    root = parsed(svg(outcome(MOVED)))
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
    assert root[0].text == "Something gets worse"
    assert "1 model changes" in (root[1].text or "")


def test_a_hostile_name_is_text_and_never_markup() -> None:
    name = '"/><script>alert(1)</script>&\x1b\x00\ud800'
    drawn = svg(outcome(ModelChange("x", name, "moved", HERE, ModelStanding(Place.RUNS, name, name), True)))
    root = parsed(drawn)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        "svg", "title", "desc", "style", "text", "line", "rect", "path",
    }  # fmt: skip
    assert drawn.encode()
    assert not re.search(r"(href|url\(|on\w+=|http(?!://www\.w3\.org/2000/svg))", re.sub(r">[^<]*<", "><", drawn))


def test_a_long_name_is_cut_and_is_whole_in_its_title() -> None:
    drawn = svg(outcome(ModelChange("treasury", "m" * 200, "moved", HERE, THERE, True)))
    element = next(e for e in parsed(drawn).iter(f"{SVG}text") if "mmm" in "".join(e.itertext()))
    assert element[0].text == f"treasury/{'m' * 200}"
    assert len(element[0].tail or "") < 40


def test_a_thousand_models_make_a_picture_that_says_what_it_leaves_out() -> None:
    drawn = svg(outcome(*(ModelChange("treasury", f"m{n}", "moved", HERE, THERE, True) for n in range(1000))))
    assert "980 more: -o json has all of them" in texts(drawn)
    assert len(drawn) < 40_000


def test_nothing_that_changes_is_a_picture_too() -> None:
    assert texts(svg(outcome())) == ["Nothing gets worse", "1 change, simulated until 1m5s after it"]
