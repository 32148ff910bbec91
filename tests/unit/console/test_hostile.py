"""Whatever a cluster's strings hold, the page has the elements that the templates write, and none that a string brought."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from daulat.console.further import Further
from daulat.console.log import Log
from daulat.console.paths import inventory as inventory_page
from daulat.console.paths import model, part
from daulat.console.site import Reading, visible
from daulat.console.whatif import Answer, Choice, State, What, WhatIf
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.trust import Witnessed
from tests.strategies import TEXT
from tests.unit.status.worlds import broken, facts, told, with_status
from tests.unit.world import SITE, World, exemption, inventory, zone
from tests.unit.world import model as model_of
from tests.unit.world import node as node_of

from .worlds import Seen, answered, busy, changing, parsed, site, weakened

MARKUP = (
    "<script>alert(1)</script>",
    "\"'><svg onload=x>",
    "</title>",
    "</bdi></main>",
    "&lt;",
    "]]>",
    "-->",
    "javascript:x",
)
TEMPLATES = ("{{ 7 * 7 }}", "{% raw %}")
CONTROLS = ("\u202e", "\u2066", "\x1b[31m", "\n")
PATHS = ("../..", "%2e%2e")
PIECES = st.sampled_from((*MARKUP, *TEMPLATES, *CONTROLS, *PATHS))
HOSTILE = st.one_of(TEXT, st.lists(PIECES | TEXT, max_size=4).map("".join))
PAGES = (
    "index.html",
    "chips.html",
    "weaknesses.html",
    "log.html",
    "zones.html",
    "models.html",
    "policies.html",
    "exemptions.html",
    "drift.html",
    "nodes.html",
    "whatif.html",
)
LIVE = ("whatif.html", "whatif-nodes.html", "whatif/policy/restricted.html")


def hostile(text: str) -> World:
    """Return a cluster with the text wherever the API server takes any, and in names, where it doesn't."""
    world = busy()
    somewhere = {
        "zone": text,
        "accelerator": text,
        "nodes": [text],
        "rejected": [{"reason": text, "count": 1, "sample": [text]}],
    }
    world.models = [
        model_of(f"m{text}", f"n{text}", told(broken(text or "R", text), placement=somewhere)),
        {"metadata": {"name": f"o{text}", "namespace": text}, "spec": text},
    ]
    world.zones.append(
        with_status(
            zone(
                f"z{text}",
                facility={"name": text[:100] or "f"},
                operator={"legalName": text[:200] or "o"},
                nodeSelector={"matchLabels": {SITE: "hostile"}},
            ),
            told(broken("NodesInConflict", text)),
        )
    )
    world.nodes.append(node_of(f"n{text}", "nowhere"))
    world.exemptions.append(exemption(f"e{text}", reason=f"because of {text}", requestedBy="x", namespaces=["a"]))
    world.inventories.append(
        with_status(
            inventory(f"i{text}"),
            told(
                broken("X", text),
                problems=[{"chip": text, "reason": text, "message": text}],
                moves=[{"chip": text, "fromNode": text, "toNode": text, "at": text}],
                places=[{"node": text, "zone": text, "since": text, "chips": [text]}],
            ),
        )
    )
    drift = [{"node": text, "reason": text, "sample": [text]}]
    world.policies[-1]["status"] = told(broken("X", text), governedNamespaces=[text], drift=drift, revision=text)
    return world


def strange_log(text: str) -> Log:
    """Return a log whose checkpoint says the text wherever it can."""
    head = Checkpoint(text, 1, bytes(32))
    return Log(b"x", head, text, True, (text,), (Witnessed(text, 1),), (text,))


def shape(seen: Seen) -> list[str]:
    return [tag for tag, _ in seen.elements]


@settings(max_examples=40, deadline=None)
@given(HOSTILE)
@example("<script>alert(1)</script>")
@example('" onmouseover="x" \'')
def test_a_string_of_the_cluster_brings_no_element_and_no_attribute(text: str) -> None:
    pages, plain = (
        site(hostile(each), {"Pod": each}, further=Further(weakened(text=each), strange_log(each), answered(each)))
        for each in (text, "plain")
    )
    known = {name for path in PAGES for _, given in parsed(plain.render(path) or "").elements for name in given}
    objects = [
        model(f"m{text}", f"n{text}"),
        f"zone/{part(f'z{text}')}.html",
        "policy/restricted.html",
        inventory_page(f"i{text}"),
        Choice(What.ZONE, "cyberjaya-1").path,
        Choice(What.ZONE, "johor-1").path,
        Choice(What.PROFILE, "nvidia-h20").path,
        Choice(What.ZONE, f"z{text}").path,
    ]
    for path in (*PAGES, *objects):
        page = pages.render(path, Reading(0, text))
        if page is None:  # Names that the store refuses, such as one without text.
            continue
        seen = parsed(page)
        assert seen.faults == []
        assert not {"script", "iframe", "img", "form", "style"} & set(shape(seen))
        assert {name for _, given in seen.elements for name in given} <= known | {"rel", "aria-hidden"}
        assert all(not link.lower().startswith(("javascript:", "//", "http")) for link in seen.values("href"))
        assert not set(page) & set("\x1b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\0")


@settings(max_examples=20, deadline=None)
@given(HOSTILE)
@example("<script>alert(1)</script>")
@example('" onmouseover="x" \'')
def test_a_string_brings_no_element_to_the_pages_of_changes(text: str) -> None:
    pages, plain = (site(hostile(each), further=Further(whatif=WhatIf(live=True))) for each in (text, "plain"))
    lists = {path: sorted({*shape(parsed(plain.render(path) or ""))}) for path in LIVE}
    for path in LIVE:
        seen = parsed(pages.render(path) or "")
        assert seen.faults == []
        assert sorted({*shape(seen)}) == lists[path]
    answers = [Answer(State.DONE, 0, changing(text)), *(Answer(state, why=text, kinds={text: text}) for state in State)]
    for choice in (Choice(What.ZONE, f"z{text}"), Choice(What.NODE, f"n{text}")):
        if pages.choice(choice.path) is None:  # The store refuses the name.
            continue
        for answer in answers:
            seen = parsed(pages.render(choice.path, Reading(0, text), answer) or "")
            assert seen.faults == []
            assert not {"script", "iframe", "img", "form", "style"} & set(shape(seen))
            assert not [name for _, given in seen.elements for name in given if name.startswith("on")]
            assert all(not link.lower().startswith(("javascript:", "//", "http")) for link in seen.values("href"))


@given(TEXT)
def test_a_name_is_one_part_of_a_path_whatever_it_holds(name: str) -> None:
    found = part(name)
    assert found.isascii()
    assert "/" not in found
    assert not found.startswith(".")
    assert len(found) <= 200


@given(TEXT, TEXT)
def test_two_names_have_two_pages(one: str, other: str) -> None:
    assert (part(one) == part(other)) == (one == other)


@given(TEXT)
def test_text_that_is_shown_has_no_control_characters_but_line_ends(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in visible(text))


def test_the_facts_that_are_drawn_hold_the_hostile_strings() -> None:
    """Without this, a store that refused them would let every test above pass."""
    text = "<script>alert(1)</script>"
    snapshot = facts(hostile(text)).snapshot
    assert f"z{text}" in snapshot.known_zones
    page = site(hostile(text)).render(f"zone/{part(f'z{text}')}.html")
    assert page is not None
    assert "z&lt;script&gt;alert(1)&lt;/script&gt;" in page
