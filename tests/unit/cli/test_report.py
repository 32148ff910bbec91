"""``daulat report`` and ``daulat ledger check-bundle`` from the command line: files, output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from daulat.cli.main import main
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.writer import Writer
from dev.evidence.site import LOG, ORIGIN, SIGNER, START, WITNESS, Memory
from dev.evidence.story import log

KEY = ["--key", str(LOG.verifier())]
TRUSTED = [*KEY, "--witness", str(WITNESS.verifier())]
PERIOD = ["--from", "2027-01-15", "--to", "2027-01-17"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def written(store: Memory, folder: Path) -> Path:
    for path, data in store.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "report.pem").write_bytes(SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "report.pub").write_bytes(public)
    return written(log(), tmp_path / "log")


def test_a_report_is_written_and_holds(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = run("report", folder, *TRUSTED, *PERIOD, "--sign-key", tmp_path / "report.pem", "--output-dir", out)
    assert made.exit_code == 0, made.output
    assert "  runs in SG, zone singapore-1, outside: 1\n" in made.output
    assert made.output.endswith("proofs, signed\n")
    done = run("ledger", "check-bundle", out, *TRUSTED, "--sign-key", tmp_path / "report.pub")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"{out}: holds\n")


def test_without_a_key_it_is_not_signed_and_says_so(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = run("report", folder, *KEY, *PERIOD, "--output-dir", out)
    assert "not witnessed\n" in made.output
    assert made.output.endswith("not signed: no --sign-key was given\n")
    assert not (out / "report.dsse.json").exists()
    done = run("ledger", "check-bundle", out, *KEY)
    assert done.exit_code == 0, done.output
    assert "who made the report, when and for which period wasn't checked" in done.output
    assert run("ledger", "check-bundle", out, *KEY, "--sign-key", tmp_path / "report.pub").exit_code == 1


def test_a_log_that_is_not_as_it_was_signed_makes_no_report(folder: Path, tmp_path: Path) -> None:
    entries = max((folder / "tile/entries/000.p").iterdir(), key=lambda p: int(p.name))
    entries.write_bytes(entries.read_bytes().replace(b'"country":"SG"', b'"country":"MY"'))
    made = run("report", folder, *KEY, *PERIOD, "--output-dir", tmp_path / "out")
    assert made.exit_code == 1
    assert "Edited tile/entries/000.p/" in made.output
    assert not (tmp_path / "out").exists()
    other = SignerKey(ORIGIN, KeyType.ED25519, b"\x07" * 32).verifier()
    assert run("report", folder, "--key", str(other), *PERIOD, "--output-dir", tmp_path / "out").exit_code == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--from", "2027-01-17", "--to", "2027-01-15"], "--from has to be before --to"),
        ([*PERIOD, "--policy", "none"], "the log has no policy none"),
        ([*PERIOD, "--preset", "none"], "there is no preset none"),
        ([*PERIOD, "--sign-key", "report.pub"], "not a private key"),
        ([*PERIOD, "--output-dir", "log"], "is no empty folder"),
    ],
)
def test_wrong_input_is_2_and_writes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("report", folder, *KEY, "--output-dir", "out", *options)
    assert (made.exit_code, why in made.output) == (2, True), made.output
    assert not Path("out").exists()


def test_a_changed_report_does_not_hold(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("report", folder, *KEY, *PERIOD, "--output-dir", out)
    (out / "report.html").write_text((out / "report.html").read_text().replace("outside", "allowed"))
    done = run("ledger", "check-bundle", out, *KEY)
    assert done.exit_code == 1
    assert "problem: report.html: isn't what report.json says" in done.output
    assert done.output.endswith(f"{out}: doesn't hold, 1 problem\n")


def test_a_folder_that_is_no_report_is_wrong_input(folder: Path, tmp_path: Path) -> None:
    assert run("ledger", "check-bundle", folder, *KEY).exit_code == 2
    assert run("ledger", "check-bundle", folder, *KEY, "--sign-key", tmp_path / "report.pem").exit_code == 2


def test_a_bundle_holds_under_a_key_that_was_rotated_out(tmp_path: Path) -> None:
    store = log()
    new = SignerKey(ORIGIN, KeyType.ED25519, b"\x09" * 32)
    Writer.succeed(store, [new], [LOG], START + 200_000).close()
    folder = written(store, tmp_path / "log")
    out = tmp_path / "out"
    made = run("report", folder, *KEY, "--from", "2027-01-15", "--to", "2027-02-01", "--output-dir", out)
    assert made.exit_code == 0, made.output
    report = json.loads((out / "report.json").read_text())
    (keys,) = [s for s in report["sections"] if s["name"] == "keys"]
    assert keys["claims"][0]["facts"]["observed"]["keys"] == [str(new.verifier())]
    for key in (LOG, new):
        done = run("ledger", "check-bundle", out, "--key", str(key.verifier()))
        assert done.exit_code == 0, done.output
    stranger = SignerKey(ORIGIN, KeyType.ED25519, b"\x0a" * 32).verifier()
    assert run("ledger", "check-bundle", out, "--key", str(stranger)).exit_code == 1
