"""With enforcement.source GitOps, what `daulat compile` prints and somebody else applies is proved, watched, and left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from daulat.cli.compile.command import compile_
from dev.deployment import poll

from .world import World, namespace_manifest, pod_manifest, policy_manifest, unique

GITOPS = {"source": "GitOps"}
OPERATOR = {"source": "Operator"}
KINDS = "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings"
Manifest = dict[str, Any]


class Pipeline:
    """A GitOps pipeline: it compiles what is declared in the cluster and applies the text with an ordinary kubectl."""

    def __init__(self, world: World, policy: str, directory: Path) -> None:
        self._world, self._policy, self._directory = world, policy, directory

    def compile(self, *options: str) -> str:
        """Return what `daulat compile` prints for the policy, by the zones and profiles that the cluster has."""
        source = self._directory / "declared"
        source.mkdir(exist_ok=True)
        for what in (("sovereigntypolicies", self._policy), ("sovereignzones",), ("acceleratorprofiles",)):
            (source / f"{what[0]}.yaml").write_text(self._world.admin.run("get", *what, "-o", "yaml"))
        done = CliRunner().invoke(compile_, [str(source), *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    def diff(self, *options: str) -> str:
        """Return what `kubectl diff` has to say of what is compiled now; ClusterError where it finds a difference."""
        return self._world.admin.run("diff", *options, "-f", "-", stdin=self.compile())

    def apply(self) -> str:
        """Compile and apply, and return what was applied."""
        path = self._directory / "compiled.yaml"
        path.write_text(self.compile())
        self._world.admin.run("apply", "-f", str(path))
        return path.read_text()


def objects(world: World, policy: str) -> list[Manifest]:
    """Return every admission policy and binding of a policy."""
    found = world.get(KINDS, "-l", f"daulat.dev/policy={policy}", "--show-managed-fields")["items"]
    return sorted(found, key=lambda o: (o["kind"], o["metadata"]["name"]))


def managers(found: list[Manifest]) -> set[str]:
    """Return who wrote the objects. Their status is the controller manager's."""
    fields = [entry for o in found for entry in o["metadata"]["managedFields"]]
    return {entry["manager"] for entry in fields if entry.get("subresource") != "status"}


@pytest.fixture
def declared(world: World, tmp_path: Path) -> Iterator[tuple[str, str, Pipeline]]:
    """A policy with enforcement.source GitOps that nobody has applied yet, its namespace, and its pipeline."""
    policy, namespace = unique("git"), unique("ns")
    world.admin.apply([policy_manifest(policy, enforcement=GITOPS), namespace_manifest(namespace, policy)])
    world.wait_condition("sovereigntypolicy", policy, "Compiled", "False")
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", namespace))
    yield policy, namespace, Pipeline(world, policy, tmp_path)
    world.remove(namespace, policy)
    left = [f"{o['kind']}/{o['metadata']['name']}" for o in objects(world, policy)]
    if left:
        world.admin.run("delete", *left, "--ignore-not-found")


def test_what_compile_prints_is_enforced_without_a_write_of_the_operator(
    world: World, declared: tuple[str, str, Pipeline]
) -> None:
    policy, namespace, pipeline = declared
    told = world.condition("sovereigntypolicy", policy, "Compiled")
    assert told["reason"] == "OutOfSync"
    assert " is missing" in told["message"]
    options = told["message"].partition("daulat compile ")[2].partition(" prints")[0].split()
    assert options[::2] == ["--kubernetes-version", "--pin"]
    assert objects(world, policy) == []
    bad = pod_manifest("p", namespace, nodeName="sg-gpu-1")
    assert "USE-04 " not in world.refusal(bad, "--dry-run=server")
    text = pipeline.apply()
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    told = world.wait_condition("sovereigntypolicy", policy, "Compiled", "True")
    assert told["reason"] == "InSync"
    assert "USE-04 " in world.refusal(bad, "--dry-run=server")
    found = objects(world, policy)
    assert len(found) == len(list(yaml.safe_load_all(text)))
    # Not one field of them was written by the operator, and nothing was written twice.
    assert managers(found) == {"kubectl-client-side-apply"}
    assert {o["metadata"]["generation"] for o in found} == {1}
    # What the API server has added, such as defaults, is no difference to those who apply.
    assert (pipeline.diff(), pipeline.diff("--server-side", "--force-conflicts")) == ("", "")
    # The same text comes out once it is applied, and from the command that the message has.
    assert pipeline.compile() == text
    assert pipeline.compile(*options) == text


def test_drift_is_told_in_the_condition_and_as_an_event_and_not_repaired(
    world: World, declared: tuple[str, str, Pipeline]
) -> None:
    policy, _, pipeline = declared
    pipeline.apply()
    world.wait_condition("sovereigntypolicy", policy, "Compiled", "True")
    name = f"{policy}.pods.daulat.dev"
    loosen = '--patch={"spec": {"validationActions": ["Audit"]}}'
    world.admin.run("patch", "validatingadmissionpolicybinding", name, "--type=merge", loosen)
    told = world.wait_condition("sovereigntypolicy", policy, "Compiled", "False")
    assert told["reason"] == "OutOfSync"
    assert told["message"].startswith(f"ValidatingAdmissionPolicyBinding {name} has another spec. Apply what daulat")

    def events() -> list[str]:
        found = world.get("events", namespace="default")["items"]
        return [e["message"] for e in found if e["involvedObject"]["name"] == policy and e["reason"] == "OutOfSync"]

    poll("an Event that names the object", lambda: any(name in note for note in events()))
    world.admin.run("delete", "mutatingadmissionpolicybinding", f"{policy}.pin.daulat.dev")

    def both() -> bool:
        message = world.condition("sovereigntypolicy", policy, "Compiled")["message"]
        return (
            "has another spec" in message
            and f"MutatingAdmissionPolicyBinding {policy}.pin.daulat.dev is missing" in message
        )

    poll("both differences to be told", both)
    # Left as it is: whoever applies it decides.
    assert world.get("validatingadmissionpolicybinding", name)["spec"]["validationActions"] == ["Audit"]
    assert not world.exists("mutatingadmissionpolicybinding", f"{policy}.pin.daulat.dev")
    pipeline.apply()
    world.wait_condition("sovereigntypolicy", policy, "Compiled", "True")
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")


def test_what_gitops_applied_outlives_its_policy(world: World, declared: tuple[str, str, Pipeline]) -> None:
    policy, namespace, pipeline = declared
    pipeline.apply()
    world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
    before = objects(world, policy)
    other, free = world.govern()
    world.admin.run("delete", "sovereigntypolicy", policy)
    # The operator has seen it go once it has swept what it applied itself for a policy that went later.
    world.admin.run("delete", "sovereigntypolicy", other)
    poll("the other policy to be swept", lambda: not objects(world, other))
    assert objects(world, policy) == before
    assert "USE-04 " in world.refusal(pod_manifest("p", namespace, nodeName="sg-gpu-1"), "--dry-run=server")
    world.remove(free)


def test_enforcement_passes_from_the_operator_to_gitops_and_back_without_a_gap(world: World, tmp_path: Path) -> None:
    with world.governed() as (policy, namespace):
        bad = pod_manifest("p", namespace, nodeName="sg-gpu-1")
        by_operator = objects(world, policy)
        assert managers(by_operator) >= {"daulat"}

        def switch(to: Manifest) -> None:
            world.admin.run(
                "patch",
                "sovereigntypolicy",
                policy,
                "--type=merge",
                f"--patch={json.dumps({'spec': {'enforcement': to}})}",
            )

        switch(GITOPS)
        poll(
            "the operator to hand over",
            lambda: world.condition("sovereigntypolicy", policy, "Compiled")["reason"] == "InSync",
        )
        assert world.condition("sovereigntypolicy", policy, "Enforced")["status"] == "True"
        assert objects(world, policy) == by_operator
        Pipeline(world, policy, tmp_path).apply()
        assert "USE-04 " in world.refusal(bad, "--dry-run=server")
        by_gitops = objects(world, policy)
        assert {o["metadata"]["annotations"]["daulat.dev/source"] for o in by_gitops} == {"GitOps"}
        assert [o["metadata"]["uid"] for o in by_gitops] == [o["metadata"]["uid"] for o in by_operator]
        assert [o["spec"] for o in by_gitops] == [o["spec"] for o in by_operator]
        switch(OPERATOR)

        def taken_over() -> bool:
            found = objects(world, policy)
            return {o["metadata"]["annotations"]["daulat.dev/source"] for o in found} == {"Operator"}

        poll("the operator to take over", taken_over)
        world.wait_condition("sovereigntypolicy", policy, "Enforced", "True")
        assert world.condition("sovereigntypolicy", policy, "Compiled")["reason"] == "Applied"
        assert [o["metadata"]["uid"] for o in objects(world, policy)] == [o["metadata"]["uid"] for o in by_operator]
        # It repairs again, too.
        world.admin.run("delete", "validatingadmissionpolicybinding", f"{policy}.pods.daulat.dev")
        poll("a new binding", lambda: world.exists("validatingadmissionpolicybinding", f"{policy}.pods.daulat.dev"))
    poll("what it applied to go with the policy", lambda: not objects(world, policy))
