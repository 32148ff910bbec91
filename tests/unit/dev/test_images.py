"""Images for real nodes: layouts that containerd takes, and the same for the same files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dev.cluster.node import images, model
from dev.image import oci
from dev.image.oci import Image, Link


def read(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name: stream.read() for m in tar if (stream := tar.extractfile(m))}


def blob(found: Mapping[str, bytes], described: Mapping[str, Any]) -> bytes:
    """Return what a descriptor describes, when it does."""
    content = found[f"blobs/{described['digest'].replace(':', '/')}"]
    assert described["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert described["size"] == len(content)
    return content


@pytest.fixture
def image(tmp_path: Path) -> Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o700)
    files: oci.Files = {
        "/bin/program": program,
        "/bin/sh": Link("program"),
        "/etc/deep/note": b"text",
        "/start": b"#!/bin/sh\n",
    }
    return Image("registry.example.my/tools/one:1", files, ["/bin/program"], environment={"B": "2", "A": "1"}, user="7")


def test_every_part_of_a_layout_is_named_by_its_digest(image: Image, tmp_path: Path) -> None:
    found = read(oci.write(image, tmp_path).path)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    first, second = json.loads(found["index.json"])["manifests"]
    manifest = json.loads(blob(found, first))
    config = json.loads(blob(found, manifest["config"]))
    (layer,) = manifest["layers"]
    blob(found, layer)
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert config["config"] == {"Entrypoint": ["/bin/program"], "Env": ["A=1", "B=2"], "User": "7", "WorkingDir": "/"}
    assert len(found) == 5
    assert first["digest"] == second["digest"]


def test_an_image_is_found_by_its_tag_and_by_its_digest(image: Image, tmp_path: Path) -> None:
    written = oci.write(image, tmp_path)
    entries = json.loads(read(written.path)["index.json"])["manifests"]
    assert written.reference == f"registry.example.my/tools/one@{entries[0]['digest']}"
    names = [entry["annotations"]["io.containerd.image.name"] for entry in entries]
    assert names == [image.reference, written.reference]


def test_a_layer_is_open_to_every_user_and_holds_nothing_of_the_machine(image: Image, tmp_path: Path) -> None:
    found = read(oci.write(image, tmp_path).path)
    manifest = json.loads(blob(found, json.loads(found["index.json"])["manifests"][0]))
    with tarfile.open(fileobj=io.BytesIO(blob(found, manifest["layers"][0]))) as tar:
        entries = {m.name: (m.type, oct(m.mode), m.linkname) for m in tar}
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in tar} == {(0, 0, "", "", 0)}
    folder, file, link = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE
    assert entries == {
        "bin": (folder, "0o755", ""),
        "etc": (folder, "0o755", ""),
        "etc/deep": (folder, "0o755", ""),
        "bin/program": (file, "0o755", ""),
        "bin/sh": (link, "0o777", "program"),
        "etc/deep/note": (file, "0o644", ""),
        "start": (file, "0o755", ""),
    }


def test_the_same_files_make_the_same_image(image: Image, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    once = oci.write(image, tmp_path)
    os.utime(tmp_path / "program", (1, 1))
    again = oci.write(
        Image(
            image.reference,
            dict(sorted(image.files.items(), reverse=True)),
            ["/bin/program"],
            environment={"A": "1", "B": "2"},
            user="7",
        ),
        tmp_path / "again",
    )
    assert once.path.read_bytes() == again.path.read_bytes()
    (tmp_path / "program").write_bytes(b"other")
    assert oci.write(image, tmp_path).reference != again.reference


def test_the_engine_starts_as_its_makers_image_does(tmp_path: Path) -> None:
    made = images.engine(tmp_path)
    assert [*made.entrypoint] == [*made.files] == ["/app/llama-server"]


def test_weights_are_in_an_image_as_a_volume_has_them(tmp_path: Path) -> None:
    model.write_model(tmp_path, "Here I am")
    model.Signer.new().sign(tmp_path)
    made = images.model(tmp_path, "tiny", "2")
    assert sorted(made.files) == ["/model.sig", "/tiny.gguf"]
    assert made.reference == "registry.example.my/models/tiny:2"
