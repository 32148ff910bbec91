"""The static site: every page is written, pages of objects that are gone are removed, and folders of others are left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daulat.cli.console.folder import MARK, FolderError, write
from tests.unit.console.worlds import busy, page, site
from tests.unit.status.worlds import fine


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_every_page_and_what_it_needs_is_written(tmp_path: Path) -> None:
    pages = site(busy())
    count = write(pages, tmp_path / "a" / "site")
    assert files(tmp_path / "a" / "site") == {*pages.paths(), "style.css", MARK}
    assert count == len(list(pages.paths()))
    assert (tmp_path / "a" / "site" / "ms" / "zones.html").read_text() == pages.render("ms/zones.html")
    assert page(pages, "zones.html").values("href")[0] == "style.css"


def test_a_page_of_an_object_that_is_gone_is_removed_by_the_next_run(tmp_path: Path) -> None:
    write(site(busy()), tmp_path)
    assert (tmp_path / "zone/johor-1.html").exists()
    write(site(fine()), tmp_path)
    assert not (tmp_path / "zone/johor-1.html").exists()
    assert files(tmp_path) == {*site(fine()).paths(), "style.css", MARK}


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(FolderError, match="isn't empty"):
        write(site(fine()), tmp_path)
    assert files(tmp_path) == {"thesis.txt"}


def test_a_list_of_files_that_somebody_changed_removes_nothing_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    folder = tmp_path / "site"
    write(site(fine()), folder)
    (folder / "link").symlink_to(tmp_path)
    (folder / MARK).write_text(f"../mine.txt\n{tmp_path}/mine.txt\nlink/mine.txt\nzone/../../mine.txt\n")
    write(site(fine()), folder)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("name", ["index.html", "style.css", MARK, "zone"])
def test_a_link_in_the_folder_has_nothing_written_elsewhere(tmp_path: Path, name: str) -> None:
    target = tmp_path / "mine"
    folder = tmp_path / "site"
    write(site(fine()), folder)
    if name == "zone":
        shutil.rmtree(folder / name)
        target.mkdir()
    else:
        (folder / name).rename(target)
    before = target.stat().st_mtime_ns
    (folder / name).symlink_to(target)
    with pytest.raises(FolderError, match=f"{name} is a symbolic link"):
        write(site(fine()), folder)
    assert target.stat().st_mtime_ns == before
    assert not target.is_dir() or not list(target.iterdir())


def test_a_file_in_the_way_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FolderError, match="file"):
        write(site(fine()), tmp_path / "file" / "site")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"index.html\n\xe9.html\n", b"a\0b\n"])
def test_a_list_that_isnt_text_is_an_error_and_nothing_is_touched(data: bytes, tmp_path: Path) -> None:
    (tmp_path / MARK).write_bytes(data)
    with pytest.raises(FolderError, match="isn't a list that daulat console wrote"):
        write(site(fine()), tmp_path)
    assert files(tmp_path) == {MARK}
