"""The benches read the operator's metrics, those that an older operator doesn't have too."""

from __future__ import annotations

from bench.metrics import parse

BEFORE = """
# TYPE daulat_reconcile_total counter
daulat_reconcile_total{kind="Node",result="ok"} 3.0
daulat_reconcile_total{kind="Node",result="error"} 1.0
daulat_reconcile_total{kind="SovereignModel",result="ok"} 7.0
# TYPE daulat_leader gauge
daulat_leader 1.0
"""


def histogram(*cumulative: int) -> str:
    bounds = ("0.01", "0.1", "1.0", "+Inf")
    lines = [f'daulat_loop_blocked_seconds_bucket{{le="{b}"}} {n}' for b, n in zip(bounds, cumulative, strict=True)]
    return "\n".join(["# TYPE daulat_loop_blocked_seconds histogram", *lines, ""])


def test_passes_are_summed_by_kind_whatever_their_result() -> None:
    assert parse(BEFORE).passes == {"Node": 4, "SovereignModel": 7}


def test_a_sample_is_found_by_its_labels_and_one_that_is_not_there_is_none() -> None:
    found = parse(BEFORE)
    assert found.value("daulat_reconcile_total", result="error", kind="Node") == 1
    assert found.value("daulat_leader") == 1
    assert found.value("daulat_queue_depth") is None


def test_an_operator_without_the_metric_of_its_loop_is_tolerated() -> None:
    assert parse(BEFORE).blocked_since(parse(BEFORE)) is None


def test_the_longest_block_is_below_the_bound_of_the_highest_bucket_that_grew() -> None:
    before = parse(histogram(5, 6, 7, 7))  # one longer than 0.1 s, before
    assert parse(histogram(9, 11, 12, 12)).blocked_since(before) == (0.1, True)
    assert parse(histogram(9, 11, 13, 13)).blocked_since(before) == (1.0, True)
    assert parse(histogram(5, 6, 7, 7)).blocked_since(before) == (0.0, False)


def test_a_gauge_tells_the_longest_block_itself() -> None:
    text = "# TYPE daulat_loop_blocked_seconds gauge\ndaulat_loop_blocked_seconds 0.25\n"
    assert parse(text).blocked_since(parse(text)) == (0.25, False)
