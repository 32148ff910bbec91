"""A policy with egress.scope Namespace closes the egress of every pod of its namespaces, and an upgrade closes none."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.network import EgressScope
from daulat.facts.platform import Dns, KubernetesApi, Platform
from daulat.kube.ref import Ref
from daulat.reconcile.model.default_deny import key
from daulat.reconcile.registry import everything, reconcile
from daulat.reconcile.result import Apply, ApplyStatus, Delete
from daulat.workload.egress import NAMESPACE_EGRESS
from daulat.workload.network import DEFAULT_DENY
from tests.unit.world import Raw, World, child, namespace, policy, the_policy

KEY = key("treasury")
POLICY = Ref("SovereigntyPolicy", "", "confidential")
PEER = {"ipBlock": {"cidr": "10.0.0.0/8"}}
OTHER = {"ipBlock": {"cidr": "192.168.0.0/16"}, "ports": [{"port": 443, "protocol": "TCP"}]}
PRESET = {"name": "my-nccp", "dataClass": "confidential"}


def closed(name: str = "confidential", *peers: Raw, **section: Any) -> Raw:
    return policy(name, egress={"scope": "Namespace", "allow": list(peers), **section})


def world(*policies: Raw, **more: Any) -> World:
    return World(policies=list(policies), **{"models": [], **more})


def applied(world: World) -> dict[str, Raw]:
    effects = reconcile(KEY, world.snapshot(), 0.0).effects
    return {e.manifest["metadata"]["name"]: e.manifest["spec"] for e in effects if isinstance(e, Apply)}


def rules(world: World) -> list[Raw]:
    found: list[Raw] = applied(world)[NAMESPACE_EGRESS]["egress"]
    return found


def there(*names: str) -> list[Raw]:
    return [child("NetworkPolicy", name, "treasury") for name in names]


def test_the_two_policies_together_select_every_pod() -> None:
    found = applied(world(closed()))
    selectors = {name: spec["podSelector"]["matchExpressions"] for name, spec in found.items()}
    assert selectors == {
        NAMESPACE_EGRESS: [{"key": "daulat.dev/model", "operator": "DoesNotExist"}],
        DEFAULT_DENY: [{"key": "daulat.dev/model", "operator": "Exists"}],
    }
    assert found[NAMESPACE_EGRESS]["policyTypes"] == ["Egress"]


def test_dns_the_namespace_and_the_allowed_peers_are_let_through_and_nobody_else() -> None:
    dns, own, *others = rules(world(closed("confidential", PEER)))
    assert [p["port"] for p in dns["ports"]] == [53, 53]
    assert own == {"to": [{"podSelector": {}}]}
    assert others == [{"to": [PEER]}]


def test_of_several_policies_only_what_all_of_them_allow_is_let_through() -> None:
    _, _, *others = rules(world(closed("a", PEER, OTHER), closed("b", OTHER), policy("c")))
    assert others == [{"to": [{"ipBlock": OTHER["ipBlock"]}], "ports": OTHER["ports"]}]


def test_dns_on_the_nodes_and_the_kubernetes_api_are_where_the_platform_says() -> None:
    platform = Platform(
        dns=Dns(addresses=("169.254.20.10", "fd00::10")), kubernetes_api=KubernetesApi(("10.1.0.9/32",))
    )
    _, local, _, *others = rules(world(closed(allowKubernetesAPI=True), platform=platform))
    assert [p["ipBlock"]["cidr"] for p in local["to"]] == ["169.254.20.10/32", "fd00::10/128"]
    assert others == [{"to": [{"ipBlock": {"cidr": "10.1.0.9/32"}}], "ports": [{"protocol": "TCP", "port": 6443}]}]
    assert len(rules(world(closed(), platform=platform))) == 3, "the policy doesn't allow the API"
    assert len(rules(world(closed(allowKubernetesAPI=True)))) == 2, "nobody said where the API is"


@pytest.mark.parametrize(
    "open_policy",
    [
        policy(),
        policy(egress={"allow": []}),
        policy(egress={"allow": [], "scope": "Models"}),
        policy(egress={"allow": [], "scope": "Namespace"}, action="Warn"),
        policy(egress={"allow": [], "scope": "Namespace"}, controls={"USE-05": "Audit"}),
        policy(egress={"allow": [], "scope": "Namespace"}, controls={"USE-05": "Off"}),
    ],
    ids=[
        "without a section",
        "without a scope",
        "Models",
        "a policy on trial",
        "a control on trial",
        "a control turned off",
    ],
)
def test_other_policies_close_no_pod_but_those_of_models(open_policy: Raw) -> None:
    assert applied(world(open_policy)) == {}
    left = reconcile(KEY, world(open_policy, children=there(NAMESPACE_EGRESS, DEFAULT_DENY)).snapshot(), 0.0).effects
    assert {e.ref.name for e in left if isinstance(e, Delete)} == {NAMESPACE_EGRESS, DEFAULT_DENY}


def test_a_policy_that_cant_be_read_opens_nothing() -> None:
    unreadable = policy(zones="none")
    effects = reconcile(KEY, world(unreadable, children=there(NAMESPACE_EGRESS)).snapshot(), 0.0).effects
    assert not [e for e in effects if isinstance(e, Delete)]


def test_namespaces_are_looked_at_when_their_policy_or_their_labels_change() -> None:
    assert KEY in world(policy()).woken("SovereigntyPolicy", closed())
    assert KEY in world(closed()).woken("SovereigntyPolicy", closed(), gone=True)
    assert KEY not in world(policy()).woken("SovereigntyPolicy", policy(action="Warn"))
    assert KEY in world(closed(), namespaces=[]).woken("Namespace", namespace())
    assert KEY in world(closed()).woken("NetworkPolicy", there(NAMESPACE_EGRESS)[0], gone=True)
    assert POLICY in world(closed()).woken("NetworkPolicy", there(NAMESPACE_EGRESS)[0])
    assert KEY in list(everything(world(closed()).snapshot()))


def with_status(raw: Raw, **status: str) -> Raw:
    return {**raw, "status": status}


def scope_of(raw: Raw) -> EgressScope | None:
    section = the_policy(world(raw).snapshot()).spec.egress
    return section.scope if section else None


def test_a_preset_closes_new_policies_and_none_that_was_in_force_before() -> None:
    preset = policy(preset=PRESET)
    assert scope_of(preset) is EgressScope.NAMESPACE
    assert scope_of(with_status(preset, revision="abc")) is EgressScope.MODELS
    assert scope_of(with_status(preset, revision="abc", egressScope="Models")) is EgressScope.MODELS
    assert scope_of(with_status(preset, revision="abc", egressScope="Namespace")) is EgressScope.NAMESPACE
    own = policy(preset=PRESET, egress={"scope": "Namespace", "allow": []})
    assert scope_of(with_status(own, revision="abc", egressScope="Models")) is EgressScope.NAMESPACE
    other = policy(preset=PRESET, egress={"scope": "Models", "allow": []})
    assert scope_of(other) is EgressScope.MODELS
    assert scope_of(policy(egress={"allow": []})) is None


def test_the_scope_of_a_preset_stays_once_it_is_in_force() -> None:
    """The first pass writes revision and scope in one status, so the next one doesn't take the policy for an older one."""
    first = world(policy(preset=PRESET))
    effects = reconcile(POLICY, first.snapshot(), 0.0).effects
    (status,) = [e.status for e in effects if isinstance(e, ApplyStatus)]
    assert (bool(status["revision"]), status["egressScope"]) == (True, "Namespace")
    first.with_status_of(effects)
    assert NAMESPACE_EGRESS in applied(first)


@pytest.mark.parametrize(
    ("stated", "children", "expected"),
    [
        (policy(), [], ("True", "ModelsOnly")),
        (closed(), [], ("True", "NetworkPoliciesMissing")),
        (closed(), [NAMESPACE_EGRESS], ("True", "NetworkPoliciesMissing")),
        (closed(), [NAMESPACE_EGRESS, DEFAULT_DENY], ("Unknown", "EnforcementNotProven")),
    ],
    ids=["Models", "none is there", "one is missing", "both are there"],
)
def test_the_status_says_whether_plain_pods_are_open(
    stated: Raw, children: list[str], expected: tuple[str, str]
) -> None:
    effects = reconcile(POLICY, world(stated, children=there(*children)).snapshot(), 0.0).effects
    (status,) = [e.status for e in effects if isinstance(e, ApplyStatus)]
    (found,) = [c for c in status["conditions"] if c["type"] == "EgressOpen"]
    assert (found["status"], found["reason"]) == expected
