"""`daulat compile` prints what the operator would apply, the same bytes each time, and says what is wrong with its input."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.catalog import accelerators
from daulat.cli.compile.command import compile_
from daulat.kube.ref import Ref
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.policy.ungoverned import KEY, reconcile_ungoverned
from daulat.reconcile.result import Apply
from tests.unit.world import Raw, World, exemption, namespace, policy, zone

NOW = "2027-01-15T08:00:00Z"
KINDS = {"policies": "SovereigntyPolicy", "zones": "SovereignZone", "exemptions": "SovereigntyExemption"}


def typed(kind: str, raw: Raw) -> Raw:
    group = "v1" if kind in ("Namespace", "Node") else "daulat.dev/v1alpha1"
    return {"apiVersion": group, "kind": kind, "metadata": raw["metadata"], "spec": raw.get("spec") or {}}


def objects() -> list[Raw]:
    found = [typed("SovereigntyPolicy", policy(storage={}, images={"registries": ["registry.example.my/"]}))]
    found += [typed("SovereigntyPolicy", policy("restricted", zones={"countries": ["SG"]}))]
    found += [typed("SovereignZone", zone(storageClasses=["encrypted"])), typed("SovereignZone", zone("annex"))]
    found += [typed("SovereigntyExemption", exemption(controls=["USE-04"], expiresAt="2027-01-15T09:00:00Z"))]
    return found


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner().invoke(compile_, [*map(str, arguments)], input=stdin)


def written(directory: Path, items: list[Raw]) -> Path:
    directory.mkdir(exist_ok=True)
    for n, item in enumerate(items):
        (directory / f"{n}.yaml").write_text(yaml.safe_dump(item))
    return directory


def test_the_same_objects_give_the_same_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    items = objects()
    first = run(written(tmp_path / "a", items), "--at", NOW)
    assert first.exit_code == 0, first.output
    for seed in range(3):
        random.Random(seed).shuffle(items)
        shuffled = [dict(reversed(list(i.items()))) for i in items]
        again = run(written(tmp_path / f"b{seed}", shuffled), "--at", NOW)
        assert again.stdout == first.stdout
    stream = "---\n".join(yaml.safe_dump(i) for i in items)
    assert run("-", "--at", NOW, stdin=stream).stdout == first.stdout
    as_list = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert run("-", "--at", NOW, stdin=as_list).stdout == first.stdout


def test_json_holds_what_yaml_holds(tmp_path: Path) -> None:
    at = written(tmp_path / "a", objects())
    documents = list(yaml.safe_load_all(run(at, "--at", NOW).stdout))
    assert json.loads(run(at, "--at", NOW, "-o", "json").stdout)["items"] == documents


def test_it_is_what_the_operator_applies(tmp_path: Path) -> None:
    world = World(zones=[zone(storageClasses=["encrypted"])], exemptions=[exemption(controls=["USE-04"])])
    items = [typed("SovereigntyPolicy", p) for p in world.policies]
    items += [typed("SovereignZone", z) for z in world.zones]
    items += [typed("SovereigntyExemption", e) for e in world.exemptions]
    items += [{**p, "apiVersion": "daulat.dev/v1alpha1"} for p in world.profiles]
    printed = list(yaml.safe_load_all(run(written(tmp_path / "a", items), "--at", NOW).stdout))
    result = reconcile_policy(Ref("SovereigntyPolicy", "", "confidential"), world.snapshot(), 1_800_000_000.0)
    applied = [e.manifest for e in result.effects if isinstance(e, Apply)]
    shared = [e.manifest for e in reconcile_ungoverned(KEY, world.snapshot(), 0).effects if isinstance(e, Apply)]
    assert [m["metadata"] for m in printed[len(applied) :]] == [m["metadata"] for m in shared]
    printed = printed[: len(applied)]
    # Which profiles are known beside the approved ones is a matter of the cluster: names of devices to refuse.
    assert [m["metadata"]["name"] for m in printed] == [m["metadata"]["name"] for m in applied]
    assert [m["metadata"]["labels"] for m in printed] == [m["metadata"]["labels"] for m in applied]
    for key in ("matchConstraints", "matchResources"):
        assert [m["spec"].get(key) for m in printed] == [m["spec"].get(key) for m in applied]


def test_an_exemption_is_left_out_from_when_it_is_over(tmp_path: Path) -> None:
    at = written(tmp_path / "a", objects())
    before, after = run(at, "--at", "2027-01-15T08:59:59Z").stdout, run(at, "--at", "2027-01-15T09:00:00Z").stdout
    assert 'timestamp("2027-01-15T09:00:00Z")' in " ".join(before.split())
    assert "2027-01-15T09:00:00Z" not in after
    without = written(tmp_path / "b", [i for i in objects() if i["kind"] != "SovereigntyExemption"])
    assert run(without, "--at", NOW).stdout == after


def test_a_shipped_profile_is_known_and_one_in_the_input_takes_its_place(tmp_path: Path) -> None:
    plain = [typed("SovereigntyPolicy", policy())]
    profile: Raw = {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "AcceleratorProfile",
        "metadata": {"name": "nvidia-h20"},
        "spec": {
            "vendor": {"name": "NVIDIA", "country": "US"},
            "family": "Hopper",
            "model": "H20",
            "resources": [{"name": "nvidia.com/h20-of-ours", "sharing": "Whole"}],
        },
    }
    assert "huawei.com/Ascend910" in run(written(tmp_path / "a", plain)).stdout
    ours = run(written(tmp_path / "b", [*plain, profile]))
    assert ours.exit_code == 0, ours.output
    assert "nvidia.com/h20-of-ours" in ours.stdout


def test_the_namespace_of_the_operator_is_left_out_of_every_policy(tmp_path: Path) -> None:
    at = written(tmp_path / "a", [typed("SovereigntyPolicy", policy())])
    assert "- sovereignty\n" in run(at, "--operator-namespace", "sovereignty").stdout


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([], "no SovereigntyPolicy found"),
        ([typed("SovereignZone", zone())], "no SovereigntyPolicy found"),
        ([typed("SovereigntyPolicy", policy(zones={"countries": ["Malaysia"]}))], "0.yaml:"),
        ([typed("SovereigntyPolicy", policy(sones={}))], "unknown field"),
        ([typed("SovereigntyPolicy", policy(controls={"XXX-99": "Off"}))], "XXX-99 is not a control"),
        ([typed("SovereigntyPolicy", policy(preset={"name": "nobody-knows"}))], "nobody-knows"),
        ([typed("SovereigntyPolicy", policy("zone"))], "can't be a node label"),
        (
            [typed("SovereigntyPolicy", policy()), typed("SovereigntyPolicy", policy(action="Warn"))],
            'duplicate SovereigntyPolicy "confidential" with different contents',
        ),
        (
            [typed("SovereigntyPolicy", policy()), typed("Namespace", namespace("kube-system"))],
            "selects kube-system, which no policy may govern",
        ),
    ],
)
def test_input_that_is_wrong_is_told_with_its_file_and_nothing_is_printed(
    tmp_path: Path, items: list[Raw], says: str
) -> None:
    result = run(written(tmp_path / "in", items))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert str(tmp_path) in result.stderr


def test_a_file_that_is_too_large_is_an_error_that_names_no_option_of_another_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daulat.cli.objects.MAX_BYTES", 1 << 10)
    file = tmp_path / "large.yaml"
    file.write_text("#" * 1025)
    done = run(file)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"error: {file}: is larger than 0.000976562 MiB: split it\n" in done.stderr


def test_a_missing_profile_and_missing_zones_are_warned_of(tmp_path: Path) -> None:
    result = run(written(tmp_path / "in", [typed("SovereigntyPolicy", policy(accelerators={"profiles": ["acme"]}))]))
    assert result.exit_code == 0
    assert 'AcceleratorProfile "acme" not found' in result.stderr
    assert "no SovereignZone" in result.stderr


def test_selectors_of_accelerators_that_match_nothing_are_warned_of(tmp_path: Path) -> None:
    asked = policy(accelerators={"profiles": None, "vendors": ["Huwei"]})
    result = run(written(tmp_path / "in", [typed("SovereigntyPolicy", asked)]))
    assert result.exit_code == 0
    assert "spec.accelerators.vendors: no AcceleratorProfile has Huwei" in result.stderr
    assert "spec.accelerators: no AcceleratorProfile matches all that is set, so none is approved" in result.stderr


def test_a_policy_that_lists_all_that_its_selectors_match_compiles_to_the_same(tmp_path: Path) -> None:
    made = {n: s for n, s in accelerators.shipped().items() if s.vendor.name == "Graphcore"}
    listed = typed("SovereigntyPolicy", policy(accelerators={"profiles": sorted(made)}))
    selected = typed("SovereigntyPolicy", policy(accelerators={"profiles": None, "vendors": ["Graphcore"]}))
    assert run(written(tmp_path / "a", [listed])).stdout == run(written(tmp_path / "b", [selected])).stdout
    # A new profile that matches is another compilation, which GitOps sees as drift.
    own = {
        "metadata": {"name": "own-ipu"},
        "spec": made["graphcore-c600"].model_dump(by_alias=True, exclude_unset=True),
    }
    own["spec"]["resources"] = [{"name": "example.com/ipu", "sharing": "Whole"}]
    wider = run(written(tmp_path / "c", [selected, typed("AcceleratorProfile", own)])).stdout
    assert "example.com/ipu" in wider
    assert wider != run(written(tmp_path / "d", [listed, typed("AcceleratorProfile", own)])).stdout


def test_what_gitops_applies_says_so(tmp_path: Path) -> None:
    items = [typed("SovereigntyPolicy", policy(enforcement={"source": "GitOps"}))]
    printed = list(yaml.safe_load_all(run(written(tmp_path / "a", items)).stdout))
    # The guard that all policies share isn't among them: the operator runs, and knows the policies that aren't here.
    assert {m["metadata"]["annotations"]["daulat.dev/source"] for m in printed} == {"GitOps"}


def test_the_guards_of_the_whole_cluster_are_added_where_they_are_asked_for(tmp_path: Path) -> None:
    at = written(tmp_path / "a", [typed("SovereigntyPolicy", policy(enforcement={"source": "GitOps"}))])
    names = {m["metadata"]["name"] for m in yaml.safe_load_all(run(at, "--guards").stdout)}
    assert {"nodes.cluster.daulat.dev", "ungoverned.cluster.daulat.dev"} <= names
    assert "software.cluster.daulat.dev" not in names
    image = "registry.example.my/daulat@sha256:" + "0" * 64
    told = run(at, "--guards", "--operator-image", image).stdout
    assert "name: software.cluster.daulat.dev" in told
    assert image in told


def test_the_guard_of_the_operators_pods_is_compiled_for_its_deployment(tmp_path: Path) -> None:
    at = written(tmp_path / "a", [typed("SovereigntyPolicy", policy(enforcement={"source": "GitOps"}))])
    container = {"name": "operator", "image": "registry.example.my/d:1", "args": ["operator", "--quiet"], "env": []}
    pod = {"serviceAccountName": "keeper", "nodeSelector": {"site": "a"}, "containers": [container]}
    deployment = {"kind": "Deployment", "metadata": {"name": "daulat"}, "spec": {"template": {"spec": pod}}}
    file = tmp_path / "deployment.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "apps/v1", **deployment}))
    told = run(at, "--guards", "--operator-deployment", str(file)).stdout
    for words in ('["operator", "--quiet"]', '"registry.example.my/d:1"', '{"site": "a"}', '"keeper"'):
        assert words in told
    pod["containers"] = []
    file.write_text(yaml.safe_dump({"apiVersion": "apps/v1", **deployment}))
    refused = run(at, "--guards", "--operator-deployment", str(file))
    assert refused.exit_code == 2
    assert "no Deployment of the operator found" in refused.stderr


def files(root: Path) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def test_static_files_are_whole_and_the_same_each_time(tmp_path: Path) -> None:
    source, target = written(tmp_path / "in", objects()), tmp_path / "out"
    first = run(source, "--static", "--output-dir", target, "--at", NOW)
    assert first.exit_code == 0, first.output
    before = files(target)
    names = {"README.md", "admission-configuration.yaml", "validating/daulat.yaml", "mutating/daulat.yaml"}
    assert set(before) == names
    assert str(target / "validating").encode() in before["admission-configuration.yaml"]
    assert b"--admission-control-config-file=" in before["README.md"]
    kinds = [m["metadata"]["name"] for m in yaml.safe_load_all(before["validating/daulat.yaml"])]
    assert all(name.endswith(".static.k8s.io") for name in kinds)
    assert "nodes.cluster.daulat.static.k8s.io" in kinds
    stamps = {f: f.stat().st_mtime_ns for f in target.rglob("*.yaml")}
    assert "up to date" in run(source, "--static", "--output-dir", target, "--at", NOW).stderr
    assert {f: f.stat().st_mtime_ns for f in target.rglob("*.yaml")} == stamps
    assert files(target) == before


def test_the_host_path_is_what_api_servers_see(tmp_path: Path) -> None:
    source, target = written(tmp_path / "in", objects()), tmp_path / "out"
    run(source, "--static", "--output-dir", target, "--host-path", "/etc/kubernetes/daulat")
    configuration = (target / "admission-configuration.yaml").read_text()
    assert "/etc/kubernetes/daulat/mutating" in configuration
    assert str(tmp_path) not in configuration
    refused = run(source, "--static", "--output-dir", target, "--host-path", "daulat")
    assert refused.exit_code == 2


def test_only_its_own_files_are_removed_or_replaced(tmp_path: Path) -> None:
    source, target = written(tmp_path / "in", objects()), tmp_path / "out"
    run(source, "--static", "--output-dir", target, "--at", NOW)
    (target / "mutating" / "theirs.yaml").write_text("theirs")
    run("--anchor", "--output-dir", target)
    anchor = (target / "validating" / "daulat-anchor.yaml").read_bytes()
    trial = written(tmp_path / "trial", [typed("SovereigntyPolicy", policy(action="Warn"))])
    done = run(trial, "--static", "--output-dir", target)
    assert done.exit_code == 0, done.output
    assert f"removed {target / 'mutating' / 'daulat.yaml'}" in done.stderr
    assert set(files(target / "mutating")) == {"theirs.yaml"}
    assert (target / "validating" / "daulat-anchor.yaml").read_bytes() == anchor
    (target / "validating" / "daulat.yaml").write_text("mine")
    before = files(target)
    refused = run(source, "--static", "--output-dir", target, "--at", NOW)
    assert refused.exit_code == 2
    assert "wasn't written by daulat compile" in refused.stderr
    assert files(target) == before


def test_the_anchor_is_for_the_users_that_are_named(tmp_path: Path) -> None:
    done = run(
        "--anchor", "--output-dir", tmp_path / "out", "--allow-user", "ci", "--allow-user", "system:serviceaccount:a:b"
    )
    assert done.exit_code == 0, done.output
    (policy_, _) = yaml.safe_load_all((tmp_path / "out" / "validating" / "daulat-anchor.yaml").read_text())
    assert '["ci", "system:serviceaccount:a:b"]' in policy_["spec"]["matchConditions"][0]["expression"]
    assert (tmp_path / "out" / "mutating").is_dir()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--static", "x"),
        ("--anchor",),
        ("--static", "--anchor", "--output-dir", "d"),
        ("--anchor", "x", "--output-dir", "d"),
        ("--anchor", "--output-dir", "d", "-o", "json"),
        ("--anchor", "--output-dir", "d", "--output-file", "f"),
        ("x", "--output-dir", "d"),
    ],
)
def test_usage_that_makes_no_sense_is_refused(arguments: tuple[Any, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "in", objects())
    assert "has no time zone" in run(source, "--at", "2027-01-15T08:00:00").stderr
    assert "is not a time" in run(source, "--at", "soon").stderr
