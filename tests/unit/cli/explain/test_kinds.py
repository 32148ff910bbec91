"""`daulat explain` of what others are judged by, and of what comes with Daulat: by every name that a kind has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daulat.api.kinds import KINDS
from daulat.catalog import accelerators
from daulat.catalog.presets import presets
from daulat.cli.explain.command import explain
from daulat.cli.explain.outline import Outline, render
from daulat.doctor.catalog import checks
from daulat.manifest.document import from_api
from tests.unit.attestation.statements import UUID, attestation, trust
from tests.unit.cli.explain.test_explain import LABEL, run, told, typed, world
from tests.unit.world import ascend, exemption, h20, inventory, policy, zone


def section(found: dict[str, Any], title: str) -> list[tuple[str, str]]:
    (items,) = [s["items"] for s in found["about"] if s["title"] == title]
    return [(item.get("verdict", ""), item["text"]) for item in items]


def explained(tmp_path: Path, *words: str, items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return told(run(tmp_path, *words, "-o", "json", items=items))


@pytest.mark.parametrize("word", ["node/{}", "nodes/{}", "no/{}"])
def test_a_node_says_by_which_policies_it_is_eligible_and_why_not(tmp_path: Path, word: str) -> None:
    items = [*world(), typed("SovereigntyPolicy", policy("abroad", zones={"countries": ["SG"]}))]
    found = explained(tmp_path, word.format("a1"), items=items)
    rejected, eligible = section(found, "policies")
    assert rejected == ("rejected", "abroad: zone cyberjaya-1 is in MY, outside SG")
    lacks = LABEL.removesuffix("=eligible")
    assert eligible == ("eligible", f"confidential: it lacks the label {lacks}")
    assert section(found, "zone")[0][1].startswith("cyberjaya-1: MY, operated by ")
    assert section(found, "accelerators") == [("", "8 huawei.com/Ascend910, of AcceleratorProfile huawei-ascend-910b")]


def test_kind_and_name_may_be_two_words_even_where_a_folder_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a1").mkdir()
    assert section(explained(tmp_path, "node", "a1"), "zone")[0][1].startswith("cyberjaya-1: ")


def test_a_node_that_still_has_the_label_of_a_policy_says_so(tmp_path: Path) -> None:
    stray = ascend("sg-2", site="annex")
    key, value = LABEL.split("=")
    stray["metadata"]["labels"][key] = value
    found = explained(tmp_path, "node/sg-2", items=[*world(), typed("Node", stray)])
    assert section(found, "policies") == [
        ("rejected", f"confidential: zone annex is in SG, outside MY; it still has the label {key}")
    ]


def test_a_node_in_no_zone_and_one_that_takes_no_pods_say_so(tmp_path: Path) -> None:
    assert section(explained(tmp_path, "node/stray"), "zone") == [("rejected", "stands in no zone of record")]
    assert section(explained(tmp_path, "node/down"), "scheduling") == [("", "isn't ready")]


def test_a_zone_says_which_nodes_stand_in_it_and_who_accepts_it(tmp_path: Path) -> None:
    found = explained(tmp_path, "szone/annex")
    assert section(found, "nodes") == [("", "sg-1")]
    assert section(found, "policies") == [("rejected", "confidential: zone annex is in SG, outside MY")]
    assert section(explained(tmp_path, "zone", "cyberjaya-1"), "policies") == [("accepted", "confidential")]


def test_a_zone_names_the_nodes_that_another_zone_claims_too(tmp_path: Path) -> None:
    twin = typed("SovereignZone", {**zone("twin"), "spec": zone("annex", country="SG")["spec"]})
    found = explained(tmp_path, "szone/twin", items=[*world(), twin])
    assert section(found, "nodes") == [
        ("", "none stands in the zone"),
        ("rejected", "sg-1: is claimed by zones annex and twin"),
    ]


def test_a_profile_says_which_policies_approve_it_and_which_nodes_have_it(tmp_path: Path) -> None:
    found = explained(tmp_path, "accel/huawei-ascend-910b")
    assert section(found, "policies") == [("approved", "confidential")]
    assert section(found, "nodes") == [("", "huawei.com/Ascend910: a1, down, sg-1")]
    (refused,) = section(explained(tmp_path, "profile/nvidia-t4"), "policies")
    assert refused == ("rejected", "confidential: the profile isn't in profiles")


def test_an_exemption_says_what_it_takes_away_or_why_nothing(tmp_path: Path) -> None:
    def effect(**changes: Any) -> list[tuple[str, str]]:
        one = typed("SovereigntyExemption", exemption("e", **changes))
        return section(explained(tmp_path, "sexempt/e", items=[*world(), one]), "effect")

    ((verdict, text),) = effect()
    assert (verdict, text.startswith("until ")) == ("in force", True)
    ((verdict, text),) = effect(namespaces=["tresury"])
    assert (verdict, text) == ("not valid", "namespace tresury doesn't exist")
    assert effect(policy="confidental") == [("not valid", "policy confidental doesn't exist")]


LASTING: dict[str, Any] = {"notBefore": "2020-01-01T00:00:00Z", "notAfter": "2120-01-01T00:00:00Z"}


def attested(*attestations: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a node that reports a system UUID, under a policy that asks for evidence."""
    asked = {"minimumEvidence": "attested", "attestations": trust()}
    node = {**h20("h1"), "status": {**h20("h1")["status"], "nodeInfo": {"systemUUID": UUID}}}
    made = [("SovereigntyPolicy", policy(zones=asked)), ("SovereignZone", zone()), ("Node", node)]
    return [*(typed(kind, raw) for kind, raw in made), *attestations]


def test_a_node_says_how_it_is_known_where_it_stands_and_what_is_missing(tmp_path: Path) -> None:
    found = explained(tmp_path, "node/h1", items=attested(attestation(**LASTING)))
    assert section(found, "evidence") == [("", "confidential: attested")]
    ((verdict, _),) = section(found, "policies")
    assert verdict == "eligible"
    found = explained(tmp_path, "node/h1", items=attested())
    assert section(found, "evidence") == [("", "confidential: declared")]
    ((verdict, text),) = section(found, "policies")
    assert (verdict, text.partition(";")[0]) == ("undecided", "confidential: has no NodeAttestation")


def test_an_attestation_says_what_it_says_and_whether_it_counts(tmp_path: Path) -> None:
    found = explained(tmp_path, "attestation/h1", items=attested(attestation(**LASTING)))
    said, by = (text for _, text in section(found, "statement"))
    assert said == "node h1 stands in DC 1, MY, until 2120-01-01T00:00:00Z"
    assert by.startswith("by my-inspectorate, serial number 2026-0017, digest sha256:")
    assert section(found, "evidence") == [("accepted", "evidence for confidential until 2120-01-01T00:00:00Z")]
    found = explained(tmp_path, "nattest/h1", items=attested(attestation(key="forger", **LASTING)))
    reason = "policy confidential: no key of authority my-inspectorate has signed it"
    assert section(found, "evidence") == [("not valid", reason)]


def test_a_namespace_says_which_policies_govern_it(tmp_path: Path) -> None:
    assert section(explained(tmp_path, "ns", "treasury"), "policies") == [("", "confidential, Enforce")]


def test_an_inventory_says_what_doesnt_add_up(tmp_path: Path) -> None:
    items = [*world(), typed("AcceleratorInventory", inventory("h20", "GPU-1"))]
    found = explained(tmp_path, "ainv/h20", items=items)
    assert section(found, "chips") == [("", "1 Gone")]
    assert section(found, "problems") == [
        ("rejected", "GPU-1 was never seen, and delivery DN-1 was received on 2026-01-01")
    ]


@pytest.mark.parametrize(
    "word", [word for kind in KINDS[1:] for word in (kind.kind, kind.plural, kind.short, f"{kind.short}s")]
)
def test_every_kind_is_found_by_each_of_its_names(tmp_path: Path, word: str) -> None:
    items = [
        *world(),
        typed("SovereigntyExemption", exemption("e")),
        typed("AcceleratorInventory", inventory("h20", "GPU-1")),
        attestation(),
    ]
    names = {
        "SovereigntyPolicy": "confidential",
        "SovereignZone": "annex",
        "AcceleratorProfile": "huawei-ascend-910b",
        "SovereigntyExemption": "e",
        "NodeAttestation": "h1",
        "AcceleratorInventory": "h20",
    }
    kind = next(k for k in KINDS if word in (k.kind, k.plural, k.short, f"{k.short}s"))
    for words in ([f"{word}/{names[kind.kind]}"], [word, names[kind.kind]]):
        assert names[kind.kind] in run(tmp_path, *words, items=items).stdout.splitlines()[0]


@pytest.mark.parametrize("check", sorted(checks()))
def test_a_check_of_doctor_is_explained_with_its_why_and_its_remedy(check: str) -> None:
    found = told(CliRunner().invoke(explain, [check.lower(), "-o", "json"]))
    assert (found["check"], found["title"]) == (check, checks()[check].title)
    text = " ".join(CliRunner().invoke(explain, [check]).stdout.split())
    assert " ".join(checks()[check].remedy.split()) in text


@pytest.mark.parametrize("preset", sorted(presets()))
def test_a_preset_is_explained_without_any_file(preset: str) -> None:
    for word in (preset, f"preset/{preset}"):
        found = told(CliRunner().invoke(explain, [word, "-o", "json"]))
        assert [c["rule"] for c in found["citations"]] == [c.rule for c in presets()[preset].citations]
    assert presets()[preset].title in " ".join(CliRunner().invoke(explain, [preset]).stdout.split())


def test_a_shipped_profile_is_explained_without_any_file() -> None:
    name = min(accelerators.shipped())
    result = CliRunner().invoke(explain, [name, "-o", "json"])
    assert json.loads(result.stdout)["object"] == f"AcceleratorProfile {name}"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("DOC-99", 'unknown check "DOC-99"; known checks: DOC-01, '),
        ("preset/nobody", 'unknown preset "nobody"; known presets: baseline, '),
        ("szone/nobody", 'object "szone/nobody" not found in the files\n'),
        ("model/nobody", 'object "model/nobody" not found in the files, in namespace default\n'),
    ],
)
def test_what_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path, target: str, says: str) -> None:
    result = run(tmp_path, target)
    assert result.exit_code == 2
    assert says in result.stderr


def test_an_object_of_the_cluster_is_named_once() -> None:
    name = from_api(
        {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereignZone", "metadata": {"name": "z"}}
    ).chunk.file
    bare = dict.fromkeys(("policies", "about", "controls", "placements", "notes"), ())
    explained = {"object": "SovereignZone z", "file": name, "line": 0, "result": "allowed", **bare}
    assert render(explained, Outline.for_output()).splitlines()[0] == "SovereignZone z, in the cluster  allowed"
