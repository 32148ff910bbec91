"""Weights serve only as somebody whom the policy trusts has signed them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from model_signing import hashing, signing

from daulat.weights.problem import WeightsProblem
from daulat.weights.signature import Trust, check_signature, read_trust

from .signing import Key, certified, folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    return folder(tmp_path / "weights")


def check(weights: Path, *trusted: Trust) -> None:
    check_signature(weights, weights / "model.sig", trusted)


def refused(weights: Path, *trusted: Trust) -> str:
    with pytest.raises(WeightsProblem) as problem:
        check(weights, *trusted)
    assert problem.value.word == "SignatureValidationFailed"
    return problem.value.sentence


def by(*keys: Key, policy: str = "confidential") -> Trust:
    return Trust(policy, tuple(k.public for k in keys), ())


def test_a_trusted_key_is_enough(weights: Path, tmp_path: Path) -> None:
    key, other = Key.new(tmp_path), Key.new(tmp_path, "other")
    key.sign(weights)
    check(weights, by(other, key), by(key, policy="second"))


def test_a_certificate_of_a_trusted_authority_is_enough(weights: Path, tmp_path: Path) -> None:
    root = certified(tmp_path, weights)
    check(weights, Trust("p", (), (root,)))
    check(weights, Trust("p", (Key.new(tmp_path).public,), (root,)))


def test_another_authority_isnt(weights: Path, tmp_path: Path) -> None:
    certified(tmp_path, weights)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights").mkdir()
    other = certified(tmp_path / "elsewhere", folder(tmp_path / "elsewhere" / "weights"))
    assert "policy p doesn't trust these weights" in refused(weights, Trust("p", (), (other,)))


def test_every_policy_has_to_trust_the_signer(weights: Path, tmp_path: Path) -> None:
    key, other = Key.new(tmp_path), Key.new(tmp_path, "other")
    key.sign(weights)
    told = refused(weights, by(key), by(other, policy="ministry"))
    assert told.startswith("policy ministry doesn't trust these weights: ")


def test_without_a_signature_nothing_serves(weights: Path, tmp_path: Path) -> None:
    assert refused(weights, by(Key.new(tmp_path))) == "there is no signature model.sig with the weights"


def change(weights: Path) -> None:
    (weights / "a" / "model.safetensors").write_bytes(b"others")


def add(weights: Path) -> None:
    (weights / "modeling_evil.py").write_text("import os")


def take_away(weights: Path) -> None:
    (weights / "config.json").unlink()


def rename(weights: Path) -> None:
    (weights / "config.json").rename(weights / "Config.json")


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (change, "a/model.safetensors isn't as it was signed"),
        (add, "modeling_evil.py isn't among what was signed"),
        (take_away, "config.json was signed and isn't there"),
        (rename, "Config.json isn't among what was signed; config.json was signed and isn't there"),
    ],
)
def test_a_file_that_isnt_as_it_was_signed_is_found_and_named(
    weights: Path, tmp_path: Path, tamper: Callable[[Path], None], told: str
) -> None:
    key = Key.new(tmp_path)
    key.sign(weights)
    tamper(weights)
    assert refused(weights, by(key)) == f"policy confidential doesn't trust these weights: {told}"


def test_a_signature_that_leaves_files_out_is_refused(weights: Path, tmp_path: Path) -> None:
    key = Key.new(tmp_path)
    left_out = hashing.Config().set_ignored_paths(paths=[weights / "config.json", weights / "model.sig"])
    signing.Config().use_elliptic_key_signer(private_key=key.private).set_hashing_config(left_out).sign(
        weights, weights / "model.sig"
    )
    assert refused(weights, by(key)) == "the signature leaves config.json out"


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"dsseEnvelope": {}}', "\x00"])
def test_what_is_no_signature_is_refused(weights: Path, tmp_path: Path, content: str) -> None:
    (weights / "model.sig").write_text(content)
    assert "doesn't trust these weights" in refused(weights, by(Key.new(tmp_path)))


def test_a_statement_that_was_changed_after_it_was_signed_is_refused(weights: Path, tmp_path: Path) -> None:
    key = Key.new(tmp_path)
    key.sign(weights)
    bundle = json.loads((weights / "model.sig").read_text())
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload["predicate"]["serialization"]["ignore_paths"] = ["config.json"]
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    (weights / "model.sig").write_text(json.dumps(bundle))
    assert "doesn't trust these weights" in refused(weights, by(key))


def test_trust_is_read_as_the_operator_writes_it() -> None:
    text = '[{"policy": "p", "keys": ["K"], "certificates": []}]'
    assert read_trust(text) == (Trust("p", ("K",), ()),)
