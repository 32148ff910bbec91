"""The console's pages in a browser, as files and from the server: nothing is blocked, loaded from elsewhere, or hard to use."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from daulat.cli.console import address, server
from daulat.cli.console.folder import write
from daulat.cli.console.latest import Latest
from daulat.cli.console.whatif import Facts, Simulations
from daulat.console.further import Further
from daulat.console.site import STYLE, Reading, Site
from daulat.console.whatif import Answer, Choice, State, What, WhatIf
from tests.unit.console.test_hostile import MARKUP, hostile
from tests.unit.console.test_site import FURTHER, LARGE_PAGES, large
from tests.unit.console.worlds import busy, site
from tests.unit.simulate.worlds import cluster

SERIOUS = ("serious", "critical")
PAGES = tuple(site(busy(), further=FURTHER).paths())
OUTCOMES = tuple(path for path in PAGES if path.removeprefix("ms/").startswith("whatif/"))
"""The server works these out, which takes seconds each. The test of a reader who chooses a change opens one."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "these tests need chromium"
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs namespaces that root in a container doesn't have. It opens only pages of these tests.
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_obstacle_to_people_with_disabilities(
    browser: Browser, folder: Path, scheme: str
) -> None:
    # The checks themselves are a script, which the pages' policy would block.
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True)
    page, axe, found = context.new_page(), Axe(), []
    for path in PAGES:
        page.goto((folder / path).as_uri())
        violations = axe.run(page).response["violations"]
        found += [f"{path}: {v['id']} {v['nodes'][0]['html']}" for v in violations if v["impact"] in SERIOUS]
    context.close()
    assert found == []


def test_the_checks_find_an_obstacle_where_there_is_one(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content('<html><body style="color:#ccc;background:#fff"><p>hard to read</p><a href="x"></a></body></html>')
    violations = Axe().run(page).response["violations"]
    assert {"color-contrast", "html-has-lang", "link-name"} <= {v["id"] for v in violations}
    page.close()


def test_pages_from_the_disk_and_from_the_server_are_drawn_with_their_style_and_load_nothing_else(
    browser: Browser, folder: Path, url: str
) -> None:
    page = browser.new_page()
    complaints = watched(page)
    for path in PAGES:
        for address_ in ((folder / path).as_uri(), *([url + path] if path not in OUTCOMES else [])):
            page.goto(address_)
            assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex", address_
    page.close()
    assert complaints == []


def test_hostile_strings_are_text_and_run_nothing(browser: Browser, tmp_path: Path) -> None:
    for number, text in enumerate(MARKUP):
        pages = site(hostile(text))
        write(pages, tmp_path / str(number))
        page = browser.new_page()
        complaints = watched(page)
        for path in pages.paths():
            page.goto((tmp_path / str(number) / path).as_uri())
            assert page.locator("script, [onload], [onerror]").count() == 0
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


def test_a_narrow_screen_scrolls_down_and_not_sideways(browser: Browser, folder: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 640})
    for path in PAGES:
        page.goto((folder / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    page.close()


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


def test_each_view_is_whole_in_print_and_on_white(browser: Browser, folder: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    for path in PAGES:
        page.goto((folder / path).as_uri())
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", path
        # Paper doesn't scroll: a table that is wider than its frame would be cut.
        assert page.evaluate(
            "[...document.querySelectorAll('.table')].every(t => getComputedStyle(t).overflowX == 'visible')"
        )
    context.close()


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lists_of_changes_and_pages_without_an_outcome_have_no_serious_obstacle_either(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True)
    page, axe, found = context.new_page(), Axe(), []
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
        violations = axe.run(page).response["violations"]
        found += [f"{path}: {v['id']} {v['nodes'][0]['html']}" for v in violations if v["impact"] in SERIOUS]
    context.close()
    assert found == []
