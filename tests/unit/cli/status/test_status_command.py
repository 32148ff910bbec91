"""``daulat status`` against an API server: what it lists, what it says without rights, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.api import crd
from daulat.cli.status.command import status
from daulat.kube.client import PAGE
from tests.unit.cli.explain.test_explain import typed
from tests.unit.cli.served import add_objects
from tests.unit.kube.api_server import FakeApiServer, serving
from tests.unit.status.worlds import broken, fine, told
from tests.unit.world import Raw, model, pod

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/daulat-system/leases"
DAULAT = "/apis/daulat.dev/v1alpha1"
OWN = (
    "acceleratorinventories",
    "sovereignmodels",
    "sovereigntypolicies",
    "sovereignzones",
    "acceleratorprofiles",
    "sovereigntyexemptions",
    "nodeattestations",
)


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    """A cluster in which everything is as it should be."""
    server = FakeApiServer()
    server.serve_watched()
    add_objects(server, fine())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "pod-1", "renewTime": now}
    server.collections[LEASES] = [
        {"metadata": {"name": "other"}},
        {"metadata": {"name": "daulat-operator"}, "spec": spec},
    ]
    server.collections[CRDS] = [{key: m[key] for key in ("metadata", "spec")} for m in crd.manifests()]
    with serving(server):
        yield server


def run(api: FakeApiServer, folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(status, list(arguments), env={"KUBECONFIG": str(api.kubeconfig(folder))})


def forbid(api: FakeApiServer, *paths: str) -> None:
    api.refusals |= {path: (403, f'cannot list "{path}"') for path in paths}


def lost(namespace: str = "treasury") -> Raw:
    return typed("SovereignModel", model("lost", namespace, told(broken("NoEligibleNode"))))


def test_a_cluster_without_problems_is_fine(api: FakeApiServer, tmp_path: Path) -> None:
    done = run(api, tmp_path, "--exit-code")
    assert done.exit_code == 0, done.output
    assert "Nothing needs attention" in done.stdout
    assert "leading, pod-1 renewed daulat-system/daulat-operator" in done.stdout
    assert "CRDs      current" in done.stdout
    assert "Models  1 of 1 ready" in done.stdout


def test_a_problem_is_an_exit_code_only_where_it_is_wanted(api: FakeApiServer, tmp_path: Path) -> None:
    api.add(lost())
    assert run(api, tmp_path).exit_code == 0
    done = run(api, tmp_path, "--exit-code")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "Next: daulat explain model lost -n treasury --cluster"


def test_a_user_without_rights_on_the_rest_sees_the_models_of_their_namespace(
    api: FakeApiServer, tmp_path: Path
) -> None:
    rest = [path for path in api.collections if not path.endswith("sovereignmodels")]
    forbid(api, *rest, f"{DAULAT}/sovereignmodels")
    api.collections[f"{DAULAT}/namespaces/default/sovereignmodels"] = [
        {key: value for key, value in lost("default").items() if key not in ("apiVersion", "kind")}
    ]
    done = run(api, tmp_path, "--exit-code")
    assert done.exit_code == 1, done.output
    assert "Models in namespace default  0 of 1 ready" in done.stdout
    assert "the policies: SovereigntyPolicy forbidden" in done.stdout
    assert "Traceback" not in done.output


def test_all_namespaces_isnt_narrowed(api: FakeApiServer, tmp_path: Path) -> None:
    forbid(api, f"{DAULAT}/sovereignmodels")
    done = run(api, tmp_path, "-A", "-o", "json")
    found = json.loads(done.stdout)
    assert (found["namespace"], found["models"]) == ("", [])
    assert [each["kind"] for each in found["unread"]] == ["SovereignModel"]


def test_what_couldnt_be_read_is_never_called_fine(api: FakeApiServer, tmp_path: Path) -> None:
    forbid(api, "/api/v1/pods")
    assert run(api, tmp_path, "--exit-code").exit_code == 2


def test_one_namespace_is_read_alone(api: FakeApiServer, tmp_path: Path) -> None:
    api.collections[f"{DAULAT}/namespaces/treasury/sovereignmodels"] = []
    found = json.loads(run(api, tmp_path, "-n", "treasury", "-o", "json").stdout)
    assert (found["namespace"], found["models"], len(found["policies"])) == ("treasury", [], 1)


@pytest.mark.parametrize("allowed", [True, False])
def test_nothing_to_read_is_an_error(api: FakeApiServer, tmp_path: Path, *, allowed: bool) -> None:
    paths = [f"{DAULAT}/{plural}" for plural in OWN]
    if allowed:
        for path in paths:
            del api.collections[path]
    else:
        forbid(api, *paths, f"{DAULAT}/namespaces/default/sovereignmodels")
    done = run(api, tmp_path)
    assert done.exit_code == 2
    says = "is Daulat installed?" if allowed else "none of Daulat's kinds can be read: forbidden"
    assert says in done.stderr


def test_an_api_server_that_doesnt_answer_is_an_error(tmp_path: Path) -> None:
    away = FakeApiServer(url="http://127.0.0.1:1")
    done = run(away, tmp_path)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: unable to connect to the API server")


def test_a_kind_that_isnt_installed_is_named(api: FakeApiServer, tmp_path: Path) -> None:
    del api.collections[f"{DAULAT}/sovereigntyexemptions"]
    api.collections[CRDS] = [c for c in api.collections[CRDS] if not c["metadata"]["name"].startswith("sovereigntyex")]
    done = run(api, tmp_path, "--exit-code")
    assert done.exit_code == 1
    assert "CustomResourceDefinition SovereigntyExemption  DefinitionMissing" in done.stdout


def test_pods_that_hold_nothing_dont_count_however_many_there_are(api: FakeApiServer, tmp_path: Path) -> None:
    others = [typed("Pod", pod(f"p{n}", "a1")) for n in range(PAGE + 1)]
    api.add(*others, typed("Pod", pod("holder", "a1", {"huawei.com/Ascend910": "5"})))
    (zone,) = json.loads(run(api, tmp_path, "-o", "json").stdout)["zones"]
    assert (zone["devices"], zone["freeDevices"]) == (24, 19)


@pytest.mark.parametrize(
    "arguments",
    [("-n", "a", "-A"), ("--watch", "-o", "json"), ("--watch", "--exit-code"), ("--interval", "0"), ("-o", "wide")],
)
def test_usage_that_contradicts_itself_is_an_error(
    api: FakeApiServer, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = run(api, tmp_path, *arguments)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr
    assert api.requests == []
