"""``daulat console`` on a real API server: what its operator wrote, as a site and over HTTP, and for a user with few rights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.request import urlopen

from click.testing import CliRunner

from daulat.cli.main import main
from dev.deployment import poll

from .world import World, model_manifest, unique


def write(kubeconfig: Path, folder: Path, *arguments: str) -> None:
    words = ["console", "--output-dir", str(folder), *arguments]
    done = CliRunner().invoke(main, words, env={"KUBECONFIG": str(kubeconfig)})
    assert done.exit_code == 0, done.output


@contextmanager
def served(kubeconfig: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "daulat.cli.main", "console", "--listen", "127.0.0.1:0", "--refresh", "1"]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


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
