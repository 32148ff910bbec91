"""``daulat attest`` from the command line: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.api.attestation import NodeAttestationSpec
from daulat.api.names import API_VERSION
from daulat.attestation import dsse
from daulat.cli.attest.command import attest
from daulat.manifest.yaml_writer import dump
from tests.requests import merge
from tests.unit.attestation.statements import (
    AUTHORITY,
    BEGINS,
    ENDS,
    OTHER_UUID,
    UUID,
    attestation,
    chip,
    private_pem,
    public_pem,
    trust,
)
from tests.unit.world import device, h20, offered, policy, zone

ROOT = Path(__file__).resolve().parents[4]
DURING = "2027-01-15T00:00:00Z"


def run(*arguments: str | Path, text: str = "") -> Result:
    return CliRunner().invoke(attest, [str(a) for a in arguments], input=text)


def written(raw: dict[str, Any], kind: str, api: str = API_VERSION) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, **raw}


def node(uuid: str = UUID) -> dict[str, Any]:
    raw = merge(h20("h1"), {"status": {"nodeInfo": {"systemUUID": uuid}}})
    return written(raw, "Node", "v1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files as kubectl writes them, with the keys."""
    slices = offered("h1", device("0"), device("1"))
    items = [node(), written(zone(), "SovereignZone"), written(slices, "ResourceSlice", "resource.k8s.io/v1")]
    (tmp_path / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    asked = {"minimumEvidence": "attested", "attestations": trust()}
    (tmp_path / "policy.yaml").write_text(dump(written(policy(zones=asked), "SovereigntyPolicy")))
    (tmp_path / "authority.pem").write_bytes(private_pem())
    (tmp_path / "authority.pub").write_text(public_pem())
    (tmp_path / "other.pub").write_text(public_pem("two"))
    return tmp_path


def made(folder: Path, *more: str | Path) -> Path:
    """Make and sign a statement, and return the NodeAttestation's file."""
    statement, signed = folder / "h1.json", folder / "h1.yaml"
    asked = ("--authority", AUTHORITY, "--serial-number", "2026-0017", "--not-before", BEGINS, "--not-after", ENDS)
    result = run("make", folder / "objects.json", *asked, *more, "--output-file", statement)
    assert result.exit_code == 0, result.output
    result = run("sign", statement, "--key", folder / "authority.pem", "--output-file", signed)
    assert result.exit_code == 0, result.output
    return signed


def write(folder: Path, raw: dict[str, Any], name: str = "given.yaml") -> Path:
    path = folder / name
    path.write_text(dump(raw))
    return path


def test_a_statement_is_filled_from_what_the_cluster_shows(folder: Path) -> None:
    made(folder)
    said = json.loads((folder / "h1.json").read_text())
    assert said["subject"][0]["name"] == "h1"
    assert said["predicate"] == {
        "systemUUID": UUID,
        "facility": {"name": "DC 1", "country": "MY", "zone": "cyberjaya-1"},
        "operator": "Example Sdn Bhd",
        "chips": [{"vendor": "gpu.nvidia.com", "product": "NVIDIA H20", "id": f"GPU-{number}"} for number in (0, 1)],
        "notBefore": BEGINS,
        "notAfter": ENDS,
        "authority": AUTHORITY,
        "serialNumber": "2026-0017",
    }


def test_parts_of_one_chip_are_one_chip(folder: Path) -> None:
    parts = [device(name) for name in ("0", "1")]
    for part in parts:
        part["attributes"]["parentUUID"] = {"string": "GPU-parent"}
    slices = write(folder, written(offered("h1", *parts), "ResourceSlice", "resource.k8s.io/v1"), "slices.yaml")
    where = ("--node", "h1", "--system-uuid", UUID, "--facility", "DC 1", "--country", "MY")
    result = run("make", slices, *where, "--authority", AUTHORITY, "--serial-number", "1", "--days", "1")
    assert result.exit_code == 0, result.output
    assert [each["id"] for each in json.loads(result.output)["predicate"]["chips"]] == ["GPU-parent"]


def test_options_are_enough_without_files() -> None:
    result = run(
        *("make", "--node", "gpu-1", "--system-uuid", UUID.upper(), "--facility", "DC 1", "--country", "MY"),
        *("--chip", "NVIDIA/H20/GPU-1", "--authority", AUTHORITY, "--serial-number", "1", "--days", "90"),
        *("--not-before", BEGINS),
    )
    assert result.exit_code == 0, result.output
    predicate = json.loads(result.output)["predicate"]
    assert (predicate["systemUUID"], predicate["notAfter"]) == (UUID, "2027-03-01T00:00:00Z")
    assert predicate["chips"] == [chip("GPU-1")]


def test_what_is_signed_is_a_node_attestation(folder: Path) -> None:
    manifest = yaml.safe_load(made(folder).read_text())
    assert (manifest["apiVersion"], manifest["kind"], manifest["metadata"]) == (
        API_VERSION,
        "NodeAttestation",
        {"name": "h1"},
    )
    envelope = NodeAttestationSpec.model_validate(manifest["spec"]).envelope
    assert dsse.is_signed_by(envelope, public_pem())


def test_a_statement_is_verified_under_a_policy_and_says_what_it_doesnt_prove(folder: Path) -> None:
    result = run("verify", made(folder), folder / "policy.yaml", folder / "objects.json", "--at", DURING)
    assert result.exit_code == 0, result.output
    assert "agrees:         node h1 reports the system UUID that is attested" in result.output
    assert "agrees:         the 2 chips that ResourceSlices show on the node are attested" in result.output
    assert "agrees:         zone cyberjaya-1 has the same facility and country on record" in result.output
    text = " ".join(result.output.split())
    assert f"proved: authority {AUTHORITY} has stated that a machine with system UUID {UUID} stands in DC 1, MY" in text
    assert "Not proved: - that the machine" in text
    assert result.output.endswith("1 statement: verified\n")


def test_a_bare_envelope_is_verified_by_a_key(folder: Path) -> None:
    made(folder)
    envelope = folder / "envelope.json"
    signed = run(
        "sign", folder / "h1.json", "--key", folder / "authority.pem", "-o", "envelope", "--output-file", envelope
    )
    assert signed.exit_code == 0, signed.output
    result = run("verify", envelope, "--key", folder / "authority.pub", "--at", DURING)
    assert result.exit_code == 0, result.output
    assert "not compared:   the node: it isn't among the files" in result.output
    assert run("verify", envelope, "--key", folder / "other.pub", "--at", DURING).exit_code == 1


@pytest.mark.parametrize(
    ("raw", "at", "why"),
    [
        (attestation(key="forger"), DURING, f"no key of authority {AUTHORITY} has signed it"),
        (attestation(), ENDS, f"it expired at {ENDS}"),
        (attestation(), "2026-01-01T00:00:00Z", f"it isn't valid before {BEGINS}"),
        (attestation(systemUUID=OTHER_UUID), DURING, f"node h1 reports system UUID {UUID}"),
        (attestation(facility={"country": "SG"}), DURING, "to stand in SG, and zone cyberjaya-1 is in MY"),
        (attestation(chips=[chip("GPU-0")]), DURING, "node h1 shows the chip GPU-1"),
    ],
)
def test_what_is_wrong_is_said_and_exits_with_1(folder: Path, raw: dict[str, Any], at: str, why: str) -> None:
    given = write(folder, raw)
    result = run("verify", given, folder / "policy.yaml", folder / "objects.json", "--at", at)
    assert result.exit_code == 1, result.output
    assert why in " ".join(result.output.split())
    assert "roved:" not in result.output
    document = json.loads(
        run("verify", given, folder / "policy.yaml", folder / "objects.json", "--at", at, "-o", "json").output
    )
    assert document["verified"] is False
    assert why in document["items"][0]["findings"][0]


def test_two_statements_that_contradict_each_other_are_both_told(folder: Path) -> None:
    one = write(folder, attestation(), "one.yaml")
    two = write(folder, attestation(name="two", facility={"country": "SG"}), "two.yaml")
    result = run("verify", one, two, "--key", folder / "authority.pub", "--at", DURING, "-o", "json")
    assert result.exit_code == 1
    assert all("has two attestations" in item["findings"][0] for item in json.loads(result.output)["items"])


def test_of_two_statements_in_objects_of_one_name_none_passes_unseen(folder: Path) -> None:
    forged, good = (
        write(folder, attestation(key=key), f"{name}.yaml") for key, name in (("forger", "forged"), ("one", "good"))
    )
    result = run("verify", forged, good, "--key", folder / "authority.pub", "--at", DURING)
    assert result.exit_code == 2, result.output
    assert 'duplicate NodeAttestation "h1" with different contents' in result.output
    assert run("verify", good, good, "--key", folder / "authority.pub", "--at", DURING).exit_code == 0


def test_a_node_with_the_system_uuid_of_another_isnt_verified(folder: Path) -> None:
    twin = merge(node(), {"metadata": {"name": "h2"}})
    result = run(
        "verify", write(folder, attestation()), write(folder, twin, "twin.yaml"), folder / "objects.json",
        "--key", folder / "authority.pub", "--at", DURING,
    )  # fmt: skip
    assert result.exit_code == 1, result.output
    assert "node h1 reports the same system UUID as node h2" in " ".join(result.output.split())


def test_the_report_has_the_statement(folder: Path) -> None:
    result = run("verify", made(folder), folder / "policy.yaml", "--at", DURING, "-o", "json")
    document = json.loads(result.output)
    assert (document["kind"], document["verified"]) == ("VerificationReport", True)
    assert document["items"][0]["statement"] == json.loads((folder / "h1.json").read_text())
    assert document["notProved"]


def test_the_example_is_evidence_under_its_policy_and_agrees_with_the_example_of_a_zone() -> None:
    paths = [ROOT / "examples" / name for name in ("attested.yaml", "zone.yaml")]
    result = run("verify", *paths, "--at", DURING)
    assert result.exit_code == 0, result.output
    assert "zone cyberjaya-1 has the same facility and country on record" in result.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["verify", "policy.yaml"], "hold no NodeAttestation"),
        (["verify", "h1.yaml"], "--key FILE is required"),
        (["verify", "h1.yaml", "--key", "authority.pem"], "not a public key"),
        (["verify", "h1.yaml", "policy.yaml", "--at", "tomorrow"], "isn't a time in UTC"),
        (["verify", "h1.yaml", "policy.yaml", "--policy", "other"], "no SovereigntyPolicy other"),
        (["verify", "missing.yaml", "--key", "authority.pub"], "no such file"),
        (["sign", "h1.json", "--key", "authority.pub"], "not a private key"),
        (["sign", "policy.yaml", "--key", "authority.pem"], "isn't the JSON of a statement"),
        (["make", "objects.json", "--authority", "a", "--serial-number", "1"], "either --not-after or --days"),
        (["make", "--authority", "a", "--serial-number", "1", "--days", "1"], "--node NAME is required"),
        (
            ["make", "objects.json", "--authority", "a", "--serial-number", "1", "--days", "1", "--country", "my"],
            "facility.country",
        ),
        (
            ["make", "objects.json", "--authority", "a", "--serial-number", "1", "--days", "1", "--chip", "H20"],
            "write VENDOR/PRODUCT/ID",
        ),
    ],
)
def test_wrong_input_exits_with_2(
    folder: Path, arguments: list[str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(folder)
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert why in result.output
    assert "PRIVATE" not in result.output
