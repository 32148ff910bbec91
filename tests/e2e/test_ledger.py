"""Go's golang.org/x/mod/sumdb verifies Daulat's logs, proofs and notes, and Daulat the notes that Go signs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from daulat.ledger import note
from daulat.ledger.folder import Folder
from daulat.ledger.proof import prove
from daulat.ledger.tiles import bundled
from daulat.ledger.writer import Writer
from dev.ledger.build import program
from tests.unit.ledger.logs import KEY, NOW, POST_QUANTUM, WITNESSES, entries

pytestmark = pytest.mark.e2e
SIZE = 66_000
"""Three levels of tiles, all of them with a partial one."""


def go(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(program()), *map(str, arguments)], input=given, capture_output=True, check=False)


def test_go_verifies_a_log_with_all_its_entries_and_its_proofs(tmp_path: Path) -> None:
    folder, files = tmp_path / "log", Folder(tmp_path / "log")

    with Writer.create(
        files, [KEY, POST_QUANTUM], NOW, lambda submission: [w.sign(submission.note.text, NOW) for w in WITNESSES]
    ) as writer:
        for start in range(0, SIZE, 11_000):
            writer.append(entries(11_000, start), NOW)
    proofs = []
    for index in (0, 255, 256, 40_000, SIZE - 1):
        proofs.append(tmp_path / f"{index}.tlog-proof")
        proofs[-1].write_bytes(bytes(prove(files, index)))
    verified = go("verify", folder, str(KEY.verifier()), *proofs)
    assert (verified.returncode, verified.stdout) == (0, b"66000\n"), verified.stderr.decode()

    # The program finds what is wrong, too.
    bundle = folder / "tile/entries/000"
    bundle.write_bytes(bundled([*entries(255), entries(1, 7)[0]]))
    assert b"entry 255" in go("verify", folder, str(KEY.verifier())).stderr


@pytest.mark.parametrize("size", [1, 255, 256, 257, 513])
def test_go_verifies_a_log_of_any_size(size: int, tmp_path: Path) -> None:
    with Writer.create(Folder(tmp_path), [KEY], NOW) as writer:
        for start in range(0, size, 50):
            writer.append(entries(min(50, size - start), start), NOW)
    verified = go("verify", tmp_path, str(KEY.verifier()))
    assert (verified.returncode, verified.stdout) == (0, f"{size}\n".encode()), verified.stderr.decode()


def test_go_and_daulat_sign_the_same_note() -> None:
    text = "daulat\n\nwith an empty line, and — a dash\n"
    signed = go("sign", KEY.text(), given=text.encode())
    assert signed.stdout == bytes(note.Note(text, (KEY.sign(text, NOW),))), signed.stderr.decode()
    found = note.parse(signed.stdout)
    assert KEY.verifier().verifies(found, found.signatures[0])
