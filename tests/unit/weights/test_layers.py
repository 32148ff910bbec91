"""A layer is unpacked over those below it, and whatever it holds, nothing outside the folder of the weights is touched."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.weights.layer import unpack
from daulat.weights.problem import WeightsProblem

Member = tuple[str, bytes, str]
"""A name, a type as tar has it, and the content or the destination of a link."""
FILE, FOLDER, SYMLINK, HARDLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def layer(*members: Member) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, value in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            if kind in (SYMLINK, HARDLINK):
                info.linkname = value
            content = value.encode() if kind == FILE else b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream


def file(name: str, content: str = "x") -> Member:
    return name, FILE, content


def tree(folder: Path) -> dict[str, str]:
    """Return every entry under a folder by its path: a file's content, a link's destination."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            kind = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else path.read_text()
            found[str(path.relative_to(folder))] = kind
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder of the weights, in a folder with another's."""
    found = tmp_path / "volume" / "weights"
    found.mkdir(parents=True)
    (tmp_path / "volume" / "others").mkdir()
    (tmp_path / "volume" / "others" / "model").write_text("precious")
    (tmp_path / "secret").write_text("precious")
    return found


@pytest.fixture
def outside(target: Path, tmp_path: Path) -> Iterator[Callable[[], dict[str, str]]]:
    """What lies outside, which is the same in the end."""

    def seen() -> dict[str, str]:
        return {k: v for k, v in tree(tmp_path).items() if not k.startswith("volume/weights/")}

    before = seen()
    yield seen
    assert seen() == before


def lay(target: Path, *layers: io.BytesIO) -> dict[str, str]:
    for one in layers:
        unpack(one, target)
    return tree(target)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "whiteout", [".wh...", ".wh..", ".wh.", "sub/.wh...", "sub/.wh..", "./.wh...", "/.wh...", "sub/./.wh..."]
)
def test_a_whiteout_takes_no_folder_away_that_it_lies_in(target: Path, whiteout: str) -> None:
    unpack(layer(file("sub/a"), file("b")), target)
    with pytest.raises(WeightsProblem, match="would remove the folder"):
        unpack(layer(file(whiteout, "")), target)
    assert set(tree(target)) == {"sub", "sub/a", "b"}


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "name",
    [
        "../.wh.others",
        "../.wh..wh..opq",
        "sub/../../.wh.others",
        "../others/model",
        "sub/../../others/model",
        "..",
        "a/..",
    ],
)
def test_a_name_that_leads_out_is_refused(target: Path, name: str) -> None:
    with pytest.raises(WeightsProblem, match="outside the folder"):
        unpack(layer(file(name)), target)


@pytest.mark.usefixtures("outside")
def test_absolute_names_lie_within(target: Path, tmp_path: Path) -> None:
    below = lay(target, layer(file("/etc/motd"), file("/secret"), file("//a//b")))
    assert set(below) == {"etc", "etc/motd", "secret", "a", "a/b"}
    unpack(layer(file("/.wh.secret", ""), file(f"/{tmp_path}/.wh.secret", "")), target)
    assert "secret" not in tree(target)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "to", ["/", "/etc", "..", "../others", "a/../../others", "../weights/../others", "", "a/../.."]
)
def test_a_symbolic_link_that_leads_out_is_refused(target: Path, to: str) -> None:
    with pytest.raises((WeightsProblem, tarfile.TarError)):
        unpack(layer(("link", SYMLINK, to)), target)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "members",
    [
        (("link", SYMLINK, "sub"), file("link/a")),
        (("link", SYMLINK, "sub"), file("link/.wh.kept", "")),
        (("link", SYMLINK, "sub"), file("link/.wh..wh..opq", "")),
        (("link", SYMLINK, "sub"), ("hard", HARDLINK, "link/kept")),
        # Where links are followed, the second leads out once the first is replaced.
        (("p", SYMLINK, "sub/deep"), ("l", SYMLINK, "p/../.."), ("p", SYMLINK, "."), file("l/others/model", "evil")),
    ],
    ids=["a file", "a whiteout", "an opaque folder", "a hard link", "a link that comes to mean something else"],
)
def test_nothing_is_done_through_a_symbolic_link(target: Path, members: tuple[Member, ...]) -> None:
    unpack(layer(file("sub/kept"), file("sub/deep/x")), target)
    with pytest.raises(WeightsProblem):
        unpack(layer(*members), target)
    assert (target / "sub" / "kept").read_text() == "x"


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("to", ["../others/model", "../../secret", "/etc/passwd", "sub", "link", "missing", "."])
def test_a_hard_link_is_to_a_file_of_the_weights_alone(target: Path, to: str) -> None:
    """A symbolic link in another folder would lead elsewhere."""
    unpack(layer(file("sub/deep/a"), ("link", SYMLINK, "sub/deep/a")), target)
    with pytest.raises((WeightsProblem, OSError)):
        unpack(layer(("hard", HARDLINK, to)), target)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(target: Path, kind: bytes) -> None:
    with pytest.raises(tarfile.TarError):
        unpack(layer(("device", kind, "")), target)


@pytest.mark.usefixtures("outside")
def test_an_entry_replaces_what_was_there_and_writes_through_nothing(target: Path) -> None:
    below = layer(file("a", "old"), ("same", HARDLINK, "a"), ("link", SYMLINK, "a"), file("folder/x"), file("file"))
    above = layer(file("same", "new"), file("link", "new"), file("folder", "new"), ("file", FOLDER, ""), file("file/y"))
    assert lay(target, below, above) == {
        "a": "old",
        "same": "new",
        "link": "new",
        "folder": "new",
        "file": "/",
        "file/y": "x",
    }


@pytest.mark.usefixtures("outside")
def test_the_last_of_two_entries_of_one_name_counts(target: Path) -> None:
    twice = layer(("a", SYMLINK, "sub"), file("a", "1"), file("a", "2"), file("sub/b"), ("a", FOLDER, ""), file("a/c"))
    assert lay(target, twice) == {"a": "/", "a/c": "x", "sub": "/", "sub/b": "x"}


@pytest.mark.usefixtures("outside")
def test_an_opaque_folder_hides_what_lies_below_and_not_its_own_layer(target: Path) -> None:
    below = layer(file("sub/old"), file("sub/in/old"), file("kept"))
    above = layer(file("sub/in/new"), file("sub/.wh..wh..opq", ""), file("sub/late"))
    assert lay(target, below, above) == {
        "sub": "/",
        "sub/in": "/",
        "sub/in/new": "x",
        "sub/late": "x",
        "kept": "x",
    }


@pytest.mark.usefixtures("outside")
def test_other_metadata_of_a_union_file_system_is_left_out(target: Path) -> None:
    assert lay(target, layer(file("a"), (".wh..wh.plnk", FOLDER, ""), file(".wh..wh.aufs", ""))) == {"a": "x"}


@pytest.mark.usefixtures("outside")
def test_links_within_the_weights_are_kept(target: Path) -> None:
    """As a hub's cache has them."""
    blobs = layer(file("blobs/abc"), ("snapshots/1/model", SYMLINK, "../../blobs/abc"), ("m", HARDLINK, "./blobs/abc"))
    lay(target, blobs)
    assert (target / "snapshots" / "1" / "model").read_text() == (target / "m").read_text() == "x"


NAMES = st.lists(
    st.sampled_from(
        ["a", "b", "A", "c", ".", "..", "", "x" * 200, ".wh.a", ".wh.b", ".wh..", ".wh...", ".wh..wh..opq"]
    ),
    min_size=1,
    max_size=5,
).map("/".join)
KINDS = st.sampled_from([FILE, FILE, FOLDER, SYMLINK, SYMLINK, HARDLINK, tarfile.FIFOTYPE])
PREFIX = st.sampled_from(["", "", "/", "./", "../", "/tmp/"])
MEMBERS = st.builds(lambda n, k, p, to: (p + n, k, to), NAMES, KINDS, PREFIX, st.builds(str.__add__, PREFIX, NAMES))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(MEMBERS, max_size=10), max_size=3))
def test_no_layer_touches_anything_outside_or_leaves_a_link_there(layers: list[list[Member]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        target, others = Path(root, "a", "weights"), Path(root, "a", "b")
        target.mkdir(parents=True)
        others.mkdir()
        (others / "a").write_text("precious")
        for members in layers:
            for member in members:
                # One by one, since what is refused ends a layer.
                with suppress(WeightsProblem, tarfile.TarError, OSError, KeyError):
                    unpack(layer(member), target)
            with suppress(WeightsProblem, tarfile.TarError, OSError, KeyError):
                unpack(layer(*members), target)
        assert tree(Path(root, "a")).items() >= {"b": "/", "b/a": "precious", "weights": "/"}.items()
        assert set(os.listdir(root)) == {"a"}
        assert set(os.listdir(Path(root, "a"))) == {"b", "weights"}
        whole = target.resolve()
        for name, kind in tree(target).items():
            if kind.startswith("-> "):
                assert Path(os.path.realpath(target / name)).is_relative_to(whole), (name, kind)
