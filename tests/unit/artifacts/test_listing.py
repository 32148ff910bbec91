"""Everything that manifests need is listed, or said to be unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daulat import __version__
from daulat.catalog import accelerators
from daulat.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "1a" * 32
MODEL = """\
apiVersion: daulat.dev/v1alpha1
kind: SovereignModel
metadata: {name: m, namespace: treasury}
spec:
  model: {name: m, uri: "%s", developer: d, originCountry: MY, license: MIT}
  accelerators: [{profile: nvidia-h20, count: 1}, {profile: none, count: 1}]
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  initContainers: [{name: i, image: busybox}]
  containers: [{name: c, image: "ghcr.io/a/c:v1", args: [--model, "s3://bucket/m"], env: [{name: M, value: "oci://a.io/w:v1"}]}]
  ephemeralContainers: [{name: e, image: debug}]
  volumes: [{name: v, image: {reference: "a.io/data:v1"}}]
"""


def images(text: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["images", *arguments, "-"], input=text)


def listed(text: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(images(text, "--no-installation", "-o", "json", *arguments).stdout)
    return found


def rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["kind"], each["reference"]) for each in found["artifacts"]]


def test_a_pods_images_volumes_and_weights_are_listed() -> None:
    assert rows(listed(POD)) == [
        ("init container", "busybox"),
        ("workload", "a.io/data:v1"),
        ("workload", "debug"),
        ("workload", "ghcr.io/a/c:v1"),
        ("weights", "oci://a.io/w:v1"),
        ("weights", "s3://bucket/m"),
    ]


def test_an_engines_image_comes_from_the_profile_unless_the_model_names_one() -> None:
    settings = accelerators.shipped()["nvidia-h20"].engine("vllm")
    assert settings is not None
    found = listed(MODEL % f"oci://a.io/w@{DIGEST}")
    (engine,) = [each for each in found["artifacts"] if each["kind"] == "engine"]
    assert engine["reference"] == settings.image
    assert engine["namedBy"][0]["field"] == "spec.accelerators[0] (AcceleratorProfile nvidia-h20)"
    assert [u["reason"] for u in found["unknown"]] == [
        "AcceleratorProfile \"none\" not found, so the engine's image isn't known"
    ]


@pytest.mark.parametrize(
    ("uri", "arguments", "needed"),
    [
        (f"oci://a.io/w@{DIGEST}", (), False),
        (f"oci://a.io/w@{DIGEST}", ("--kubernetes-version", "1.30"), True),
        ("hf://a/b:main", (), True),
        ("pvc://claim/path", (), False),
        (f"pvc://claim/path@{DIGEST}", (), True),
    ],
)
def test_what_fetches_or_checks_weights_is_listed_where_a_pod_runs_it(
    uri: str, arguments: tuple[str, ...], needed: bool
) -> None:
    done = images(MODEL % uri, "-o", "json", *arguments)
    found = [each for each in json.loads(done.stdout)["artifacts"] if each["kind"] == "init container"]
    assert [each["reference"] for each in found] == [f"ghcr.io/daulat/daulat:{__version__}"] * needed


def test_a_signature_that_a_policy_asks_for_needs_what_checks_it() -> None:
    policy = (ROOT / "examples/s3-signed.yaml").read_text()
    found = json.loads(images(policy, "-o", "json").stdout)
    assert "init container" in [each["kind"] for each in found["artifacts"]]


def test_an_image_that_a_controller_chooses_is_said_to_be_unknown() -> None:
    text = "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: l}\n"
    done = images(text + 'spec: {predictor: {model: {modelFormat: {name: x}, storageUri: "hf://a/b"}}}\n')
    assert done.exit_code == 1
    assert "unknown: <stdin>:4: InferenceService l spec.predictor" in done.stderr
    assert "hf://a/b" in done.stdout


def test_an_image_in_a_kind_that_isnt_known_is_said_to_be_unknown() -> None:
    done = images("apiVersion: acme.io/v1\nkind: Thing\nmetadata: {name: t}\nspec: {image: acme.io/x:v1}\n")
    assert done.exit_code == 1
    assert '"acme.io/x:v1" may be needed, and isn\'t listed' in done.stderr


def test_charts_of_flux_and_argo_are_listed_and_their_images_said_to_be_unknown() -> None:
    flux = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: r}
spec: {url: "oci://ghcr.io/charts"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: h}
spec: {chart: {spec: {chart: web, version: 1.2.3, sourceRef: {kind: HelmRepository, name: r}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: a}
spec: {source: {chart: db, repoURL: "https://charts.example.my", targetRevision: 2.0.0}}
"""
    found = listed(flux)
    assert rows(found) == [
        ("chart", "https://charts.example.my/db-2.0.0.tgz"),
        ("chart", "oci://ghcr.io/charts/web:1.2.3"),
    ]
    assert len(found["unknown"]) == 2


def test_the_installation_is_listed_by_the_charts_values(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        f"image: {{repository: a.io/op, digest: {DIGEST}}}\nweights: {{image: 'a.io/w:v1'}}\n"
        "guards: {sidecarImages: ['a.io/mesh:v1']}\n"
    )
    done = CliRunner().invoke(main, ["images", "--values", str(values), "-o", "references"])
    assert done.stdout.splitlines() == ["a.io/mesh:v1", f"a.io/op@{DIGEST}", "a.io/w:v1"]
    values.write_text("image: {tag: 1.0}\n")
    done = CliRunner().invoke(main, ["images", "--values", str(values)])
    assert done.exit_code == 2
    assert "image.tag: must be a string: quote it" in done.stderr


def test_a_registry_of_all_images_takes_the_place_of_the_images_own(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("global: {imageRegistry: a.io/all}\n")
    done = CliRunner().invoke(main, ["images", "--values", str(values), "-o", "references"])
    assert done.stdout == f"a.io/all/daulat/daulat:{__version__}\n"
    to = ["--registry", "b.io", "--rewrite", "--offline", "--output-dir", str(tmp_path / "out")]
    assert CliRunner().invoke(main, ["bundle", "--values", str(values), *to]).exit_code == 0
    made = (tmp_path / "out/values.yaml").read_text()
    assert made == f"image:\n  repository: b.io/all/daulat/daulat\n  tag: {__version__}\nglobal:\n  imageRegistry: ''\n"


def test_the_charts_default_image_is_known_here() -> None:
    done = CliRunner().invoke(main, ["images", "-o", "references"])
    values = (ROOT / "charts/daulat/values.yaml").read_text()
    assert f"repository: {done.stdout.strip().rpartition(':')[0]}\n" in values


def test_the_rendered_chart_counts_more_than_values_and_its_unused_profiles_dont_count() -> None:
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: daulat, labels: {app.kubernetes.io/name: daulat, app.kubernetes.io/component: operator}}
spec:
  template:
    spec:
      containers: [{name: operator, image: "a.io/op:v1", env: [{name: DAULAT_WEIGHTS_IMAGE, value: "a.io/w:v1"}]}]
"""
    profiles = "".join(f"---\n{json.dumps(each)}\n" for each in accelerators.manifests())
    done = images(text + profiles, "-o", "json")
    assert rows(json.loads(done.stdout)) == [
        ("operator", "a.io/op:v1"),
        ("init container", "a.io/w:v1"),
        ("chart", f"daulat-{__version__}.tgz"),
    ]


def test_a_tag_alone_can_be_refused() -> None:
    assert images(POD, "--no-installation").exit_code == 0
    assert images(POD, "--no-installation", "--require-digest").exit_code == 1


def test_every_example_is_listed_without_anything_unknown() -> None:
    # The evidence of an invented site is no manifest.
    manifests = [str(path) for path in sorted((ROOT / "examples").iterdir()) if path.name != "evidence"]
    done = CliRunner().invoke(main, ["images", *manifests])
    assert done.exit_code == 0, done.stderr
    assert "unknown" not in done.stderr


def test_charts_and_kustomizations_that_arent_built_are_said_and_their_templates_arent_read(tmp_path: Path) -> None:
    (tmp_path / "chart/templates").mkdir(parents=True)
    (tmp_path / "chart/Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    (tmp_path / "chart/templates/a.yaml").write_text("{{ if .Values.a }}\nkind: Pod\n{{ end }}\n")
    (tmp_path / "kustomization.yaml").write_text("resources: [pod.yaml]\nimages: [{name: a, newName: b}]\n")
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "values.yaml").write_text("a: 1\n")
    done = CliRunner().invoke(main, ["images", str(tmp_path), "-o", "references"])
    assert done.exit_code == 1
    assert "ghcr.io/a/c:v1" in done.stdout
    said = [line for line in done.stderr.splitlines() if line.startswith("unknown: ")]
    assert "helm template" in said[0] or "kustomize build" in said[0]
    assert all("judge" not in line and "daulat check" not in line for line in said)
    assert f"unknown: {tmp_path}/values.yaml:1: not a Kubernetes object" in said[-1]
    assert len(said) == 3


@pytest.mark.parametrize("text", ["", "a: 1\n", "kind: [\n"])
def test_input_that_is_no_manifest_is_an_error(text: str) -> None:
    assert images(text).exit_code == 2
