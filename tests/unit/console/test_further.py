"""The pages of chips, of what weakens enforcement, and of the log: what they show, and what they say where something is missing."""

from __future__ import annotations

from daulat.console.further import Further
from daulat.console.log import read_log
from daulat.ledger.trust import Trust
from tests.unit.ledger.logs import KEY, ORIGIN, STRANGER, TRUST, WITNESSES, Memory, log
from tests.unit.status.worlds import fine
from tests.unit.world import inventory

from .worlds import busy, page, site, weakened


class Broken(Memory):
    """A log that can't be read."""

    def get(self, path: str) -> bytes | None:
        raise OSError(5, "Input/output error")


def log_page(files: Memory, trust: Trust | None = TRUST) -> str:
    return page(site(fine(), further=Further(log=read_log(files, trust))), "log.html").text


def test_chips_are_counted_by_inventory_and_a_count_that_isnt_reported_isnt_known() -> None:
    text = page(site(busy()), "chips.html").text
    assert "delivered 4 2 1 1 0 3 Gone SN-4 hasn't been seen for 80h" in text
    assert "Awaited not known" in page(site(busy()), "inventory/delivered.html").text
    assert "There are no inventories" in page(site(fine()), "chips.html").text


def test_an_inventory_shows_its_missing_chips_first_and_those_that_moved() -> None:
    text = page(site(busy()), "inventory/delivered.html").text
    places = text[text.index("Where the chips are") :]
    order = [places.index(chip) for chip in ("SN-3 Missing", "SN-4 Gone", "SN-1 Seen j-1 johor-1", "SN-2 Seen")]
    assert order == sorted(order)
    assert "SN-2 s-1 , singapore-1 j-1 , johor-1 2026-06-01T11:50:00Z" in text


def test_a_zone_lists_the_chips_that_are_seen_on_each_node() -> None:
    assert "SN-1 , SN-2" in page(site(busy()), "zone/johor-1.html").text


def test_an_inventory_that_cant_be_read_says_why() -> None:
    world = fine()
    world.inventories = [{**inventory("odd"), "spec": {"countries": ["Malaysia"]}}]
    assert "spec.countries" in page(site(world), "inventory/odd.html").text
    assert "spec.countries" in page(site(world), "chips.html").text


def test_inventories_that_couldnt_be_read_are_named_and_not_called_empty() -> None:
    pages = site(fine(), {"AcceleratorInventory": "forbidden"})
    text = page(pages, "chips.html").text
    assert "AcceleratorInventory ( forbidden )" in text
    assert "no inventories" not in text
    assert "free 8 not known None" in page(pages, "zone/cyberjaya-1.html").text


def test_5000_chips_are_spread_over_pages() -> None:
    world = busy()
    chips = [f"SN-{n:05}" for n in range(5000)]
    place = {"node": "j-1", "zone": "johor-1", "since": "2026-06-01T00:00:00Z", "chips": chips}
    world.inventories[0]["status"]["places"] = [place]
    pages = site(world)
    assert "Page 50 of 50" in page(pages, "inventory/delivered_50.html").text
    sizes = [len((pages.render(path) or "").encode()) for path in ("inventory/delivered.html", "zone/johor-1.html")]
    assert max(sizes) < 300_000
    assert "The first 100 of 5000." in page(pages, "zone/johor-1.html").text


def test_weaknesses_are_shown_the_worst_first_with_the_checks_that_werent_made() -> None:
    pages = site(busy(), further=Further(weakened()))
    text = page(pages, "weaknesses.html").text
    assert text.index("High DOC-01") < text.index("Medium DOC-20")
    assert "Low DOC-34 Pod security list pods" in text
    assert "Findings: 2; checks not made in full: 1" in page(pages, "index.html").text


def test_a_policy_shows_the_weaknesses_that_concern_it_alone() -> None:
    pages = site(busy(), further=Further(weakened("restricted")))
    text = page(pages, "policy/restricted.html").text
    assert "Medium DOC-20" in text
    assert "DOC-01" not in text
    assert "DOC-20" not in page(pages, "policy/confidential.html").text


def test_where_weaknesses_werent_looked_at_the_pages_say_so_and_not_that_there_are_none() -> None:
    pages = site(busy())
    assert "wasn't looked at" in page(pages, "weaknesses.html").text
    assert "Weaknesses not known" in page(pages, "index.html").text


def test_a_log_shows_its_checkpoint_signature_and_witnesses() -> None:
    witnesses = WITNESSES[:2]
    trust = Trust((KEY.verifier(),), tuple(w.verifier() for w in witnesses), 2)
    text = log_page(log(300, witnesses=witnesses), trust)
    assert f"Origin {ORIGIN} Entries 300 Root hash" in text
    assert "The log's keys signed the checkpoint" in text
    assert "witness.example/0 2027-01-15T08:00:01Z , witness.example/1" in text


def test_a_log_without_a_key_isnt_called_verified() -> None:
    text = log_page(log(3), None)
    assert "no signature was verified" in text
    assert "The log's keys signed" not in text


def test_a_checkpoint_that_a_stranger_signed_isnt_trusted() -> None:
    text = log_page(log(3), Trust((STRANGER.verifier(),)))
    assert "can't be trusted" in text
    assert "it isn't signed by" in text


def test_a_checkpoint_without_the_witnesses_that_are_required_isnt_trusted() -> None:
    trust = Trust((KEY.verifier(),), (WITNESSES[0].verifier(),), 1)
    assert "0 known witnesses cosigned it; 1 are required" in log_page(log(3), trust)


def test_a_log_whose_edge_was_changed_isnt_trusted_with_or_without_a_key() -> None:
    for trust in (TRUST, None):
        files = log(300)
        tile = next(path for path in files.files if path.startswith("tile/1/"))
        files.files[tile] = bytes(32) + files.files[tile][32:]
        text = log_page(files, trust)
        assert "can't be trusted" in text
        assert "doesn't follow from the tiles" in text


def test_a_log_without_a_checkpoint_or_that_cant_be_read_says_so() -> None:
    assert "there is no checkpoint" in log_page(Memory())
    assert "Input/output error" in log_page(Broken())
    assert "can't be trusted" in log_page(Memory({"checkpoint": b"nonsense"}))


def test_where_no_log_is_given_the_page_says_how_to_give_one() -> None:
    pages = site(fine())
    assert "No log was given." in page(pages, "log.html").text
    assert list(pages.files()) == []
    assert pages.file("checkpoint.txt") is None


def test_the_checkpoint_is_linked_as_it_was_signed() -> None:
    files = log(3)
    pages = site(fine(), further=Further(log=read_log(files, TRUST)))
    assert dict(pages.files()) == {"checkpoint.txt": files.files["checkpoint"]}
    assert pages.file("checkpoint.txt") == files.files["checkpoint"]
    assert "../checkpoint.txt" in page(pages, "ms/log.html").values("href")
