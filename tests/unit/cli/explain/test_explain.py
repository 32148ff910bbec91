"""`daulat explain` says the same as what decides: of controls, policies and objects, and of where they would run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.cli.explain.command import explain
from daulat.controls import library
from tests.unit.world import ASCEND_RESOURCE, IMAGE, Raw, ascend, exemption, h20, model, namespace, node, policy, zone

GROUP = "daulat.dev/v1alpha1"


def typed(kind: str, raw: Raw) -> Raw:
    version = "v1" if kind in ("Namespace", "Node", "Pod") else GROUP
    return {**{k: v for k, v in raw.items() if k != "status" or v}, "apiVersion": version, "kind": kind}


def world(**changes: Any) -> list[Raw]:
    found = [typed("SovereigntyPolicy", policy(images={"registries": ["registry.example.my/"]}, **changes))]
    found += [typed("SovereignZone", z) for z in (zone(), zone("annex", country="SG"))]
    nodes = [ascend("a1"), h20("h1"), ascend("sg-1", site="annex"), node("stray", site="")]
    found += [typed("Node", n) for n in [*nodes, ascend("down", ready=False)]]
    found += [typed("Namespace", namespace())]
    return found


def pod(name: str = "p", uid: str = "", **spec: Any) -> Raw:
    meta = {"name": name, "namespace": "treasury", **({"uid": uid} if uid else {})}
    body = {"containers": [{"name": "main", "image": IMAGE}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body}


def asking(count: int) -> list[Raw]:
    return [{"name": "main", "image": IMAGE, "resources": {"limits": {ASCEND_RESOURCE: str(count)}}}]


def run(tmp_path: Path, *arguments: str, items: list[Raw] | None = None) -> Result:
    at = tmp_path / "world.yaml"
    at.write_text("---\n".join(yaml.safe_dump(i) for i in (world() if items is None else items)))
    return CliRunner().invoke(explain, [*arguments, str(at)])


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code in (0, 1), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def why_not(place: dict[str, Any]) -> dict[str, str]:
    return {name: group["reason"] for group in place["rejected"] for name in group["nodes"]}


def test_a_policy_by_vendors_says_which_profiles_it_approves_and_why_not_the_others(tmp_path: Path) -> None:
    items = world(
        accelerators={"profiles": None, "vendorCountries": ["US", "GB"], "families": ["Hopper", "IPU", "Hoper"]}
    )
    found = told(run(tmp_path, "confidential", "-o", "json", items=items))["accelerators"]
    assert {a["profile"] for a in found["approved"]} == {"nvidia-h100", "nvidia-h100-mig", "nvidia-h20", "nvidia-h200"}
    why = {name: group["reason"] for group in found["notApproved"] for name in group["profiles"]}
    assert why["huawei-ascend-910b"] == "has a vendor in CN, which isn't in vendorCountries"
    assert why["graphcore-c600"] == "has a vendor whose parent is in JP, which isn't in vendorCountries"
    assert why["nvidia-t4"] == "is of the family Turing, which isn't in families"
    assert found["unmatched"] == [{"field": "spec.accelerators.families", "value": "Hoper"}]
    text = run(tmp_path, "confidential", items=items).output
    assert "not approved, because the profile is of the family Turing, which isn't in families: nvidia-t4" in " ".join(
        text.split()
    )
    assert "spec.accelerators.families: no AcceleratorProfile has Hoper" in text


def test_a_policy_whose_selectors_match_nothing_says_that_nothing_is_approved(tmp_path: Path) -> None:
    items = world(accelerators={"profiles": None, "vendors": ["Huwei"]})
    text = run(tmp_path, "confidential", items=items).output
    assert "accelerators\n  none is approved\n" in text


def test_a_model_that_a_policy_by_vendors_doesnt_place_is_told_what_would_approve_it(tmp_path: Path) -> None:
    items = [*world(accelerators={"profiles": None, "vendors": ["NVIDIA"]}), typed("SovereignModel", model())]
    items[-1]["spec"]["accelerators"] = items[-1]["spec"]["accelerators"][:1]
    text = " ".join(run(tmp_path, "model", "deepseek", "-n", "treasury", items=items).output.split())
    assert (
        "approve huawei-ascend-910b in spec.accelerators of policy confidential: it is made by Huawei, which isn't in vendors"
    ) in text


@pytest.mark.parametrize("control", sorted(library.ids()))
def test_every_control_is_explained_with_its_why_and_its_examples(control: str) -> None:
    as_text = CliRunner().invoke(explain, [control])
    assert as_text.exit_code == 0, as_text.output
    found = json.loads(CliRunner().invoke(explain, [control.lower(), "-o", "json"]).stdout)
    own = [c for c in library.controls() if c.id == control]
    assert [g["guard"] for g in found["guards"]] == [c.guard for c in own]
    for guard, c in zip(found["guards"], own, strict=True):
        assert guard["why"] == c.why
        assert " ".join(c.title.split()) in " ".join(as_text.stdout.split())
        assert [e["name"] for e in guard["examples"]] == [e.name for e in c.examples]
        assert guard["messages"], "nothing shows what it says"


def test_an_unknown_control_is_told_with_those_that_there_are() -> None:
    result = CliRunner().invoke(explain, ["XXX-99"])
    assert result.exit_code == 2
    assert "known controls: " in result.stderr
    assert "USE-04" in result.stderr


def test_a_policy_is_explained_with_its_zones_and_why_others_are_not_accepted(tmp_path: Path) -> None:
    found = told(run(tmp_path, "confidential", "-o", "json"))
    assert found["zones"]["accepted"] == ["cyberjaya-1"]
    assert found["zones"]["rejected"] == [{"zone": "annex", "reason": "zone annex is in SG, outside MY"}]
    assert found["namespaces"] == ["treasury"]
    assert {"id": "USE-04", "guard": "pods", "action": "Enforce"}.items() <= next(
        c for c in found["controls"]["inForce"] if (c["id"], c["guard"]) == ("USE-04", "pods")
    ).items()
    assert "SUP-01" in found["controls"]["notCalledFor"]
    resources = {a["profile"]: a["resources"] for a in found["accelerators"]["approved"]}
    assert ASCEND_RESOURCE in resources["huawei-ascend-910b"]
    rules = {r["field"]: (r["value"], r["from"]) for r in found["rules"]}
    assert rules["zones.countries"] == (["MY"], "policy")
    assert rules["action"] == ("Enforce", "default")


LABEL = "daulat.node-restriction.kubernetes.io/confidential=eligible"


def test_a_policy_names_the_label_that_a_node_groups_template_needs(tmp_path: Path) -> None:
    assert told(run(tmp_path, "confidential", "-o", "json"))["nodeLabels"] == [LABEL]
    assert f"label of eligible nodes\n  {LABEL}\n" in run(tmp_path, "confidential").stdout


@pytest.mark.parametrize("nodes", [True, False], ids=["nodes", "no nodes yet"])
def test_a_pod_names_the_label_that_a_node_groups_template_needs(tmp_path: Path, nodes: bool) -> None:
    items = [i for i in world() if nodes or i["kind"] != "Node"] + [pod()]
    (place,) = told(run(tmp_path, "pod/treasury/p", "-o", "json", items=items))["placements"]
    assert place["nodeLabels"] == [LABEL]
    assert f"  label of eligible nodes: {LABEL}\n" in run(tmp_path, "pod/treasury/p", items=items).stdout


def test_a_model_names_the_label_of_each_policy_that_governs_it(tmp_path: Path) -> None:
    items = [*world(), typed("SovereigntyPolicy", policy("second")), typed("SovereignModel", model())]
    text = run(tmp_path, "smodel/treasury/deepseek", items=items).stdout
    both = f"{LABEL}, daulat.node-restriction.kubernetes.io/second=eligible"
    assert f"labels of eligible nodes: {both}" in " ".join(text.split())


def test_an_object_that_nobody_governs_needs_no_label(tmp_path: Path) -> None:
    free = {**pod(), "metadata": {"name": "p", "namespace": "free"}}
    items = [*world(), typed("Namespace", {"metadata": {"name": "free"}}), free]
    assert "of eligible nodes" not in run(tmp_path, "pod/free/p", items=items).stdout


@pytest.mark.parametrize(("version", "judged"), [("1.34", False), ("1.35", True)])
def test_a_control_that_a_version_cant_judge_by_isnt_told_as_satisfied(
    tmp_path: Path, version: str, judged: bool
) -> None:
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", "namespace": "treasury"},
        "target": {"kind": "Node", "name": "a1"},
    }
    found = told(
        run(tmp_path, "Binding/treasury/p", "--kubernetes-version", version, "-o", "json", items=[*world(), binding])
    )
    assert ("MGD-01" in {c["id"] for c in found["controls"]}) is judged


def test_a_preset_is_expanded_with_citations_and_what_the_policy_overrides(tmp_path: Path) -> None:
    body = policy(preset={"name": "my-nccp", "dataClass": "confidential"}, models={"requireDigest": False})
    items = [i for i in world() if i["kind"] != "SovereigntyPolicy"] + [typed("SovereigntyPolicy", body)]
    result = run(tmp_path, "confidential", "-o", "json", items=items)
    found = told(result)
    rules = {r["field"]: r for r in found["rules"]}
    assert rules["zones.operatorCountries"]["from"] == "preset"
    assert rules["zones.operatorCountries"]["citations"][0]["source"]
    assert rules["models.requireDigest"]["value"] is False
    assert rules["models.requireDigest"]["overrides"] is True
    assert found["preset"]["dataClass"] == "confidential"
    text = run(tmp_path, "confidential", items=items).stdout
    assert "overrides the preset's true" in text
    assert "no legal advice" in text


def test_exemptions_are_told_with_their_state(tmp_path: Path) -> None:
    items = [*world(), typed("SovereigntyExemption", exemption(controls=["STO-07"], expiresAt="2020-01-01T00:00:00Z"))]
    (found,) = told(run(tmp_path, "confidential", "-o", "json", items=items))["exemptions"]
    assert found["state"] == "expired"
    waiting = exemption(controls=["STO-07"], expiresAt="2999-01-01T00:00:00Z", approvals=[])
    items = [*world(), typed("SovereigntyExemption", waiting)]
    (found,) = told(run(tmp_path, "confidential", "-o", "json", items=items))["exemptions"]
    assert found["state"] == "not approved"


def test_an_object_is_explained_by_each_control_and_refused_with_exit_code_1(tmp_path: Path) -> None:
    items = [*world(), pod(nodeName="a1")]
    result = run(tmp_path, "pod/treasury/p", "-o", "json", items=items)
    assert result.exit_code == 1
    found = told(result)
    verdicts = {c["id"]: c["verdict"] for c in found["controls"]}
    assert verdicts["USE-04"] == "refused"
    assert verdicts["STO-07"] == "satisfied"
    assert all(v == "satisfied" for k, v in verdicts.items() if k != "USE-04")
    assert "USE-15" not in verdicts, "no binding is asked for with a pod"


def test_a_pod_that_is_fine_is_told_which_nodes_take_it_and_why_not_the_others(tmp_path: Path) -> None:
    items = [*world(), pod(containers=asking(4))]
    result = run(tmp_path, "pod/p", "-n", "treasury", "-o", "json", items=items)
    assert result.exit_code == 0
    (place,) = told(result)["placements"]
    assert place["nodes"] == ["a1"]
    assert why_not(place) == {
        "h1": f"has 0 {ASCEND_RESOURCE}, and 4 are requested",
        "sg-1": "zone annex is in SG, outside MY",
        "stray": "stands in no zone of record",
        "down": "isn't ready",
    }
    (place,) = told(
        run(tmp_path, "pod/p", "-n", "treasury", "-o", "json", items=[*world(), pod(containers=asking(1))])
    )["placements"]
    assert why_not(place)["h1"] == f"has 0 {ASCEND_RESOURCE}, and 1 is requested"


def test_devices_that_others_hold_are_not_free(tmp_path: Path) -> None:
    holder = pod("holder", uid="u", nodeName="a1", containers=asking(6))
    items = [*world(), holder, pod(containers=asking(4))]
    (place,) = told(run(tmp_path, "pod/treasury/p", "-o", "json", items=items))["placements"]
    assert place["nodes"] == []
    assert why_not(place)["a1"] == f"has fewer than 4 free {ASCEND_RESOURCE}"


def test_a_node_selector_of_the_pod_itself_counts(tmp_path: Path) -> None:
    items = [*world(), pod(nodeSelector={"disk": "fast"})]
    (place,) = told(run(tmp_path, "pod/treasury/p", "-o", "json", items=items))["placements"]
    assert why_not(place)["a1"] == "lacks the labels disk=fast of spec.nodeSelector"


def test_what_the_scheduler_looks_at_too_is_named(tmp_path: Path) -> None:
    items = [*world(), pod(affinity={"nodeAffinity": {}}, tolerations=[{"operator": "Exists"}])]
    (place,) = told(run(tmp_path, "pod/treasury/p", "-o", "json", items=items))["placements"]
    assert place["notLookedAt"] == ["spec.affinity.nodeAffinity", "spec.tolerations"]


def test_a_pod_that_runs_has_its_node_from_the_scheduler(tmp_path: Path) -> None:
    items = [*world(), pod(uid="u", nodeName="a1")]
    assert run(tmp_path, "pod/treasury/p", items=items).exit_code == 0


def test_a_model_is_explained_with_what_the_operator_would_choose(tmp_path: Path) -> None:
    items = [*world(), typed("SovereignModel", model())]
    result = run(tmp_path, "smodel/treasury/deepseek", "-o", "json", items=items)
    assert result.exit_code == 0, result.output
    (place,) = told(result)["placements"]
    assert (place["zone"], place["accelerator"], place["nodes"]) == ("cyberjaya-1", "huawei-ascend-910b", ["a1"])
    assert why_not(place)["sg-1"] == "zone annex is in SG, outside MY"


def test_a_file_is_explained_object_by_object(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "treasury"},
        "spec": {"template": {"spec": pod(hostPID=True)["spec"]}},
    }
    file.write_text(yaml.safe_dump(deployment) + "---\n" + yaml.safe_dump(pod()))
    result = run(tmp_path, "-f", str(file), "-o", "json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["object"], first["result"]) == ("Deployment treasury/d", "refused")
    assert [c["id"] for c in first["controls"] if c["verdict"] == "refused"] == ["USE-18"]
    assert first["placements"][0]["of"].startswith("the pods of Deployment treasury/d")
    assert (second["object"], second["result"]) == ("Pod treasury/p", "allowed")
    text = run(tmp_path, "-f", str(file)).stdout
    assert "refused   USE-18" in text
    assert "takes it: a1, h1" in text


def test_without_nodes_nobody_says_where_it_would_run(tmp_path: Path) -> None:
    items = [i for i in world() if i["kind"] != "Node"] + [pod()]
    (place,) = told(run(tmp_path, "pod/treasury/p", "-o", "json", items=items))["placements"]
    assert "no Node in the input" in place["message"]


def test_an_object_that_nobody_governs_is_allowed(tmp_path: Path) -> None:
    free = {**pod(nodeName="x"), "metadata": {"name": "p", "namespace": "free"}}
    items = [*world(), typed("Namespace", {"metadata": {"name": "free"}}), free]
    result = run(tmp_path, "pod/free/p", items=items)
    assert result.exit_code == 0
    assert "no policy governs it" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Missing argument 'TARGET'"),
        (("confidential",), "Missing argument 'PATH...'"),
        (("pod/a/b/c", "policies/"), "pod/a/b/c isn't KIND/NAME or KIND/NAMESPACE/NAME"),
        (("confidential", "--context", "x"), "--context requires --cluster"),
    ],
)
def test_usage_that_makes_no_sense_is_refused(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(explain, list(arguments))
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nobody", 'SovereigntyPolicy "nobody" not found; known policies: confidential'),
        ("pod/treasury/nobody", 'object "pod/treasury/nobody" not found in the files'),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, target: str, says: str) -> None:
    result = run(tmp_path, target)
    assert result.exit_code == 2
    assert says in result.stderr


def test_bad_input_is_told_with_file_and_line_and_never_a_traceback(tmp_path: Path) -> None:
    broken = [typed("SovereigntyPolicy", policy(zones={"countries": ["Malaysia"]}))]
    result = run(tmp_path, "confidential", items=broken)
    assert result.exit_code == 2
    assert "world.yaml:" in result.stderr
    assert "spec.zones.countries" in result.stderr


def test_text_from_elsewhere_steers_no_terminal(tmp_path: Path) -> None:
    evil = pod(containers=[{"name": "main", "image": "evil.example/\x1b[2J"}])
    result = run(tmp_path, "pod/treasury/p", items=[*world(), evil])
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("raw", "control"),
    [
        ({"apiVersion": "example.my/v1", "kind": "Engine", "spec": {"image": "docker.io/evil"}}, None),
        ({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "inference": {"preset": {"name": "phi-4"}}}, "STO-07"),
    ],
)
def test_an_object_that_isnt_judged_is_not_said_to_be_allowed(tmp_path: Path, raw: Raw, control: str | None) -> None:
    file = tmp_path / "object.yaml"
    file.write_text(yaml.safe_dump({**raw, "metadata": {"name": "e", "namespace": "treasury"}}))
    tree = run(tmp_path, "-f", str(file))
    assert tree.exit_code == 0
    assert "not judged" in tree.stdout.splitlines()[0]
    explained = told(run(tmp_path, "-f", str(file), "-o", "json"))
    assert (explained["result"], len(explained["notes"])) == ("unjudged", 1)
    verdicts = {c["id"]: c["verdict"] for c in explained["controls"]}
    assert verdicts.get("STO-07") == ("not judged" if control else None)
