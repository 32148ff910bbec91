"""What ``daulat recorder`` refuses to start with."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from daulat.cli.main import main
from daulat.ledger.keys import KeyType, generate
from tests.unit.ledger.logs import KEY, WITNESSES


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    key = tmp_path / "log.key"
    key.write_text(KEY.text())
    return ["recorder", f"--log={tmp_path / 'log'}", f"--key={key}", f"--salts={tmp_path / 'salts'}", "--port=0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--log=gs://bucket/x"], "must be a folder or s3://BUCKET/PREFIX"),
        (["--log=s3://"], "must be a folder or s3://BUCKET/PREFIX"),
        (["--witness=https://w.example.my"], "a witness is written VKEY URL"),
        (["--witness=nonsense https://w.example.my"], "not a verifier key"),
        ([f"--witness={WITNESSES[0].verifier()} ftp://w.example.my"], "begins with https:// or http://"),
        ([f"--witness={WITNESSES[0].verifier()} https://w", "--quorum=2"], "a quorum of 2 among 1 witnesses"),
        ([f"--witness={KEY.verifier()} https://w"], "type 4"),
        (["--audit-file=/var/log/audit.log"], "--audit-file and --audit-position need each other"),
        (["--audit-webhook=8443"], "requires --audit-certificate and --audit-key"),
        (["--audit-client-name=x"], "--audit-webhook is required"),
    ],
)
def test_bad_options_are_refused_with_what_is_wrong(arguments: list[str], more: list[str], message: str) -> None:
    done = CliRunner().invoke(main, [*arguments, *more])
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert "PRIVATE" not in done.output


def test_a_webhook_that_anybody_may_call_is_refused(arguments: list[str], tmp_path: Path) -> None:
    pem = tmp_path / "tls.pem"
    pem.write_text("x")
    more = ["--audit-webhook=8443", f"--audit-certificate={pem}", f"--audit-key={pem}"]
    done = CliRunner().invoke(main, [*arguments, *more])
    assert done.exit_code == 2
    assert "a stranger's events would be evidence" in " ".join(done.output.split())


def test_a_key_that_is_none_is_refused_without_its_content(arguments: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text(generate("x", KeyType.ED25519).text()[:-9])
    done = CliRunner().invoke(main, [*arguments, f"--key={other}"])
    assert done.exit_code == 2
    assert str(other) in done.output
    assert other.read_text()[20:40] not in done.output


def test_salts_that_are_something_else_are_refused(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "salts").write_bytes(b"not a database, and long enough to be one" * 100)
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "salts" in done.output
