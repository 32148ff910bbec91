"""The summary fits the terminal, is bounded, shows hostile names as text, and says the same to programs."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live

from daulat.cli.cluster import ClusterUnreadable
from daulat.cli.status import watching
from daulat.cli.status.output import line, structured
from daulat.cli.status.screen import FEWEST, MOST, console, duration, rows_for, screen, written
from daulat.cli.status.watching import Appended, Redrawn, pause, watch
from daulat.cli.structured import WRITERS
from daulat.status.view import View
from dev.pages import page
from tests.unit.status.worlds import NOW, ago, broken, fine, serving, told, view, with_status
from tests.unit.world import World, exemption, model, policy, zone

ALL = "daulat status --all"
HOSTILE = "\x1b[2J\x07\u202e[bold red]x[/]:skull:\r\nnext"


def shown(found: View, width: int = 100, most: int | None = MOST, *, colour: bool = False) -> str:
    return written(screen(found, width, most, ALL), console(width, terminal=colour, colour=colour))


def busy() -> World:
    """Return a cluster with something in every section, and names of every length."""
    world = fine()
    long_name = "national-treasury-department-of-a-large-country"
    world.models += [
        model("lost", status=told(broken("NoEligibleNode", "12 nodes: zone singapore-1 is outside MY. " * 20))),
        serving(f"{long_name}-model", long_name),
    ]
    world.policies.append(with_status(policy("admitted"), told(broken("CanaryAdmitted", "it would be admitted"))))
    world.zones.append(zone("annex", operator={"legalName": "\u6570\u636e\u4e2d\u5fc3\u6709\u9650\u516c\u53f8" * 4}))
    conditions = ("Active", "True", "InForce", ""), ("ExpiringSoon", "True", "EndsSoon", "")
    world.exemptions = [with_status(exemption("mirror", expiresAt=ago(-86400)), told(*conditions))]
    return world


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_short_value_is_cut(width: int) -> None:
    text = shown(view(busy(), {"Pod": "forbidden"}), width)
    assert max(map(cell_len, text.splitlines())) <= width
    for whole in ("FREE/DEVICES", "CanaryAdm", "NoEligibleNode", "Enforce ", "Unknown", "-/24", "ENFORCED", "1d"):
        assert whole in text
    if width == 200:
        assert "\u2026" not in text


def test_what_needs_attention_comes_first_and_the_next_command_last() -> None:
    lines = shown(view(busy())).splitlines()
    titles = [each.split("  ")[0] for each in lines if each and not each.startswith(" ")]
    assert titles[3:8] == ["Needs attention", "Policies", "Zones", "Models", "Exemptions"]
    assert lines[-1] == "Next: daulat explain policy admitted --cluster"


def test_a_long_message_is_cut_to_two_lines_and_shown_whole_with_all() -> None:
    assert shown(view(busy())).count("singapore-1") < 6
    assert shown(view(busy()), most=None).count("singapore-1") == 20


@pytest.mark.parametrize("width", [80, 200])
def test_hostile_names_are_text(width: int) -> None:
    world = fine()
    world.models = [model(HOSTILE, HOSTILE, told(broken(HOSTILE, HOSTILE)))]
    world.policies = [with_status(policy(HOSTILE), told(broken(HOSTILE, HOSTILE), governedNamespaces=[HOSTILE]))]
    world.zones = [with_status(zone(HOSTILE, operator={"legalName": HOSTILE}), told(broken(HOSTILE, HOSTILE)))]
    found = view(world, {"Pod": HOSTILE}, version=HOSTILE)
    text = shown(found, width, most=None)
    assert all(c == "\n" or c.isprintable() for c in text)
    assert "[bold red]x[/]:skull:" in text
    assert all(c.isprintable() for c in line(found))


def test_colours_are_there_on_a_terminal_and_only_there() -> None:
    assert "\x1b[31m" in shown(view(busy()), colour=True)
    assert "\x1b" not in shown(view(busy()))


def test_a_terminal_without_colours_gets_none() -> None:
    text = written(screen(view(busy()), 100, MOST, ALL), console(100, terminal=True, colour=False))
    assert "\x1b[3" not in text


def test_an_empty_cluster_is_one_short_screen() -> None:
    world = fine()
    world.nodes, world.zones, world.policies, world.models = [], [], [], []
    text = shown(view(world))
    assert "Nothing needs attention\n" in text
    assert "Models  0 of 0 ready\n" in text
    assert "Next:" not in text


def test_what_couldnt_be_read_has_no_table_and_is_named() -> None:
    unread = {"SovereignModel": "forbidden", "Pod": "forbidden", "Node": "not now"}
    text = shown(view(fine(), unread))
    assert "Models" not in text
    assert "Nothing needs attention in what could be read" in text
    assert "  the models: SovereignModel forbidden\n" in text
    assert "  free accelerators: Node not now; Pod forbidden\n" in text


def test_thousands_of_models_are_one_screen_and_are_drawn_at_once() -> None:
    world = fine()
    world.models = [model(f"m{n}", status=told(broken("NoEligibleNode"))) for n in range(3000)]
    found = view(world)
    began = time.process_time()
    text = shown(found)
    assert time.process_time() - began < 2
    assert len(text.splitlines()) < 60
    assert text.count(f"  2990 more: {ALL}\n") == 2
    assert len(structured(found)["models"]) == 3000


@pytest.mark.parametrize(("height", "rows"), [(24, FEWEST), (50, 4), (60, 6), (500, MOST)])
def test_a_higher_terminal_has_more_rows(height: int, rows: int) -> None:
    assert rows_for(height) == rows


def test_a_screen_of_many_rows_fits_the_terminal_for_which_it_is_drawn() -> None:
    world = busy()
    world.models = [model(f"m{n}", status=told(broken("NoEligibleNode"))) for n in range(30)]
    world.policies = [with_status(policy(f"p{n}"), told(broken("CanaryAdmitted"))) for n in range(30)]
    world.zones = [zone(f"z{n}") for n in range(30)]
    for height in (60, 80):
        assert len(shown(view(world), most=rows_for(height)).splitlines()) <= height


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (119, "1m59s"), (7200, "2h"), (90000, "1d1h"), (50 * 86400 + 9999, "50d")],
)
def test_times_are_written_as_kubectl_writes_ages(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("name", ["json", "yaml"])
def test_programs_get_every_row_under_documented_keys(name: str) -> None:
    text = WRITERS[name](structured(view(busy(), {"Pod": "forbidden"})))
    found = json.loads(text) if name == "json" else yaml.safe_load(text)
    assert found["apiVersion"] == "status.daulat.dev/v1"
    assert found["at"] == "2026-06-01T12:00:00Z"
    assert found["operator"] == {
        "leading": True,
        "lease": "daulat-system/daulat-operator",
        "holder": "pod-1",
        "secondsSinceRenewal": 3,
    }
    assert found["definitions"] == {"current": True, "missing": [], "outdated": [], "newer": []}
    assert found["attention"][0]["command"] == "daulat explain policy admitted --cluster"
    assert found["models"][-1]["readyReplicas"] == 1
    assert found["policies"][1]["governedNamespaces"] == ["treasury"]
    assert found["zones"][1]["accelerators"][0]["devices"] == 16
    assert found["unread"] == [{"kind": "Pod", "why": "forbidden", "unknown": "free accelerators"}]


def test_every_key_is_documented() -> None:
    found = structured(view(busy(), {"Pod": "forbidden"}))
    text = (Path(__file__).parents[4] / page("status")).read_text()
    keys = {*found, *(key for row in (*found.values(), *found["zones"][1]["accelerators"]) for key in keys_of(row))}
    assert len(keys) > 40
    assert {key for key in keys if f"`{key}`" not in text and f"`{key}[]`" not in text} == set()


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return {*value}
    return {key for each in value for key in keys_of(each)} if isinstance(value, list) else set()


def test_a_line_has_the_counts() -> None:
    assert line(view(busy())) == (
        "2026-06-01T12:00:00Z operator leads; policies 1/2 ready; zones 1/2 ready; models 2/3 ready; "
        "exemptions 1 in force; 2 failing, 2 warning"
    )


def reads(*answers: View | Exception) -> Callable[[], Awaitable[View]]:
    """Return a read that answers so one after the other, and is interrupted then."""
    left = iter(answers)

    async def read() -> View:
        answer = next(left, None)
        if answer is None:
            raise asyncio.CancelledError
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


def watched(shown_on: watching.Shown, *answers: View | Exception) -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch(reads(*answers), shown_on, 0.001))


def test_each_read_is_a_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    later = fine()
    later.models.append(model("lost", status=told(broken("NoEligibleNode"))))
    again = view(later)
    watched(
        Appended(),
        view(fine()),
        ClusterUnreadable("gone\x1b"),
        ClusterUnreadable("gone\x1b"),
        View(**{**vars(again), "at": NOW + 5}),
    )
    first, problem, last = capsys.readouterr().out.splitlines()
    assert "models 1/1 ready" in first
    assert problem.endswith(" can't read: gone\\x1b")
    assert last.startswith("2026-06-01T12:00:05Z ")
    assert "models 1/2 ready" in last


def test_a_terminal_keeps_the_last_summary_while_the_cluster_cant_be_read() -> None:
    on = Console(file=io.StringIO(), force_terminal=True, width=100, height=80, color_system=None)
    with Live(console=on, auto_refresh=False) as live:
        watched(
            Redrawn(live, lambda found, c: screen(found, c.width, MOST, ALL)), view(fine()), ClusterUnreadable("gone")
        )
        drawn = "".join(segment.text for segment in on.render(live.renderable))
    assert drawn.startswith("Facts of 2026-06-01T12:00:00Z, ")
    assert "Can't read: gone" in drawn
    assert "Models  1 of 1 ready" in drawn


def test_a_cluster_that_takes_long_to_read_is_read_less_often() -> None:
    assert pause(5, 0.1) == 5
    assert pause(5, 6) == 24
