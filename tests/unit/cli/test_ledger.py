"""``daulat ledger`` from the command line: what it prints, and its exit codes."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.cli.ledger.command import ledger
from daulat.ledger.cosigning import Submission
from daulat.ledger.folder import Folder
from daulat.ledger.keys import parse_signer
from daulat.ledger.note import Signature
from daulat.ledger.tiles import bundled
from daulat.ledger.writer import Writer
from tests.unit.ledger.logs import KEY, NOW, POST_QUANTUM, WITNESSES, entries, entry

VKEY = str(KEY.verifier())
WITNESS = [option for witness in WITNESSES for option in ("--witness", str(witness.verifier()))]
BUNDLE = "tile/entries/001.p/44"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(ledger, [str(a) for a in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def cosign(submission: Submission) -> list[Signature]:
        return [witness.sign(submission.note.text, NOW) for witness in WITNESSES[:2]]

    path = tmp_path / "log"
    with Writer.create(Folder(path), [KEY, POST_QUANTUM], NOW, cosign) as writer:
        writer.append(entries(300), NOW)
    return path


def edit(folder: Path) -> None:
    (folder / BUNDLE).write_bytes(bundled([*entries(43, 256), entry(7)]))


def test_a_log_is_verified(folder: Path) -> None:
    result = run("verify", folder, "--key", VKEY, *WITNESS, "--quorum", "2")
    assert result.exit_code == 0, result.output
    head, first, second, last = result.output.splitlines()
    assert head.startswith("checkpoint: daulat.example.my/cluster-1, 300 entries, root ")
    assert first == "witnessed: witness.example/0, 2027-01-15T08:00:00Z"
    assert second == "witnessed: witness.example/1, 2027-01-15T08:00:00Z"
    assert last == f"{folder}: 300 entries, verified"


def test_keys_may_be_in_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ml-dsa.vkey").write_text(f"{POST_QUANTUM.verifier()}\n")
    assert run("verify", folder, "--key", VKEY, "--key", tmp_path / "ml-dsa.vkey").exit_code == 0


def test_an_edited_entry_is_named(folder: Path) -> None:
    edit(folder)
    result = run("verify", folder, "--key", VKEY)
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == f"Edited {BUNDLE}, entry 299: its bytes aren't those that were recorded"
    assert result.output.splitlines()[-1] == f"{folder}: 300 entries, not verified: 1 finding"


def test_a_report_for_programs_has_the_findings(folder: Path) -> None:
    edit(folder)
    report = json.loads(run("verify", folder, "--key", VKEY, "-o", "json").output)
    assert (report["apiVersion"], report["kind"], report["verified"]) == (
        "ledger.daulat.dev/v1",
        "VerificationReport",
        False,
    )
    assert report["checkpoint"]["size"] == 300
    assert report["findings"] == [
        {
            "fault": "Edited",
            "path": BUNDLE,
            "entries": {"first": 299, "last": 299},
            "message": "its bytes aren't those that were recorded",
        }
    ]


def test_every_witness_has_to_have_cosigned_without_a_quorum(folder: Path) -> None:
    result = run("verify", folder, "--key", VKEY, *WITNESS)
    assert result.exit_code == 1
    assert "UnwitnessedCheckpoint checkpoint: 2 known witnesses cosigned it; 3 are required" in result.output


def test_a_log_that_was_cut_is_found_by_an_earlier_checkpoint(folder: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    with Writer.open(Folder(folder), [KEY], NOW) as writer:
        writer.append(entries(1, 300), NOW)
    kept = tmp_path / "kept"
    kept.write_bytes((folder / "checkpoint").read_bytes())
    with Writer.create(Folder(earlier), [KEY], NOW) as writer:
        writer.append(entries(300), NOW)
    assert run("verify", earlier, "--key", VKEY).exit_code == 0
    result = run("verify", earlier, "--key", VKEY, "--previous", kept)
    assert result.exit_code == 1
    assert f"Truncated {kept}, entry 300: " in result.output


def test_a_log_without_a_checkpoint_isnt_verified(tmp_path: Path) -> None:
    result = run("verify", tmp_path, "--key", VKEY)
    assert result.exit_code == 1
    assert "Missing checkpoint: " in result.output


@pytest.mark.parametrize(
    "options",
    [
        ["--key", "nonsense"],
        ["--key", VKEY[:-1] + "A"],
        ["--key", "a+" * 3000],
        ["--key", str(POST_QUANTUM.verifier()), "--key", str(WITNESSES[0].verifier())],
        ["--key", VKEY, "--quorum", "1"],
        ["--key", VKEY, "--witness", VKEY],
    ],
)
def test_keys_that_make_no_sense_are_wrong_usage(folder: Path, options: list[str]) -> None:
    result = run("verify", folder, *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --")


def test_a_proof_is_checked_without_the_log(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "17.tlog-proof"
    assert run("proof", folder, "17", "--output-file", file).exit_code == 0
    assert run("proof", folder, "17").stdout_bytes == file.read_bytes()
    result = run("check-proof", file, "--key", VKEY, *WITNESS, "--quorum", "2")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "entry 17 is in the log"
    assert result.output.splitlines()[-1] == entry(17).decode()
    report = json.loads(run("check-proof", file, "--key", VKEY, "-o", "json").output)
    assert (report["kind"], report["verified"], report["index"]) == ("ProofReport", True, 17)
    assert report["entry"] == json.loads(entry(17))


def test_a_proof_that_doesnt_hold_exits_with_1(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "17.tlog-proof"
    run("proof", folder, "17", "--output-file", file)
    file.write_bytes(file.read_bytes().replace(b"\nindex 17\n", b"\nindex 16\n"))
    result = run("check-proof", file, "--key", VKEY)
    assert result.exit_code == 1
    assert result.stderr == f"error: {file}: entry 16: its hash and the proof don't lead to the checkpoint's root\n"


def test_a_proof_without_its_entry_takes_it_from_a_file(folder: Path, tmp_path: Path) -> None:
    file, content = tmp_path / "17.tlog-proof", tmp_path / "entry"
    run("proof", folder, "17", "--output-file", file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], *lines[2:]]))
    content.write_bytes(entry(17))
    assert run("check-proof", file, "--key", VKEY).exit_code == 2
    assert run("check-proof", file, "--key", VKEY, "--entry", content).exit_code == 0
    content.write_bytes(entry(18))
    assert run("check-proof", file, "--key", VKEY, "--entry", content).exit_code == 1


def test_what_isnt_a_proof_is_wrong_input(folder: Path) -> None:
    assert run("check-proof", folder / "checkpoint", "--key", VKEY).exit_code == 2


def test_a_changed_entry_has_no_proof(folder: Path) -> None:
    edit(folder)
    assert run("proof", folder, "299").exit_code == 1
    assert run("proof", folder, "300").exit_code == 2


def test_entries_are_shown(folder: Path) -> None:
    result = run("show", folder)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 300
    assert run("show", folder, "299", "0").output.splitlines() == [
        f"299  2027-01-15T08:00:00Z  PodStarted  {entry(299).decode()}",
        f"0  2027-01-15T08:00:00Z  PodStarted  {entry(0).decode()}",
    ]
    document = json.loads(run("show", folder, "5", "-o", "json").output)
    assert document["items"] == [{"index": 5, "entry": json.loads(entry(5))}]


def test_control_characters_of_an_entry_arent_written_to_the_terminal(tmp_path: Path) -> None:
    with Writer.create(Folder(tmp_path), [KEY], NOW) as writer:
        writer.append([b"\x1b[2J\nx"], NOW)
    assert run("show", tmp_path).output == "0  not an entry: \\x1b[2J\\nx\n"


def test_entries_that_arent_there_are_wrong_input(folder: Path, tmp_path: Path) -> None:
    assert run("show", folder, "300").stderr == f"error: {folder}: the log has no entry 300: it has 300, from 0\n"
    assert run("show", tmp_path).exit_code == 2
    (folder / BUNDLE).unlink()
    assert run("show", folder, "299").stderr == f"error: {folder}: {BUNDLE} is missing\n"
    assert run("show", folder, "0").exit_code == 0


@pytest.mark.parametrize("key_type", ["ed25519", "ml-dsa-44", "witness"])
def test_a_key_is_made_for_its_owner_alone(tmp_path: Path, key_type: str) -> None:
    file = tmp_path / "key"
    result = run("keygen", "daulat.example.my/cluster-1", "--type", key_type, "--output-file", file)
    assert result.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert result.output == f"{parse_signer(file.read_text().strip()).verifier()}\n"


def test_a_key_never_replaces_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("precious")
    result = run("keygen", "a", "--output-file", file)
    assert (result.exit_code, result.stderr) == (2, f"error: {file}: file exists\n")
    assert file.read_text() == "precious"
    assert run("keygen", "a b", "--output-file", tmp_path / "other").exit_code == 2
    assert not (tmp_path / "other").exists()
