"""Pods are pinned by an annotation of their namespace where no mutating policy can; each namespace has one for all its policies."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog.kubernetes import Capabilities, Pin, of_version
from daulat.facts.snapshot import Canary
from daulat.facts.store import KUBERNETES
from daulat.kube.ref import Ref
from daulat.reconcile.policy.canary import PATIENCE
from daulat.reconcile.policy.compiled import compiled
from daulat.reconcile.policy.pinning import KIND, key, keys, reconcile_pins
from daulat.reconcile.policy.reconciler import RECHECK, UNPINNED_RECHECK, reconcile_policy
from daulat.reconcile.registry import woken
from daulat.reconcile.result import Apply, ApplyStatus, DryRunPod, PinNamespace, Result
from tests.unit.world import Raw, World, child, exemption, namespace, policy, the_policy

NOW = 1_800_000_000.0
REF = Ref("SovereigntyPolicy", "", "confidential")
LABEL = "daulat.node-restriction.kubernetes.io/confidential"
PLUGIN, OPENSHIFT = "scheduler.alpha.kubernetes.io/node-selector", "openshift.io/node-selector"
OLD = of_version("1.32", Pin.POD_NODE_SELECTOR)


def annotated(text: str = f"{LABEL}=eligible", annotation: str = PLUGIN, name: str = "treasury") -> Raw:
    raw = namespace(name)
    raw["metadata"] |= {"annotations": {annotation: text}, "uid": f"uid-{name}"}
    return raw


def world(found: Capabilities = OLD, *namespaces: Raw, **more: Any) -> World:
    return World(capabilities=found, namespaces=list(namespaces) or [namespace()], **more)


def pins(state: World, name: str = "treasury") -> list[tuple[str, tuple[str, ...]]]:
    effects = reconcile_pins(key(name), state.snapshot(), NOW).effects
    assert all(isinstance(e, PinNamespace) and e.name == name for e in effects)
    return [(e.annotation, e.labels) for e in effects if isinstance(e, PinNamespace)]


@pytest.mark.parametrize(("pin", "annotation"), [(Pin.POD_NODE_SELECTOR, PLUGIN), (Pin.OPENSHIFT, OPENSHIFT)])
def test_a_governed_namespace_gets_the_annotation_of_the_clusters_plugin(pin: Pin, annotation: str) -> None:
    assert pins(world(of_version("1.31", pin))) == [(annotation, (LABEL,))]


def test_a_namespace_has_one_annotation_for_all_policies_that_govern_it() -> None:
    state = world(policies=[policy(), policy("also"), policy("other", namespaceSelector={"matchLabels": {"x": "y"}})])
    also = "daulat.node-restriction.kubernetes.io/also"
    assert pins(state) == [(PLUGIN, (also, LABEL))]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert pins(world(OLD, annotated(f"disk=ssd,{LABEL}=eligible"))) == []


@pytest.mark.parametrize("found", [of_version(), of_version("1.32")], ids=["MutatingAdmissionPolicy", "Refuse"])
def test_no_namespace_is_annotated_where_another_pin_is_in_use(found: Capabilities) -> None:
    assert pins(world(found)) == []
    assert list(keys(world(found).snapshot())) == []


@pytest.mark.parametrize("why", ["ungoverned", "policy is gone", "on trial", "exempt"])
def test_the_entry_of_a_policy_that_pins_nothing_there_is_taken_away(why: str) -> None:
    state = world(OLD, annotated())
    match why:
        case "ungoverned":
            state.namespaces[0]["metadata"]["labels"] = {"x": "y"}
        case "policy is gone":
            state.policies = []
        case "on trial":
            state.policies = [policy(action="Warn")]
        case "exempt":
            state.exemptions = [exemption(controls=["USE-01"])]
    assert pins(state) == [(PLUGIN, ())]


@pytest.mark.parametrize("why", ["GitOps", "can't be compiled", "can't be read"])
def test_the_entry_of_a_policy_that_the_operator_doesnt_decide_on_stays(why: str) -> None:
    broken = {
        "GitOps": policy(enforcement={"source": "GitOps"}),
        "can't be compiled": policy(controls={"USE-99": "Off"}),
        "can't be read": policy(action="Nonsense"),
    }
    assert pins(world(OLD, annotated(), policies=[broken[why]])) == []
    assert pins(world(OLD, namespace(), policies=[broken[why]])) == []


def test_a_namespace_that_ends_or_is_gone_is_left_alone() -> None:
    assert pins(world(OLD, namespace(terminating=True))) == []
    assert pins(world(), "nowhere") == []


def test_an_upgraded_cluster_drops_the_annotation_once_the_mutating_policy_is_there() -> None:
    state = world(of_version("1.36"), annotated())
    assert pins(state) == []
    kinds = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
    state.children = [child(kind, "confidential.pin.daulat.dev", policy="confidential") for kind in kinds[:1]]
    assert pins(state) == []
    state.children.append(child(kinds[1], "confidential.pin.daulat.dev", policy="confidential"))
    assert pins(state) == [(PLUGIN, ())]


def test_the_pass_that_applies_the_mutating_policy_looks_at_the_annotations_after_it() -> None:
    """The answer to our own write wakes nothing."""
    assert key("treasury") in run(world(of_version("1.36"), annotated())).enqueue
    assert key("treasury") not in run(world(of_version("1.36"))).enqueue
    assert key("treasury") not in run(world(OLD, annotated())).enqueue


def test_a_cluster_that_turns_out_to_be_openshift_moves_the_entry() -> None:
    assert pins(world(of_version("1.31", Pin.OPENSHIFT), annotated())) == [(OPENSHIFT, (LABEL,)), (PLUGIN, ())]


def test_what_a_namespace_depends_on_wakes_it() -> None:
    state = world(OLD, namespace(), namespace("other", x="y"))
    assert key("treasury") in state.woken("Namespace", annotated(""))
    assert key("treasury") in state.woken("SovereigntyPolicy", policy(action="Warn"))
    assert key("other") not in state.woken("SovereigntyPolicy", policy(action="Warn"))
    assert key("treasury") in state.woken("SovereigntyExemption", exemption())
    store = state.store()
    change = store.record_capabilities(of_version("1.36"))
    assert change is not None
    assert change.ref == KUBERNETES
    assert REF in {ref for ref, _ in woken(change, store.snapshot())}
    assert not [ref for ref, _ in woken(change, store.snapshot()) if ref.kind == KIND]


# --- what the policy says


def proved(state: World, message: str = "USE-04 ...", at: float = NOW, *, annotated: bool = False) -> World:
    snapshot = state.snapshot()
    revision = compiled(the_policy(snapshot), snapshot, NOW).revision
    state.canaries = {
        "confidential": Canary("treasury", True, f"{message} revision {revision}", at, annotated=annotated),
        "confidential/ungoverned": Canary("treasury", False, "", at),
    }
    return state


def run(state: World, now: float = NOW) -> Result:
    return reconcile_policy(REF, state.snapshot(), now)


def told(result: Result, type_: str = "Enforced") -> tuple[str, str]:
    (status,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    found = next(c for c in status["conditions"] if c["type"] == type_)
    return found["status"], found["message"]


def pin_of(result: Result) -> str | None:
    (status,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return status.get("pin")


def test_no_mutating_policy_is_applied_where_none_is_served() -> None:
    kinds = {e.manifest["kind"] for e in run(world()).effects if isinstance(e, Apply)}
    assert kinds == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def test_a_beta_is_applied_where_that_is_served() -> None:
    found = run(world(of_version("1.35", Pin.MUTATING_POLICY))).effects
    versions = {e.manifest["kind"]: e.manifest["apiVersion"] for e in found if isinstance(e, Apply)}
    assert versions["MutatingAdmissionPolicy"] == "admissionregistration.k8s.io/v1beta1"
    assert versions["ValidatingAdmissionPolicy"] == "admissionregistration.k8s.io/v1"


def test_enforced_names_the_plugin_that_pins_pods() -> None:
    result = run(proved(world(OLD, annotated()), annotated=True))
    status, message = told(result)
    assert status == "True"
    assert message.endswith(f"; pods are pinned by PodNodeSelector, with annotation {PLUGIN} of their namespace")
    assert pin_of(result) == "PodNodeSelector"
    assert result.requeue_after == RECHECK


def test_a_plugin_that_is_off_leaves_the_policy_in_force_and_is_told_with_the_line_to_add() -> None:
    result = run(proved(world(OLD, annotated()), "USE-01 spec.nodeSelector: ...", annotated=True))
    status, message = told(result)
    assert status == "True"
    assert f"nothing pins pods (PodNodeSelector doesn't act on annotation {PLUGIN} there)" in message
    assert message.endswith(f"so those whose nodeSelector lacks {LABEL}: eligible are refused")
    assert pin_of(result) == "Refuse"
    assert result.requeue_after is not None
    assert UNPINNED_RECHECK <= result.requeue_after < UNPINNED_RECHECK + 1


def test_an_annotation_that_came_since_is_tried_at_once() -> None:
    waiting = run(proved(world(), "USE-01 ..."))
    assert not [e for e in waiting.effects if isinstance(e, DryRunPod)]
    since = run(proved(world(OLD, annotated()), "USE-01 ..."))
    assert [e for e in since.effects if isinstance(e, DryRunPod)]


def test_a_mutating_policy_that_isnt_live_yet_is_waited_for() -> None:
    result = run(proved(world(of_version()), "USE-01 ..."))
    assert told(result)[0] == "Unknown"
    assert result.requeue_after == PATIENCE


def test_a_pin_of_somebody_else_is_told() -> None:
    result = run(proved(world(of_version("1.32"))))
    assert told(result)[1].endswith("pods are pinned by an admission plugin or webhook that isn't Daulat's")
    assert pin_of(result) == "Other"


def test_with_gitops_a_namespace_without_the_annotation_is_drift() -> None:
    state = world(policies=[policy(enforcement={"source": "GitOps"})])
    snapshot = state.snapshot()
    for manifest in compiled(the_policy(snapshot), snapshot, NOW).manifests:
        meta = {**manifest["metadata"], "uid": f"uid-{manifest['kind']}", "generation": 1}
        state.children.append({**manifest, "metadata": meta})
    status, message = told(run(proved(state)), "Compiled")
    assert status == "False"
    assert message.startswith(f"Namespace treasury has no entry {LABEL}=eligible in annotation {PLUGIN}")
    state.namespaces = [annotated()]
    assert told(run(proved(state)), "Compiled")[0] == "True"


def test_a_namespace_that_cant_be_annotated_is_told() -> None:
    state = proved(world())
    state.obstacles = {key("treasury"): "403 Forbidden: no"}
    status, message = told(run(state), "Compiled")
    assert status == "False"
    assert message.startswith("Namespace treasury has no entry")
    assert message.endswith("and it can't be set: 403 Forbidden: no")


def test_what_a_version_cant_judge_by_is_left_out_and_told() -> None:
    status, message = told(run(proved(world())), "Compiled")
    assert status == "True"
    assert message.endswith("; left out on Kubernetes 1.32: MGD-01.bindings")
    assert "left out" not in told(run(proved(world(of_version("1.35")))), "Compiled")[1]
