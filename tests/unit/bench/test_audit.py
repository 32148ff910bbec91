"""The benches judge the operator by the API server's audit log: what counts as a request, and as a write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.audit import Log, counted, listed, parse


def line(verb: str = "patch", resource: str = "nodes", **changes: Any) -> bytes:
    event = {
        "stage": "ResponseComplete",
        "verb": verb,
        "requestURI": f"/api/v1/{resource}/a",
        "objectRef": {"resource": resource, "name": "a"},
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-11-29T01:02:03.250000Z",
        **changes,
    }
    return json.dumps(event).encode() + b"\n"


def test_a_call_says_what_was_requested_of_which_object_and_when_it_was_answered() -> None:
    about = {"resource": "pods", "subresource": "status", "namespace": "treasury", "name": "a"}
    (call,) = parse([line(objectRef=about, responseStatus={"code": 409})])
    assert (call.what, call.namespace, call.name, call.status) == ("patch pods/status", "treasury", "a", 409)
    assert call.at == pytest.approx(1_795_914_123.25)


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
def test_what_changes_an_object_is_a_write(verb: str) -> None:
    (call,) = parse([line(verb)])
    assert call.writes


@pytest.mark.parametrize(
    "raw",
    [
        line("get"),
        line("list"),
        line("watch"),
        line("update", "leases"),
        line("create", "subjectaccessreviews"),
        line("create", "pods", requestURI="/api/v1/namespaces/a/pods?dryRun=All"),
    ],
)
def test_reads_leases_reviews_and_dry_runs_are_no_writes(raw: bytes) -> None:
    (call,) = parse([raw])
    assert not call.writes


def test_a_dry_run_is_counted_apart() -> None:
    calls = parse(
        [line("create", "pods", requestURI="/pods?dryRun=All"), line("create", "pods"), line("create", "pods")]
    )
    assert listed(counted(calls)) == "2 x create pods, 1 x create pods (dry run)"


def test_a_watch_counts_once_it_has_ended() -> None:
    assert not parse([line("watch", stage="ResponseStarted")])


def test_a_request_of_no_resource_is_counted_by_its_verb() -> None:
    raw = json.loads(line("get"))
    del raw["objectRef"], raw["responseStatus"]
    (call,) = parse([json.dumps(raw).encode()])
    assert (call.what, call.status) == ("get ", 0)


def test_a_log_is_read_from_a_place_on_and_a_half_written_line_is_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    file.write_bytes(line(resource="nodes"))
    log = Log(file)
    place = log.end()
    file.write_bytes(file.read_bytes() + line(resource="pods") + line(resource="services")[:-20])
    assert [c.resource for c in log.since(place)] == ["pods"]
    assert [c.resource for c in log.since(0)] == ["nodes", "pods"]
