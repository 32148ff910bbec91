"""The operator's image: pinned, the same bytes each time, without a shell, and what the Dockerfile makes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.model.bom import Bom
from packageurl import PackageURL

from dev.cluster import ClusterError
from dev.cluster.machine import ARCHITECTURES
from dev.cluster.node import images
from dev.image import archive, build, debian, facts, layers, oci, sbom, wheels
from dev.image.archive import Built, Platform, Release
from dev.image.debian import Package
from dev.image.refresh import _URI, KEYRING
from dev.image.sbom import Part

ROOT = Path(__file__).parents[3]
VERSION = "1.2.3"
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox", "perl"}


def dockerfile() -> dict[str, str]:
    """Return the Dockerfile's last stage by instruction, with lines that go on joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    last = text[text.rindex("\nFROM ") :]
    found: dict[str, str] = {}
    for line in last.strip().splitlines():
        name, _, rest = line.partition(" ")
        found[name] = f"{found[name]}\n{rest}" if name in found else rest
    return found


def pairs(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in re.findall(r'([\w.]+)=("[^"]*"|\S+)', text)}


def test_the_dockerfile_and_the_archive_make_the_same_image() -> None:
    told = dockerfile()
    assert told["FROM"] == f"python:{facts.PYTHON}-slim"
    assert told["USER"] == facts.USER
    assert tuple(json.loads(told["ENTRYPOINT"])) == facts.ENTRYPOINT
    assert tuple(json.loads(told["CMD"])) == facts.COMMAND
    assert pairs(told["LABEL"]) == facts.LABELS
    environment = pairs(told["ENV"])
    assert environment.pop("PATH") == f"{facts.HOME}/bin:$PATH"
    assert environment == {name: value for name, value in facts.ENVIRONMENT.items() if name != "PATH"}
    assert told["COPY"].splitlines() == [
        f"--from=build {facts.HOME} {facts.HOME}",
        f"--from=build /build/src {facts.SOURCE}",
    ]
    text = (ROOT / "Dockerfile").read_text()
    assert (
        f"pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/{wheels.LOCK.name}"
        in text
    )
    (script,) = re.findall(r"printf '(.*?)' > (\S+)", text)
    assert (script[0].replace("\\n", "\n"), script[1]) == (facts.SCRIPT, f"{facts.HOME}/bin/daulat")


def test_the_chart_runs_the_image_that_is_built_as_its_user() -> None:
    values = yaml.safe_load((ROOT / "charts" / "daulat" / "values.yaml").read_text())
    assert values["image"]["repository"] == facts.REPOSITORY
    assert f"{values['runAsUser']}:{values['runAsUser']}" == facts.USER


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_debian_package_is_pinned_for_every_architecture(architecture: str) -> None:
    pinned = debian.read_lock(debian.LOCK.read_text(), architecture)
    assert [package.name for package in pinned] == sorted(facts.DEBIAN)
    versions = {package.name: package.version for package in pinned}
    assert versions[f"python{facts.PYTHON}-minimal"].startswith(f"{facts.PYTHON}.")
    assert versions["libc6"].startswith(f"2.{facts.GLIBC}-")
    other = debian.read_lock(debian.LOCK.read_text(), *({*ARCHITECTURES} - {architecture}))
    assert versions == {package.name: package.version for package in other}


def test_a_lock_that_isnt_understood_names_its_line_and_how_to_write_it_anew() -> None:
    text = debian.LOCK.read_text()
    with pytest.raises(ClusterError, match=r"debian.txt line 2 isn't a pinned package: run `make image-refresh`"):
        debian.read_lock(text.replace("sha256:", "md5:", 1), "amd64")
    without = "\n".join(line for line in text.splitlines() if not line.startswith("libc6 "))
    with pytest.raises(ClusterError, match=r"pins no libc6 for arm64: run `make image-refresh`"):
        debian.read_lock(without, "arm64")


def test_what_apt_would_fetch_is_pinned_with_its_epoch() -> None:
    said = (
        "'http://deb.debian.org/debian/pool/main/z/zlib/zlib1g_1.3.1-1%2bdeb13u1_amd64.deb' "
        f"zlib1g_1%3a1.3.1-1+deb13u1_amd64.deb 88720 SHA256:{'8c' * 32}\n"
    )
    (match,) = _URI.finditer(said)
    package = debian.from_uri(match["uri"], match["file"], match["sha256"])
    path = "debian/pool/main/z/zlib/zlib1g_1.3.1-1%2bdeb13u1_amd64.deb"
    assert package == Package("zlib1g", "1:1.3.1-1+deb13u1", "amd64", "8c" * 32, path)
    assert KEYRING.is_absolute()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror on loopback; the cache is empty."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(debian.MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield folder
        server.shutdown()


def silent(_: str) -> None:
    pass


def test_a_package_that_debian_has_dropped_names_the_target_that_pins_anew(mirror: Path) -> None:
    package = Package("libc6", "2.41-1", "amd64", "0" * 64, "debian/pool/libc6_2.41-1_amd64.deb")
    with pytest.raises(ClusterError, match=r"Debian has dropped libc6 2.41-1 .*: run `make image-refresh`"):
        debian.fetch(package, silent)


@pytest.mark.usefixtures("mirror")
def test_tests_go_on_with_what_debian_has_where_it_has_dropped_a_version_and_a_release_doesnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    written: list[Path] = []

    def refreshed(_: object, lock: Path, architectures: list[str]) -> None:
        lock.write_text(debian.LOCK.read_text().replace("debian/pool", "today/pool"))
        written.append(lock)

    monkeypatch.setattr(images, "refresh", refreshed)
    with pytest.raises(debian.Dropped, match="/today/pool"):
        images.daulat(tmp_path / "out", said.append)
    assert written == [tmp_path / "out" / "debian.txt"]
    assert any("make image-refresh" in text and "versions of today are used" in text for text in said)
    with pytest.raises(debian.Dropped, match="/debian/pool"):
        build.build(tmp_path / "release", silent, Release(VERSION))


def test_a_mirror_with_other_bytes_is_not_believed(mirror: Path) -> None:
    (mirror / "one.deb").write_bytes(b"other")
    with pytest.raises(ClusterError, match="don't use that mirror"):
        debian.fetch(Package("one", "1", "all", "0" * 64, "one.deb"), silent)
    right = Package("one", "1", "all", hashlib.sha256(b"other").hexdigest(), "one.deb")
    kept = debian.fetch(right, silent)
    (mirror / "one.deb").unlink()
    assert debian.fetch(right, silent) == kept


def test_a_mirror_that_cant_be_reached_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for address in ("http://127.0.0.1:1", "nothing"):
        monkeypatch.setenv(debian.MIRROR_VARIABLE, address)
        with pytest.raises(ClusterError, match="set DEBIAN_MIRROR to a mirror"):
            debian.fetch(Package("one", "1", "all", "0" * 64, "one.deb"), silent)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_the_image_gets_libraries_licences_and_python_and_no_shell(mirror: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    library = "usr/lib/x86_64-linux-gnu"
    for path in (
        *(f"usr/bin/{name}" for name in (*SHELLS, f"python{facts.PYTHON}", "python3.13d")),
        *("usr/sbin/adduser", "etc/profile", "usr/share/man/man1/one.1", "usr/share/doc/one/changelog"),
        *(f"{library}/libone.so.1.2", f"{library}/gconv/UTF-7.so", f"{library}/one/helper"),
        *("usr/lib/python3.13/json/__init__.py", "usr/lib/python3.13/test/__init__.py"),
        "usr/share/doc/one/copyright",
    ):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(path)
    (source / library / "libone.so.1").symlink_to("libone.so.1.2")
    (source / "usr/share/doc/one-dev").symlink_to("one")
    for name in ("b", "a"):
        (source / "usr/share/ca-certificates/mozilla").mkdir(parents=True, exist_ok=True)
        (source / f"usr/share/ca-certificates/mozilla/{name}.crt").write_text(f"{name}\n")
    (source / "DEBIAN").mkdir()
    control = "Package: one\nVersion: 1\nArchitecture: amd64\nMaintainer: one\nDescription: one\n"
    (source / "DEBIAN" / "control").write_text(control)
    made = mirror / "one.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(source), str(made)], check=True, capture_output=True
    )
    package = Package("one", "1", "amd64", hashlib.sha256(made.read_bytes()).hexdigest(), "one.deb")
    unpacked = debian.unpack(package, tmp_path / "unpacked", silent)
    assert set(unpacked.files) == {
        f"/usr/bin/python{facts.PYTHON}",
        f"/{library}/libone.so.1.2",
        f"/{library}/libone.so.1",
        "/usr/lib/python3.13/json/__init__.py",
        "/usr/share/doc/one/copyright",
        "/usr/share/doc/one-dev",
        "/etc/ssl/certs/ca-certificates.crt",
    }
    assert unpacked.files[f"/{library}/libone.so.1"] == oci.Link("libone.so.1.2")
    assert unpacked.files["/etc/ssl/certs/ca-certificates.crt"] == b"a\nb\n"
    base = debian.base([unpacked])
    assert base["/var/lib/dpkg/status.d/one"] == control.encode()
    assert base["/etc/passwd"] == b"root:x:0:0:root:/root:/sbin/nologin\ndaulat:x:65532:65532:daulat:/:/sbin/nologin\n"
    with pytest.raises(ClusterError, match="two packages of the image have"):
        debian.base([unpacked, unpacked])


LOCK = """# comment
one==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
windows==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:cc
old==3.0 ; python_full_version < '3.12' \\
    --hash=sha256:dd
new==4.0 ; python_full_version >= '3.12' and platform_machine == 'aarch64' \\
    --hash=sha256:ee
"""


def test_markers_are_judged_for_the_image_and_not_for_the_python_that_builds_it() -> None:
    one = "one==1.0 --hash=sha256:aa --hash=sha256:bb"
    assert wheels.selected(LOCK, "amd64") == [one]
    assert wheels.selected(LOCK, "arm64") == [one, "new==4.0 --hash=sha256:ee"]
    with pytest.raises(ClusterError, match="has no hash of one: run `make lock`"):
        wheels.selected("one==1.0\n", "amd64")


PARTS = [
    Part(
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=debian-13", "ab" * 32, "", ("GPL-2+", "public-domain")
    ),
    Part("pkg:pypi/aiohttp@3.14.5", "cd" * 32, "Apache-2.0 AND MIT", ()),
    sbom.of_daulat(VERSION),
]


def made_of(folder: Path, time: int) -> Built:
    """Build an image of two small layers, from files of a folder of its own that bear a time."""
    folder.mkdir()
    program = folder / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o700)
    os.utime(program, (time, time))
    base: oci.Files = {"/usr/bin/program": program, "/tmp": oci.Folder(0o1777), "/lib": oci.Link("usr/lib")}
    own: oci.Files = {"/opt/daulat/note": b"text"}
    made = [layers.write(files, folder / f"{n}.tar.gz") for n, files in enumerate((base, own))]
    assert layers.write(dict(reversed(base.items())), folder / "again.tar.gz").digest == made[0].digest
    platforms = [Platform(architecture, made, PARTS) for architecture in ARCHITECTURES]
    return archive.write(platforms, Release(VERSION, "abc"), folder / "image.tar")


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}


def described(found: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = found[oci.blob(descriptor["digest"])]
    assert (descriptor["digest"], descriptor["size"]) == (oci.digest(content), len(content))
    return content


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    once, again = made_of(tmp_path / "one", 1), made_of(tmp_path / "two", 1_000_000_000)
    assert once.digest == again.digest
    assert once.path.read_bytes() == again.path.read_bytes()
    assert once.documents == again.documents
    with tarfile.open(once.path) as tar:
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in tar} == {(0, 0, "", "", 0)}


def test_an_archive_has_an_image_for_each_architecture_that_isnt_run_as_root(tmp_path: Path) -> None:
    made = made_of(tmp_path / "one", 1)
    found = read(made.path)
    (top,) = json.loads(found["index.json"])["manifests"]
    assert top["digest"] == made.digest
    assert top["annotations"] == {
        oci.NAME: f"{facts.REPOSITORY}:{VERSION}",
        "org.opencontainers.image.ref.name": VERSION,
    }
    index = json.loads(described(found, top))
    labels = {
        **facts.LABELS,
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.revision": "abc",
    }
    assert index["annotations"] == labels
    images, referrers = index["manifests"][:2], index["manifests"][2:]
    assert [m["platform"]["architecture"] for m in images] == [*ARCHITECTURES]
    for descriptor in images:
        manifest = json.loads(described(found, descriptor))
        config = json.loads(described(found, manifest["config"]))
        assert manifest["annotations"] == config["config"]["Labels"] == labels
        assert config["architecture"] == descriptor["platform"]["architecture"]
        assert config["config"]["User"] == "65532:65532"
        assert config["config"]["Entrypoint"] == ["/opt/daulat/bin/python", "-m", "daulat.cli.main"]
        assert "PYTHONSAFEPATH=1" in config["config"]["Env"]
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            with tarfile.open(fileobj=io.BytesIO(described(found, layer)), mode="r:gz") as tar:
                assert not {Path(name).name for name in tar.getnames()} & SHELLS
            assert diff_id.startswith("sha256:")
            assert diff_id != layer["digest"]
    for referrer, image in zip(referrers, images, strict=True):
        assert set(referrer) == {"mediaType", "digest", "size", "platform"}
        assert referrer["platform"] == {"architecture": "unknown", "os": "unknown"}
        manifest = json.loads(described(found, referrer))
        assert manifest["subject"] == {key: image[key] for key in ("mediaType", "digest", "size")}
        assert manifest["artifactType"] == sbom.MEDIA_TYPE
        assert described(found, manifest["layers"][0]) == made.documents[image["platform"]["architecture"]]


def test_a_bill_of_materials_names_every_part_with_its_hash_and_licence() -> None:
    text = sbom.document(PARTS, VERSION, "amd64", "sha256:" + "ef" * 32)
    assert text == sbom.document(list(reversed(PARTS)), VERSION, "amd64", "sha256:" + "ef" * 32)
    found = json.loads(text)
    bom: Bom = Bom.from_json(found)  # type: ignore[attr-defined]
    assert {str(component.purl) for component in bom.components} == {part.purl for part in PARTS}
    by_name = {component["name"]: component for component in found["components"]}
    assert by_name["aiohttp"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert by_name["aiohttp"]["licenses"] == [{"expression": "Apache-2.0 AND MIT"}]
    assert [one["license"]["name"] for one in by_name["libc6"]["licenses"]] == ["GPL-2+", "public-domain"]
    assert by_name["libc6"]["version"] == "2.41-12+deb13u5"
    root = PackageURL.from_string(found["metadata"]["component"]["purl"])
    assert (root.type, root.version) == ("oci", "sha256:" + "ef" * 32)
    (depends,) = [
        d["dependsOn"] for d in found["dependencies"] if d["ref"] == found["metadata"]["component"]["bom-ref"]
    ]
    assert set(depends) == {part.purl for part in PARTS}


def test_a_package_that_refers_to_another_ones_licences_has_these() -> None:
    text = "Files: *\nLicense: GPL-3+ with exception\n long text\n\nLicense: public-domain\n"
    packages = [Package(name, "1", "amd64", "ab" * 32, "") for name in ("libgcc-s1", "gcc-14-base", "silent")]
    found = sbom.of_debian(
        [
            debian.Unpacked(packages[0], "", "", "gcc-14-base", {}),
            debian.Unpacked(packages[1], "", text, "gcc-14-base", {}),
            debian.Unpacked(packages[2], "", "", "silent", {}),
        ],
        "amd64",
    )
    named = ("GPL-3+ with exception", "public-domain")
    assert [part.licenses for part in found] == [named, named, ()]


@pytest.mark.parametrize(
    ("metadata", "expression", "licenses"),
    [
        ("License-Expression: MIT OR Apache-2.0", "MIT OR Apache-2.0", ()),
        ("License: BSD-3-Clause", "BSD-3-Clause", ()),
        ("License: see LICENSE\nClassifier: License :: OSI Approved :: MIT License", "", ("MIT License",)),
        ("License: Copyright by one\n        and another", "", ("Copyright by one",)),
        ("Summary: nothing", "", ()),
    ],
)
def test_a_wheels_licence_is_what_its_metadata_says(
    tmp_path: Path, metadata: str, expression: str, licenses: tuple[str, ...]
) -> None:
    path = tmp_path / "one-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("one.py", "")
        packed.writestr("one.pyi", "")
        packed.writestr("one-1.0.data/purelib/two.py", "")
        packed.writestr("one-1.0.data/scripts/run", "")
        packed.writestr("one-1.0.dist-info/METADATA", f"Name: one\nVersion: 1.0\n{metadata}\n")
    wheel = wheels.read(path)
    part = sbom.of_wheel(wheel)
    assert (part.purl, part.expression, part.licenses) == ("pkg:pypi/one@1.0", expression, licenses)
    assert sbom.load(sbom.dump([part])) == [part]
    inside = {path.removeprefix(f"{facts.PACKAGES}/") for path in wheels.unpack([wheel], tmp_path / "unpacked")}
    assert inside == {"one.py", "two.py", "one-1.0.dist-info/METADATA"}
