"""``daulat ledger person`` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.cli.ledger.command import ledger
from daulat.recorder.salts import Salts


@pytest.fixture
def salts(tmp_path: Path) -> Path:
    path = tmp_path / "salts.db"
    with Salts(path, create=True) as store:
        store.salt("alice")
        store.salt("bob")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(ledger, ["person", *map(str, arguments)])


def test_a_digest_leads_to_the_name_until_the_person_is_erased(salts: Path) -> None:
    digest = run("digest", "alice", "--salts", salts).stdout.strip()
    assert digest.startswith("hmac-sha256-128:")
    assert run("name", digest, "--salts", salts).stdout == "alice\n"
    erased = run("erase", "alice", "--salts", salts)
    assert (erased.exit_code, erased.stdout) == (0, "alice: erased\n")
    for again in (run("name", digest, "--salts", salts), run("digest", "alice", "--salts", salts)):
        assert (again.exit_code, again.stdout) == (1, "")
        assert "erased" in again.stderr
    assert run("erase", "alice", "--salts", salts).exit_code == 1
    assert run("digest", "bob", "--salts", salts).exit_code == 0


def test_an_address_has_a_digest_of_its_own(salts: Path) -> None:
    found = run("digest", "alice", "--salts", salts, "--address", "10.0.0.1")
    assert found.exit_code == 0
    assert found.stdout != run("digest", "alice", "--salts", salts).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("digest", "system:node:gpu-1"), "are no natural persons"),
        (("name", "alice"), "isn't a digest of a person"),
    ],
)
def test_what_is_no_person_is_wrong_input(salts: Path, arguments: tuple[str, str], says: str) -> None:
    found = run(*arguments, "--salts", salts)
    assert found.exit_code == 2
    assert says in found.stderr


def test_a_file_that_is_no_store_is_wrong_input(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"else" * 64)
    for file in (path, tmp_path / "missing"):
        found = run("erase", "alice", "--salts", file)
        assert (found.exit_code, found.stdout) == (2, "")
        assert str(file) in found.stderr
