"""The digest of a folder of weights is one that anybody can compute."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from daulat.weights.digest import folder_digest

from .signing import folder

RECIPE = "find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"


def test_it_is_what_sha256sum_says(tmp_path: Path) -> None:
    weights = folder(tmp_path)
    (weights / "a b-ü.txt").write_text("x")
    (weights / "a.txt").write_text("sorts before the folder a")
    said = subprocess.run(["bash", "-c", RECIPE], cwd=weights, check=True, capture_output=True, text=True).stdout
    assert folder_digest(weights) == said.split()[0]


def test_that_of_a_file_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(b"gguf")
    assert folder_digest(file) == hashlib.sha256(b"gguf").hexdigest()


def test_every_name_and_every_byte_counts(tmp_path: Path) -> None:
    seen = {folder_digest(folder(tmp_path))}
    (tmp_path / "config.json").write_text("{}")
    seen.add(folder_digest(tmp_path))
    (tmp_path / "config.json").rename(tmp_path / "config2.json")
    seen.add(folder_digest(tmp_path))
    (tmp_path / "empty").touch()
    seen.add(folder_digest(tmp_path))
    assert len(seen) == 4


def test_a_link_is_refused(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "linked").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="linked: it is a link"):
        folder_digest(tmp_path)


def test_a_name_that_could_be_two_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\nb").touch()
    with pytest.raises(ValueError, match="line break"):
        folder_digest(tmp_path)


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no file"):
        folder_digest(tmp_path)
