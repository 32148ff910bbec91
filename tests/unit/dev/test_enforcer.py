"""Who enforces NetworkPolicies on a real node: which packets it is asked about, and how its work is noticed."""

from __future__ import annotations

import pytest

from dev.cluster.node import enforcer

LISTENED = "  100     69     0 2   128     0     0        0  1\n"
OTHERS = "    7   1100     0 2   128     0     0        0  1\n"


@pytest.mark.parametrize(
    ("queues", "works"), [(LISTENED, True), (OTHERS + LISTENED, True), (OTHERS, False), ("", False)]
)
def test_it_works_once_it_listens_to_its_own_queue(queues: str, works: bool) -> None:
    assert enforcer.judges(queues) is works


def test_all_that_isnt_known_or_the_nodes_own_is_held_until_it_is_judged() -> None:
    *passed, last = [" ".join(command) for command in enforcer.rules()]
    assert ["ESTABLISHED,RELATED" in passed[0], "--uid-owner 0" in passed[1], len(passed)] == [True, True, 2]
    assert last.endswith("-A POSTROUTING -j NFQUEUE --queue-num 100")
    assert "--nfqueue-id=100" in enforcer.command("node")
    assert "--fail-open" not in " ".join(enforcer.command("node"))
