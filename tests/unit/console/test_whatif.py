"""The changes that a reader can choose, what each stands for, and what their pages show."""

from __future__ import annotations

import pytest

from daulat.console.further import Further
from daulat.console.site import Reading
from daulat.console.whatif import Answer, Choice, Choices, State, What, WhatIf, first, work_out
from daulat.simulate.edits import snapshot_of
from tests.unit.simulate.worlds import cluster, two_zones
from tests.unit.status.worlds import NOW, facts, fine
from tests.unit.world import ASCEND, H20, World, policy, zone

from .worlds import answered, busy, changing, page, parsed, site

LIVE = Further(whatif=WhatIf(live=True))
FREE = {"limit": "100%"}


def choices(world: World) -> Choices:
    return Choices(facts(world).snapshot)


def worked_out(choice: Choice, world: World) -> Answer:
    return work_out(choice, cluster(world), lambda passes, virtual: None)


def abroad() -> World:
    """Return a cluster with a zone in a second country, which the policy accepts."""
    world = two_zones(models=[])
    world.zones.append(zone("batam-1", country="ID"))
    world.policies = [policy(zones={"countries": ["MY", "ID"]}, drift=FREE)]
    return world


def test_the_choices_are_what_the_facts_allow() -> None:
    found = choices(abroad())
    assert [c.name for c in found.zones] == ["batam-1", "cyberjaya-1", "kulim-1"]
    assert [c.name for c in found.profiles] == [ASCEND, H20]
    assert [c.name for c in found.vendors] == ["Huawei", "NVIDIA"]
    assert [c.name for c in found.nodes] == ["a1", "a2", "k1", "k2"]
    assert [(c.what, c.name) for c in found.policies["confidential"]] == [
        (What.POLICY_ZONE, "batam-1"),
        (What.POLICY_ZONE, "cyberjaya-1"),
        (What.POLICY_ZONE, "kulim-1"),
        (What.POLICY_COUNTRY, "MY"),
        (What.POLICY_COUNTRY, "ID"),
        (What.POLICY_PROFILE, ASCEND),
        (What.POLICY_PROFILE, H20),
    ]
    assert len(found.by_path) == 3 + 2 + 2 + 4 + 7


def test_a_policy_isnt_left_without_any_zone_or_country() -> None:
    world = World()
    assert [c.what for c in choices(world).policies["confidential"]] == [What.POLICY_PROFILE, What.POLICY_PROFILE]
    assert worked_out(Choice(What.POLICY_ZONE, "cyberjaya-1", "confidential"), world).state is State.IMPOSSIBLE


def test_objects_with_the_same_name_have_pages_of_their_own() -> None:
    world = two_zones()
    world.zones.append(zone("a1"))
    world.policies.append(policy("a1"))
    found = choices(world)
    everything = [*found.zones, *found.profiles, *found.vendors, *found.nodes, *sum(found.policies.values(), ())]
    assert len(found.by_path) == len(everything)
    assert all(found.by_path[choice.path] == choice for choice in everything)


@pytest.mark.parametrize(
    ("choice", "edits"),
    [
        (Choice(What.ZONE, "kulim-1"), []),
        (Choice(What.NODE, "k1"), []),
        (Choice(What.PROFILE, H20), [("confidential", "accelerators.profiles", (ASCEND,))]),
        (Choice(What.VENDOR, "Huawei"), [("confidential", "accelerators.profiles", (H20,))]),
        (
            Choice(What.POLICY_ZONE, "kulim-1", "confidential"),
            [("confidential", "zones.names", ("batam-1", "cyberjaya-1"))],
        ),
        (Choice(What.POLICY_COUNTRY, "ID", "confidential"), [("confidential", "zones.countries", ("MY",))]),
        (Choice(What.POLICY_PROFILE, ASCEND, "confidential"), [("confidential", "accelerators.profiles", (H20,))]),
    ],
)
def test_a_choice_sets_the_fields_of_policies_that_it_is_about(choice: Choice, edits: list[object]) -> None:
    found = choice.edits(snapshot_of(cluster(abroad())))
    assert [(e.policy, ".".join(e.field), e.after) for e in found] == edits


def test_a_revoked_zone_takes_its_eligible_nodes_and_a_refused_one_as_well() -> None:
    for choice in (Choice(What.ZONE, "kulim-1"), Choice(What.POLICY_ZONE, "kulim-1", "confidential")):
        found = worked_out(choice, abroad())
        assert found.outcome is not None
        (changed,) = found.outcome.policies
        assert changed.before is not None
        assert changed.after is not None
        assert (changed.before.eligible_nodes, changed.after.eligible_nodes) == (4, 2)
        assert changed.worse


def test_a_banned_accelerator_leaves_its_nodes_ineligible() -> None:
    found = worked_out(Choice(What.VENDOR, "Huawei"), abroad())
    assert found.outcome is not None
    (changed,) = found.outcome.policies
    assert changed.after is not None
    assert changed.after.eligible_nodes == 0


def test_a_lost_node_is_lost() -> None:
    found = worked_out(Choice(What.NODE, "k1"), abroad())
    assert found.outcome is not None
    assert [p.after.eligible_nodes for p in found.outcome.policies if p.after is not None] == [3]


@pytest.mark.parametrize("asked", [Choice(What.ZONE, "gone"), Choice(What.NODE, "gone"), Choice(What.PROFILE, "gone")])
def test_what_went_away_since_the_page_was_made_is_said(asked: Choice) -> None:
    found = worked_out(asked, two_zones())
    assert (found.state, found.outcome) == (State.IMPOSSIBLE, None)
    assert found.why


def test_a_policy_that_cant_name_all_that_is_left_isnt_cut_short() -> None:
    world = two_zones(models=[])
    world.zones += [zone(f"z-{n}") for n in range(70)]
    found = worked_out(Choice(What.POLICY_ZONE, "z-1", "confidential"), world)
    assert (found.state, found.why) == (
        State.IMPOSSIBLE,
        "policy confidential accepts more than 64 other zones, and can't name more",
    )


# --- the pages


def test_the_list_of_changes_leads_to_each_of_them() -> None:
    pages, found = site(busy(), further=LIVE), choices(busy())
    for path in ("whatif.html", "whatif-nodes.html", *(f"whatif/policy/{name}.html" for name in found.policies)):
        assert pages.render(path) is not None, path
    lists = [*found.zones, *found.profiles, *found.vendors]
    links = "".join(page(pages, "whatif.html").values("href"))
    assert all(choice.path in links for choice in lists)
    assert all(c.path in "".join(page(pages, "whatif-nodes.html").values("href")) for c in found.nodes)
    for name, own in found.policies.items():
        links = "".join(page(pages, f"whatif/policy/{name}.html").values("href"))
        assert all(choice.path.removeprefix("whatif/policy/") in links for choice in own)


@pytest.mark.parametrize("language", ["", "ms/"])
@pytest.mark.parametrize("state", State)
def test_every_answer_has_a_page_in_every_language(language: str, state: State) -> None:
    pages, choice = site(busy(), further=LIVE), Choice(What.ZONE, "johor-1")
    outcome = changing() if state is State.DONE else None
    answer = Answer(state, NOW - 40, outcome, why="why", other=choice, kinds={"Pod": "forbidden"})
    seen = parsed(pages.render(language + choice.path, Reading(NOW), answer) or "")
    assert seen.faults == []
    assert [tag for tag, _ in seen.elements].count("h1") == 1
    assert "40 s" in seen.text
    ids = seen.values("id")
    assert len(ids) == len(set(ids))
    if outcome is None:
        assert "Pod ( forbidden )" in seen.text


def test_an_outcome_shows_what_is_refused_evicted_moved_and_left_without_a_place() -> None:
    pages = site(busy(), further=Further(whatif=answered()))
    text = page(pages, "whatif/zone/cyberjaya-1.html").text
    assert "Something gets worse Something still changes at the end of the simulated time, 1 min after" in text
    assert "restricted Worse 4 \u2192 then 1 2 0 \u2192 then 3 Upheld qwen qwen" in text
    assert "qwen Worse 4 \u2192 then Not there" in text
    assert "confidential Not worse 1" in text
    assert "qwen audit Moved cyberjaya-1 , qwen johor-1 , qwen" in text
    assert "qwen qwen Refused johor-1 , qwen None qwen qwen" in text
    assert "12 3 1 min \u2013 5 min restricted qwen qwen audit/qwen qwen/qwen" in text
    assert "1 1 0 s None its node is lost None audit/lone" in text
    assert "restricted 7 qwen STO-07 spec qwen/qwen" in text
    assert "Pods without a node Namespace Name Reason qwen qwen qwen" in text
    assert "since the operator has begun it: 2" in text
    assert "daulat simulate --revoke-zone cyberjaya-1 --cluster" in text


def test_an_outcome_without_any_effect_says_so() -> None:
    text = page(site(busy(), further=Further(whatif=answered())), "whatif/profile/nvidia-h20.html").text
    assert "Nothing gets worse After 0 s, nothing changes any more." in text
    assert "restricted spec.accelerators.profiles nvidia-h20 qwen" in text
    assert "daulat simulate" not in text.replace("daulat simulate.", "")


def test_a_copy_has_the_pages_that_were_worked_out_and_names_the_others() -> None:
    pages = site(busy(), further=Further(whatif=answered()))
    there = {path for path in pages.paths() if path.startswith("whatif")}
    assert there == {
        "whatif.html",
        "whatif/zone/cyberjaya-1.html",
        "whatif/zone/johor-1.html",
        "whatif/profile/nvidia-h20.html",
    }
    text = page(pages, "whatif.html").text
    assert (
        "What if a zone is revoked: singapore-1 Not simulated in this copy. "
        "daulat simulate --revoke-zone singapore-1 --cluster" in text
    )
    assert "cyberjaya-1 Something gets worse" in text
    assert "johor-1 The simulation was ended without an outcome." in text
    assert "Other changes, such as of a single policy or a lost node" in text
    assert pages.choice("whatif/zone/singapore-1.html") is None


def test_a_copy_without_simulations_names_the_kinds_that_couldnt_be_read() -> None:
    refused = Answer(State.UNREAD, kinds={"Deployment": "forbidden"})
    text = page(site(busy(), further=Further(whatif=WhatIf(refused=refused))), "whatif.html").text
    assert "Deployment ( forbidden )" in text
    assert "A zone is revoked" not in text


def test_so_many_changes_are_worked_out_for_a_copy_and_no_more() -> None:
    found = choices(busy())
    assert [c.name for c in first(found, 4)] == ["cyberjaya-1", "johor-1", "singapore-1", ASCEND]
    assert len(first(found, 100)) == 5


def test_a_zone_and_a_policy_lead_to_their_changes_where_there_are_some() -> None:
    live, without = site(fine(), further=LIVE), site(fine())
    for path, words in (
        ("zone/cyberjaya-1.html", "this zone is revoked"),
        ("policy/confidential.html", "accepts less"),
    ):
        assert words in page(live, path).text
        assert words not in page(without, path).text
