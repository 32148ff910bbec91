"""A layer of the image as a compressed file in the cache, so that a change of the operator's code makes no other layer anew."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dev.cluster.paths import cache_dir

from . import oci
from .oci import Files


@dataclass(frozen=True)
class Layer:
    """A compressed layer."""

    path: Path
    digest: str
    size: int
    diff_id: str
    """The digest of what is compressed. The same for every version of zlib, which may not be true of the other one."""


def write(files: Files, path: Path) -> Layer:
    """Write these files as a layer: the same bytes for the same files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent) as plain, tempfile.NamedTemporaryFile(dir=path.parent) as packed:
        oci.write_files(files, plain)
        plain.seek(0)
        diff_id = f"sha256:{hashlib.file_digest(plain, 'sha256').hexdigest()}"
        plain.seek(0)
        # Neither a time nor a file name is in the head.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as stream:
            shutil.copyfileobj(plain, stream, 1 << 20)
        packed.flush()
        packed.seek(0)
        digest = f"sha256:{hashlib.file_digest(packed, 'sha256').hexdigest()}"
        shutil.copyfile(packed.name, path)
    return Layer(path, digest, path.stat().st_size, diff_id)


def cached(kind: str, inputs: list[str], make: Callable[[Path], tuple[Files, bytes]]) -> tuple[Layer, bytes]:
    """Return the layer for these inputs, and what was noted of it. ``make`` is given an empty folder, and called where neither is
    in the cache; what it returns may lie in that folder."""
    key = hashlib.sha256("\0".join([*inputs, _own_code()]).encode()).hexdigest()[:16]
    folder = cache_dir() / "image" / "layers" / f"{kind}-{key}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as name:
            scratch = Path(name)
            (scratch / "files").mkdir()
            files, note = make(scratch / "files")
            layer = write(files, scratch / "layer" / "layer.tar.gz")
            (scratch / "layer" / "note").write_bytes(note)
            described = {key: value for key, value in asdict(layer).items() if key != "path"}
            (scratch / "layer" / "layer.json").write_text(json.dumps(described))
            try:
                (scratch / "layer").rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was first
                    raise
    found = json.loads((folder / "layer.json").read_text())
    return Layer(folder / "layer.tar.gz", **found), (folder / "note").read_bytes()


_AFTER_LAYERS = ("__main__.py", "archive.py", "refresh.py")


def _own_code() -> str:
    """Return what stands for the code that makes layers."""
    made_by = (path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name not in _AFTER_LAYERS)
    texts = (path.read_text() for path in made_by)
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
