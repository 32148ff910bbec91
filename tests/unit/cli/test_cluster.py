"""Commands read from a cluster what they need and no more, and say in one way what is wrong with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.cli import cluster as clusters
from daulat.cli.check.command import check
from daulat.cli.doctor.command import doctor
from daulat.cli.explain.command import explain
from daulat.kube.client import PAGE
from daulat.kube.errors import Forbidden
from daulat.kube.resources import BY_KIND
from daulat.manifest.document import Document, line_of
from tests.unit.cli.explain.test_explain import asking, pod, typed, world
from tests.unit.kube.api_server import FakeApiServer, Raw, serving
from tests.unit.world import IMAGE, model, policy

JUDGED_BY = {"sovereigntypolicies", "sovereignzones", "acceleratorprofiles", "sovereigntyexemptions", "namespaces"}
NODES = {"nodes", "nodeattestations", "resourceslices"}


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    """A cluster with a policy, zones and nodes."""
    server = FakeApiServer()
    server.serve_watched()
    server.add(*world())
    with serving(server):
        yield server


def run(api: FakeApiServer, folder: Path, command: click.Command, *arguments: str) -> Result:
    environment = {"KUBECONFIG": str(api.kubeconfig(folder))}
    return CliRunner().invoke(command, list(arguments), env=environment)


def explained(api: FakeApiServer, folder: Path, *arguments: str) -> dict[str, Any]:
    done = run(api, folder, explain, *arguments, "--cluster", "-o", "json")
    assert done.exit_code in (0, 1), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def written(folder: Path, *objects: Raw) -> str:
    at = folder / "objects.yaml"
    at.write_text("---\n".join(yaml.safe_dump(o) for o in objects))
    return str(at)


def service() -> Raw:
    meta = {"name": "s", "namespace": "treasury", "managedFields": [{"manager": "kubectl"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"type": "ClusterIP"}}


def test_a_policy_is_explained_without_nodes_and_pods(api: FakeApiServer, tmp_path: Path) -> None:
    found = explained(api, tmp_path, "confidential")
    assert (found["policy"], found["namespaces"]) == ("confidential", ["treasury"])
    assert api.listed == JUDGED_BY


def test_an_object_that_makes_no_pod_is_explained_without_nodes_and_pods(api: FakeApiServer, tmp_path: Path) -> None:
    api.add(service())
    found = explained(api, tmp_path, "service/treasury/s")
    assert (found["object"], found["policies"], found["line"]) == ("Service treasury/s", ["confidential"], 0)
    assert api.listed == JUDGED_BY


def test_a_pod_without_devices_is_explained_without_the_other_pods(api: FakeApiServer, tmp_path: Path) -> None:
    api.add(pod(uid="u"))
    found = explained(api, tmp_path, "pods/treasury/p")
    assert found["placements"][0]["nodes"] == ["a1", "h1"]
    assert api.listed == JUDGED_BY | NODES


def test_a_pod_that_asks_for_devices_is_explained_by_what_other_pods_hold(api: FakeApiServer, tmp_path: Path) -> None:
    holders = [pod(f"holder-{n}", uid="u", nodeName="a1") for n in range(PAGE)]
    api.add(*holders, pod("last", uid="u", nodeName="a1", containers=asking(6)))
    file = written(tmp_path, pod(containers=asking(4)))
    found = explained(api, tmp_path, "-f", file)
    assert found["placements"][0]["nodes"] == []
    assert api.listed == JUDGED_BY | NODES | {"pods"}


def test_a_model_is_explained_by_everything_that_decides_its_place(api: FakeApiServer, tmp_path: Path) -> None:
    api.add(typed("SovereignModel", model()))
    found = explained(api, tmp_path, "model", "deepseek", "-n", "treasury")
    assert found["placements"][0]["nodes"] == ["a1"]
    assert api.listed == JUDGED_BY | NODES | {"pods", "resourceclaims", "sovereignmodels"}


def test_a_name_without_a_namespace_is_of_the_namespace_of_the_kubeconfigs_context(
    api: FakeApiServer, tmp_path: Path
) -> None:
    api.add(typed("SovereignModel", model()), service(), pod(uid="u"))
    environment = {"KUBECONFIG": str(api.kubeconfig(tmp_path, "treasury"))}

    def asked(*arguments: str) -> Result:
        return CliRunner().invoke(explain, [*arguments, "--cluster", "-o", "json"], env=environment)

    for words, title in (
        (("model", "deepseek"), "SovereignModel treasury/deepseek"),
        (("service/s",), "Service treasury/s"),
        (("pod", "p"), "Pod treasury/p"),
    ):
        assert json.loads(asked(*words).stdout)["object"] == title
    assert "in namespace default" in asked("model", "deepseek", "-n", "default").stderr


def test_what_a_file_says_takes_the_place_of_what_the_cluster_has(api: FakeApiServer, tmp_path: Path) -> None:
    edited = typed("SovereigntyPolicy", policy(zones={"countries": ["SG"]}))
    found = explained(api, tmp_path, "confidential", written(tmp_path, edited))
    assert found["zones"]["accepted"] == ["annex"]


def test_an_object_of_the_cluster_has_a_name_and_no_line(api: FakeApiServer, tmp_path: Path) -> None:
    api.add(pod(uid="u"))
    text = run(api, tmp_path, explain, "pod/treasury/p", "--cluster").stdout
    assert text.splitlines()[0] == "Pod treasury/p, in the cluster  allowed"


def test_a_policy_of_the_cluster_that_cant_be_read_is_named(api: FakeApiServer, tmp_path: Path) -> None:
    api.add(typed("SovereigntyPolicy", policy("broken", zones={"countries": ["Malaysia"]})))
    done = run(api, tmp_path, explain, "confidential", "--cluster")
    assert done.exit_code == 2
    assert "error: cluster: SovereigntyPolicy broken: spec.zones.countries[0]: " in done.stderr


def test_an_optional_kind_that_isnt_served_has_no_objects(api: FakeApiServer, tmp_path: Path) -> None:
    del api.collections["/apis/resource.k8s.io/v1/resourceslices"]
    assert explained(api, tmp_path, "-f", written(tmp_path, pod()))["placements"][0]["nodes"] == ["a1", "h1"]


def test_manifests_are_judged_by_the_clusters_policies(api: FakeApiServer, tmp_path: Path) -> None:
    file = written(tmp_path, pod("bad", nodeName="gpu-7"), pod(containers=[{"name": "main", "image": IMAGE}]))
    done = run(api, tmp_path, check, file, "--cluster", "-o", "json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["policies"]) == (1, ["confidential"])
    assert [o["result"] for o in report["objects"]] == ["refused", "allowed"]
    assert api.listed == JUDGED_BY


COMMANDS = {
    "check": (check, ("-", "--cluster")),
    "explain": (explain, ("confidential", "--cluster")),
    "doctor": (doctor, ()),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_cluster_that_refuses_is_an_error_with_its_own_words(name: str, api: FakeApiServer, tmp_path: Path) -> None:
    own = "/apis/daulat.dev/v1alpha1/sovereigntypolicies"
    api.refusals = {"/version" if name == "doctor" else own: (403, 'User "eve" cannot list')}
    command, arguments = COMMANDS[name]
    done = run(api, tmp_path, command, *arguments)
    assert done.exit_code == 2
    where = "" if name == "doctor" else "--cluster: "
    assert f'error: {where}error from the API server (Forbidden): User "eve" cannot list\n' in done.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_cluster_that_doesnt_answer_is_an_error(name: str, tmp_path: Path) -> None:
    with serving(FakeApiServer()) as api:
        pass
    command, arguments = COMMANDS[name]
    done = run(api, tmp_path, command, *arguments)
    assert done.exit_code == 2
    assert "unable to connect to the API server: " in done.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_kubeconfig_without_a_cluster_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    command, arguments = COMMANDS[name]
    done = CliRunner().invoke(command, list(arguments), env={"KUBECONFIG": str(tmp_path / "empty")})
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "sets no current-context: add --context NAME" in done.stderr


@pytest.mark.parametrize("name", ["check", "explain"])
def test_a_cluster_without_daulat_is_an_error(name: str, api: FakeApiServer, tmp_path: Path) -> None:
    del api.collections["/apis/daulat.dev/v1alpha1/sovereigntypolicies"]
    command, arguments = COMMANDS[name]
    done = run(api, tmp_path, command, *arguments)
    assert done.exit_code == 2
    assert "--cluster: the API server doesn't serve SovereigntyPolicy: is Daulat installed?" in done.stderr


def test_field_managers_arent_kept(api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api.add(service())
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))

    async def of(reader: clusters.Reader) -> list[Document]:
        return await reader.documents(["Service"])

    (document,) = clusters.read(None, of)
    assert (document.api_version, document.kind, document.name) == ("v1", "Service", "s")
    assert "managedFields" not in document.metadata
    assert line_of(document, ("metadata", "name")) == 0


def test_doctor_names_what_it_couldnt_read(api: FakeApiServer, tmp_path: Path) -> None:
    api.refusals = {
        "/api/v1/pods": (403, "no"),
        "/api/v1/nodes": (500, "etcd is down"),
    }
    done = run(api, tmp_path, doctor, "-o", "json")
    assert done.exit_code == 1
    needs = [u["needs"] for u in json.loads(done.stdout)["notChecked"]]
    assert "list pods (forbidden)" in needs
    assert any("list nodes (error from the API server (InternalError): etcd is down)" in n for n in needs)


def share(
    api: FakeApiServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    readings: Callable[[clusters.Shared], Awaitable[None]],
) -> None:
    """Run readings that share their lists."""
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(folder)))
    clusters.read(None, lambda reader: readings(clusters.Shared(reader)))


def test_readings_that_share_list_a_kind_once_and_each_keeps_what_it_needs(
    api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def readings(reader: clusters.Shared) -> None:
        whole, names, versions = await asyncio.gather(
            reader.items(BY_KIND["Node"]),
            reader.items(BY_KIND["Node"], keep=lambda node: {"name": node["metadata"]["name"]}),
            asyncio.gather(reader.version(), reader.version()),
        )
        assert [{"name": node["metadata"]["name"]} for node in whole] == names
        assert {"name": "a1"} in names
        assert set(versions) == {"v1.37.2"}

    share(api, tmp_path, monkeypatch, readings)
    assert sorted(api.requests) == ["/api/v1/nodes?limit=500", "/version"]


def test_a_list_that_must_not_be_held_whole_is_not_shared(
    api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def readings(reader: clusters.Shared) -> None:
        assert await reader.items(BY_KIND["Node"], keep=lambda _: {}, in_parts=True) == [{}] * 5
        assert reader._lists == {}

    share(api, tmp_path, monkeypatch, readings)


def test_each_reading_that_shares_a_list_is_refused_with_it(
    api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.refusals["/api/v1/nodes"] = (403, "cannot list nodes")

    async def readings(reader: clusters.Shared) -> None:
        for _ in range(2):
            with pytest.raises(Forbidden):
                await reader.items(BY_KIND["Node"])

    share(api, tmp_path, monkeypatch, readings)
    assert len(api.requests) == 1
