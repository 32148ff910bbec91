"""Images for real nodes: layouts that containerd takes, the same for the same files, and a Python in one that runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dev.cluster.node import images, model, oci
from dev.cluster.node.oci import Image, Link


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


@pytest.fixture(scope="module")
def weights() -> Image:
    if shutil.which("ldd") is None:
        pytest.skip("needs ldd, which tells what a program needs")
    return images.weights()


def test_the_image_of_weights_is_what_the_dockerfile_makes(weights: Image) -> None:
    text = (Path(__file__).parents[3] / "Dockerfile").read_text()
    told = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(("USER ", "ENTRYPOINT ", "CMD ")))
    assert weights.user == told["USER"]
    assert [*weights.entrypoint] == json.loads(told["ENTRYPOINT"])
    assert [*weights.command] == json.loads(told["CMD"])
    assert {path for path in weights.files if path.startswith("/opt/daulat/bin/")} == {
        "/opt/daulat/bin/daulat",
        "/opt/daulat/bin/python",
    }
    assert not [path for path in weights.files if path.startswith("/opt/daulat/packages/kubernetes/")]
    assert not [path for path in weights.files if path.endswith(".pyc")]


@pytest.mark.parametrize("changed", [False, True], ids=["as it was signed", "changed since"])
def test_the_python_in_it_checks_weights_by_itself(weights: Image, tmp_path: Path, changed: bool) -> None:
    root, place = tmp_path / "root", tmp_path / "weights"
    for path, content in weights.files.items():
        at = root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path) and path != "/opt/daulat/bin/python":
            at.symlink_to(content)
        elif isinstance(content, Path):
            # Python looks for its library beside the file that a link points to.
            shutil.copy(content, at)
    place.mkdir()
    model.write_model(place, "Here I am")
    signer = model.Signer.new()
    signer.sign(place)
    if changed:
        model.tamper(place)
    digest = "0" * 64
    inside = {name: value.replace("/opt/", f"{root}/opt/") for name, value in weights.environment.items()}
    told = {
        "WEIGHTS_URI": f"oci://registry.example.my/models/tiny@sha256:{digest}",
        "WEIGHTS_TARGET": str(place),
        "WEIGHTS_SIGNATURE": model.SIGNATURE,
        "WEIGHTS_TRUST": json.dumps([{"policy": "signed", "keys": [signer.public], "certificates": []}]),
    }
    command = [f"{root}{weights.entrypoint[0]}", *weights.entrypoint[1:], "weights", "check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**inside, **told}, cwd=place)
    assert done.returncode == int(changed), done.stderr
    assert ("SignatureValidationFailed: policy signed doesn't trust these weights" in done.stderr) is changed
