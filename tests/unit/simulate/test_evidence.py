"""Simulations under policies that ask for evidence: statements count as they do in a cluster, and end with virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daulat.simulate.compare import simulate
from daulat.simulate.redact import redacted
from daulat.simulate.run import Simulation
from daulat.simulate.world import Cluster
from tests.requests import merge
from tests.unit.attestation.statements import UUID, attestation, trust
from tests.unit.world import Raw, World, h20, policy

from .worlds import HOUR, cluster, put


def asking(**more: Any) -> Raw:
    return policy(zones={"minimumEvidence": "attested", "attestations": trust(**more)})


def attested(**changes: Any) -> Cluster:
    """Return what a snapshot has of a cluster with one node, which is attested."""
    node = merge(h20("h1"), {"status": {"nodeInfo": {"systemUUID": UUID}}})
    given = cluster(World(nodes=[node], policies=[asking()], models=[], attestations=[attestation(**changes)]))
    return replace(given, objects=tuple(redacted(m["kind"], m) for m in given.objects))


def test_a_statement_that_is_revoked_takes_its_node_away_from_the_policy() -> None:
    outcome = simulate(attested(), [put("SovereigntyPolicy", asking(revoked=["2026-0017"]))], HOUR)
    (changed,) = outcome.policies
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before.eligible_nodes, changed.after.eligible_nodes) == (1, 0)


def test_a_statement_that_ends_in_virtual_time_is_no_evidence_any_more() -> None:
    simulation = Simulation(attested(notAfter="2027-01-15T08:10:00Z"))
    simulation.settle(60)
    assert simulation.world.snapshot.policies["confidential"].status.eligible_nodes == 1
    simulation.settle(HOUR)
    assert simulation.world.snapshot.policies["confidential"].status.eligible_nodes == 0
