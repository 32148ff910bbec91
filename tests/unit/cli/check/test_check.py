"""`daulat check` as a user runs it: what it reads, what it says where, and with which exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daulat.check.templates import MAX_VALUES
from daulat.cli.check.command import check
from tests.unit.check.scene import BAD, GOOD, Raw, exemption, namespace, owner, pod, policy, template

ROOT = Path(__file__).parents[4]
POLICIES = ROOT / "examples"
ENCRYPTED = "ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]"


def run(*arguments: str | Path, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(check, [str(a) for a in arguments], input=stdin)


def write(folder: Path, *objects: Raw, name: str = "objects.json") -> Path:
    at = folder / name
    at.write_text("\n".join(json.dumps(o, indent=1) for o in objects))
    return at


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A directory with a policy and the namespace that it governs."""
    folder = tmp_path / "policies"
    folder.mkdir()
    write(folder, policy(), namespace())
    return folder


def told(result: Result) -> Raw:
    found: Raw = json.loads(result.stdout)
    return found


def results(result: Result) -> dict[str, str]:
    return {o["name"]: o["result"] for o in told(result)["objects"]}


def test_violations_are_exit_code_1_and_told_with_file_line_control_and_field(tmp_path: Path, world: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: treasury}\nspec:\n"
        f"  nodeName: gpu-7\n  containers:\n  - name: main\n    image: {GOOD}\n"
    )
    done = run(file, "--policy-dir", world)
    assert (done.exit_code, done.stderr) == (1, "")
    first, second, third = done.stdout.splitlines()[:3]
    assert first == f"{file}:1  Pod treasury/p"
    assert second.split() == ["refused", "line", "5,", "spec.nodeName"]
    assert third.strip().startswith('USE-04 spec.nodeName: "gpu-7" was set; policy confidential leaves placement')
    assert done.stdout.splitlines()[-1] == "1 object checked, 1 refused under confidential"


def test_no_violation_is_exit_code_0(tmp_path: Path, world: Path) -> None:
    done = run(write(tmp_path, pod()), "--policy-dir", world)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "1 object checked, none refused under confidential\n"


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--warn-exit-code", "3"), 3)])
def test_warnings_have_an_exit_code_of_their_own(tmp_path: Path, options: tuple[str, ...], code: int) -> None:
    warning = policy(action="Warn")
    done = run(write(tmp_path, warning, namespace(), pod(BAD)), *options, "-o", "json")
    assert done.exit_code == code
    assert results(done)["p"] == "warned"


def test_a_violation_outweighs_a_warning(tmp_path: Path) -> None:
    mixed = policy(controls={"STO-07": "Warn"})
    file = write(tmp_path, mixed, namespace(), pod(BAD, "warned"), pod(BAD, "refused", nodeName="gpu-7"))
    done = run(file, "--warn-exit-code", "3", "-o", "json")
    assert done.exit_code == 1
    assert results(done) | {"confidential": "", "treasury": ""} == {
        "confidential": "",
        "treasury": "",
        "warned": "warned",
        "refused": "refused",
    }


def test_standard_input_is_read(world: Path) -> None:
    done = run("-", "--policy-dir", world, stdin=json.dumps(pod(BAD)))
    assert done.exit_code == 1
    assert done.stdout.startswith("<stdin>:1  Pod treasury/p\n")


def test_a_policy_and_what_it_judges_may_come_in_any_order_from_anywhere(tmp_path: Path) -> None:
    write(tmp_path, pod(BAD), name="a.json")
    (tmp_path / "z").mkdir()
    write(tmp_path / "z", policy(), name="z.json")
    done = run(tmp_path, "-", "-o", "json", stdin=json.dumps(namespace()))
    assert results(done)["p"] == "refused"


def test_what_helm_and_kustomize_write_is_read(world: Path) -> None:
    rendered = (
        "---\n# Source: app/templates/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\n"
        "metadata: {name: a, namespace: treasury}\nspec:\n  template:\n    spec:\n      containers:\n"
        f"      - {{name: main, image: {BAD}}}\n"
        "---\n# Source: app/templates/empty.yaml\n---\napiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: c, namespace: treasury}\n"
    )
    done = run("-", "--policy-dir", world, "-o", "json", stdin=rendered)
    assert done.exit_code == 1
    deployment, config = told(done)["objects"]
    assert (deployment["origin"], deployment["line"]) == ("app/templates/deployment.yaml", 3)
    assert deployment["findings"][0]["line"] == 10
    assert config["result"] == "allowed"


def test_a_policy_dir_judges_and_isnt_judged(tmp_path: Path, world: Path) -> None:
    write(world, pod(BAD), name="bad.json")
    done = run(write(tmp_path, pod()), "--policy-dir", world, "-o", "json")
    assert (done.exit_code, results(done)) == (0, {"p": "allowed"})


def test_a_directory_that_isnt_kubernetes_through_and_through_is_fine(tmp_path: Path, world: Path) -> None:
    folder = tmp_path / "chart"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "broken.yaml").write_text("{")
    (folder / "values.yaml").write_text("replicas: 3\n")
    (folder / "README.md").write_text("{")
    write(folder, pod())
    done = run(folder, "--policy-dir", world)
    assert done.exit_code == 0
    assert done.stdout == "1 object checked, none refused under confidential, 1 other document skipped\n"


def test_what_sops_has_encrypted_is_judged_as_the_object_that_it_is(tmp_path: Path, world: Path) -> None:
    """Its values can't be read; a file of encrypted values is no object."""
    folder = tmp_path / "sops"
    folder.mkdir()
    sops = {"age": [{"recipient": "age1", "enc": "-----BEGIN AGE ENCRYPTED FILE-----\n"}], "mac": ENCRYPTED}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "treasury"}}
    write(folder, {**secret, "data": {"token": ENCRYPTED}, "sops": sops}, name="secret.enc.json")
    write(folder, {"password": ENCRYPTED, "sops": sops}, name="values.enc.json")
    done = run(folder, "--policy-dir", world, "-o", "json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (results(done), told(done)["summary"]["skipped"]) == ({"s": "allowed"}, 1)


def test_a_link_to_nothing_in_a_directory_is_an_error_and_the_rest_is_judged(tmp_path: Path, world: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    write(folder, pod(BAD))
    (folder / "gone.yaml").symlink_to("nowhere.yaml")
    done = run(folder, "--policy-dir", world, "-o", "json")
    assert done.exit_code == 2
    assert done.stderr == f"error: {folder / 'gone.yaml'}: no such file or directory\n"
    assert results(done) == {"p": "refused"}


def test_a_named_file_that_isnt_kubernetes_is_an_error_unless_told_otherwise(tmp_path: Path, world: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("replicas: 3\n")
    assert run(file, "--policy-dir", world).exit_code == 2
    assert run(file, "--policy-dir", world, "--skip-foreign").exit_code == 0


def test_a_namespace_that_isnt_in_the_input_can_be_told(tmp_path: Path) -> None:
    file = write(tmp_path, policy(), pod(BAD))
    label = "treasury=daulat.dev/data-class=confidential"
    assert run(file, "--namespace-labels", label).exit_code == 1
    assert run(file, "--namespace-labels", "treasury=daulat.dev/data-class=public").exit_code == 0


def test_a_namespace_of_which_nothing_is_known_is_told_or_refused(tmp_path: Path) -> None:
    file = write(tmp_path, policy(), pod())
    done = run(file)
    assert done.exit_code == 0
    assert "treasury" in done.stdout
    assert "--namespace-labels" in done.stdout
    assert run(file, "--strict-namespaces").exit_code == 1


def test_the_namespace_option_is_where_objects_without_one_go(tmp_path: Path, world: Path) -> None:
    file = write(tmp_path, pod(BAD, namespace=None))
    assert run(file, "--policy-dir", world, "-n", "treasury").exit_code == 1


def test_a_named_user_has_no_verbs(tmp_path: Path, world: Path) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    node["metadata"] = {"name": "n", "labels": {"daulat.node-restriction.kubernetes.io/site": "cyberjaya-1"}}
    file = write(tmp_path, node)
    assert run(file, "--policy-dir", world).exit_code == 0
    done = run(file, "--policy-dir", world, "--as", "vendor", "--as-group", "agents", "-o", "json")
    assert done.exit_code == 1
    assert "verb certify" in json.dumps(told(done)["objects"])


def test_each_file_is_judged_once(tmp_path: Path, world: Path) -> None:
    file = write(tmp_path, pod(BAD))
    (tmp_path / "link.json").symlink_to(file)
    done = run(file, tmp_path, file, "--policy-dir", world, "-o", "json")
    assert [o["name"] for o in told(done)["objects"]].count("p") == 1


def test_a_directory_with_a_chart_and_a_kustomization_is_judged_without_them(tmp_path: Path, world: Path) -> None:
    for name, text in {
        "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
        "chart/values.yaml": "kind: Deployment\nimage: {repository: a}\n",
        "chart/templates/pod.yaml": "kind: {{ .Values.kind }}\n",
        "overlay/kustomization.yaml": "patches: [{path: patch.yaml}]\n",
        "overlay/patch.yaml": json.dumps(pod(BAD)),
        "skaffold.yaml": "apiVersion: skaffold/v4beta6\nbuild: {}\n",
        "pod.yaml": json.dumps(pod()),
    }.items():
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    done = run(tmp_path / "tree", "--policy-dir", world, "-o", "json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert results(done) == {"p": "allowed"}
    assert told(done)["summary"]["skipped"] == 6
    assert [remark.split(":")[0] for remark in told(done)["unbuilt"]] == [
        str(tmp_path / "tree" / folder) for folder in ("chart", "overlay")
    ]
    assert run(tmp_path / "tree", "--policy-dir", world, "--strict").exit_code == 1


def test_an_object_that_isnt_judged_is_a_violation_where_that_is_asked_for(tmp_path: Path, world: Path) -> None:
    raw = {
        "apiVersion": "example.my/v1",
        "kind": "Engine",
        "metadata": {"name": "e", "namespace": "treasury"},
        "spec": {"image": BAD},
    }
    file = write(tmp_path, raw)
    done = run(file, "--policy-dir", world)
    assert done.exit_code == 0
    assert "1 not judged in full" in done.stdout
    assert run(file, "--policy-dir", world, "--strict").exit_code == 1


def test_an_object_that_cant_be_evaluated_has_an_exit_code_of_its_own(tmp_path: Path, world: Path) -> None:
    many = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "treasury"},
        "data": {f"k{n}": "" for n in range(12_000)},
    }
    done = run(write(tmp_path, many), "--policy-dir", world)
    assert done.exit_code == 2
    assert "1 could not be evaluated" in done.stdout
    assert "none refused" in done.stdout


def test_the_examples_of_the_readme_pass() -> None:
    done = run(POLICIES, "-o", "json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert set(results(done).values()) == {"allowed"}


POD = "apiVersion: v1\nkind: Pod\n"
POLICY = "apiVersion: daulat.dev/v1alpha1\nkind: SovereigntyPolicy\nmetadata: {name: other}\n"
UNUSABLE: Mapping[str, tuple[str | bytes, str]] = {
    "broken YAML": (POD + "metadata: {name: p\nspec: [\n", "F:4: while parsing a flow mapping"),
    "a tab": (POD + "metadata:\n\tname: p\n", "F:4: while scanning for the next token"),
    "broken JSON": ('{"apiVersion": "v1",\n "kind": }', "F:2: "),
    "an unknown kind": (
        "apiVersion: daulat.dev/v1alpha1\nkind: SovereignMdel\n",
        'F:2: kind: unknown kind "SovereignMdel" in daulat.dev; known kinds: AcceleratorInventory,',
    ),
    "an unknown version": (
        "apiVersion: daulat.dev/v9\nkind: SovereignModel\n",
        'F:1: apiVersion: unknown version "daulat.dev/v9"; known version: ',
    ),
    "an unknown field": (
        POLICY + "spec:\n  zonse: {countries: [MY]}\n",
        "F:5: spec.zonse: unknown field",
    ),
    "a bad item": (
        POLICY + "spec:\n  namespaceSelector: {}\n  zones:\n    countries:\n    - MY\n    - Malaysia\n",
        "F:9: spec.zones.countries[1]: must match ^[A-Z]{2}$",
    ),
    "an empty list": (
        POLICY + "spec:\n  zones: {countries: []}\n",
        "F:5: spec.zones.countries: must have at least 1 item",
    ),
    "a key twice": (POD + "metadata:\n  name: p\n  name: q\n", 'F:5: duplicate key "name"'),
    "a key twice in JSON": (
        '{"apiVersion": "v1",\n"kind": "Pod",\n"kind": "Job"}',
        'F:3: duplicate key "kind"',
    ),
    "an alias in what it refers to": (
        POD + "metadata: &m\n  name: p\n  annotations: *m\n",
        'F:5: anchor "m" contains itself',
    ),
    "no Kubernetes object": ("- 1\n", "F:1: not a Kubernetes object: apiVersion and kind are not set"),
    "nothing": ("", "F: no Kubernetes objects found, so nothing was checked"),
    "no text": ((POD + "metadata: {name: p}\n# \xff").encode("latin-1"), "F:4: invalid UTF-8 at byte 47"),
    "a binary file": (b"\0" * 100, "F:1: contains a NUL character: is it a binary file?"),
}


@pytest.mark.parametrize("case", sorted(UNUSABLE))
@pytest.mark.parametrize("form", ["table", "json", "yaml", "sarif", "junit", "github"])
def test_what_cant_be_used_is_exit_code_2_with_file_line_and_field(
    tmp_path: Path, world: Path, case: str, form: str
) -> None:
    text, message = UNUSABLE[case]
    file = tmp_path / "bad.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run(file, "--policy-dir", world, "-o", form)
    assert done.exit_code == 2
    assert done.exception is None or isinstance(done.exception, SystemExit)
    lines = done.stderr.splitlines()
    assert any(line.startswith("error: " + message.replace("F:", f"{file}:")) for line in lines), lines
    assert "Traceback" not in done.output
    assert done.stdout


def test_one_bad_document_doesnt_hide_the_others(tmp_path: Path, world: Path) -> None:
    file = tmp_path / "mixed.yaml"
    file.write_text(
        f"{POD}metadata: {{name: a\n---\n{json.dumps(pod(BAD))}\n---\n{POD}metadata: {{name: a, name: b}}\n"
    )
    done = run(file, "--policy-dir", world, "-o", "json")
    assert done.exit_code == 2
    assert results(done) == {"p": "refused"}
    assert [p["line"] for p in told(done)["problems"]] == [4, 9]


def test_a_file_of_100_mb_is_refused_and_not_read_whole(tmp_path: Path, world: Path) -> None:
    file = tmp_path / "big.yaml"
    file.touch()
    os.truncate(file, 100 << 20)
    done = run(file, "--policy-dir", world)
    assert done.exit_code == 2
    assert f"error: {file}: is larger than 64 MiB: split it, or raise --max-file-size\n" in done.stderr
    assert run(file, "--policy-dir", world, "--max-file-size", "0.5").stderr.count("0.5 MiB") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.yaml",), "missing.yaml: no such file or directory"),
        (("-",), "no SovereigntyPolicy found"),
    ],
)
def test_input_that_isnt_there_is_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments, stdin=json.dumps(pod()))
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-", "--context", "c"),
        ("-", "--as-group", "g"),
        ("-", "-o", "html"),
        ("-", "--warn-exit-code", "256"),
        ("-", "--policy-dir", "/nowhere"),
        ("-", "--namespace-labels", "treasury"),
        ("-", "--namespace-labels", "treasury=a"),
        ("-", "--namespace-labels", "=a=b"),
        ("-", "--output-file", "/nowhere/at/all"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, stdin=json.dumps(policy()))
    assert done.exit_code == 2
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    ("config", "message"),
    [("", "{} sets no current-context: "), ("current-context: x\n", '{} has no context "x"; its contexts: none')],
)
def test_a_cluster_that_cant_be_asked_is_exit_code_2(tmp_path: Path, world: Path, config: str, message: str) -> None:
    at = tmp_path / "config"
    at.write_text(config)
    environment = {"KUBECONFIG": str(at)}
    arguments = [str(write(tmp_path, pod())), "--policy-dir", str(world), "--cluster"]
    done = CliRunner().invoke(check, arguments, env=environment)
    assert done.exit_code == 2
    assert f"kubeconfig {message.format(at)}" in done.stderr


SELECTS_ALL = [
    {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
    {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["default"]}]},
]


@pytest.mark.parametrize("selector", SELECTS_ALL, ids=str)
def test_a_policy_of_a_protected_namespace_is_refused_as_by_the_operator(tmp_path: Path, selector: Raw) -> None:
    done = run(write(tmp_path, policy(namespaceSelector=selector)))
    assert done.exit_code == 2
    assert (
        "spec.namespaceSelector: selects daulat-system, kube-system, which no policy may govern; exclude it"
        in done.stderr
    )


def test_the_operators_namespace_is_protected_by_its_name(tmp_path: Path) -> None:
    file = write(tmp_path, policy(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "sovereign"}}))
    assert run(file).exit_code == 0
    done = run(file, "--operator-namespace", "sovereign")
    assert "spec.namespaceSelector: selects sovereign, which no policy may govern" in done.stderr


def test_a_protected_namespace_counts_with_the_labels_that_the_input_gives_it(tmp_path: Path) -> None:
    selector = {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}
    others = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {"team": "platform"}}}
        for n in ("kube-system", "daulat-system")
    ]
    assert run(write(tmp_path, policy(namespaceSelector=selector), *others)).exit_code == 0


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"policy": "confidental"}, 'spec.policy: SovereigntyPolicy "confidental" not found'),
        ({"controls": ["SUP-99"]}, "spec.controls: the exemption has no effect"),
        ({"controls": ["MGD-08", "USE-15", "GOV-01"]}, "spec.controls: the exemption has no effect"),
    ],
)
def test_an_exemption_of_nothing_is_refused_as_by_the_operator(tmp_path: Path, spec: Raw, says: str) -> None:
    done = run(write(tmp_path, policy(), namespace(), exemption(**spec)))
    assert done.exit_code == 2
    assert says in done.stderr
    assert run(write(tmp_path, policy(), namespace(), exemption())).exit_code == 0
    assert run(write(tmp_path, policy(), namespace(), exemption(controls=["SUP-99", "SUP-01"]))).exit_code == 0


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "spec.expiresAt: 2020-01-01T00:00:00Z is over, so nothing is exempt."),
        ({"namespaces": ["tresury"]}, 'spec.namespaces: namespace "tresury" isn\'t in the input or the cluster'),
    ],
    ids=["over", "a namespace that isn't there"],
)
def test_an_exemption_without_effect_is_noted_and_refused_if_strict(tmp_path: Path, spec: Raw, says: str) -> None:
    directory = write(tmp_path, policy(), namespace(), exemption(**spec))
    noted, refused = run(directory), run(directory, "--strict")
    assert (noted.exit_code, refused.exit_code) == (0, 1)
    assert all(says in " ".join(done.output.split()) for done in (noted, refused))
    assert run(write(tmp_path, policy(), namespace(), exemption()), "--strict").exit_code == 0


@pytest.mark.parametrize("code", ["XX", "UK"])
def test_a_country_that_doesnt_exist_is_refused(tmp_path: Path, code: str) -> None:
    done = run(write(tmp_path, policy(zones={"countries": [code]})), "-o", "json")
    assert (done.exit_code, results(done)) == (1, {"confidential": "refused"})
    assert "GOV-03 spec.zones.countries: " in done.stdout


def test_text_from_the_input_cant_steer_the_terminal(world: Path) -> None:
    hostile = pod("evil\x1b[2J\x07\u202e:latest", "p\x1b[1m")
    done = run("-", "--policy-dir", world, stdin=json.dumps(hostile))
    assert done.exit_code == 1
    assert not {"\x1b", "\x07", "\u202e"} & set(done.output)


def test_an_object_that_is_too_large_to_be_searched_for_pods_is_an_error(tmp_path: Path, world: Path) -> None:
    large = owner("example.com/v1", "Large", {"values": [0] * MAX_VALUES, "template": template(BAD)})
    file = write(tmp_path, pod(), large)
    done = run(file, "--policy-dir", world, "-o", "json")
    assert (done.exit_code, results(done)) == (2, {"p": "allowed"})
    line = len(json.dumps(pod(), indent=1).splitlines()) + 1
    assert done.stderr == f"error: {file}:{line}: has more than 50,000 values, so it can't be searched for pods\n"


def test_a_report_goes_to_a_file(tmp_path: Path, world: Path) -> None:
    out = tmp_path / "report.json"
    done = run(write(tmp_path, pod(BAD)), "--policy-dir", world, "-o", "json", "--output-file", out)
    assert (done.exit_code, done.stdout) == (1, "")
    assert json.loads(out.read_text())["summary"]["refused"] == 1


def test_every_pod_of_an_owner_is_judged(tmp_path: Path, world: Path) -> None:
    job: dict[str, Any] = {"template": template()}
    file = write(tmp_path, owner("batch/v1", "CronJob", {"jobTemplate": {"spec": job}}))
    (found,) = told(run(file, "--policy-dir", world, "-o", "json"))["objects"]
    assert found["findings"][0]["field"].startswith("spec.jobTemplate.spec.template.spec.containers")


def accelerator(**changes: Any) -> Raw:
    spec = {
        "vendor": {"name": "NVIDIA", "country": "US"},
        "family": "Hopper",
        "model": "H20",
        "resources": [{"name": "nvidia.com/gpu", "sharing": "Whole"}],
        "nodeSelector": {"matchLabels": {"nvidia.com/gpu.product": "NVIDIA-H20-3e"}},
    }
    meta = {"name": "our-h20"}
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "AcceleratorProfile",
        "metadata": meta,
        "spec": {**spec, **changes},
    }


def test_a_profile_alone_is_checked_without_a_policy(tmp_path: Path) -> None:
    done = run(write(tmp_path, accelerator()), "-o", "json")
    assert (done.exit_code, done.stderr, results(done)) == (0, "", {"our-h20": "allowed"})


def test_a_mistake_in_a_profile_is_told_with_its_line(tmp_path: Path, world: Path) -> None:
    file = write(tmp_path, accelerator(devicesPerNode=7, devicesPerPackage=2))
    line = file.read_text().splitlines().index('  "devicesPerNode": 7,') + 1
    for more in ((), ("--policy-dir", world)):
        done = run(file, *more)
        assert done.exit_code == 2
        assert f"{file}:{line}: spec.devicesPerNode: must be a multiple of devicesPerPackage (2), not 7" in done.stderr


def test_what_is_hardly_meant_in_a_profile_is_a_note(tmp_path: Path) -> None:
    selector = {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H20"]}]}
    done = run(write(tmp_path, accelerator(nodeSelector=selector)), "-o", "json")
    assert done.exit_code == 0
    (note,) = told(done)["objects"][0]["notes"]
    assert note.startswith("spec.nodeSelector: AcceleratorProfile nvidia-h20 names nvidia.com/gpu for the same nodes")


def test_profiles_beside_other_objects_still_need_a_policy(tmp_path: Path) -> None:
    done = run(write(tmp_path, accelerator(), pod("p")))
    assert done.exit_code == 2
    assert "no SovereigntyPolicy found" in done.stderr
