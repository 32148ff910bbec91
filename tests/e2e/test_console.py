"""``daulat console`` on a real API server: what its operator wrote, as a site and over HTTP, and for a user with few rights."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener, urlopen

import pytest
import yaml
from click.testing import CliRunner

from daulat.cli.main import main
from daulat.ledger.keys import parse_verifier
from daulat.ledger.trust import Trust, trusted
from dev.deployment import CHART, NAMESPACE, RecorderProcess, helm, operator_kubeconfig, poll

from .world import Manifest, World, model_manifest, recording, unique


def write(kubeconfig: Path, folder: Path, *arguments: str) -> None:
    words = ["console", "--output-dir", str(folder), "--what-if=0", *arguments]
    done = CliRunner().invoke(main, words, env={"KUBECONFIG": str(kubeconfig)})
    assert done.exit_code == 0, done.output


@contextmanager
def served(kubeconfig: Path, *arguments: str) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "daulat.cli.main",
        "console",
        "--listen",
        "127.0.0.1:0",
        "--refresh",
        "1",
        *arguments,
    ]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                process.kill()


def get(url: str) -> str:
    with urlopen(url, timeout=30) as answer:  # noqa: S310 - of this machine
        text: str = answer.read().decode()
    return text


def test_the_pages_have_what_the_operator_wrote_and_the_server_follows_the_cluster(
    world: World, tmp_path: Path
) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        placement = world.get("sovereignmodel", "m", namespace=namespace)["status"]["placement"]
        write(world.cluster.kubeconfig(), tmp_path / "site", "-n", namespace)
        model = (tmp_path / "site/model" / namespace / "m.html").read_text()
        assert f"zone/{placement['zone']}.html" in model
        assert placement["rejected"]
        assert all(each["reason"] in unescape(model) for each in placement["rejected"])
        of_policy = (tmp_path / "site/policy" / f"{policy}.html").read_text()
        assert "CanaryRefused" in of_policy
        assert namespace in of_policy
        zone = (tmp_path / "site/zone" / f"{placement['zone']}.html").read_text()
        assert all(node in zone for node in placement["nodes"])
        assert "<svg" in (tmp_path / "site/ms/zones.html").read_text()
        with served(world.cluster.kubeconfig()) as url:
            assert "<h1>Gambaran keseluruhan</h1>" in get(f"{url}ms/")
            assert f"{namespace}/m" in get(f"{url}model/{namespace}/m.html")
            world.admin.apply([model_manifest("later", namespace)])
            world.wait_condition("sovereignmodel", "later", "Ready", "True", namespace)
            poll("the page of the model", lambda: f"model/{namespace}/later.html" in get(f"{url}models.html"))


def test_an_admin_of_a_namespace_sees_its_models_and_what_they_may_not_read(world: World, tmp_path: Path) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        user = world.make_admin(unique("user"), namespace)
        write(user.kubeconfig, tmp_path / "site", "-n", namespace)
        page = (tmp_path / "site/models.html").read_text()
        assert f"model/{namespace}/m.html" in page
        assert "<code>SovereigntyPolicy</code>" in page
        assert "forbidden" in page


@pytest.fixture(scope="module")
def recorder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecorderProcess]:
    with recording(world, tmp_path_factory.mktemp("recorder")) as process:
        yield process


def test_a_model_s_page_has_the_proof_of_its_last_run_from_the_recorder_s_log(
    world: World, recorder: RecorderProcess, tmp_path: Path
) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        node = world.get("sovereignmodel", "m", namespace=namespace)["status"]["placement"]["nodes"][0]
        words = ("--log", str(recorder.ledger), "--log-key", str(recorder.verifier))
        with served(world.cluster.kubeconfig(), *words) as url:
            poll("the run's proof", lambda: ".tlog-proof" in get(f"{url}model/{namespace}/m.html"))
            page = get(f"{url}model/{namespace}/m.html")
            assert node in page[page.index("Last run in the log") :]
            (link,) = re.findall(rf"model/{namespace}/m_[0-9]+[.]tlog-proof", page)
            (tmp_path / "proof").write_text(get(f"{url}{link}"))
            assert "The log&#39;s keys signed the checkpoint" in get(f"{url}log.html")
            checkpoint = get(f"{url}checkpoint.txt").encode()
            assert trusted(checkpoint, Trust((parse_verifier(recorder.verifier.read_text()),))).size > 0
        check = ["ledger", "check-proof", str(tmp_path / "proof"), "--key", str(recorder.verifier), "-o", "json"]
        done = CliRunner().invoke(main, check)
        assert done.exit_code == 0, done.output
        proved = json.loads(done.stdout)["entry"]
        assert (proved["kind"], proved["data"]["namespace"], proved["data"]["model"]) == ("RunStarted", namespace, "m")
        assert proved["data"]["node"] == node
        write(world.cluster.kubeconfig(), tmp_path / "site", "-n", namespace, *words)
        assert (tmp_path / "site" / link).read_bytes().startswith(b"c2sp.org/tlog-proof@v1\n")


def test_a_team_downloads_the_proofs_of_its_own_models_alone(
    world: World, recorder: RecorderProcess, tmp_path: Path
) -> None:
    config = console_kubeconfig(world, tmp_path)
    words = ("--log", str(recorder.ledger), "--log-key", str(recorder.verifier))
    with world.governed() as (_, ours), world.governed() as (_, theirs):
        for namespace in (ours, theirs):
            world.admin.apply([model_manifest("m", namespace)])
            world.admin.run("create", "serviceaccount", "reader", "-n", namespace)
            world.admin.run(
                "create",
                "rolebinding",
                "reader",
                "--clusterrole=view",
                f"--serviceaccount={namespace}:reader",
                "-n",
                namespace,
            )
            world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        us, them = (world.admin.run("create", "token", "reader", "-n", each).strip() for each in (ours, theirs))
        with served(config, "--authenticate", "--review-ttl=2", "--health-port=0", *words) as url:
            page = f"{url}model/{ours}/m.html"
            poll("the team's proof", lambda: ".tlog-proof" in ask(page, token=us)[1])
            (link,) = re.findall(rf"model/{ours}/m_[0-9]+[.]tlog-proof", ask(page, token=us)[1])
            status, proof, _ = ask(f"{url}{link}", token=us)
            assert (status, proof.partition("\n")[0]) == (200, "c2sp.org/tlog-proof@v1")
            assert ask(f"{url}{link}", token=them)[0] == 404
            assert ask(page, token=them)[0] == 404
            assert ask(f"{url}{link}")[0] == 303
            world.admin.run("delete", "rolebinding", "reader", "-n", ours)
            poll("the right to end", lambda: ask(f"{url}{link}", token=us)[0] != 200)


def test_chips_and_weaknesses_are_shown_as_the_operator_and_doctor_find_them(world: World, tmp_path: Path) -> None:
    name = unique("delivered")
    delivery = {"name": "DN-1", "permit": {"reference": "STA-1", "date": "2026-02-20"}, "chips": ["SN-1"]}
    spec = {"zones": ["cyberjaya-1"], "deliveries": [delivery]}
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "AcceleratorInventory"}
    with world.governed():
        world.admin.apply([{**head, "metadata": {"name": name}, "spec": spec}])
        try:
            poll(
                "the count of chips",
                lambda: world.get("acceleratorinventory", name).get("status", {}).get("declared") == 1,
            )
            write(world.cluster.kubeconfig(), tmp_path / "site")
        finally:
            world.admin.run("delete", "acceleratorinventory", name)
        of_inventory = (tmp_path / "site/inventory" / f"{name}.html").read_text()
        assert f"inventory/{name}.html" in (tmp_path / "site/chips.html").read_text()
        assert "<dt>Declared</dt><dd>1</dd>" in of_inventory
        weaknesses = unescape((tmp_path / "site/weaknesses.html").read_text())
        done = CliRunner().invoke(main, ["doctor", "-o", "json"], env={"KUBECONFIG": str(world.cluster.kubeconfig())})
        # Doctor reads the names of keys of Secrets too, and the console doesn't.
        checks = {f["check"] for f in json.loads(done.stdout)["findings"] if "Secret" not in json.dumps(f)}
        assert checks
        assert [check for check in checks if f"<code>{check}</code>" not in weaknesses] == []


def rights(world: World, *settings: str) -> list[Manifest]:
    """Return the objects by which the chart grants the console its rights."""
    values = ",".join(("console.enabled=true", *settings))
    words = ("template", "daulat", str(CHART), f"--set={values}", "--show-only=templates/console/rbac.yaml")
    return list(yaml.safe_load_all(helm(world.cluster.kubeconfig(), *words)))


def console_kubeconfig(world: World, folder: Path) -> Path:
    """Return a kubeconfig with the rights of the chart's ServiceAccount of the console."""
    world.admin.apply([{**each, "metadata": {"namespace": NAMESPACE, **each["metadata"]}} for each in rights(world)])
    return operator_kubeconfig(world.cluster, folder, account="daulat-console", name="console.yaml")


class _Stays(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str, token: str = "", cookie: str = "", form: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Return the status, the page, and the cookie that was set."""
    headers = {"Authorization": f"Bearer {token}"} if token else {"Cookie": cookie} if cookie else {}
    request = Request(url, urlencode(form).encode() if form else None, headers)  # noqa: S310 - of this machine
    opener: OpenerDirector = build_opener(_Stays)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), ""
    except HTTPError as error:
        return error.code, error.read().decode(), error.headers.get("Set-Cookie", "").partition(";")[0]


def test_users_sign_in_with_tokens_of_the_cluster_and_see_what_they_may_list(world: World, tmp_path: Path) -> None:
    """The console has the rights of the chart's ServiceAccount, and its users are ServiceAccounts of two teams and an auditor."""
    config = console_kubeconfig(world, tmp_path)
    with world.governed() as (policy, ours), world.governed() as (_, theirs):
        for namespace in (ours, theirs):
            world.admin.apply([model_manifest("m", namespace)])
            world.admin.run("create", "serviceaccount", "reader", "-n", namespace)
        world.admin.run(
            "create", "rolebinding", "reader", "--clusterrole=view", f"--serviceaccount={ours}:reader", "-n", ours
        )
        auditor = unique("auditor")
        world.admin.run(
            "create", "clusterrolebinding", auditor, "--clusterrole=view", f"--serviceaccount={theirs}:reader"
        )
        for namespace in (ours, theirs):
            world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        team, audit = (world.admin.run("create", "token", "reader", "-n", each).strip() for each in (ours, theirs))
        try:
            with served(config, "--authenticate", "--review-ttl=2", "--health-port=0", "--title=test") as url:
                assert ask(f"{url}models.html")[0] == 303
                assert ask(f"{url}models.html", token="wrong")[0] == 401
                poll("the team's pages", lambda: f"model/{ours}/m.html" in ask(f"{url}models.html", token=team)[1])
                page = ask(f"{url}models.html", token=team)[1]
                assert theirs not in page
                assert f"system:serviceaccount:{ours}:reader" in page
                assert ask(f"{url}model/{theirs}/m.html", token=team)[0] == 404
                assert ask(f"{url}policy/{policy}.html", token=team)[0] == 404
                poll("the auditor's pages", lambda: f"model/{ours}/m.html" in ask(f"{url}models.html", token=audit)[1])
                assert f"model/{theirs}/m.html" in ask(f"{url}models.html", token=audit)[1]
                assert ask(f"{url}policy/{policy}.html", token=audit)[0] == 200
                signed_in, _, cookie = ask(f"{url}session", form={"token": team, "to": "/models.html"})
                assert signed_in == 303
                assert f"model/{ours}/m.html" in ask(f"{url}models.html", cookie=cookie)[1]
                world.admin.run("delete", "rolebinding", "reader", "-n", ours)
                poll("the right to end", lambda: ask(f"{url}models.html", cookie=cookie)[0] == 403)
        finally:
            world.admin.run("delete", "clusterrolebinding", auditor)


def test_the_console_shows_what_a_change_would_do_to_who_may_list_everything(world: World, tmp_path: Path) -> None:
    """The console and its users have the rights that the chart grants, and a simulation changes nothing in the cluster."""
    role = "daulat-console-what-if"
    granted = rights(world, "console.whatIf=true")
    world.admin.apply([each for each in granted if each["metadata"]["name"] == role])
    with world.governed() as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        before = world.get("sovereignmodel", "m", namespace=namespace)
        zone = before["status"]["placement"]["zone"]
        auditor = unique("auditor")
        world.admin.run("create", "serviceaccount", auditor, "-n", namespace)
        account = f"--serviceaccount={namespace}:{auditor}"
        world.admin.run("create", "clusterrolebinding", auditor, "--clusterrole=view", account)
        token = world.admin.run("create", "token", auditor, "-n", namespace).strip()
        try:
            with served(world.cluster.kubeconfig(), "--authenticate", "--review-ttl=2", "--health-port=0") as url:
                page = f"{url}whatif/zone/{zone}.html"
                poll("the auditor's pages", lambda: f"model/{namespace}/m.html" in ask(f"{url}models.html", token)[1])
                status, text, _ = ask(f"{url}whatif.html", token)
                assert status == 403
                assert "<code>Node</code>" in text
                assert "<code>PersistentVolume</code>" in text
                assert "<code>Deployment</code>" not in text
                world.admin.run("create", "clusterrolebinding", f"{auditor}-2", f"--clusterrole={role}", account)
                poll("the right to simulate", lambda: ask(page, token)[0] in (200, 202))
                poll("the outcome", lambda: "Not simulated" in ask(page, token)[1])
                text = ask(page, token)[1]
                assert f"model/{namespace}/m.html" in text
                assert f"policy/{policy}.html" in text
                assert "Something gets worse" in text
                assert ask(f"{url}whatif/policy/{policy}.html", token)[0] == 200
        finally:
            world.admin.run("delete", "clusterrolebinding", auditor, f"{auditor}-2", "--ignore-not-found")
            world.admin.run("delete", "clusterrole,clusterrolebinding", role, "--ignore-not-found")
        after = world.get("sovereignmodel", "m", namespace=namespace)
        assert (after["spec"], after["status"]["placement"]) == (before["spec"], before["status"]["placement"])
        write(world.cluster.kubeconfig(), tmp_path / "site", "--what-if=100")
        assert f"model/{namespace}/m.html" in (tmp_path / "site/whatif/zone" / f"{zone}.html").read_text()
