"""``daulat weights``: what a pod's init container does and says, and the same checks for whoever publishes weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.cli import weights as command
from daulat.weights.digest import folder_digest
from tests.unit.weights.servers import Site, serving
from tests.unit.weights.signing import FILES, Key, folder


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command.weights, [str(a) for a in arguments], env=env)


@pytest.fixture
def last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setattr(command, "TERMINATION_LOG", path)
    monkeypatch.setattr(command, "AUTHORITY", tmp_path / "none")
    return path


def test_a_pod_loads_what_it_is_told_to(tmp_path: Path, last_words: Path) -> None:
    target = tmp_path / "models"
    target.mkdir()
    with serving(Site(s3={"models": {f"r1/{n}": c for n, c in FILES.items()}})) as site:
        env = {"WEIGHTS_URI": "s3://models/r1", "WEIGHTS_ENDPOINT": site.url, "WEIGHTS_TARGET": str(target)}
        assert run("load", env=env).exit_code == 0
    assert len([f for f in target.rglob("*") if f.is_file() and not f.name.startswith(".")]) == len(FILES)
    assert not last_words.exists()


def test_a_pod_says_in_its_status_what_is_wrong(tmp_path: Path, last_words: Path) -> None:
    weights = folder(tmp_path / "weights")
    trust = json.dumps([{"policy": "confidential", "keys": [Key.new(tmp_path).public], "certificates": []}])
    env = {
        "WEIGHTS_URI": "pvc://claim/r1",
        "WEIGHTS_TARGET": str(weights),
        "WEIGHTS_SIGNATURE": "model.sig",
        "WEIGHTS_TRUST": trust,
    }
    assert run("check", env=env).exit_code == 1
    assert last_words.read_text() == "SignatureValidationFailed: there is no signature model.sig with the weights"


@pytest.mark.parametrize("missing", ["WEIGHTS_URI", "WEIGHTS_TARGET"])
def test_a_pod_that_is_told_too_little_loads_nothing(missing: str, tmp_path: Path, last_words: Path) -> None:
    env = {"WEIGHTS_URI": "s3://models/r1", "WEIGHTS_TARGET": str(tmp_path)}
    del env[missing]
    assert run("load", env={**env, missing: ""} if missing == "WEIGHTS_URI" else env).exit_code == 1
    assert last_words.read_text().startswith("FetchFailed: the init container's environment can't be read")


@pytest.mark.parametrize("trust", ["", "null", "{}", "[]", "[{}]", "[1]"])
def test_trust_that_cant_be_read_trusts_nobody(trust: str, tmp_path: Path, last_words: Path) -> None:
    weights = folder(tmp_path / "weights")
    env = {"WEIGHTS_URI": "pvc://claim", "WEIGHTS_TARGET": str(weights), "WEIGHTS_TRUST": trust}
    assert run("check", env=env).exit_code == 1


def test_the_digest_is_printed_as_a_uri_takes_it(tmp_path: Path) -> None:
    weights = folder(tmp_path)
    assert run("digest", weights).output == f"sha256:{folder_digest(weights)}\n"


def test_a_folder_without_a_digest_is_told(tmp_path: Path) -> None:
    result = run("digest", tmp_path)
    assert (result.exit_code, "holds no file" in result.output) == (2, True)


def test_a_publisher_hears_what_the_pod_will_say(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    weights, key, other = folder(tmp_path / "weights"), Key.new(tmp_path), Key.new(tmp_path, "other")
    key.sign(weights)
    for name, pair in (("key", key), ("other", other)):
        (tmp_path / f"{name}.pub").write_text(pair.public)
    assert run("verify", weights, "--key", tmp_path / "key.pub").exit_code == 0
    refused = run("verify", weights, "--key", tmp_path / "other.pub")
    assert refused.exit_code == 1
    assert refused.output.startswith("none of the given keys and certificates signed these weights: ")
    assert run("verify", weights).exit_code == 2
