"""``daulat weights``: what a pod's init container does and says, and the same checks for whoever publishes weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.cli.weights import carry_out
from daulat.cli.weights.command import weights
from daulat.weights.digest import folder_digest
from tests.unit.weights.servers import Site, serving
from tests.unit.weights.signing import FILES, Key, folder


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(weights, [str(a) for a in arguments], env=env)


@pytest.fixture
def last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setattr(carry_out, "TERMINATION_LOG", path)
    monkeypatch.setattr(carry_out, "AUTHORITY", tmp_path / "none")
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


LEFT = {
    ".cache/huggingface/download/config.json.metadata": ".cache/huggingface",
    ".cache/huggingface/.gitignore": ".cache/huggingface",
    ".git/config": ".git",
    ".msc": ".msc",
    ".mv": ".mv",
    "._____temp/model.safetensors": "._____temp",
    "tokenizer/.DS_Store": "tokenizer/.DS_Store",
}
"""Files, and what is said to be left out."""


def put(folder: Path, name: str, text: str = "x") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize(("name", "said"), LEFT.items())
def test_what_a_download_tool_left_is_no_part_of_the_digest_and_is_named(name: str, said: str, tmp_path: Path) -> None:
    folder_of_weights = folder(tmp_path)
    clean = folder_digest(folder_of_weights)
    put(folder_of_weights, name)
    result = run("digest", folder_of_weights)
    assert result.stdout == f"sha256:{clean}\n"
    assert result.stderr.startswith(f"warning: left out {said}: ")


@pytest.mark.parametrize("name", [".cache/x", ".gitattributes", ".cachehuggingface", "x.msc", "huggingface/x"])
def test_what_only_looks_like_it_counts(name: str, tmp_path: Path) -> None:
    folder_of_weights = folder(tmp_path)
    clean = folder_digest(folder_of_weights)
    put(folder_of_weights, name)
    result = run("digest", folder_of_weights)
    assert result.stdout != f"sha256:{clean}\n"
    assert result.stderr == ""


@pytest.mark.parametrize("name", ["model.safetensors.incomplete", "model.gguf.aria2", "deep/model.gguf.part"])
def test_a_folder_that_is_still_being_downloaded_has_no_digest(name: str, tmp_path: Path) -> None:
    folder_of_weights = folder(tmp_path)
    put(folder_of_weights, name)
    result = run("digest", folder_of_weights)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{name}: the download isn't finished" in result.stderr


def test_a_pod_whose_volume_has_a_download_tools_files_says_so(tmp_path: Path, last_words: Path) -> None:
    folder_of_weights = folder(tmp_path / "weights")
    pinned = folder_digest(folder_of_weights)
    put(folder_of_weights, next(iter(LEFT)))
    env = {"WEIGHTS_URI": f"pvc://claim/r1@sha256:{pinned}", "WEIGHTS_TARGET": str(folder_of_weights)}
    assert run("check", env=env).exit_code == 1
    assert last_words.read_text().startswith("DigestMismatch: ")
    assert last_words.read_text().endswith(", with files of a download tool among it: .cache/huggingface")


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


def test_a_program_reads_the_digest_and_the_verdict(tmp_path: Path) -> None:
    weights = folder(tmp_path / "weights")
    told = json.loads(run("digest", weights, "-o", "json").stdout)
    assert told == {
        "apiVersion": "weights.daulat.dev/v1",
        "kind": "WeightsDigest",
        "digest": f"sha256:{folder_digest(weights)}",
        "leftOut": [],
    }
    (tmp_path / "key.pub").write_text("no key")
    refused = run("verify", weights, "--key", tmp_path / "key.pub", "-o", "json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["verified"] is False
