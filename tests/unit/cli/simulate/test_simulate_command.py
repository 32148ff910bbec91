"""``daulat simulate`` and ``daulat snapshot`` against an API server: what they read, write and say, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.cli.main import main
from daulat.cli.simulate.reading import ABOUT
from tests.unit.kube.api_server import FakeApiServer, serving
from tests.unit.simulate.worlds import UNSERVED, cluster, job, two_zones, typed
from tests.unit.world import model, policy

SECRET = "hunter2-is-a-password"


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    """A cluster with two zones, and a pod with things that don't belong into a snapshot."""
    server = FakeApiServer()
    server.serve_watched()
    for path in [p for p in server.collections if any(p.endswith(f"/{k.lower()}s") for k in UNSERVED)]:
        del server.collections[path]
    world = two_zones(pods=[job("t-0", "k1")])
    container = world.pods[0]["spec"]["containers"][0]
    container |= {"env": [{"name": "TOKEN", "value": SECRET}], "args": [SECRET], "command": [SECRET]}
    world.pods[0]["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": SECRET}
    world.pods[0]["metadata"]["managedFields"] = [{"manager": SECRET}]
    server.add(*cluster(world).objects)
    with serving(server):
        yield server


def run(api: FakeApiServer, folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"KUBECONFIG": str(api.kubeconfig(folder))})


def taken(api: FakeApiServer, folder: Path) -> Path:
    facts = folder / "facts"
    done = run(api, folder, "snapshot", "--output-dir", str(facts))
    assert done.exit_code == 0, done.output
    return facts


def test_a_snapshot_has_no_values_of_variables_commands_or_annotations(api: FakeApiServer, tmp_path: Path) -> None:
    facts = taken(api, tmp_path)
    text = "".join(path.read_text() for path in sorted(facts.iterdir()))
    assert SECRET not in text
    assert '"name": "TOKEN"' in text
    assert not any("secrets" in path or "configmaps" in path for path in api.requests)


def test_a_snapshot_and_the_cluster_give_the_same_answer(api: FakeApiServer, tmp_path: Path) -> None:
    facts = taken(api, tmp_path)
    answers = [
        json.loads(run(api, tmp_path, "simulate", "--revoke-zone", "kulim-1", *source, "-o", "json").stdout)
        for source in (("--snapshot", str(facts)), ("--cluster",))
    ]
    assert answers[0] == answers[1]
    (evicted,) = answers[0]["evictions"]
    assert (evicted["policies"], evicted["sample"]) == (["confidential"], ["treasury/t-0"])


def test_a_table_says_what_ends_when_and_why_within_80_columns(api: FakeApiServer, tmp_path: Path) -> None:
    done = run(api, tmp_path, "simulate", "--revoke-zone", "kulim-1", "--cluster")
    assert done.exit_code == 1, done.output
    assert "Something gets worse" in done.stdout
    assert "  confidential: eligible nodes 4 -> 2" in done.stdout
    assert "  after 1m under confidential: 1 pod on 1 node" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_change_that_makes_nothing_worse_exits_with_0(api: FakeApiServer, tmp_path: Path) -> None:
    change = tmp_path / "model.json"
    change.write_text(json.dumps(typed("SovereignModel", model("second"))))
    done = run(api, tmp_path, "simulate", "--change", str(change), "--cluster")
    assert done.exit_code == 0, done.output
    assert "Nothing gets worse" in done.stdout
    assert "treasury/second: placed in cyberjaya-1 on huawei-ascend-910b" in done.stdout


def test_a_manifest_with_the_annotation_is_a_deletion(api: FakeApiServer, tmp_path: Path) -> None:
    raw = typed("SovereigntyPolicy", policy())
    raw["metadata"]["annotations"] = {"daulat.dev/simulate": "delete"}
    change = tmp_path / "policy.json"
    change.write_text(json.dumps(raw))
    done = run(api, tmp_path, "simulate", "--change", str(change), "--cluster", "-o", "json")
    assert done.exit_code == 1, done.output
    assert [(p["name"], p["after"]) for p in json.loads(done.stdout)["policies"]] == [("confidential", None)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--cluster",), "give a change"),
        (("--node-lost", "a1"), "give either --cluster or --snapshot"),
        (("--cluster", "--node-lost", "nowhere"), "Node/nowhere isn't there"),
        (("--cluster", "--delete", "secret/a"), 'doesn\'t watch a kind "secret"'),
        (("--cluster", "--delete", "sovereignmodel/a"), "SovereignModel is named as KIND/NAMESPACE/NAME"),
        (("--cluster", "--node-lost", "a1", "--within", "soon"), "isn't a duration"),
    ],
)
def test_wrong_usage_exits_with_2(api: FakeApiServer, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = run(api, tmp_path, "simulate", *arguments)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_manifest_that_is_wrong_is_named_with_its_line(api: FakeApiServer, tmp_path: Path) -> None:
    change = tmp_path / "change.yaml"
    change.write_text("apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {}\n")
    done = run(api, tmp_path, "simulate", "--change", str(change), "--cluster")
    assert done.exit_code == 2
    assert f"{change}:2: batch/v1 Job: the operator doesn't watch this kind" in done.stderr


def test_a_folder_that_is_no_snapshot_is_an_error(api: FakeApiServer, tmp_path: Path) -> None:
    done = run(api, tmp_path, "simulate", "--node-lost", "a1", "--snapshot", str(tmp_path))
    assert done.exit_code == 2
    assert ABOUT in done.stderr


def test_a_folder_with_files_isnt_written_to(api: FakeApiServer, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    done = run(api, tmp_path, "snapshot", "--output-dir", str(tmp_path))
    assert done.exit_code == 2
    assert "isn't empty" in done.stderr
