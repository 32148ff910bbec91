"""Writes the pages to a folder, from which a browser opens them."""

from __future__ import annotations

from pathlib import Path

from daulat.console.site import STYLE, Site, style

MARK = ".daulat-console"
"""The file that says that a folder was written by this command. It lists what was written."""


class FolderError(Exception):
    """The folder can't be written. The text is the sentence for the user."""


def write(site: Site, folder: Path) -> int:
    """Write the site and return the number of pages. Raises FolderError.

    A folder that holds anything else is left as it is. Pages of an earlier run whose objects are gone are removed.
    """
    try:
        former = _former(folder)
        pages = list(site.paths())
        for path in pages:
            page = site.render(path)
            if page is not None:
                _put(folder, path, page.encode())
        files = {STYLE: style().encode(), **dict(site.files())}
        for path, data in files.items():
            _put(folder, path, data)
        _put(folder, MARK, "".join(f"{path}\n" for path in (*pages, *files)).encode())
        for path in sorted(former - {*pages, *files}):
            (folder / path).unlink(missing_ok=True)
    except OSError as error:
        raise FolderError(f"{error.filename}: {error.strerror}") from error
    return len(pages)


def _former(folder: Path) -> set[str]:
    if not folder.exists():
        return set()
    mark = folder / MARK
    if mark.exists():
        root = folder.resolve()
        try:
            lines = mark.read_text(encoding="utf-8").splitlines()
            # A user who can write the list could otherwise have other files removed.
            return {line for line in lines if (root / line).resolve().is_relative_to(root)}
        except ValueError as error:  # Not UTF-8, or a NUL, which no path has.
            raise FolderError(f"{mark} isn't a list that daulat console wrote: choose another folder") from error
    if any(folder.iterdir()):
        raise FolderError(f"{folder} isn't empty and wasn't written by daulat console")
    return set()


def _put(folder: Path, path: str, data: bytes) -> None:
    file = folder / path
    # Another user who can write to the folder could otherwise have files elsewhere overwritten.
    for part in (file, *file.parents[: path.count("/")]):
        if part.is_symlink():
            raise FolderError(f"{part} is a symbolic link, and pages are written to the folder alone")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
