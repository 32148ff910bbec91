"""The last run of a model: what its page says is what the log's entries prove, or it says why nothing is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from daulat.console.further import Further
from daulat.console.log import Log, read_log
from daulat.console.runs import Runs
from daulat.console.site import Site, visible
from daulat.evidence.index import Index
from daulat.ledger import proof
from daulat.ledger.trust import Trust
from tests.unit.evidence.test_index import entry, indexed, time, written
from tests.unit.ledger.logs import KEY, STRANGER, TRUST, WITNESSES, Memory
from tests.unit.world import Raw, World

from .recorded import QWEN, at, model_recorded, read, run_of, runs
from .test_hostile import MARKUP, shape
from .worlds import busy, page, site

QWEN_PAGE, LLAMA_PAGE = "model/audit/qwen.html", "model/treasury/llama.html"


def raw(world: World, name: str) -> Raw:
    return next(model for model in world.models if model["metadata"]["name"] == name)


def recorded(world: World) -> Memory:
    return runs(raw(world, "qwen"), raw(world, "llama"))


def pages(log: Log, world: World | None = None) -> Site:
    return site(world or busy(), further=Further(log=log))


def test_a_model_shows_where_it_ran_last_and_each_entry_that_says_so() -> None:
    world = busy()
    made = pages(read(recorded(world)), world)
    text = page(made, QWEN_PAGE).text
    assert f"Pod p-q2 Node s-1 Zone singapore-1 , Singapore (SG) Began {at(40)} Ended It hasn't ended" in text
    assert f"5 Download the proof of entry 5 RunStarted {at(40)} 7 Download the proof of entry 7 RunChanged" in text
    text = page(made, LLAMA_PAGE).text
    assert f"Pod p-l1 Node j-1 Zone johor-1 , Malaysia (MY) Began {at(20)} Ended {at(49)} Evicted" in text
    assert "3 Download the proof of entry 3 RunStarted" in text
    assert "6 Download the proof of entry 6 RunEnded" in text


def test_a_proof_is_what_daulat_ledger_proof_writes_and_can_be_checked_without_the_log() -> None:
    world = busy()
    files = recorded(world)
    made = pages(read(files), world)
    links = [link for link in page(made, f"ms/{QWEN_PAGE}").values("href") if link.endswith(".tlog-proof")]
    assert links == ["../../../model/audit/qwen_5.tlog-proof", "../../../model/audit/qwen_7.tlog-proof"]
    found = made.file("model/audit/qwen_7.tlog-proof")
    assert found == bytes(proof.prove(files, 7))
    read_again = proof.parse(found)
    assert read_again.entry is not None
    assert proof.verify(read_again, read_again.entry, TRUST).head is not None
    assert {path for path, _ in made.files()} == {
        "checkpoint.txt",
        *(
            f"model/{name}.tlog-proof"
            for name in ("audit/qwen_5", "audit/qwen_7", "treasury/llama_3", "treasury/llama_6")
        ),
    }


@pytest.mark.parametrize(
    "path",
    [
        "model/audit/qwen_0.tlog-proof",
        "model/audit/qwen_2.tlog-proof",
        "model/audit/qwen_3.tlog-proof",
        "model/treasury/qwen_5.tlog-proof",
        "model/audit/qwen_05.tlog-proof",
        "model/audit/qwen.tlog-proof",
        "model/audit/none_5.tlog-proof",
        "ms/model/audit/qwen_5.tlog-proof",
        "../qwen_5.tlog-proof",
        ".tlog-proof",
    ],
)
def test_no_other_entry_can_be_downloaded(path: str) -> None:
    world = busy()
    assert pages(read(recorded(world)), world).file(path) is None


def test_runs_of_a_namespace_that_the_reader_may_not_see_are_neither_shown_nor_downloaded() -> None:
    world = busy()
    log = read(recorded(world))
    assert log.runs is not None
    made = pages(replace(log, runs=log.runs.within(lambda namespace: namespace == "audit")), world)
    assert "p-q2" in page(made, QWEN_PAGE).text
    assert "p-l1" not in page(made, LLAMA_PAGE).text
    assert "who may list the pods" in page(made, LLAMA_PAGE).text
    assert made.file("model/treasury/llama_3.tlog-proof") is None
    assert not [path for path, _ in made.files() if "treasury" in path]


def test_runs_of_an_earlier_model_of_the_same_name_arent_shown() -> None:
    world = busy()
    files = recorded(world)
    raw(world, "qwen")["metadata"]["uid"] = "another"
    made = pages(read(files), world)
    assert "The log has no run of this model." in page(made, QWEN_PAGE).text
    assert made.file("model/audit/qwen_5.tlog-proof") is None


def test_a_run_that_names_no_model_of_record_isnt_shown() -> None:
    world = busy()
    qwen = raw(world, "qwen")
    started = run_of(10, qwen, 0, "q1").replace(b'"modelEntry":0,', b"")
    made = pages(read(written([model_recorded(0, qwen), started])), world)
    assert "The log has no run of this model." in page(made, QWEN_PAGE).text


def test_a_log_that_isnt_trusted_or_has_no_key_shows_no_run() -> None:
    world = busy()
    files = recorded(world)
    for trust, reason in (
        (None, "No key was given with --log-key"),
        (Trust((STRANGER.verifier(),)), "can't be trusted"),
        (Trust((KEY.verifier(),), (WITNESSES[0].verifier(),), 1), "can't be trusted"),
    ):
        made = pages(read_log(files, trust), world)
        assert reason in page(made, QWEN_PAGE).text
        assert "p-q2" not in page(made, QWEN_PAGE).text
        assert [path for path, _ in made.files()] == ["checkpoint.txt"]


def test_a_log_without_any_run_or_no_log_says_so() -> None:
    assert "The log has no run of this model." in page(pages(read(written([entry(0, "Heartbeat")]))), QWEN_PAGE).text
    assert "No log was given." in page(site(busy()), QWEN_PAGE).text


def test_an_entry_that_was_changed_since_is_not_proved_and_not_offered() -> None:
    world = busy()
    files = recorded(world)
    log = read(files)
    (bundle,) = [path for path in files.files if path.startswith("tile/entries/")]
    files.files[bundle] = files.files[bundle].replace(b'"node":"s-1"', b'"node":"j-1"')
    made = pages(log, world)
    text = page(made, QWEN_PAGE).text
    assert "can't prove this model's last run: entry 7 isn't covered by the checkpoint" in text
    assert "j-1" not in text[text.index("Last run in the log") : text.index("Conditions")]
    assert made.file("model/audit/qwen_7.tlog-proof") is None


def test_an_index_that_says_something_else_shows_nothing_else() -> None:
    """An index comes from a file that others may have written: what is shown stands in the proved entries."""
    world = busy()
    files = recorded(world)
    log = read(files)
    assert log.runs is not None
    (qwen, llama) = (log.runs.located[QWEN], log.runs.located[("treasury", "llama")])
    for located in (llama, qwen._replace(latest=6), qwen._replace(started=0), qwen._replace(ended=6)):
        forged = replace(log, runs=Runs(log.runs.files, TRUST, {QWEN: located}))
        text = page(pages(forged, world), QWEN_PAGE).text
        assert "can't prove this model's last run" in text
        assert "Download the proof" not in text


def test_the_log_may_grow_while_the_pages_are_read() -> None:
    world = busy()
    files = recorded(world)
    made = pages(read(files), world)
    before = files.files["checkpoint"]
    written([entry(100 + n, "Heartbeat") for n in range(300)], store=files)
    found = made.file("model/audit/qwen_5.tlog-proof")
    assert found is not None
    assert files.files["checkpoint"] != before
    assert proof.parse(found).checkpoint == before


def test_a_log_of_more_entries_than_are_indexed_at_a_time_needs_an_index_of_its_own(tmp_path: Path) -> None:
    world = busy()
    files = recorded(world)
    assert "8 entries of the log aren't indexed" in page(pages(read(files, most=7), world), QWEN_PAGE).text
    indexed(files, Index(tmp_path / "index.sqlite"))
    written([entry(100, "Heartbeat")], store=files)
    made = pages(read(files, index=Index(tmp_path / "index.sqlite"), most=1), world)
    assert "p-q2" in page(made, QWEN_PAGE).text


def test_a_log_whose_entries_dont_lead_to_the_root_shows_no_run() -> None:
    world = busy()
    files = recorded(world)
    (bundle,) = [path for path in files.files if path.startswith("tile/entries/")]
    files.files[bundle] = files.files[bundle].replace(b'"node":"s-1"', b'"node":"j-1"')
    assert "don't lead to the root" in page(pages(read(files), world), QWEN_PAGE).text


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    world = busy()
    files = recorded(world)
    indexed(files, Index(tmp_path / "index.sqlite")).close()
    data = (tmp_path / "index.sqlite").read_bytes()
    (tmp_path / "index.sqlite").write_bytes(data[:5000] + bytes(len(data) - 5000))
    assert "p-q2" in page(pages(read(files, index=Index(tmp_path / "index.sqlite")), world), QWEN_PAGE).text


def test_of_several_pods_the_one_that_was_recorded_to_start_last_is_shown() -> None:
    world = busy()
    qwen = raw(world, "qwen")
    late = run_of(20, qwen, 0, "second", started=time(1))
    made = pages(read(written([model_recorded(0, qwen), run_of(10, qwen, 0, "first"), late])), world)
    assert "Pod p-second" in page(made, QWEN_PAGE).text


@pytest.mark.parametrize("text", MARKUP)
def test_strings_of_the_log_bring_no_element(text: str) -> None:
    def seen(text: str) -> list[str]:
        world = busy()
        qwen = raw(world, "qwen")
        names = {"pod": text, "node": text, "zone": text, "noZone": text, "country": text, "started": text}
        ended = entry(30, "RunEnded", uid="q1", reason=text, ended=text)
        made = pages(read(written([model_recorded(0, qwen), run_of(10, qwen, 0, "q1", **names), ended])), world)
        found = page(made, QWEN_PAGE)
        assert found.text.count(visible(text)) >= 5
        assert found.faults == []
        return shape(found)

    assert seen(text) == seen("plain")
