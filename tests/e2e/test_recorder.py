"""The recorder on a real API server, under the chart's own rights: what ran where, from whatever happens in the cluster."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daulat.cli.main import main
from daulat.ledger import entry
from daulat.ledger.folder import Folder
from daulat.ledger.keys import parse_verifier
from daulat.ledger.reader import CHECKPOINT, entries
from daulat.ledger.trust import Trust, trusted
from dev.cluster.kubectl import Kubectl
from dev.deployment import RecorderProcess, poll

from .hall import hall
from .world import World, model_manifest, pod_manifest, recording, zone_manifest

pytestmark = pytest.mark.e2e
Entry = dict[str, Any]


def logged(recorder: RecorderProcess, *kinds: str) -> list[Entry]:
    """Return the data of the log's entries of these kinds, each with its index as ``entry``."""
    files = Folder(recorder.ledger)
    data = files.get(CHECKPOINT)
    if data is None:
        return []
    head = trusted(data, Trust((parse_verifier(recorder.verifier.read_text()),)))
    found = enumerate(map(entry.parse, entries(files, head.size)))
    return [{**e.data, "entry": n, "kind": e.kind, "time": e.time} for n, e in found if not kinds or e.kind in kinds]


def once(recorder: RecorderProcess, kind: str, **fields: Any) -> Entry:
    """Wait until there is an entry of a kind with these fields, and return it."""
    found: list[Entry] = []

    def there() -> bool:
        found[:] = [e for e in logged(recorder, kind) if all(e.get(k) == v for k, v in fields.items())]
        return bool(found)

    poll(f"an entry {kind} with {fields}", there)
    return found[0]


def daulat(*arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(main, [*map(str, arguments), "-o", "json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def where(recorder: RecorderProcess, *arguments: str) -> dict[str, Any]:
    return daulat("where-ran", recorder.ledger, "--key", recorder.verifier, *arguments)


@pytest.fixture(scope="module")
def recorder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecorderProcess]:
    with recording(world, tmp_path_factory.mktemp("recorder")) as process:
        yield process


def test_a_run_is_recorded_with_where_it_runs_and_under_which_rules(world: World, recorder: RecorderProcess) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        run = once(recorder, "RunStarted", namespace=namespace)
        (pod,) = world.pods(namespace)
        node = world.get("node", pod["spec"]["nodeName"])
        assert (run["pod"], run["uid"]) == (pod["metadata"]["name"], pod["metadata"]["uid"])
        assert (run["node"], run["zone"], run["country"]) == (node["metadata"]["name"], "cyberjaya-1", "MY")
        assert run["accelerators"] == {"huawei.com/Ascend910": 1}
        spec = world.get("sovereignmodel", "m", namespace=namespace)["spec"]["model"]
        assert run["weights"] == f"sha256:{spec['uri'].partition('@sha256:')[2]}"

        # What it refers to stands in the same log, before it.
        before = {e["entry"]: e for e in logged(recorder)}
        zone, machine = before[run["zoneEntry"]], before[run["nodeEntry"]]
        (rules,) = (before[n] for n in run["policyEntries"])
        model = before[run["modelEntry"]]
        assert zone["operator"] == world.get("sovereignzone", "cyberjaya-1")["spec"]["operator"]["legalName"]
        assert (machine["uid"], machine["zone"]) == (node["metadata"]["uid"], "cyberjaya-1")
        assert rules["name"] == policy
        assert rules["revision"] == world.get("sovereigntypolicy", policy)["status"]["revision"]
        assert rules["conditions"]["Enforced"].startswith("True/")
        assert (model["name"], model["generation"]) == ("m", 1)
        assert all(
            n < run["entry"] for n in (run["zoneEntry"], run["nodeEntry"], run["modelEntry"], *run["policyEntries"])
        )

        # The facts that are kept beside the log are those of the digest.
        facts = json.loads((recorder.ledger / "facts/sha256" / rules["spec"].removeprefix("sha256:")).read_bytes())
        assert facts["namespaceSelector"] == {"matchLabels": {"daulat.dev/scope": policy}}

        found = where(recorder, "--model", f"{namespace}/m")
        (row,) = found["runs"]
        assert (row["country"], row["nodeRecord"]["uid"], row["policies"][0]["name"]) == ("MY", machine["uid"], policy)
        assert "until" not in row
        assert where(recorder, "-n", namespace, "--outside", "MY")["runs"] == []

        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace)
        ended = once(recorder, "RunEnded", uid=run["uid"])
        assert (ended["runEntry"], ended["reason"]) == (run["entry"], "Deleted")
        once(recorder, "Gone", of="SovereignModel", namespace=namespace, name="m")
        (row,) = where(recorder, "--pod", f"{namespace}/{run['pod']}")["runs"]
        assert (row["reason"], row["entries"]["ended"]) == ("Deleted", ended["entry"])


def test_a_run_whose_zone_gets_another_owner_says_so_from_then_on(world: World, recorder: RecorderProcess) -> None:
    with hall(world, drift={"action": "Report"}) as own:
        world.admin.apply([pod_manifest("report", own.namespace)])
        run = once(recorder, "RunStarted", namespace=own.namespace)
        assert (run["zone"], run["parentCountry"]) == (own.site, "MY")
        operator = {"legalName": "New Owner", "country": "MY", "ultimateParentCountry": "SG"}
        world.admin.apply([zone_manifest(own.site, operator=operator)])
        changed = once(recorder, "RunChanged", uid=run["uid"])
        assert (changed["parentCountry"], changed["zone"]) == ("SG", own.site)
        first, second = where(recorder, "-n", own.namespace)["runs"]
        assert (first["parentCountry"], first["until"], second["from"]) == ("MY", second["from"], second["from"])
        assert second["zoneRecord"]["operator"] == "New Owner"


def test_a_killed_recorder_loses_no_run_and_says_when_it_saw_nothing(world: World, recorder: RecorderProcess) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("goes", namespace), model_manifest("stays", namespace)])
        for name in ("goes", "stays"):
            world.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
        goes = once(recorder, "RunStarted", namespace=namespace, model="goes")
        stays = once(recorder, "RunStarted", namespace=namespace, model="stays")
        recorder.stop(signal.SIGKILL)
        size = len(logged(recorder))
        world.admin.run("delete", "sovereignmodel", "goes", "-n", namespace)
        world.admin.apply([model_manifest("comes", namespace)])
        world.wait_condition("sovereignmodel", "comes", "Ready", "True", namespace)
        poll("the pod to go", lambda: goes["pod"] not in {p["metadata"]["name"] for p in world.pods(namespace)})
        recorder.start()

        ended = once(recorder, "RunEnded", uid=goes["uid"])
        assert ended["reason"] == "UnseenEnd"
        once(recorder, "RunStarted", namespace=namespace, model="comes")
        later = logged(recorder)[size:]
        (gap,) = (e for e in later if e["kind"] == "Gap" and e["of"] == "Recorder")
        assert gap["since"] < gap["until"] <= gap["time"]
        assert not [e for e in later if e["kind"].startswith("Run") and e.get("uid") == stays["uid"]]
        assert gap["entry"] in [g["entry"] for g in where(recorder, "-n", namespace)["gaps"]]
    done = daulat("ledger", "verify", recorder.ledger, "--key", recorder.verifier)
    assert done["verified"], done["findings"]


def test_a_second_replica_stands_by_and_goes_on_where_the_first_ended(world: World, recorder: RecorderProcess) -> None:
    second = RecorderProcess(world.cluster, recorder.ledger.parent, "recorder-1")
    with world.namespace() as namespace:
        world.admin.apply([pod_manifest("p", namespace)])
        run = once(recorder, "RunStarted", namespace=namespace)
        second.start()
        try:
            size = len(logged(recorder))
            assert world.metric(second, "daulat_recorder_leader") == 0
            assert recorder.stop() == 0
            started = once(second, "RecorderStarted", replica="recorder-1")
            assert started["entry"] >= size
            world.admin.run("delete", "pod", "p", "-n", namespace)
            assert once(second, "RunEnded", uid=run["uid"])["runEntry"] == run["entry"]
        finally:
            second.stop()
            recorder.start()
    assert daulat("ledger", "verify", recorder.ledger, "--key", recorder.verifier)["verified"]


def test_an_eviction_is_recorded_with_the_policy_s_reason(world: World, recorder: RecorderProcess) -> None:
    with hall(world, drift={"gracePeriod": "1s"}) as own:
        world.admin.apply([pod_manifest("report", own.namespace)])
        run = once(recorder, "RunStarted", namespace=own.namespace)
        own.close(run["node"])
        evicted = once(recorder, "Evicted", uid=run["uid"])
        assert (evicted["of"], evicted["name"], evicted["reason"]) == ("Pod", "report", "NodeNotEligible")
        assert evicted["message"].startswith(f"deleted: {run['node']} stands in no zone of record")
        ended = once(recorder, "RunEnded", uid=run["uid"])
        assert ended["runEntry"] == run["entry"]
        moved = once(recorder, "NodeRecorded", name=run["node"], noZone="stands in no zone of record")
        assert run["entry"] < moved["entry"] < ended["entry"]


def test_the_recorder_may_read_and_writes_nothing_but_its_lease(world: World, recorder: RecorderProcess) -> None:
    kubectl = Kubectl(world.admin.command, recorder.kubeconfig)
    listed = json.loads(kubectl.run("create", "-f", "-", "-o", "json", stdin=json.dumps(_REVIEW)))
    rules = listed["status"]["resourceRules"]
    writes = {
        (verb, resource)
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        if verb not in ("get", "list", "watch") and "selfsubject" not in resource
    }
    assert writes == {("update", "leases"), ("create", "leases")}


_REVIEW = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SelfSubjectRulesReview",
    "spec": {"namespace": "daulat-system"},
}
