"""The console's pages in a browser, as files and from the server: nothing is blocked, loaded from elsewhere, or hard to use."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from daulat.cli.console import address, server
from daulat.cli.console.folder import write
from daulat.cli.console.latest import Latest
from daulat.cli.console.whatif import Facts, Simulations
from daulat.console.further import Further
from daulat.console.language import DEFAULT, LANGUAGES
from daulat.console.site import STYLE, Reading, Site
from daulat.console.whatif import Answer, Choice, State, What, WhatIf
from dev import chromium
from dev.cluster.errors import ClusterError
from tests.unit.console.test_hostile import MARKUP, hostile
from tests.unit.console.test_site import FURTHER, LARGE_PAGES, large
from tests.unit.console.worlds import busy, site
from tests.unit.simulate.worlds import cluster

SERIOUS = ("serious", "critical")
PAGES = tuple(site(busy(), further=FURTHER).paths())
OUTCOMES = tuple(path for path in PAGES if path.removeprefix("ms/").startswith("whatif/"))
"""The server works these out, which takes seconds each. The test of a reader who chooses a change opens one."""


OTHERS = tuple(f"{tag}/" for tag in LANGUAGES if tag != DEFAULT)
"""What the paths of pages in other languages begin with."""
TRANSLATED = tuple(path for path in PAGES if path.startswith(OTHERS))
"""The same pages in another language: other words in the same elements and colours."""
NARROW = 360
"""Pixels of a phone's screen."""
COLOURS = "color-contrast"
"""The check that takes most of the time. Its result depends on the scheme and not on the language."""


@dataclass(frozen=True)
class Look:
    """What a browser makes of one page. Each page is opened once for all tests, which take one part each."""

    complaints: tuple[str, ...]
    """What it complains of, and what it loads from elsewhere."""
    header: str
    """How the header is laid out, which the style sheet says."""
    width: int
    """Pixels that the page takes on a narrow screen."""
    printed: str
    """The colour of the background on paper, for a reader of the dark scheme."""
    cut: int
    """Frames on paper that would scroll, and so cut what is wider."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        chromium.program()
    except ClusterError as error:
        pytest.skip(str(error))
    with chromium.browser() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site on the disk."""
    found = tmp_path_factory.mktemp("site")
    write(site(busy(), {"Pod": "forbidden"}, further=FURTHER), found)
    return found


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server."""
    at = address.parse("127.0.0.1:0")
    loop, listening, taken = asyncio.new_event_loop(), threading.Event(), []

    async def read() -> Site:
        return site(busy(), further=Further(FURTHER.weaknesses, FURTHER.log, WhatIf(live=True)))

    async def facts() -> Facts:
        return cluster(busy())

    def told(port: int) -> None:
        taken.append(port)
        listening.set()

    async def serve() -> None:
        simulations = Simulations(facts, 15)
        await server.serve(Latest(read, 15), simulations, at.host, at.port, at.hosts, told)

    task = loop.create_task(serve())

    def run() -> None:
        asyncio.set_event_loop(loop)
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert listening.wait(20)
    yield at.url(taken[0])
    loop.call_soon_threadsafe(task.cancel)
    thread.join(20)


def watched(page: Page) -> list[str]:
    """Return a list that gets what the page complains of, and what it loads from elsewhere than a file or this machine."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
    local = ("file:", "data:", "http://127.0.0.1:")
    page.on("request", lambda request: found.append(request.url) if not request.url.startswith(local) else None)
    return found


def obstacles(page: Page, rules: Mapping[str, Any] | None = None) -> list[str]:
    """Return what axe-core finds serious in the page. ``rules`` narrows its checks, in the words of its options."""
    violations = Axe().run(page, options={"resultTypes": ["violations"], **(rules or {})}).response["violations"]
    return [f"{v['id']} {v['nodes'][0]['html']}" for v in violations if v["impact"] in SERIOUS]


def in_both_schemes(page: Page) -> list[str]:
    """Return what is serious in the light scheme, and which colours are in the dark one."""
    found = obstacles(page)
    page.emulate_media(color_scheme="dark")
    found += obstacles(page, {"runOnly": [COLOURS]})
    page.emulate_media(color_scheme="light")
    return found


@pytest.fixture(scope="module")
def looks(browser: Browser, folder: Path) -> Mapping[str, Look]:
    """Each page of the folder, as a browser shows it."""
    page = browser.new_page(viewport={"width": NARROW, "height": 640}, color_scheme="dark")
    found, complaints = {}, watched(page)
    for path in PAGES:
        page.goto((folder / path).as_uri())
        on_screen = page.evaluate(
            """() => ({
                header: getComputedStyle(document.querySelector('header')).display,
                width: document.documentElement.scrollWidth,
            })"""
        )
        page.emulate_media(media="print")
        on_paper = page.evaluate(
            """() => ({
                printed: getComputedStyle(document.body).backgroundColor,
                cut: [...document.querySelectorAll('.table')].filter(t => getComputedStyle(t).overflowX != 'visible').length,
            })"""
        )
        page.emulate_media(media="screen")
        found[path] = Look(tuple(complaints), **on_screen, **on_paper)
        complaints.clear()
    page.close()
    return found


def test_no_page_has_a_serious_obstacle_to_people_with_disabilities(browser: Browser, folder: Path) -> None:
    # The checks themselves are a script, which the pages' policy would block.
    context = browser.new_context(bypass_csp=True)
    page, found = context.new_page(), []
    for path in PAGES:
        page.goto((folder / path).as_uri())
        seen = (
            obstacles(page, {"rules": {COLOURS: {"enabled": False}}}) if path in TRANSLATED else in_both_schemes(page)
        )
        found += [f"{path}: {obstacle}" for obstacle in seen]
    context.close()
    assert found == []


def test_the_checks_find_an_obstacle_where_there_is_one(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content('<html><body style="color:#ccc;background:#fff"><p>hard to read</p><a href="x"></a></body></html>')
    assert {found.partition(" ")[0] for found in obstacles(page)} >= {COLOURS, "html-has-lang", "link-name"}
    page.set_content(
        '<html lang="en"><style>@media (prefers-color-scheme: dark) { p { color: #eee; background: #fff } }</style>'
        "<body><p>hard to read in the dark</p></body></html>"
    )
    assert obstacles(page, {"runOnly": [COLOURS]}) == []
    page.emulate_media(color_scheme="dark")
    assert [found.partition(" ")[0] for found in obstacles(page, {"runOnly": [COLOURS]})] == [COLOURS]
    page.close()


def test_pages_from_the_disk_are_drawn_with_their_style_and_load_nothing_else(
    looks: Mapping[str, Look],
) -> None:
    assert {path: look.header for path, look in looks.items() if look.header != "flex"} == {}
    assert {path: look.complaints for path, look in looks.items() if look.complaints} == {}


def test_pages_from_the_server_are_drawn_with_their_style_and_load_nothing_else(browser: Browser, url: str) -> None:
    page = browser.new_page()
    found = watched(page)
    # The server sends every language by the same way, so one page of another is enough.
    for path in (*(path for path in PAGES if path not in (*OUTCOMES, *TRANSLATED)), TRANSLATED[0]):
        page.goto(url + path)
        assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex", path
    page.close()
    assert found == []


def test_hostile_strings_are_text_and_run_nothing(browser: Browser, tmp_path: Path) -> None:
    for number, text in enumerate(MARKUP):
        pages = site(hostile(text))
        write(pages, tmp_path / str(number))
        page = browser.new_page()
        complaints = watched(page)
        # tests/unit/console/test_hostile.py reads the pages of both languages, with more strings.
        for path in (path for path in pages.paths() if not path.startswith(OTHERS)):
            page.goto((tmp_path / str(number) / path).as_uri())
            assert page.evaluate("document.querySelectorAll('script, [onload], [onerror]').length") == 0
        page.close()
        assert complaints == []


def test_the_first_stop_of_the_keyboard_skips_to_the_content(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    page.goto((folder / "zones.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box() == pytest.approx({"x": 0, "y": 0, "width": 200, "height": 40}, abs=120)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.close()


def test_a_narrow_screen_scrolls_down_and_not_sideways(looks: Mapping[str, Look]) -> None:
    assert {path: look.width for path, look in looks.items() if look.width > NARROW} == {}


def test_a_proof_is_downloaded_and_not_opened(browser: Browser, url: str, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(f"{url}model/audit/qwen.html")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the proof of entry 7").click()
    assert download.value.suggested_filename == "qwen_7.tlog-proof"
    download.value.save_as(tmp_path / "proof")
    assert (tmp_path / "proof").read_bytes().startswith(b"c2sp.org/tlog-proof@v1\n")
    page.close()


def test_a_cluster_of_5000_nodes_is_shown_in_pages_below_2_mib_without_anything_loaded_later(
    browser: Browser, tmp_path: Path
) -> None:
    write(large(), tmp_path)
    page = browser.new_page()
    complaints = watched(page)
    for path in LARGE_PAGES:
        page.goto((tmp_path / path).as_uri())
        assert page.locator("tbody tr").count() > 0, path
        assert len((tmp_path / path).read_bytes()) + len((tmp_path / STYLE).read_bytes()) < 2 * 2**20, path
    page.close()
    assert complaints == []


def test_each_view_is_whole_in_print_and_on_white(looks: Mapping[str, Look]) -> None:
    assert {path: look.printed for path, look in looks.items() if look.printed != "rgb(255, 255, 255)"} == {}
    # Paper doesn't scroll: a table that is wider than its frame would be cut.
    assert {path: look.cut for path, look in looks.items() if look.cut} == {}


def test_navigation_is_left_out_in_print(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    page.goto((folder / "policy/restricted.html").as_uri())
    page.emulate_media(media="print")
    assert not page.locator("nav").first.is_visible()
    assert page.locator("h1").is_visible()
    page.close()


def test_a_reader_chooses_a_change_and_sees_what_it_would_do(browser: Browser, url: str) -> None:
    page = browser.new_page()
    complaints = watched(page)
    page.goto(url)
    page.get_by_role("link", name="What if").click()
    page.get_by_role("link", name="What if a zone is revoked: cyberjaya-1").click()
    again = page.get_by_role("link", name="Open this page again")
    while again.count():
        again.click()
    assert page.get_by_text("Something gets worse").first.is_visible()
    assert page.get_by_role("region", name="Models").get_by_role("row").count() > 1
    assert page.get_by_text("daulat simulate --revoke-zone cyberjaya-1 --cluster").is_visible()
    page.get_by_role("link", name="What if").click()
    page.get_by_role("link", name="confidential", exact=True).click()
    assert page.get_by_role("link", name="What if a policy bans the accelerator: nvidia-h20").is_visible()
    page.close()
    assert complaints == []


def test_lists_of_changes_and_pages_without_an_outcome_have_no_serious_obstacle_either(
    browser: Browser, tmp_path: Path
) -> None:
    context = browser.new_context(bypass_csp=True)
    page, found = context.new_page(), []
    pages, choice = site(busy(), further=Further(whatif=WhatIf(live=True))), Choice(What.ZONE, "johor-1")
    write(site(busy()), tmp_path)  # The style.
    texts = {path: pages.render(path) for path in ("whatif.html", "whatif-nodes.html", "whatif/policy/restricted.html")}
    for state in set(State) - {State.DONE}:
        answer = Answer(state, why="why", other=choice, kinds={"Pod": "forbidden"})
        texts[f"whatif/zone/{state}.html"] = pages.render(choice.path, Reading(0), answer)
    for path, text in texts.items():
        assert text is not None
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        page.goto((tmp_path / path).as_uri())
        seen = in_both_schemes(page)
        found += [f"{path}: {obstacle}" for obstacle in seen]
    context.close()
    assert found == []
