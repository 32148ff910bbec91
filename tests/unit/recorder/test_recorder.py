"""The recorder loses nothing and repeats nothing, whatever happens to the cluster, its disk and itself."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.evidence import present
from daulat.evidence.book import Book, Outgoing
from daulat.evidence.draft import Draft
from daulat.evidence.index import Index, Question
from daulat.evidence.personal import Person, Pseudonyms
from daulat.evidence.records import GapOpened, Heartbeat
from daulat.evidence.run import Run
from daulat.evidence.times import rfc3339
from daulat.facts.store import Store
from daulat.ledger import entry, reader
from daulat.ledger.trust import trusted
from daulat.ledger.verification import verify
from daulat.recorder import keeper
from daulat.recorder import recorder as module
from daulat.recorder.audit.intake import Unavailable
from daulat.recorder.keeper import Keeper, Place
from daulat.recorder.process import parse
from daulat.recorder.recorder import Recorder
from tests.unit.ledger.logs import KEY, NOW, TRUST, Memory
from tests.unit.world import ascend, exemption, model, namespace, pod, policy, zone

AT = "2027-01-15T08:00:00Z"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.0)


@dataclass
class Disk(Memory):
    """A store that fails now and then, before or after the change that it was requested."""

    failures: list[tuple[bool, int]] = field(default_factory=list)
    """Each as whether the change is made all the same, and an error number."""

    def _change(self, change: Any) -> None:
        if not self.failures:
            super()._change(change)
            return
        made, number = self.failures.pop(0)
        if made:
            super()._change(change)
        if number:
            raise OSError(number, "failed")


class Cluster:
    """Objects, and a recorder that hears of each change."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.disk = disk or Disk()
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.salts: dict[str, bytes] = {}
        self.pseudonyms = Pseudonyms(self.salt, lambda name: name in self.salts)
        self.version = 0
        self.now = float(NOW)
        self._begin()
        for kind, raw in (
            ("Namespace", namespace()),
            ("Namespace", namespace("free", other="x")),
            ("SovereignZone", zone()),
            ("SovereigntyPolicy", policy()),
            ("Node", ascend("a1")),
            ("Node", ascend("a2", site="")),
        ):
            self.put(kind, raw)

    def salt(self, name: str) -> bytes:
        """Return a user's salt; a new one differs from one that was erased."""
        return self.salts.setdefault(name, name.encode() + bytes([self.version % 256]))

    def digest(self, name: str) -> str:
        return Person(name, self.salts[name]).pseudonym

    def restart(self) -> None:
        """End the recorder without a clean-up, and begin another that lists everything."""
        self.keeper.close()
        self._begin()

    def _begin(self) -> None:
        self.store = Store("daulat-system", parse=parse)
        self.keeper = Keeper(Place(self.disk, [KEY]), lambda: self.now)
        self.recorder = Recorder(self.store, self.keeper, self.pseudonyms, lambda: self.now)
        for (kind, _), raw in self.objects.items():
            self.store.apply(kind, raw)

    def put(self, kind: str, raw: dict[str, Any]) -> None:
        self.version += 1
        name = raw["metadata"]["name"]
        raw["metadata"].setdefault("uid", f"uid-{kind}-{name}")
        raw["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kind, name] = raw
        if (change := self.store.apply(kind, raw)) is not None:
            self.recorder.changed(change)

    def delete(self, kind: str, name: str) -> None:
        self.version += 1
        raw = self.objects.pop((kind, name))
        raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.version)}}
        if (change := self.store.delete(kind, raw)) is not None:
            self.recorder.changed(change)

    def run(
        self, name: str, on: str = "a1", uid: str = "", phase: str = "Running", where: str = "treasury", **more: Any
    ) -> None:
        raw = pod(name, on=on, namespace=where, **more)
        raw["metadata"]["uid"] = uid or f"uid-{name}"
        state = {"running": {"startedAt": AT}} if phase == "Running" else {"terminated": {"startedAt": AT}}
        raw["status"] = {"phase": phase, "containerStatuses": [{"name": "main", "imageID": "i", "state": state}]}
        self.put("Pod", raw)

    def begin(self) -> None:
        async def begin() -> None:
            await self.recorder.begin(lambda last: ())
            await self.recorder.flush()

        asyncio.run(begin())

    def step(self, *, whole: bool = False) -> None:
        self.now += 1

        async def step() -> None:
            await self.recorder.look(whole=whole, statuses=True)
            await self.recorder.flush()

        asyncio.run(step())

    def entries(self) -> list[dict[str, Any]]:
        head = trusted(self.disk.files["checkpoint"], TRUST)
        found = map(entry.parse, reader.entries(self.disk, head.size))
        return [{"entry": n, "kind": e.kind, "time": e.time, **e.data} for n, e in enumerate(found)]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [e for e in self.entries() if e["kind"] in kinds]

    def running(self) -> set[str]:
        """What the index says that runs now."""
        index = Index()
        index.update(self.disk, trusted(self.disk.files["checkpoint"], TRUST))
        return {s.data["uid"] for s in index.stretches(Question()) if not s.until}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    made.begin()
    yield made
    assert verify(made.disk, TRUST).findings == ()


def test_a_run_refers_to_the_entries_that_held_when_it_began(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.step()
    (run,) = cluster.of("RunStarted")
    everything = cluster.entries()
    assert (everything[run["zoneEntry"]]["kind"], everything[run["nodeEntry"]]["name"]) == ("ZoneRecorded", "a1")
    assert [everything[n]["name"] for n in run["policyEntries"]] == ["confidential"]
    assert (run["country"], run["zone"]) == ("MY", "cyberjaya-1")


def test_a_pod_that_nobody_governs_is_no_run(cluster: Cluster) -> None:
    cluster.run("p", where="free")
    cluster.step(whole=True)
    assert cluster.of("RunStarted") == []


def test_a_run_on_a_node_without_a_zone_says_so(cluster: Cluster) -> None:
    cluster.run("p", on="a2")
    cluster.step()
    (run,) = cluster.of("RunStarted")
    assert run["noZone"] == "stands in no zone of record"
    assert "country" not in run


def test_a_pod_that_came_and_went_between_two_looks_is_recorded_whole(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.delete("Pod", "p")
    cluster.step()
    (run,), (ended,) = cluster.of("RunStarted"), cluster.of("RunEnded")
    assert (ended["runEntry"], ended["reason"]) == (run["entry"], "Deleted")


def test_a_pod_that_is_made_anew_under_its_name_is_another_run(cluster: Cluster) -> None:
    cluster.run("p", uid="one")
    cluster.step()
    cluster.run("p", uid="two")
    cluster.step()
    assert [e["uid"] for e in cluster.of("RunStarted")] == ["one", "two"]
    assert [e["uid"] for e in cluster.of("RunEnded")] == ["one"]


def test_a_finished_pod_is_recorded_once_though_it_stays_over_restarts(cluster: Cluster) -> None:
    cluster.run("p", phase="Succeeded")
    for _ in range(2):
        cluster.step(whole=True)
        cluster.restart()
        cluster.begin()
    cluster.step(whole=True)
    assert len(cluster.of("RunStarted")) == len(cluster.of("RunEnded")) == 1


def test_a_model_that_is_deleted_before_its_pods_changes_no_run(cluster: Cluster) -> None:
    cluster.put("SovereignModel", model())
    cluster.run("p", model="deepseek")
    cluster.step()
    (run,) = cluster.of("RunStarted")
    assert run["weights"] == "sha256:" + "1a" * 32
    cluster.delete("SovereignModel", "deepseek")
    cluster.step(whole=True)
    assert cluster.of("RunChanged") == []


def test_a_change_of_the_zone_s_facts_is_a_change_of_its_runs(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.run("q", on="a2")
    cluster.step()
    owner = {"legalName": "Other", "country": "MY", "ultimateParentCountry": "SG"}
    cluster.put("SovereignZone", zone(operator=owner))
    cluster.step(whole=True)
    (changed,) = cluster.of("RunChanged")
    assert (changed["uid"], changed["parentCountry"]) == ("uid-p", "SG")
    assert cluster.entries()[changed["zoneEntry"]]["operator"] == "Other"


def test_a_node_that_leaves_its_zone_changes_its_runs_alone(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.run("q", on="a2")
    cluster.step()
    cluster.put("Node", ascend("a1", site="elsewhere"))
    cluster.step()
    (changed,) = cluster.of("RunChanged")
    assert changed["noZone"] == "stands in no zone of record"


def test_a_restart_repeats_nothing_and_ends_what_is_gone(cluster: Cluster) -> None:
    cluster.run("stays")
    cluster.run("goes")
    cluster.put("SovereignModel", model())
    cluster.put("SovereigntyExemption", exemption())
    cluster.step()
    before = len(cluster.entries())
    cluster.restart()
    cluster.objects.pop(("Pod", "goes"))
    cluster.objects.pop(("SovereignModel", "deepseek"))
    cluster.restart()
    cluster.begin()
    later = cluster.entries()[before:]
    assert {(e["kind"], e.get("reason")) for e in later} == {("Gone", None), ("RunEnded", "UnseenEnd")}
    assert len(later) == 2


def test_an_object_that_can_not_be_read_any_more_is_not_gone(cluster: Cluster) -> None:
    broken = zone()
    broken["spec"]["country"] = "Malaysia"
    cluster.put("SovereignZone", broken)
    cluster.step(whole=True)
    assert cluster.of("Gone") == []


def test_persons_are_pseudonyms(cluster: Cluster) -> None:
    cluster.put(
        "SovereigntyExemption", exemption(requestedBy="aisyah", approvals=[{"user": "bala", "reference": "T-1"}])
    )
    cluster.step()
    (found,) = cluster.of("ExemptionRecorded")
    assert (found["requestedBy"], found["approvedBy"]) == (cluster.digest("aisyah"), [cluster.digest("bala")])
    assert b"aisyah" not in b"".join(cluster.disk.files.values())


@pytest.mark.parametrize("restarts", [False, True])
def test_pods_that_come_and_go_while_their_policy_cant_be_read_are_runs(cluster: Cluster, restarts: bool) -> None:
    cluster.run("before")
    cluster.step(whole=True)
    broken = policy()
    broken["spec"]["action"] = "Perhaps"
    cluster.put("SovereigntyPolicy", broken)
    if restarts:
        cluster.restart()
        cluster.begin()
    cluster.step()
    cluster.run("p")
    cluster.run("elsewhere", where="free")
    cluster.step()
    cluster.delete("Pod", "p")
    cluster.step(whole=True)
    runs = {e["uid"]: e for e in cluster.of("RunStarted")}
    assert set(runs) == {"uid-before", "uid-p"}
    assert runs["uid-p"]["policyEntries"] == [e["entry"] for e in cluster.of("PolicyRecorded")]
    assert [e["uid"] for e in cluster.of("RunEnded")] == ["uid-p"]
    cluster.put("SovereigntyPolicy", policy())
    cluster.step(whole=True)
    assert [e["uid"] for e in cluster.of("RunEnded")] == ["uid-p"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_live_exemption_gives_an_erased_person_no_new_salt_and_no_new_digest(
    cluster: Cluster, restarts: bool
) -> None:
    """A second digest could be linked with the first one by the exemption that has both, and the name would be back."""
    made = exemption(requestedBy="aisyah", approvals=[{"user": "bala", "reference": "T-1"}])
    cluster.put("SovereigntyExemption", made)
    cluster.step()
    aisyah, bala = cluster.digest("aisyah"), cluster.digest("bala")
    del cluster.salts["aisyah"]
    if restarts:
        cluster.restart()
        cluster.begin()
    cluster.step(whole=True)
    assert len(cluster.of("ExemptionRecorded")) == 1
    more = [{"user": "bala", "reference": "T-1"}, {"user": "chong", "reference": "T-2"}]
    changed = exemption(requestedBy="aisyah", approvals=more)
    changed["metadata"]["generation"] = 2
    cluster.put("SovereigntyExemption", changed)
    cluster.step(whole=True)
    (_, found) = cluster.of("ExemptionRecorded")
    assert (found["requestedBy"], found["approvedBy"]) == (aisyah, [bala, cluster.digest("chong")])
    assert "aisyah" not in cluster.salts


def test_an_end_that_a_kubelet_reports_before_the_pod_was_seen_running_is_no_end(cluster: Cluster) -> None:
    for name, restarts in (("p", False), ("q", True)):
        cluster.run(name)
        cluster.now += 3600
        cluster.step()
        if restarts:
            cluster.restart()
            cluster.begin()
        raw = pod(name, on="a1", namespace="treasury")
        raw["metadata"]["uid"] = f"uid-{name}"
        state = {"terminated": {"startedAt": AT, "finishedAt": "2027-01-15T08:00:01Z"}}
        raw["status"] = {"phase": "Succeeded", "containerStatuses": [{"name": "main", "imageID": "i", "state": state}]}
        cluster.put("Pod", raw)
        cluster.step()
    ended = cluster.of("RunEnded")
    assert [e["reason"] for e in ended] == ["Completed", "Completed"]
    assert not [e for e in ended if "ended" in e]


def test_an_end_that_a_kubelet_reports_of_a_pod_that_was_never_seen_running_is_recorded(cluster: Cluster) -> None:
    raw = pod("p", on="a1", namespace="treasury")
    state = {"terminated": {"startedAt": AT, "finishedAt": "2027-01-15T08:00:01Z"}}
    raw["status"] = {"phase": "Succeeded", "containerStatuses": [{"name": "main", "imageID": "i", "state": state}]}
    cluster.now += 3600
    cluster.put("Pod", raw)
    cluster.step()
    assert [e["ended"] for e in cluster.of("RunEnded")] == ["2027-01-15T08:00:01Z"]


def test_what_is_too_much_to_be_kept_while_the_log_cant_be_written_is_a_gap(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MISSED", 3)
    for name in ("a", "b"):
        cluster.run(name)
    cluster.step()
    for name in ("x", "y", "z", "last"):
        cluster.run(name)
        cluster.delete("Pod", name)
    for name in ("a", "b"):
        cluster.delete("Pod", name)
    before = cluster.now
    cluster.step(whole=True)
    assert sorted(e["uid"] for e in cluster.of("RunStarted")) == ["uid-a", "uid-b", "uid-x", "uid-y", "uid-z"]
    ends = {e["uid"]: e["reason"] for e in cluster.of("RunEnded")}
    assert ends == dict.fromkeys(["uid-x", "uid-y", "uid-z"], "Deleted") | dict.fromkeys(
        ["uid-a", "uid-b"], "UnseenEnd"
    )
    (gap,) = cluster.of("Gap")
    assert (gap["of"], gap["since"], gap["until"]) == ("Recorder", rfc3339(before), rfc3339(cluster.now))
    assert gap["reason"].endswith("some entries are missing: 3 pods that are gone")
    cluster.step(whole=True)
    assert len(cluster.of("Gap")) == 1


def test_events_that_are_too_many_to_be_kept_are_counted_and_gaps_are_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 2)
    opened = GapOpened(of="Operator", since=AT).draft()
    cluster.recorder.note([Draft("Evicted", {"event": str(n)}) for n in range(5)] + [opened])
    cluster.step()
    assert len(cluster.of("Evicted")) == 2
    assert len(cluster.of("GapOpened")) == 1
    (gap,) = cluster.of("Gap")
    assert gap["reason"].endswith("3 entries of events")


def test_what_others_wait_for_is_appended_whole(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of audit events that is there in part would be taken for one that is there."""
    monkeypatch.setattr(module, "BATCH", 4)
    sizes: list[int] = []
    append = cluster.keeper.append

    def noted(batch: list[Any], book: Any) -> Any:
        sizes.append(len(batch))
        return append(batch, book)

    monkeypatch.setattr(cluster.keeper, "append", noted)

    async def taken() -> None:
        cluster.recorder.note([Heartbeat().draft()] * 3)
        waiting = asyncio.ensure_future(cluster.recorder.accept([Heartbeat().draft()] * 9))
        await asyncio.sleep(0)
        cluster.recorder.note([Heartbeat().draft()])
        await cluster.recorder.flush()
        await waiting

    asyncio.run(taken())
    assert sizes == [12, 1]


def test_a_clock_that_is_set_back_is_an_entry(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.step()
    before = cluster.now
    cluster.now -= 3600
    cluster.run("q")
    cluster.step()
    (found,) = cluster.of("ClockSetBack")
    assert found["before"] == rfc3339(before)
    assert found["now"] < found["before"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EROFS])
@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("at", range(8))
def test_whatever_write_fails_each_run_is_there_once(at: int, made: bool, number: int) -> None:
    cluster = Cluster()
    cluster.begin()
    cluster.run("p")
    cluster.run("q")
    cluster.delete("Pod", "q")
    cluster.disk.failures = [*[(True, 0)] * at, (made, number), (made, number)]
    cluster.step()
    cluster.disk.failures = []
    cluster.step(whole=True)
    assert Counter(e["uid"] for e in cluster.of("RunStarted")) == {"uid-p": 1, "uid-q": 1}
    assert Counter(e["uid"] for e in cluster.of("RunEnded")) == {"uid-q": 1}
    assert cluster.running() == {"uid-p"}
    assert verify(cluster.disk, TRUST).findings == ()


def test_what_others_hand_in_is_accepted_once_it_is_on_the_disk(cluster: Cluster) -> None:
    async def hand_in() -> None:
        waits = asyncio.ensure_future(cluster.recorder.accept([Draft("AuditBatch", {"n": 1})]))
        await asyncio.sleep(0)
        assert not waits.done()
        await cluster.recorder.flush()
        await waits
        assert cluster.of("AuditBatch")

    asyncio.run(hand_in())


def test_a_replica_that_does_not_write_accepts_nothing() -> None:
    cluster = Cluster()
    with pytest.raises(Unavailable):
        asyncio.run(cluster.recorder.accept([]))


def test_a_run_of_a_thousand_containers_is_recorded_with_as_many_as_there_is_room_for(cluster: Cluster) -> None:
    cluster.run("p")
    raw = cluster.objects["Pod", "p"]
    state = {"running": {"startedAt": AT}}
    raw["status"]["containerStatuses"] = [
        {"name": f"c{n:060}", "imageID": "\u0001" * 500, "state": state} for n in range(1000)
    ]
    cluster.put("Pod", raw)
    cluster.run("q")
    cluster.step()
    found = {e["pod"]: e for e in cluster.of("RunStarted")}
    assert len(found["p"]["containers"]) + found["p"]["leftOut"]["containers"] == 1000
    assert "leftOut" not in found["q"]


def test_a_pod_that_asks_for_more_devices_than_json_can_say_hides_no_other_run(cluster: Cluster) -> None:
    cluster.run("p", devices={"huawei.com/Ascend910": 2**62})
    cluster.run("q")
    cluster.step(whole=True)
    assert {e["pod"] for e in cluster.of("RunStarted")} == {"p", "q"}


def test_what_a_kubelet_reports_of_itself_is_cut(cluster: Cluster) -> None:
    raw = ascend("a3")
    raw["status"]["nodeInfo"] = dict.fromkeys(
        ("systemUUID", "bootID", "kubeletVersion", "containerRuntimeVersion"), "x" * 100000
    )
    cluster.put("Node", raw)
    cluster.step()
    (found,) = [e for e in cluster.of("NodeRecorded") if e["name"] == "a3"]
    assert {len(found[f]) for f in ("systemUUID", "bootID", "kubelet", "runtime")} == {256}


@pytest.mark.parametrize("value", ["x" * 70_000, 2**60, "\ud800"])
def test_an_entry_that_the_log_can_not_hold_is_told_and_stops_no_other(cluster: Cluster, value: Any) -> None:
    cluster.recorder.note([Draft("Refused", {"name": "n", "said": value})])
    cluster.run("p")
    cluster.step()
    (found,) = cluster.of("NotRecorded")
    assert (found["of"], found["name"]) == ("Refused", "n")
    assert found["reason"]
    assert cluster.of("RunStarted")


@pytest.mark.parametrize("whole", [False, True])
def test_an_object_that_trips_a_defect_hides_no_other_one(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    judged = present.governed_run

    def trips(run: Run, *rest: Any) -> Any:
        if run.name == "a":
            raise RecursionError
        return judged(run, *rest)

    monkeypatch.setattr(present, "governed_run", trips)
    for name in ("a", "b", "c"):
        cluster.run(name)
    cluster.delete("Pod", "c")
    cluster.step(whole=whole)
    assert {e["pod"] for e in cluster.of("RunStarted")} == {"b", "c"}


def test_a_policy_that_can_not_be_read_any_more_ends_no_run(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.step()
    broken = policy()
    broken["spec"]["action"] = "Someday"
    cluster.put("SovereigntyPolicy", broken)
    cluster.step(whole=True)
    assert cluster.of("RunEnded") == []
    cluster.delete("Pod", "p")
    cluster.step()
    assert [e["reason"] for e in cluster.of("RunEnded")] == ["Deleted"]


def test_a_namespace_that_is_gone_before_its_pods_makes_their_ends_no_others(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.step()
    cluster.delete("Namespace", "treasury")
    cluster.step(whole=True)
    cluster.delete("Pod", "p")
    cluster.step()
    assert [e["reason"] for e in cluster.of("RunEnded")] == ["Deleted"]


def test_an_append_that_is_under_way_when_the_process_ends_is_waited_for(cluster: Cluster) -> None:
    append, entered, go_on = cluster.keeper.append, threading.Event(), threading.Event()
    at_once: list[int] = []
    running: list[int] = []

    def slow(*args: Any) -> Any:
        running.append(1)
        at_once.append(len(running))
        entered.set()
        assert go_on.wait(10)
        found = append(*args)
        running.pop()
        return found

    cluster.keeper.append = slow  # type: ignore[method-assign, assignment]

    async def end() -> None:
        cluster.run("p")
        await cluster.recorder.look(whole=False, statuses=False)
        task = asyncio.ensure_future(cluster.recorder.flush())
        await asyncio.to_thread(entered.wait, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        cluster.run("q")
        stopping = asyncio.ensure_future(cluster.recorder.stop())
        # Time in which a second thread would have begun.
        await asyncio.wait([stopping], timeout=0.2)
        go_on.set()
        await stopping

    asyncio.run(end())
    assert at_once == [1, 1]
    assert sorted(e["pod"] for e in cluster.of("RunStarted")) == ["p", "q"]


def test_what_another_replica_has_written_is_not_taken_for_what_failed(cluster: Cluster) -> None:
    cluster.run("p")
    cluster.disk.failures = [(False, errno.EIO)]
    append = cluster.keeper.append

    def meanwhile(*args: Any) -> Any:
        try:
            return append(*args)
        except OSError:
            cluster.keeper.append = append  # type: ignore[method-assign]
            other = Keeper(Place(cluster.disk, [KEY]), lambda: cluster.now)
            other.open()
            other.append([Outgoing("Heartbeat", {})], Book())
            other.close()
            raise

    cluster.keeper.append = meanwhile  # type: ignore[method-assign, assignment]
    cluster.step()
    assert len(cluster.of("RunStarted")) == len(cluster.of("Heartbeat")) == 1


def test_a_batch_that_was_stored_is_stored_once_though_index_and_log_fail_after_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    extend, read = Index.extend, reader.entry
    full: list[Exception] = [sqlite3.OperationalError("database or disk is full")]
    away: list[Exception] = [OSError(errno.EIO, "failed")]

    def fails_once(index: Index, *rest: Any) -> None:
        if full:
            raise full.pop()
        extend(index, *rest)

    def can_not_be_read_once(*args: Any) -> bytes:
        if away:
            raise away.pop()
        return read(*args)

    monkeypatch.setattr(Index, "extend", fails_once)
    monkeypatch.setattr(keeper, "read", can_not_be_read_once)
    cluster.run("p")
    cluster.step()
    assert (full, away) == ([], [])
    assert len(cluster.of("RunStarted")) == 1


def test_a_log_that_failed_is_opened_once_this_replica_holds_the_lease(cluster: Cluster) -> None:
    opened, held = cluster.keeper.open, asyncio.Event()

    def open_() -> Any:
        assert held.is_set()
        return opened()

    async def scenario() -> None:
        flushing = asyncio.ensure_future(cluster.recorder.flush())
        while not cluster.recorder.problem:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not flushing.done()
        held.set()
        await flushing

    async def may_write() -> None:
        await held.wait()

    cluster.recorder._may_write = may_write
    cluster.keeper.open = open_  # type: ignore[method-assign]
    cluster.disk.failures = [(False, errno.EIO)]
    cluster.recorder.note([Heartbeat().draft()])
    asyncio.run(scenario())
    assert len(cluster.of("Heartbeat")) == 1


PODS = st.sampled_from(["p", "q", "r"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), PODS, st.sampled_from(["a1", "a2"])),
        st.tuples(st.just("finish"), PODS, st.just("")),
        st.tuples(st.just("delete"), PODS, st.just("")),
        st.tuples(st.just("move"), st.sampled_from(["cyberjaya-1", "", "elsewhere"]), st.just("")),
        st.tuples(st.just("own"), st.sampled_from(["MY", "SG"]), st.just("")),
        st.tuples(st.just("govern"), st.sampled_from(["confidential", "none"]), st.just("")),
        st.tuples(st.just("look"), st.sampled_from(["", "whole"]), st.just("")),
        st.tuples(st.just("fail"), st.sampled_from(["before", "after"]), st.just("")),
        st.tuples(st.just("restart"), st.just(""), st.just("")),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_log_tells_what_runs_whatever_happens(steps: list[tuple[str, str, str]]) -> None:
    cluster = Cluster()
    cluster.begin()
    uids = Counter[str]()
    governed = True
    for what, one, two in steps:
        pod_is = ("Pod", one) in cluster.objects
        if what == "run" and not pod_is:
            uids[one] += 1
            cluster.run(one, on=two, uid=f"{one}-{uids[one]}")
        elif what == "finish" and pod_is:
            of = cluster.objects["Pod", one]
            cluster.run(one, on=of["spec"]["nodeName"], uid=of["metadata"]["uid"], phase="Succeeded")
        elif what == "delete" and pod_is:
            cluster.delete("Pod", one)
        elif what == "move":
            cluster.put("Node", ascend("a1", site=one))
        elif what == "own":
            owner = {"legalName": one, "country": "MY", "ultimateParentCountry": one}
            cluster.put("SovereignZone", zone(operator=owner))
        elif what == "govern":
            governed = one == "confidential"
            cluster.put("Namespace", namespace("treasury", False, **{"daulat.dev/data-class": one}))
        elif what == "look":
            cluster.step(whole=bool(one))
        elif what == "fail":
            cluster.disk.failures = [(one == "after", errno.ENOSPC)]
        elif what == "restart":
            cluster.disk.failures = []
            cluster.restart()
            cluster.begin()
    cluster.disk.failures = []
    for _ in range(2):
        cluster.step(whole=True)

    runs = {
        raw["metadata"]["uid"]
        for (kind, _), raw in cluster.objects.items()
        if kind == "Pod" and raw["status"]["phase"] == "Running" and governed
    }
    assert cluster.running() == runs
    for uid, times in Counter(e["uid"] for e in cluster.of("RunStarted")).items():
        ends = [e for e in cluster.of("RunEnded") if e["uid"] == uid]
        # A namespace may be governed, not governed, and governed again: its pods' runs begin and end with that.
        assert times == len(ends) + (uid in runs)
    (now,) = [e for e in cluster.of("NodeRecorded") if e["name"] == "a1"][-1:]
    assert now.get("zone", "") == (
        "cyberjaya-1"
        if cluster.objects["Node", "a1"]["metadata"]["labels"].get("daulat.node-restriction.kubernetes.io/site")
        == "cyberjaya-1"
        else ""
    )
    assert verify(cluster.disk, TRUST).findings == ()
    index = Index()
    index.update(cluster.disk, trusted(cluster.disk.files["checkpoint"], TRUST))
    for stretch in index.stretches(Question()):
        if not stretch.until:
            on = cluster.objects["Pod", stretch.data["pod"]]["spec"]["nodeName"]
            zoned = on == "a1" and now.get("zone")
            owner = cluster.objects["SovereignZone", "cyberjaya-1"]["spec"]["operator"]["ultimateParentCountry"]
            assert stretch.data.get("parentCountry", "") == (owner if zoned else "")
