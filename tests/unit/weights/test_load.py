"""Weights are fetched from a server of each kind, once, and kept only where they are what was requested."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daulat.api.weights import Source, parse
from daulat.weights.digest import folder_digest
from daulat.weights.load import Order, check, load
from daulat.weights.problem import WeightsProblem
from daulat.weights.signature import Trust

from .servers import Site, serving, tar
from .signing import FILES, Key, folder

EVIL = {"../outside": b"x"}


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site(
        s3={"models": {f"r1/{name}": content for name, content in FILES.items()}},
        hf={"deepseek-ai/R1": FILES},
        ms={"deepseek-ai/R1": FILES},
    )
    with serving(found):
        yield found


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "MODELSCOPE_API_TOKEN", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def order(uri: str, site: Site, target: Path) -> Order:
    return Order(parse(uri), target, endpoint=site.url)


def registry_order(location: str, digest: str, site: Site, target: Path, *configs: Path) -> Order:
    # A registry on this machine has a port and no TLS, which a model's URI doesn't allow.
    source = Source(
        f"oci://{site.host}/{location}", "oci", f"{site.host}/{location}", "", digest.removeprefix("sha256:")
    )
    return Order(source, target, registry_configs=configs, insecure_registry=True)


def found_in(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def problem(wanted: Order) -> WeightsProblem:
    with pytest.raises(WeightsProblem) as told:
        load(wanted)
    left = {p.name for p in wanted.target.iterdir()}
    assert left == set(), "nothing half-fetched stays"
    return told.value


@pytest.mark.parametrize(
    "uri", ["s3://models/r1", "s3://models/r1/", "hf://deepseek-ai/R1:main", "ms://deepseek-ai/R1"]
)
def test_all_files_are_fetched(uri: str, site: Site, tmp_path: Path) -> None:
    wanted = order(uri, site, tmp_path)
    assert load(wanted) == tmp_path / wanted.source.key
    assert found_in(load(wanted)) == FILES


@pytest.mark.parametrize(
    "markers",
    [
        ("marked/",),
        ("marked/deep/",),
        ("marked/deep/er/", "marked/deep/"),
        ("marked/empty/",),
        ("marked_$folder$",),
        ("marked/deep_$folder$", "marked/deep/er_$folder$"),
    ],
    ids=" ".join,
)
def test_an_object_that_stands_for_a_folder_is_no_file(markers: tuple[str, ...], site: Site, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "deep/er/x.onnx": b"x", "deep/.gitkeep": b""}
    objects = {f"marked/{name}": content for name, content in files.items()}
    site.s3["models"] = {**objects, **dict.fromkeys(markers, b"")}
    assert found_in(load(order("s3://models/marked", site, tmp_path))) == files


def test_markers_of_folders_alone_are_no_weights(site: Site, tmp_path: Path) -> None:
    site.s3["models"] = {"hollow/": b"", "hollow/deep/": b""}
    told = problem(order("s3://models/hollow", site, tmp_path))
    assert told.sentence.endswith("bucket models at " + site.url + " has nothing there")


def test_an_empty_object_is_fetched_by_its_name(site: Site, tmp_path: Path) -> None:
    site.s3["models"] = {"r1/empty": b""}
    assert found_in(load(order("s3://models/r1/empty", site, tmp_path))) == {"empty": b""}


def test_one_object_is_fetched_by_its_name(site: Site, tmp_path: Path) -> None:
    assert found_in(load(order("s3://models/r1/config.json", site, tmp_path))) == {"config.json": FILES["config.json"]}


@pytest.mark.parametrize(
    "uri", ["s3://models/other", "s3://nowhere/r1", "hf://deepseek-ai/Other", "ms://deepseek-ai/Other"]
)
def test_what_isnt_there_is_told_with_its_server(uri: str, site: Site, tmp_path: Path) -> None:
    told = problem(order(uri, site, tmp_path))
    assert told.word == "FetchFailed"
    assert uri in told.sentence
    assert site.host in told.sentence


def test_a_digest_pins_the_content(site: Site, tmp_path: Path) -> None:
    digest = folder_digest(folder(tmp_path / "own"))
    target = tmp_path / "target"
    target.mkdir()
    assert found_in(load(order(f"s3://models/r1@sha256:{digest}", site, target))) == FILES
    site.s3["models"] = {"r1/config.json": b"{}"}
    assert found_in(load(order(f"s3://models/r1@sha256:{digest}", site, target))) == FILES
    other = order(f"s3://models/r1/@sha256:{digest}", site, tmp_path / "other")
    other.target.mkdir()
    told = problem(other)
    assert told.word == "DigestMismatch"
    assert "what is there has the digest sha256:" in told.sentence


def test_weights_without_a_good_signature_are_thrown_away(site: Site, tmp_path: Path) -> None:
    key = Key.new(tmp_path)
    target = tmp_path / "target"
    target.mkdir()
    trusted = (Trust("confidential", (key.public,), ()),)
    wanted = dataclasses.replace(order("s3://models/r1", site, target), signature="model.sig", trusted=trusted)
    assert problem(wanted).word == "SignatureValidationFailed"
    signed = folder(tmp_path / "signed")
    key.sign(signed)
    site.s3["models"] = {f"r1/{name}": content for name, content in found_in(signed).items()}
    assert (load(wanted) / "model.sig").is_file()


def test_replicas_that_share_a_volume_fetch_once(site: Site, tmp_path: Path) -> None:
    wanted = order("s3://models/r1", site, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        folders = {done.result() for done in [pool.submit(load, wanted) for _ in range(4)]}
    assert len(folders) == 1
    assert len([path for path in site.asked if path.startswith("/models?")]) == 1


def test_credentials_are_sent_where_there_are_some(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(order("s3://models/r1", site, tmp_path))
    assert set(site.authorized) == {""}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    load(order("s3://models/r1/", site, tmp_path))
    assert site.authorized[-1].startswith("AWS4-HMAC-SHA256 Credential=reader/")
    load(order("hf://deepseek-ai/R1", site, tmp_path))
    assert site.authorized[-1] == "Bearer hf_reader"


def test_an_image_is_unpacked_layer_by_layer(site: Site, tmp_path: Path) -> None:
    below, above = (
        tar({"old": b"1", "kept": b"2", "sub/a": b"3", "sub/b": b"4"}),
        tar({".wh.old": b"", "sub/.wh.a": b""}),
    )
    digest = site.image("models/r1", below, above)
    assert found_in(load(registry_order("models/r1", digest, site, tmp_path))) == {"kept": b"2", "sub/b": b"4"}


def test_a_folder_that_a_layer_empties_is_empty(site: Site, tmp_path: Path) -> None:
    layers = tar({"sub/a": b"3", "b": b"4"}), tar({"sub/.wh..wh..opq": b"", "sub/new": b"5"})
    digest = site.image("models/r1", *layers)
    assert found_in(load(registry_order("models/r1", digest, site, tmp_path))) == {"b": b"4", "sub/new": b"5"}


def test_an_artifacts_files_get_their_names(site: Site, tmp_path: Path) -> None:
    digest = site.artifact("models/r1", FILES)
    assert found_in(load(registry_order("models/r1", digest, site, tmp_path))) == FILES


def test_a_tag_is_followed_where_no_digest_is_given(site: Site, tmp_path: Path) -> None:
    site.artifact("models/r1", FILES, tag="v1")
    assert found_in(load(registry_order("models/r1:v1", "", site, tmp_path))) == FILES


def test_a_registry_that_answers_with_something_else_is_found(site: Site, tmp_path: Path) -> None:
    digest = site.artifact("models/r1", FILES)
    media, body = site.manifests[f"models/r1/{digest}"]
    site.manifests[f"models/r1/{digest}"] = (media, body + b" ")
    assert problem(registry_order("models/r1", digest, site, tmp_path)).word == "DigestMismatch"
    site.manifests[f"models/r1/{digest}"] = (media, body)
    site.blobs[json.loads(body)["layers"][0]["digest"]] = b"something else"
    assert problem(registry_order("models/r1", digest, site, tmp_path)).word == "DigestMismatch"


@pytest.mark.parametrize("layer", [tar(EVIL), tar({}, {"link": "/etc"}), tar({"/etc/x": b""}, {"up": "../../x"})])
def test_nothing_is_written_outside(layer: bytes, site: Site, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    told = problem(registry_order("models/r1", site.image("models/r1", layer), site, target))
    assert told.word == "FetchFailed"
    assert {p.name for p in tmp_path.iterdir()} == {"target"}


def test_an_artifact_cant_name_a_file_outside(site: Site, tmp_path: Path) -> None:
    told = problem(registry_order("models/r1", site.artifact("models/r1", EVIL), site, tmp_path))
    assert "would lie outside" in told.sentence


def test_a_registrys_password_comes_from_a_pull_secret(site: Site, tmp_path: Path) -> None:
    site.password = "reader:xyzzy"
    digest = site.artifact("models/r1", FILES)
    target = tmp_path / "target"
    target.mkdir()
    told = problem(registry_order("models/r1", digest, site, target))
    assert "xyzzy" not in str(told)
    assert "requires a user and a password" in told.sentence
    config = tmp_path / "0.json"
    auth = base64.b64encode(site.password.encode()).decode()
    config.write_text(json.dumps({"auths": {site.host: {"auth": auth}}}))
    assert found_in(load(registry_order("models/r1", digest, site, target, config))) == FILES


def test_a_registry_whose_tokens_end_soon_gets_new_ones(site: Site, tmp_path: Path) -> None:
    site.token_lives = 2
    digest = site.artifact("models/r1", {str(n): bytes([n]) for n in range(5)})
    assert len(found_in(load(registry_order("models/r1", digest, site, tmp_path)))) == 5
    assert len(site.tokens) >= 3


def test_when_one_object_fails_the_rest_isnt_fetched(site: Site, tmp_path: Path) -> None:
    class Failing(dict[str, bytes]):
        def __contains__(self, name: object) -> bool:
            return name != "r1/000" and super().__contains__(name)

    site.s3["models"] = Failing({f"r1/{n:03}": b"x" * 1000 for n in range(400)})
    problem(order("s3://models/r1", site, tmp_path))
    assert len(site.asked) < 200


def test_mounted_weights_are_checked_where_they_are(tmp_path: Path) -> None:
    weights = folder(tmp_path)
    good = f"pvc://claim/r1@sha256:{folder_digest(weights)}"
    check(Order(parse(good), weights), weights)
    with pytest.raises(WeightsProblem, match="DigestMismatch"):
        check(Order(parse("pvc://claim/r1@sha256:" + "0" * 64), weights), weights)


@pytest.mark.parametrize(
    "uri",
    [
        "oci://{host}/team-a/../team-b/m",
        "oci://{host}/team-a/./m",
        "oci://{host}/team-a//m",
        "oci://{host}/team-a/%2e%2e/team-b/m",
        "oci://user@{host}/team-a/m",
        "s3://models/a/../r1",
        "s3://models/a/%2e%2e/r1",
        "s3://models//r1",
        "hf://team-a/../deepseek-ai/R1",
        "hf://deepseek-ai/..",
        "ms://team-a/../deepseek-ai/R1",
        "ms://deepseek-ai/%52%31",
    ],
)
def test_a_uri_that_resolves_to_another_one_is_asked_of_no_server(uri: str, site: Site, tmp_path: Path) -> None:
    source = parse(uri.format(host=site.host))
    told = problem(Order(source, tmp_path, endpoint=site.url, insecure_registry=True))
    assert told.word == "FetchFailed"
    assert "isn't a plain URI" in told.sentence
    assert site.asked == []


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/tmp/outside-of-weights", "."])
@pytest.mark.parametrize("scheme", ["s3", "hf", "ms"])
def test_a_mirror_cant_name_a_file_outside(scheme: str, name: str, site: Site, tmp_path: Path) -> None:
    files = {name: b"x", "config.json": b"{}"}
    site.hf["evil/R1"] = site.ms["evil/R1"] = files
    site.s3["evil"] = {f"R1/{n}": content for n, content in files.items()}
    target = tmp_path / "volume" / "target"
    target.mkdir(parents=True)
    assert problem(order(f"{scheme}://evil/R1", site, target)).word == "FetchFailed"
    assert found_in(tmp_path) == {}
    assert not Path("/tmp/outside-of-weights").exists()
