"""A release is whole, the same bytes each time, installs, and shows when it was tampered with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from daulat import __version__
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.errors import ClusterError
from dev.cluster.paths import ROOT
from dev.deployment import poll
from dev.registry.server import running
from dev.release.__main__ import release
from dev.release.parts import PARTS
from dev.release.signing import SIGNATURE, SUMS, verification

QUICK = [part for part in PARTS if part != "image"]
EPOCH = "1700000000"
WHEEL, SDIST, CHART = (
    f"daulat-{__version__}-py3-none-any.whl",
    f"daulat-{__version__}.tar.gz",
    f"daulat-{__version__}.tgz",
)


@dataclass(frozen=True)
class Made:
    """A signed release, and a directory with the wheel installed."""

    folder: Path
    installed: Path
    key: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the installed programs first in the path."""
        path = f"{self.installed / 'bin'}:{Path(ensure(announce)['kubectl']).parent}:/usr/bin:/bin"
        given = {"PATH": path, "PYTHONPATH": str(self.installed), "HOME": str(self.installed), **environment}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=given, cwd=self.installed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    work = tmp_path_factory.mktemp("release")
    key = work / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        folder = release(work / "dist", QUICK, key)
    installed = work / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(installed)]
    subprocess.run([*pip, str(folder / WHEEL)], check=True)
    return Made(folder, installed, key)


def verified(folder: Path) -> bool:
    done = subprocess.run(["bash", "-c", verification(signed=True)], check=False, cwd=folder, capture_output=True)
    return done.returncode == 0


def test_what_is_in_the_source_is_in_the_wheel_and_in_the_sdist(made: Made) -> None:
    git = subprocess.run(["git", "ls-files", "src/daulat"], cwd=ROOT, capture_output=True, text=True, check=True)
    sources = {line.removeprefix("src/") for line in git.stdout.splitlines()}
    wheel = zipfile.ZipFile(made.folder / WHEEL)
    assert sources - {*wheel.namelist()} == set()
    assert any(name.startswith("daulat/catalog/accelerators/") for name in sources)
    with tarfile.open(made.folder / SDIST) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in sources} <= names
    assert {"LICENSE", "README.md", "crds/sovereignmodels.daulat.dev.yaml", "charts/daulat/Chart.yaml"} <= names


def test_a_release_of_the_same_source_is_the_same_bytes(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    again = release(tmp_path, QUICK, None)
    assert (again / SUMS).read_text() == (made.folder / SUMS).read_text()


def test_the_installed_program_judges_and_lists_offline(made: Made) -> None:
    assert made.run("daulat", "--version").stdout == f"daulat, version {__version__}\n"
    checked = made.run("daulat", "check", str(ROOT / "examples"))
    assert checked.returncode == 0, checked.stderr
    assert "huawei-ascend-910b" in made.run("daulat", "compile", str(ROOT / "examples/policy.yaml")).stdout


def test_kubectl_finds_the_plugin_and_its_help_has_the_name_that_users_type(made: Made) -> None:
    listed = made.run("kubectl", "plugin", "list")
    assert str(made.installed / "bin/kubectl-daulat") in listed.stdout
    shown = made.run("kubectl", "daulat", "check", "--help")
    assert "Usage: kubectl daulat check" in shown.stdout
    wrong = made.run("kubectl", "daulat", "chekc")
    assert wrong.returncode != 0
    assert "Usage: kubectl daulat" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["daulat", "che"], ["check"]),
        (["daulat", "check", "--strict"], ["--strict", "--strict-namespaces"]),
        (["daulat", "images", "-o", ""], ["table", "json", "yaml", "references"]),
    ],
)
def test_kubectl_completes_the_plugins_command_line(made: Made, words: list[str], expected: list[str]) -> None:
    done = made.run("kubectl", "__complete", *words)
    found = {line.partition("\t")[0] for line in done.stdout.splitlines() if not line.startswith(":")}
    assert found == {*expected}, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_by_the_script_that_it_is_given(made: Made, shell: str) -> None:
    script = made.run("daulat", "completion", shell).stdout
    assert "_DAULAT_COMPLETE" in script
    if shell == "bash":
        words = 'COMP_WORDS=(daulat che); COMP_CWORD=1; _daulat_completion daulat; echo "${COMPREPLY[@]}"'
        assert made.run("bash", "-c", f"{script}\n{words}").stdout.split() == ["check"]


def test_the_chart_is_pulled_and_rendered_as_an_oci_artefact(made: Made, tmp_path: Path) -> None:
    helm = ensure(announce)["helm"]
    with running(tmp_path / "registry") as server:
        to = f"oci://{server.host}/charts"
        pushed = made.run(helm, "push", str(made.folder / CHART), to, "--plain-http", HOME=str(tmp_path))
        assert pushed.returncode == 0, pushed.stderr
        at = ["--version", __version__, "--plain-http"]
        pulled = made.run(helm, "pull", f"{to}/daulat", *at, "--destination", str(tmp_path), HOME=str(tmp_path))
        assert pulled.returncode == 0, pulled.stderr
        assert (tmp_path / CHART).read_bytes() == (made.folder / CHART).read_bytes()
        shown = made.run(helm, "template", "daulat", f"{to}/daulat", *at, HOME=str(tmp_path))
    assert f'image: "ghcr.io/daulat/daulat:{__version__}"' in shown.stdout, shown.stderr


def test_the_crds_are_those_of_the_checkout(made: Made) -> None:
    found = (made.folder / "crds.yaml").read_text()
    assert found.count("\nkind: CustomResourceDefinition\n") == len(list((ROOT / "crds").glob("*.yaml")))


def test_a_release_that_is_as_it_was_signed_is_verified(made: Made) -> None:
    assert verified(made.folder)


@pytest.mark.parametrize("damage", ["a file changed", "a file is missing", "checksums changed", "another key"])
def test_a_release_that_was_tampered_with_isnt(made: Made, damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    shutil.copytree(made.folder, folder)
    match damage:
        case "a file changed":
            with (folder / WHEEL).open("ab") as file:
                file.write(b"x")
        case "a file is missing":
            (folder / CHART).unlink()
        case "checksums changed":
            (folder / SUMS).write_text((folder / SUMS).read_text().replace(WHEEL, f"other-{WHEEL}"))
        case "another key":
            other = tmp_path / "other"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
            (folder / SIGNATURE).unlink()
            sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(other), "-n", "daulat-release", str(folder / SUMS)]
            subprocess.run(sign, check=True)
    assert not verified(folder)


def test_a_key_that_an_agent_holds_signs(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as agent:
        try:
            poll("the agent", socket.exists)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", str(made.key)], check=True)
            folder = release(tmp_path / "dist", ["crds"], Path(shutil.copy(made.key.with_suffix(".pub"), tmp_path)))
        finally:
            agent.terminate()
    assert verified(folder)


def test_a_key_that_isnt_there_leaves_the_release_before_as_it_was(made: Made) -> None:
    before = json.dumps(sorted(os.listdir(made.folder)))
    with pytest.raises(ClusterError, match="set RELEASE_KEY to a private SSH key, or unset it"):
        release(made.folder.parent, ["crds"], made.folder / "no-key")
    assert json.dumps(sorted(os.listdir(made.folder))) == before
    assert os.listdir(made.folder.parent) == [made.folder.name]
