"""``daulat console`` against an API server: the site that it writes, the server that it runs, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner, Result

from daulat.cli.console.command import console
from daulat.cli.ledger.command import ledger
from daulat.ledger.folder import Folder
from daulat.ledger.writer import Writer
from tests.unit.cli.served import add_objects
from tests.unit.console.recorded import runs
from tests.unit.console.worlds import busy
from tests.unit.kube.api_server import FakeApiServer, serving
from tests.unit.ledger.logs import KEY, NOW, entries, log

PODS = "/api/v1/pods"


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    server, world = FakeApiServer(), busy()
    server.serve_watched()
    add_objects(server, world)
    with serving(server):
        yield server


def run(api: FakeApiServer, folder: Path, *arguments: str) -> Result:
    # Simulations take most of the time of a static site, and one test below is about them.
    words = [*([] if "--what-if" in arguments else ["--what-if", "0"]), *arguments]
    return CliRunner().invoke(console, words, env={"KUBECONFIG": str(api.kubeconfig(folder))})


def test_a_site_is_written_and_says_what_couldnt_be_read(api: FakeApiServer, tmp_path: Path) -> None:
    api.refusals[PODS] = (403, "cannot list pods")
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"))
    assert done.exit_code == 0, done.output
    assert f"open {tmp_path / 'site' / 'index.html'}" in done.stdout
    assert "<code>Pod</code>" in (tmp_path / "site/ms/zones.html").read_text()
    assert "outside MY" in (tmp_path / "site/model/treasury/llama.html").read_text()


def test_a_cluster_without_daulat_writes_nothing(tmp_path: Path) -> None:
    server = FakeApiServer()
    with serving(server):
        done = run(server, tmp_path, "--output-dir", str(tmp_path / "site"))
    assert done.exit_code == 2
    assert "is Daulat installed?" in done.stderr
    assert not (tmp_path / "site").exists()


def test_the_server_doesnt_start_where_the_cluster_cant_be_read(tmp_path: Path) -> None:
    server = FakeApiServer()
    with serving(server):
        done = run(server, tmp_path, "--listen", "127.0.0.1:0")
    assert done.exit_code == 2
    assert "is Daulat installed?" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("listen", ["0.0.0.0:8765", "[::]:0", "10.0.0.1:8765"])
def test_an_address_that_others_reach_is_refused_before_anything_is_read(
    api: FakeApiServer, tmp_path: Path, listen: str
) -> None:
    done = run(api, tmp_path, "--listen", listen)
    assert done.exit_code == 2
    assert "it listens on loopback" in " ".join(done.stderr.split())
    assert api.requests == []


def test_outlines_that_arent_geojson_are_refused_by_name(api: FakeApiServer, tmp_path: Path) -> None:
    (tmp_path / "borders.json").write_text("{}")
    done = run(api, tmp_path, "--outlines", str(tmp_path / "borders.json"))
    assert done.exit_code == 2
    assert "borders.json: isn't a GeoJSON FeatureCollection" in done.stderr


def test_the_server_serves_until_it_is_interrupted(api: FakeApiServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "daulat.cli.main", "console", "--listen", "127.0.0.1:0"]
    env = {**os.environ, "KUBECONFIG": str(api.kubeconfig(tmp_path)), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[0]
            with urlopen(f"{url}zones.html", timeout=20) as answer:  # noqa: S310 - of this machine
                assert "Johor DC 3" in answer.read().decode()
            with pytest.raises(HTTPError, match="421"):
                urlopen(Request(url, headers={"Host": "attacker.example"}), timeout=20)  # noqa: S310
        finally:
            process.send_signal(signal.SIGINT)
            try:
                _, errors = process.communicate(timeout=20)
            finally:
                process.kill()
    assert (process.returncode, errors) == (0, "")


def test_a_site_shows_the_logs_checkpoint_and_has_it_beside_the_pages(api: FakeApiServer, tmp_path: Path) -> None:
    made = log(3)
    with Writer.create(Folder(tmp_path / "log"), (KEY,), NOW) as writer:
        writer.append(entries(3), NOW)
    done = run(
        api,
        tmp_path,
        *("--output-dir", str(tmp_path / "site"), "--log", str(tmp_path / "log"), "--log-key", str(KEY.verifier())),
    )
    assert done.exit_code == 0, done.output
    assert "signed the checkpoint" in (tmp_path / "site/log.html").read_text()
    assert (tmp_path / "site/checkpoint.txt").read_bytes() == made.files["checkpoint"]
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"))
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "site/checkpoint.txt").exists()


def test_a_site_has_the_proofs_of_where_models_ran_last(api: FakeApiServer, tmp_path: Path) -> None:
    models = {item["metadata"]["name"]: item for item in api.collections["/apis/daulat.dev/v1alpha1/sovereignmodels"]}
    for path, data in runs(models["qwen"], models["llama"]).files.items():
        at = tmp_path / "log" / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
    words = ("--log", str(tmp_path / "log"), "--log-key", str(KEY.verifier()))
    index = ("--log-index", str(tmp_path / "index.sqlite"))
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"), *words, *index)
    assert done.exit_code == 0, done.output
    file = tmp_path / "site/model/audit/qwen_7.tlog-proof"
    assert "qwen_7.tlog-proof" in (tmp_path / "site/model/audit/qwen.html").read_text()
    proved = CliRunner().invoke(ledger, ["check-proof", str(file), "--key", str(KEY.verifier())])
    assert proved.exit_code == 0, proved.output
    assert "entry 7 is in the log" in proved.stdout
    written = CliRunner().invoke(ledger, ["proof", str(tmp_path / "log"), "7"])
    assert written.stdout_bytes == file.read_bytes()
    assert (tmp_path / "index.sqlite").exists()
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"))
    assert done.exit_code == 0, done.output
    assert not file.exists()


def test_an_index_that_cant_be_opened_is_said_on_the_page(api: FakeApiServer, tmp_path: Path) -> None:
    with Writer.create(Folder(tmp_path / "log"), (KEY,), NOW) as writer:
        writer.append(entries(3), NOW)
    words = ("--log", str(tmp_path / "log"), "--log-key", str(KEY.verifier()))
    index = ("--log-index", str(tmp_path / "none/index.sqlite"))
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"), *words, *index)
    assert done.exit_code == 0, done.output
    assert "index can&#39;t be opened" in (tmp_path / "site/model/audit/qwen.html").read_text()


def test_a_key_without_a_log_is_a_usage_error_before_anything_is_read(api: FakeApiServer, tmp_path: Path) -> None:
    for words in (
        ("--log-key", str(KEY.verifier())),
        ("--log", str(tmp_path), "--log-witness", "x"),
        ("--log", str(tmp_path), "--log-index", "x"),
    ):
        done = run(api, tmp_path, *words)
        assert done.exit_code == 2
        assert "--log-key requires --log" in done.stderr
    assert api.requests == []


def test_weaknesses_are_shown_and_secrets_are_never_read(api: FakeApiServer, tmp_path: Path) -> None:
    api.refusals["/apis/rbac.authorization.k8s.io/v1/clusterroles"] = (403, "cannot list clusterroles")
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "site/weaknesses.html").read_text()
    assert "ValidatingAdmissionPolicy nodes.cluster.daulat.dev is missing" in text
    policy = (tmp_path / "site/policy/restricted.html").read_text()
    assert "of policy restricted is missing" in policy
    assert "of policy confidential is missing" not in policy
    assert "list clusterroles.rbac.authorization.k8s.io (forbidden)" in text
    assert not [request for request in api.requests if "/secrets" in request]


def test_a_refresh_lists_each_kind_once_for_the_summary_and_the_weaknesses_together(
    api: FakeApiServer, tmp_path: Path
) -> None:
    done = run(api, tmp_path, "--output-dir", str(tmp_path / "site"))
    assert done.exit_code == 0, done.output
    lists = Counter(request for request in api.requests if "limit=" in request)
    assert [path for path, count in lists.items() if count > 1] == []
    for plural in ("nodes", "pods", "namespaces", "sovereigntypolicies", "sovereignzones", "leases"):
        assert len([path for path in lists if path.partition("?")[0].endswith(f"/{plural}")]) == 1, plural
