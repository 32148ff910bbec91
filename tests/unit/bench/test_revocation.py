"""Which requests of the operator are evictions of the pods that a revoked zone costs."""

from __future__ import annotations

from bench.audit import Call
from bench.fleet.revocation import evictions


def call(verb: str, name: str, subresource: str = "", resource: str = "pods", dry_run: bool = False) -> Call:
    return Call(0.0, verb, resource, subresource, "treasury", name, 200, dry_run)


def test_deletions_and_evictions_of_these_pods_count_and_nothing_else() -> None:
    deleted, evicted = call("delete", "a"), call("create", "b", "eviction")
    others = [
        call("delete", "model-1"),
        call("patch", "a", "status"),
        call("create", "a"),
        call("delete", "a", resource="nodes"),
        call("delete", "a", dry_run=True),
    ]
    assert evictions([deleted, *others, evicted], {"a", "b"}) == [deleted, evicted]
