"""Real artefacts are moved to a registry of one's own, and what is rewritten names them there: the same bytes, every platform."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat import __version__
from daulat.api.weights import parse
from daulat.cli.bundle import copying
from daulat.cli.main import main
from daulat.manifest.yaml_reader import read
from daulat.weights import transfer
from daulat.weights.registry import fetch
from dev.registry.build import program
from dev.registry.server import Server, running

PLATFORMS = ("linux/amd64", "linux/arm64")
POLICY = """\
apiVersion: daulat.dev/v1alpha1
kind: SovereigntyPolicy
metadata: {{name: confidential}}
spec:
  namespaceSelector: {{matchLabels: {{daulat.dev/data-class: confidential}}}}
  zones: {{countries: [MY]}}
  accelerators: {{profiles: [nvidia-h20]}}
  models: {{sources: ["oci://{host}/"], requireDigest: true}}
  images: # from outside
    registries: [{host}/]
    requireDigest: true
---
apiVersion: v1
kind: Namespace
metadata: {{name: treasury, labels: {{daulat.dev/data-class: confidential}}}}
"""
MODEL = """\
# A model with a tag each.
apiVersion: daulat.dev/v1alpha1
kind: SovereignModel
metadata: {{name: small, namespace: treasury}}
spec:
  model:
    name: small
    uri: oci://{host}/outside/weights:v1   # the weights
    developer: somebody
    originCountry: MY
    license: MIT
    fetch: {{}}
  accelerators:
    - {{profile: nvidia-h20, count: 1, image: "{host}/outside/engine:v1"}}
"""
VALUES = "image: {{repository: {host}/outside/operator, tag: v1}}\n"


@dataclass
class Site:
    """A registry outside with artefacts in it, one of our own, and manifests that name the first."""

    outside: Server
    own: Server
    folder: Path
    login: Path

    @property
    def manifests(self) -> Path:
        """The directory of the manifests."""
        return self.folder / "manifests"

    def bundle(self, *arguments: str | Path, login: Path | None = None, folder: str = "mirror") -> Result:
        """Run ``daulat bundle`` on the manifests."""
        to = ["--registry", f"{self.own.host}/{folder}", "--values", str(self.folder / "values.yaml")]
        words = [*to, "--authfile", str(login or self.login), *map(str, arguments), str(self.manifests)]
        return CliRunner().invoke(main, ["bundle", *words])

    def digest(self, reference: str) -> str:
        """Return the digest that crane finds under a reference."""
        environment = {"DOCKER_CONFIG": str(self.login.parent), "PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        done = subprocess.run(
            [program("crane"), "digest", reference], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout.strip()


def layer(path: Path, content: str) -> Path:
    """Write a layer with one file in it."""
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content.encode()))
    return path


def image(host: str, name: str, folder: Path) -> None:
    """Push an image for two platforms, as other tools make them."""
    made = []
    for platform in PLATFORMS:
        tag = f"{host}/outside/{name}:{platform.replace('/', '-')}"
        content = layer(folder / "layer.tar", f"{name} on {platform}")
        run("crane", "append", "--oci-empty-base", "--platform", platform, "--new_layer", content, "--new_tag", tag)
        run("crane", "mutate", tag, "--set-platform", platform, "--tag", tag)
        made += ["--manifest", tag]
    run("crane", "index", "append", *made, "--tag", f"{host}/outside/{name}:v1", "--docker-empty-base=false")


def run(tool: str, *arguments: str | Path, cwd: Path | None = None) -> None:
    """Run crane or oras."""
    done = subprocess.run([program(tool), *arguments], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bundle")
    with running(folder / "outside") as outside, running(folder / "own", private=True) as own:
        for name in ("engine", "operator"):
            image(outside.host, name, folder)
        (folder / "model.gguf").write_text("weights")
        run(
            "oras",
            "push",
            "--plain-http",
            f"{outside.host}/outside/weights:v1",
            "model.gguf:application/octet-stream",
            cwd=folder,
        )
        (folder / "manifests").mkdir()
        for name, text in (("policy", POLICY), ("model", MODEL)):
            (folder / "manifests" / f"{name}.yaml").write_text(text.format(host=outside.host))
        (folder / "values.yaml").write_text(VALUES.format(host=outside.host))
        (folder / "docker").mkdir()
        yield Site(outside, own, folder, own.login(folder / "docker" / "config.json"))


def test_what_was_copied_is_named_by_digest_and_passes_the_rewritten_policy(site: Site) -> None:
    out = site.folder / "rewritten"
    done = site.bundle("--copy", "--rewrite", "--output-dir", out)
    assert done.exit_code == 0, done.output
    assert f"not in a registry: chart daulat-{__version__}.tgz: push the release's file with helm push" in done.stderr
    model = read((out / "manifests/model.yaml").read_text()).value["spec"]
    engine = model["accelerators"][0]["image"]
    old, new = site.outside.host, f"{site.own.host}/mirror"
    assert engine == f"{new}/outside/engine:v1@{site.digest(f'{old}/outside/engine:v1')}"
    assert site.digest(engine.replace(":v1@", "@")) == site.digest(f"{old}/outside/engine:v1")
    assert (out / "manifests/model.yaml").read_text().splitlines()[0] == "# A model with a tag each."
    assert "   # the weights" in (out / "manifests/model.yaml").read_text()
    assert "images: # from outside" in (out / "manifests/policy.yaml").read_text()
    values = read((out / "values.yaml").read_text()).value["image"]
    assert values == {
        "repository": f"{new}/outside/operator",
        "tag": "v1",
        "digest": site.digest(f"{old}/outside/operator:v1"),
    }
    before = CliRunner().invoke(main, ["check", str(site.manifests / "policy.yaml"), str(out / "manifests/model.yaml")])
    after = CliRunner().invoke(main, ["check", str(out / "manifests")])
    assert (before.exit_code, after.exit_code) == (1, 0), after.output
    weights = site.folder / "weights"
    weights.mkdir()
    fetch(parse(model["model"]["uri"]), weights, [site.login], insecure=True)
    assert (weights / "model.gguf").read_text() == "weights"


def test_every_platform_of_an_image_can_be_pulled(site: Site) -> None:
    site.bundle("--copy", folder="platforms")
    found = []
    for platform in PLATFORMS:
        reference = f"{site.own.host}/platforms/outside/engine:v1"
        environment = {"DOCKER_CONFIG": str(site.login.parent), "HOME": str(site.folder)}
        done = subprocess.run(
            [program("crane"), "export", "--platform", platform, reference, "-"],
            capture_output=True,
            check=True,
            env=environment,
        )
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            file = archive.extractfile("file")
            assert file is not None
            found.append(file.read().decode())
    assert found == [f"engine on {platform}" for platform in PLATFORMS]


@pytest.mark.parametrize("tool", ["crane", "oras"])
def test_the_printed_commands_copy_the_same(site: Site, tool: str) -> None:
    printed = site.bundle("--print-commands", tool, folder=tool)
    assert printed.exit_code == 0
    script = "\n".join(line for line in printed.stdout.splitlines() if not line.startswith("helm push"))
    path = {"PATH": f"{program(tool).parent}:/usr/bin:/bin", "HOME": str(site.folder)}
    environment = {**path, "DOCKER_CONFIG": str(site.login.parent)}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("engine", "operator", "weights"):
        there = site.digest(f"{site.own.host}/{tool}/outside/{name}:v1")
        assert there == site.digest(f"{site.outside.host}/outside/{name}:v1")
    rewritten = site.bundle("--rewrite", "--output-dir", site.folder / f"by-{tool}", folder=tool)
    assert rewritten.exit_code == 0, rewritten.output


def test_a_directory_is_carried_to_a_network_without_a_connection(site: Site) -> None:
    carried, out = site.folder / "carried", site.folder / "carried-manifests"
    words = ["--values", str(site.folder / "values.yaml"), str(site.manifests)]
    saved = CliRunner().invoke(main, ["bundle", "--save", str(carried), *words])
    assert "3/3" in saved.stderr, saved.output
    listed = {
        e["annotations"]["org.opencontainers.image.ref.name"]
        for e in json.loads((carried / "index.json").read_text())["manifests"]
    }
    assert listed == {f"{site.outside.host}/outside/{name}:v1" for name in ("engine", "operator", "weights")}
    digests = {
        name: site.digest(f"{site.outside.host}/outside/{name}:v1") for name in ("engine", "operator", "weights")
    }
    site.outside.stop()
    try:
        loaded = site.bundle("--load", carried, "--rewrite", "--output-dir", out, folder="inside")
    finally:
        site.outside.start()
    assert "3/3" in loaded.stderr, loaded.output
    for name, digest in digests.items():
        assert site.digest(f"{site.own.host}/inside/outside/{name}:v1") == digest
    assert f"inside/outside/engine:v1@{digests['engine']}" in (out / "manifests/model.yaml").read_text()


def test_a_blob_that_was_changed_on_the_way_isnt_loaded(site: Site, tmp_path: Path) -> None:
    words = ["--values", str(site.folder / "values.yaml"), str(site.manifests)]
    CliRunner().invoke(main, ["bundle", "--save", str(tmp_path), *words])
    blob = next(path for path in (tmp_path / "blobs/sha256").iterdir() if path.read_bytes() == b"weights")
    blob.write_bytes(b"wrights")
    loaded = site.bundle("--load", tmp_path, folder="changed")
    assert loaded.exit_code == 1
    assert (
        f"error: {site.outside.host}/outside/weights: the content of blob sha256:{blob.name} is another"
        in loaded.stderr
    )
    assert site.digest(f"{site.own.host}/changed/outside/engine:v1")
    there = subprocess.run(
        [program("crane"), "digest", f"{site.own.host}/changed/outside/weights:v1"],
        capture_output=True,
        check=False,
        env={"DOCKER_CONFIG": str(site.login.parent), "HOME": str(tmp_path)},
    )
    assert there.returncode != 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "an action is required"),
        (["--copy"], "--registry HOST is required"),
        (["--save", "d", "--registry", "a.io"], "--registry HOST is required, but with --save"),
        (["--copy", "--print-commands", "oras", "--registry", "a.io"], "mutually exclusive"),
        (["--print-commands", "oras", "--rewrite", "--output-dir", "d", "--registry", "a.io"], "rewrite once"),
        (["--rewrite", "--registry", "a.io"], "--rewrite and --output-dir need each other"),
        (
            ["--copy", "--offline", "--registry", "a.io"],
            "--offline requires --rewrite, and excludes every other action",
        ),
    ],
)
def test_options_that_dont_go_together_are_a_usage_error(options: list[str], why: str) -> None:
    done = CliRunner().invoke(main, ["bundle", *options])
    assert done.exit_code == 2
    assert why in done.stderr


def test_wrong_credentials_are_said_and_nothing_is_written(site: Site) -> None:
    wrong = site.own.login(site.folder / "wrong.json", "someone:else")
    out = site.folder / "never"
    done = site.bundle("--copy", "--rewrite", "--output-dir", out, login=wrong, folder="refused")
    assert done.exit_code == 1
    assert "401 Unauthorized: wrong or missing credentials" in done.stderr
    assert "3 of 3 weren't copied" in done.stderr
    assert not out.exists()


def test_an_artefact_that_isnt_there_doesnt_keep_the_others(site: Site, tmp_path: Path) -> None:
    text = MODEL.format(host=site.outside.host).replace("engine:v1", "engine:v9")
    (tmp_path / "model.yaml").write_text(text)
    to = ["--registry", f"{site.own.host}/partly", "--authfile", str(site.login), "--no-installation", "--copy"]
    done = CliRunner().invoke(main, ["bundle", *to, str(tmp_path)])
    assert done.exit_code == 1
    assert f"error: {site.outside.host}/outside/engine: there is no v9" in done.stderr
    assert site.digest(f"{site.own.host}/partly/outside/weights:v1")


def test_tags_that_arent_in_the_registry_yet_arent_rewritten(site: Site) -> None:
    out = site.folder / "early"
    done = site.bundle("--rewrite", "--output-dir", out, folder="early")
    assert done.exit_code == 1
    assert (
        f"{site.own.host}/early/outside/engine:v1: not found: copy {site.outside.host}/outside/engine:v1" in done.stderr
    )
    assert not out.exists()


def test_a_copy_goes_on_where_the_registry_went_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real, copied = transfer.copy, []

    def once(*arguments: object) -> str:
        digest = real(*arguments)  # type: ignore[arg-type]
        copied.append(digest)
        site.own.stop()
        return digest

    monkeypatch.setattr(copying, "copy", once)
    try:
        down = site.bundle("--copy", folder="halfway")
    finally:
        monkeypatch.undo()
        site.own.start()
    assert down.exit_code == 1
    assert len(copied) == 1
    assert "2 of 3 weren't copied" in down.stderr
    assert "refused" in down.stderr.lower()
    again = site.bundle("--copy", "--rewrite", "--output-dir", site.folder / "again", folder="halfway")
    assert "3/3" in again.stderr
    assert json.dumps(read((site.folder / "again/manifests/model.yaml").read_text()).value).count(site.own.host) == 2
