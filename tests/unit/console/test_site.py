"""The pages: what each view shows, that links lead somewhere, and that a large cluster's pages stay small."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

import pytest

from daulat.console.further import Further
from daulat.console.language import LANGUAGES
from daulat.console.log import read_log
from daulat.console.site import CHECKPOINT, POLICY, STYLE, Reading, Site, style
from daulat.ledger.trust import Trust
from tests.unit.evidence.test_index import written
from tests.unit.ledger.logs import KEY, WITNESSES, log
from tests.unit.status.worlds import NOW, fine, ready, serving, told, with_status
from tests.unit.world import ascend, inventory, zone

from .recorded import model_recorded, read, run_of, runs
from .worlds import answered, busy, named, page, parsed, site, weakened

WITNESSED = read_log(log(5, witnesses=WITNESSES[:1]), Trust((KEY.verifier(),), (WITNESSES[0].verifier(),), 1))
FURTHER = Further(weakened(), replace(WITNESSED, runs=read(runs(named("qwen"), named("llama"))).runs), answered())
"""Weaknesses, a witnessed checkpoint, a run of each of two models, and outcomes of changes."""
BUSY = site(busy(), further=FURTHER)
LIMITED = site(busy(), {"Pod": "forbidden"}, further=Further(whatif=answered()))
EVERY = tuple(BUSY.paths())


@pytest.mark.parametrize("path", EVERY)
def test_every_page_is_well_formed_and_names_its_language_and_its_title(path: str) -> None:
    seen = page(LIMITED, path)
    assert seen.faults == []
    tags = [tag for tag, _ in seen.elements]
    assert (tags.count("h1"), tags.count("main"), tags.count("title")) == (1, 1, 1 + tags.count("svg"))
    language = path.partition("/")[0]
    assert seen.elements[0] == ("html", {"lang": language if language in LANGUAGES else "en"})
    ids = seen.values("id")
    assert len(ids) == len(set(ids))
    assert set(seen.values("aria-labelledby")) <= set(ids)


def test_every_link_leads_to_a_page_of_the_site() -> None:
    pages = BUSY
    there = {*EVERY, STYLE, *dict(pages.files())}
    assert CHECKPOINT in there
    for path in EVERY:
        seen = page(pages, path)
        for link in seen.values("href"):
            if link.startswith(("data:", "#")):
                assert link in ("data:,", "#content")
            else:
                assert posixpath.normpath(posixpath.join(posixpath.dirname(path), link)) in there, (path, link)


def test_every_page_is_reached_from_the_first() -> None:
    pages, found, ahead = BUSY, set[str](), ["index.html"]
    while ahead:
        path = ahead.pop()
        if path in found or path == STYLE:
            continue
        found.add(path)
        if not path.endswith(".html"):
            continue
        links = (x for x in page(pages, path).values("href") if not x.startswith(("data:", "#")))
        ahead += [posixpath.normpath(posixpath.join(posixpath.dirname(path), link)) for link in links]
    # The list of all findings is linked where the overview has a part of them.
    assert {*EVERY, *dict(pages.files())} ^ found == {"attention.html", "ms/attention.html"}


@pytest.mark.parametrize("path", EVERY)
def test_no_page_runs_a_script_or_loads_anything_from_elsewhere(path: str) -> None:
    text = BUSY.render(path)
    assert text is not None
    seen = parsed(text)
    assert {tag for tag, _ in seen.elements} & {"script", "iframe", "img", "form", "object", "embed", "style"} == set()
    attributes = {name for _, given in seen.elements for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")}
    assert re.findall(r"https?://|//[a-z]", " ".join(seen.values("href"))) == []
    assert POLICY in seen.values("content")


def test_the_style_loads_nothing_from_elsewhere() -> None:
    assert "url(" not in style()
    assert "@import" not in style()


def test_what_needs_attention_stands_first_on_the_overview() -> None:
    text = page(BUSY, "index.html").text
    order = [
        text.index(word) for word in ("SovereigntyPolicy restricted", "SovereignZone johor-1", "SovereignModel llama")
    ]
    assert order == sorted(order)
    assert order[-1] < text.index("Summary")
    assert "daulat explain model llama -n treasury --cluster" in text


def test_a_cluster_in_which_all_is_well_says_so() -> None:
    assert "Nothing needs attention" in page(site(fine()), "index.html").text


@pytest.mark.parametrize("path", EVERY)
def test_each_page_says_how_old_its_facts_are_and_what_couldnt_be_read(path: str) -> None:
    text = page(LIMITED, path).text
    assert "2026-06-01T12:00:00Z" in text
    assert "Pod ( forbidden )" in text


def test_a_served_page_says_the_age_of_its_facts_and_why_they_arent_newer() -> None:
    text = site(fine()).render("ms/zones.html", Reading(NOW + 125, "no route to host"))
    assert text is not None
    assert "berusia 2 min" in text
    assert "no route to host" in text


def test_zones_stand_by_country_operator_and_facility_and_on_the_map() -> None:
    seen = page(BUSY, "zones.html")
    assert "Malaysia: 2, not ready 1" in seen.text
    assert "Singapore: 1" in seen.text
    order = [seen.text.index(word) for word in ("Malaysia (MY)", "DC 1", "cyberjaya-1", "Johor DC 3", "Singapore (SG)")]
    assert order == sorted(order)
    assert "parent's country: United States (US)" in seen.text
    assert "Nodes in no zone: 1" in seen.text


def test_a_zone_lists_its_nodes_with_their_accelerators_and_the_policies_that_they_are_eligible_for() -> None:
    world = fine()
    certified = {"daulat.node-restriction.kubernetes.io/confidential": "eligible"}
    world.nodes = [ascend("gpu-1", labels=certified), ascend("gpu-2", ready=False)]
    text = page(site(world), "zone/cyberjaya-1.html").text
    assert "gpu-1 Yes Yes huawei-ascend-910b : 8, free 8 None confidential" in text
    assert "gpu-2 No Yes huawei-ascend-910b : 8, free 8 None None" in text


def test_free_devices_arent_shown_where_pods_couldnt_be_read() -> None:
    text = page(site(fine(), {"Pod": "forbidden"}), "zone/cyberjaya-1.html").text
    assert "huawei-ascend-910b : 8" in text
    assert ", free" not in text


def test_a_node_in_no_zone_is_listed_with_the_reason() -> None:
    assert "stands in no zone of record 1 lost" in page(BUSY, "nodes.html").text


def test_a_model_shows_where_it_runs_since_when_and_why_not_elsewhere() -> None:
    text = page(BUSY, "model/audit/qwen.html").text
    assert "johor-1 , Malaysia (MY)" in text
    assert "Since 2026-06-01T10:00:00Z" in text
    assert "12 zone singapore-1 is outside MY s-1" in text
    lost = page(BUSY, "model/treasury/llama.html").text
    assert "The operator has chosen no place." in lost
    assert "12 zone singapore-1 is outside MY s-1" in lost


def test_a_policy_shows_what_it_demands_of_whom_whether_proved_and_its_controls_by_action() -> None:
    text = page(BUSY, "policy/restricted.html").text
    assert "storage.storageClasses encrypted" in text
    assert "zones.countries MY" in text
    assert "audit , treasury The first 2 of 60." in text
    assert "Proved True CanaryRefused a violating pod was refused" in text
    assert re.search(r"Enforce USE-04 .* pods Enforce USE-07 .* models, pods Warn SUP-01", text)
    assert re.search(r"cyberjaya-1 Accepted.*singapore-1 Rejected \S", text)
    assert "long" in text
    assert "3 pods of batch 2026-06-01T11:55:00Z" in text


def test_exemptions_are_listed_by_time_left() -> None:
    text = page(BUSY, "exemptions.html").text
    assert text.index("short confidential SUP-01") < text.index("long restricted SUP-01")
    assert "2 d" in text
    assert "the mirror is being built alice ciso" in text


def test_drift_lists_nodes_undecided_nodes_models_and_held_evictions() -> None:
    text = page(BUSY, "drift.html").text
    assert "restricted s-1 3 2026-06-01T11:55:00Z zone singapore-1 is outside MY t/a" in text
    assert "restricted n-1 (9) 4 not known zone x can't be read" in text
    assert "audit qwen 2026-06-01T11:59:00Z" in text
    assert "restricted : Evictions are held: 3 pods" in text
    assert "The operator reports no drift." in page(site(fine()), "drift.html").text


def test_an_object_that_cant_be_read_has_a_page_with_the_reason() -> None:
    world = fine()
    world.zones.append({"metadata": {"name": "odd"}, "spec": {"country": "Malaysia"}})
    assert "spec.country" in page(site(world), "zone/odd.html").text
    assert "odd : spec.country" in page(site(world), "zones.html").text


def test_an_empty_cluster_has_every_view() -> None:
    world = fine()
    world.nodes, world.zones, world.policies, world.models, world.namespaces = [], [], [], [], []
    pages = site(world)
    for path in pages.paths():
        assert page(pages, path).faults == []


def test_an_unknown_page_isnt_there() -> None:
    pages = BUSY
    for path in ("zone/other.html", "../etc/passwd", "zones.html/", "fr/index.html", "ms", "index.html\0"):
        assert pages.render(path) is None


LARGE_PAGES = (
    "zones.html",
    "zone/z-0.html",
    "zone/z-0_11.html",
    "models.html",
    "attention.html",
    "chips.html",
    "inventory/delivered.html",
    "weaknesses.html",
    "model/treasury/model-0000.html",
)


def large() -> Site:
    """Return the pages of 5,000 nodes and chips, 1,000 models, and as many weaknesses."""
    world = fine()
    world.zones = [zone(f"z-{n}") for n in range(50)]
    world.nodes = [ascend(f"node-{n:04}", f"z-{n % 50}" if n >= 1000 else "z-0") for n in range(5000)]
    world.models = [serving(f"model-{n:04}", "treasury") for n in range(1000)]
    chips = [f"SN-{n:05}" for n in range(5000)]
    place = {"node": "node-0001", "zone": "z-0", "since": "2026-06-01T00:00:00Z", "chips": chips}
    world.inventories = [with_status(inventory("delivered", *chips), told(ready(), places=[place]))]
    report = weakened()
    many = replace(report, findings=report.findings * 500)
    first = world.models[0]
    recorded = written([model_recorded(0, first), run_of(10, first, 0, "u")])
    return site(world, further=Further(many, read(recorded, [("treasury", "model-0000")])))


def test_pages_of_5000_nodes_and_1000_models_stay_below_2_mib() -> None:
    pages = large()
    found = {path: pages.render(path) for path in ("index.html", *LARGE_PAGES)}
    sizes = {path: len(text.encode()) for path, text in found.items() if text is not None}
    assert len(sizes) == len(LARGE_PAGES) + 1
    assert max(sizes.values()) < 300_000, sizes  # Well within the 2 MiB that a first page may have.
    assert "Page 11 of 11: 1001 to 1080 of 1080" in page(pages, "zone/z-0_11.html").text
    assert "Page 2 of 10: 101 to 200 of 1000" in page(pages, "models_2.html").text
    assert "Page 1 of 10: 1 to 100 of 1000" in page(pages, "weaknesses.html").text
    assert "RunStarted" in page(pages, "model/treasury/model-0000.html").text
