"""``daulat ledger rotate``: a log goes on under another key, and whoever has the first key can follow."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from obstore.store import MemoryStore

from daulat.cli.ledger.command import ledger
from daulat.ledger import bucket
from daulat.ledger.bucket import Bucket, Objects
from daulat.ledger.folder import Folder
from daulat.ledger.keys import KeyType, SignerKey, parse_signer
from daulat.ledger.store import Store
from daulat.ledger.trust import Trust
from daulat.ledger.verification import verify
from daulat.ledger.writer import Writer
from tests.unit.ledger.logs import KEY, NOW, ORIGIN, POST_QUANTUM, STRANGER, entries

SECOND = SignerKey(ORIGIN, KeyType.ED25519, b"\x0b" * 32)


class Site:
    """A folder with a log and its key."""

    def __init__(self, folder: Path, *keys: SignerKey) -> None:
        self.folder, self.log = folder, folder / "log"
        with Writer.create(Folder(self.log), keys or [KEY], NOW) as writer:
            writer.append(entries(300), NOW)
        self.key = self.file("log.key", KEY)

    def file(self, name: str, key: SignerKey) -> Path:
        path = self.folder / name
        path.write_text(f"{key.text()}\n")
        return path

    def rotate(self, *arguments: str | Path) -> Result:
        return run("rotate", self.log, *arguments)

    def open(self, *keys: SignerKey) -> Writer:
        return Writer.open(Folder(self.log), keys, NOW)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(ledger, [str(a) for a in arguments])


def grow(store: Store, key: SignerKey) -> None:
    with Writer.open(store, [key], NOW) as writer:
        writer.append(entries(20, writer.head.size), NOW)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_log_is_handed_over_to_a_new_key_and_verifies_by_the_first_one(site: Site) -> None:
    new = site.folder / "new.key"
    done = site.rotate("--former-key", site.key, "--output-file", new)
    assert done.exit_code == 0, done.output
    key = parse_signer(new.read_text().strip())
    assert done.output.strip() == str(key.verifier())
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    grow(Folder(site.log), key)
    for vkey in (KEY.verifier(), key.verifier()):
        verified = run("verify", site.log, "--key", str(vkey))
        assert verified.exit_code == 0, verified.output
        assert "321 entries, verified" in verified.output
    # The former key can't write on.
    assert site.rotate("--former-key", site.key, "--output-file", site.folder / "third.key").exit_code == 2
    assert not (site.folder / "third.key").exists()


def test_a_program_gets_the_place_of_the_rotation(site: Site) -> None:
    new = site.file("second.key", SECOND)
    done = site.rotate("--former-key", site.key, "--key", new, "-o", "json")
    assert json.loads(done.output) == {
        "apiVersion": "ledger.daulat.dev/v1",
        "kind": "KeyRotation",
        "log": str(site.log),
        "origin": ORIGIN,
        "size": 301,
        "verifierKeys": [str(SECOND.verifier())],
    }


def test_an_interrupted_rotation_is_completed_with_the_key_that_was_made(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = site.folder / "new.key"
    with monkeypatch.context() as patched:
        patched.setattr(
            Writer, "cosign", lambda self, now: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        done = site.rotate("--former-key", site.key, "--output-file", new)
    assert done.exit_code == 2
    assert f"repeat the command with --key {new}" in done.output
    for _ in range(2):
        assert site.rotate("--former-key", site.key, "--key", new).exit_code == 0
    key = parse_signer(new.read_text().strip())
    grow(Folder(site.log), key)
    assert verify(Folder(site.log), Trust((KEY.verifier(),))).findings == ()


def test_a_log_that_is_written_isnt_rotated_and_no_key_is_made(site: Site) -> None:
    with site.open(KEY):
        done = site.rotate("--former-key", site.key, "--output-file", site.folder / "new.key")
    assert done.exit_code == 2
    assert "another process writes to this log. Stop the recorder first" in done.output
    assert not (site.folder / "new.key").exists()


def test_a_key_that_isnt_the_logs_hands_nothing_over(site: Site) -> None:
    before = (site.log / "checkpoint").read_bytes()
    stranger = site.file("stranger.key", STRANGER)
    for new in (("--output-file", site.folder / "new.key"), ("--key", site.file("second.key", SECOND))):
        assert site.rotate("--former-key", stranger, *new).exit_code == 2
    assert (site.log / "checkpoint").read_bytes() == before
    assert not (site.folder / "new.key").exists()


def test_every_key_of_the_log_has_to_hand_it_over(tmp_path: Path) -> None:
    """One that didn't would leave a log that its readers refuse."""
    site = Site(tmp_path, KEY, POST_QUANTUM)
    trust = Trust((KEY.verifier(), POST_QUANTUM.verifier()))
    done = site.rotate("--former-key", site.key, "--output-file", tmp_path / "a.key")
    assert done.exit_code == 2
    assert f"key {POST_QUANTUM.verifier().key_id.hex()} signs the log as well" in done.output
    assert verify(Folder(site.log), trust).findings == ()
    both = ("--former-key", site.key, "--former-key", site.file("pq.key", POST_QUANTUM))
    assert site.rotate(*both, "--output-file", tmp_path / "b.key").exit_code == 0
    grow(Folder(site.log), parse_signer((tmp_path / "b.key").read_text().strip()))
    assert verify(Folder(site.log), trust).findings == ()


def test_a_file_that_exists_isnt_overwritten(site: Site) -> None:
    done = site.rotate("--former-key", site.key, "--output-file", site.key)
    assert done.exit_code == 2
    assert "file exists" in done.output
    assert site.key.read_text().strip() == KEY.text()


def test_a_rotation_needs_a_key_to_rotate_to(site: Site) -> None:
    done = site.rotate("--former-key", site.key)
    assert done.exit_code == 2
    assert "--output-file or --key is required" in done.output


def test_a_log_in_a_bucket_is_handed_over_once_its_writer_has_ended(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = MemoryStore()
    monkeypatch.setattr(bucket, "s3", lambda *_: objects)
    killed = Writer.create(Bucket(objects, "pod-0"), [KEY], NOW)
    killed.append(entries(5), NOW)
    new = site.folder / "new.key"
    place = ("rotate", "s3://ledger/my", "--former-key", site.key, "--output-file", new)
    done = run(*place)
    assert done.exit_code == 2
    assert ".lock is held by pod-0" in done.output
    assert run(*place, "--take-over").exit_code == 0
    grow(Bucket(objects, "pod-1", takeover=True), parse_signer(new.read_text().strip()))
    assert verify(Objects(objects), Trust((KEY.verifier(),))).findings == ()
