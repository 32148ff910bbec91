"""The summary has a row for every object, the most urgent first, and names what needs attention with the command to run."""

from __future__ import annotations

import time

import pytest

from daulat.facts.definition import Definition
from daulat.status.examine import examine
from daulat.status.facts import NOT_SERVED, Lease, parse_lease
from daulat.status.view import Definitions, Severity, State, View
from tests.unit.attestation.statements import attestation
from tests.unit.world import ascend, exemption, held, inventory, model, offered, pod, policy, zone
from tests.unit.world import device as device_of
from tests.unit.world import node as bare_node

from .worlds import CURRENT, NOW, ago, broken, facts, fine, ready, serving, told, view, with_status


def findings(found: View) -> list[tuple[str, str, str]]:
    return [(each.severity.value, each.title, each.reason) for each in found.attention]


def test_nothing_needs_attention_where_all_is_well() -> None:
    found = view(fine())
    assert findings(found) == []
    assert found.exit_code == 0
    assert found.operator.leading is True
    assert found.operator.seconds_since_renewal == 3
    assert found.definitions.current is True


def test_an_empty_cluster_with_an_operator_is_fine() -> None:
    world = fine()
    world.nodes, world.zones, world.policies, world.models, world.namespaces = [], [], [], [], []
    found = view(world)
    assert (found.policies, found.zones, found.models, found.exemptions) == ((), (), (), ())
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("lease", "says"),
    [
        (None, "isn't there or is held by no replica"),
        (Lease("pod-1", NOW - 61), "was renewed 61 s ago"),
        (Lease("", NOW - 1), "was renewed 1 s ago"),
        (Lease("pod-1", None), "isn't there or is held by no replica"),
    ],
)
def test_a_lease_that_is_stale_missing_or_not_held_means_that_no_operator_leads(lease: Lease | None, says: str) -> None:
    found = view(fine(), lease=lease)
    assert findings(found) == [("failure", "Lease daulat-system/daulat-operator", "NoOperatorLeads")]
    assert says in found.attention[0].message
    assert found.attention[0].command == "kubectl get pods -n daulat-system"


def test_a_lease_renewed_by_a_clock_that_is_ahead_is_new() -> None:
    assert view(fine(), lease=Lease("pod-1", NOW + 30)).operator.seconds_since_renewal == 0


@pytest.mark.parametrize("spec", [None, {}, {"renewTime": "yesterday"}, {"renewTime": 7}])
def test_a_lease_that_cant_be_read_is_no_error(spec: object) -> None:
    assert parse_lease({"spec": spec}).renewed is None


def test_definitions_of_another_release_are_named() -> None:
    definitions = {**CURRENT, "SovereignZone": Definition("u", frozenset({"spec.new"}))}
    del definitions["SovereignModel"]
    found = view(fine(), {"SovereignModel": NOT_SERVED}, definitions=definitions)
    assert found.definitions.current is False
    assert findings(found) == [
        ("failure", "CustomResourceDefinition SovereignModel", "DefinitionMissing"),
        ("warning", "CustomResourceDefinition SovereignZone", "DefinitionOutdated"),
    ]


def test_a_definition_that_isnt_listed_of_a_kind_that_is_served_isnt_called_missing() -> None:
    found = view(fine(), definitions={})
    assert found.definitions == Definitions(None)
    assert findings(found) == []


def test_a_model_that_fails_comes_first_and_one_that_starts_is_left_in_peace() -> None:
    world = fine()
    world.models += [
        model("starting", status=told(broken("LoadingWeights"), since=60)),
        model("slow", status=told(broken("LoadingWeights", "fetches"), since=1800)),
        model("lost", status=told(broken("NoEligibleNode", "12 nodes: outside MY"))),
        model("undecided", status=told(("Ready", "Unknown", "Undecided", "a fact is missing"))),
        model("new"),
    ]
    found = view(world)
    assert [(row.name, row.state) for row in found.models] == [
        ("lost", State.FAILED),
        ("new", State.UNKNOWN),
        ("undecided", State.UNKNOWN),
        ("slow", State.PROGRESSING),
        ("starting", State.PROGRESSING),
        ("deepseek", State.READY),
    ]
    assert findings(found) == [
        ("failure", "SovereignModel treasury/lost", "NoEligibleNode"),
        ("warning", "SovereignModel treasury/new", "NotReported"),
        ("warning", "SovereignModel treasury/slow", "LoadingWeights"),
        ("warning", "SovereignModel treasury/undecided", "Undecided"),
    ]
    assert found.attention[2].message == "not ready for 30 minutes: fetches"
    assert found.attention[0].command == "daulat explain model lost -n treasury --cluster"
    assert found.exit_code == 1


def test_a_model_that_was_just_created_needs_no_attention_yet() -> None:
    world = fine()
    new = model("new")
    new["metadata"]["creationTimestamp"] = ago(5)
    world.models.append(new)
    assert findings(view(world)) == []


def test_a_status_of_an_older_generation_isnt_ready() -> None:
    world = fine()
    world.models[0]["metadata"]["generation"] = 2
    (row,) = view(world).models
    assert row.state is State.PROGRESSING
    assert row.message == "the operator hasn't acted on generation 2 yet"


def test_a_broken_policy_comes_before_a_broken_model_and_warnings_come_last() -> None:
    world = fine()
    world.models = [model("a", status=told(broken("NoEligibleNode")))]
    tamperable = ("ScopeTamperable", "True", "SelectsUnprotectedLabels", "team can be changed by others")
    world.policies += [
        with_status(policy("admitted"), told(broken("CanaryAdmitted"))),
        with_status(policy("open"), told(ready(), tamperable)),
    ]
    assert findings(view(world)) == [
        ("failure", "SovereigntyPolicy admitted", "CanaryAdmitted"),
        ("failure", "SovereignModel treasury/a", "NoEligibleNode"),
        ("warning", "SovereigntyPolicy open", "SelectsUnprotectedLabels"),
    ]


def test_objects_that_cant_be_read_are_failures_with_the_command_that_shows_them() -> None:
    world = fine()
    world.policies.append(policy("later", action="Explode"))
    world.exemptions.append(exemption("later", expiresAt="soon"))
    profile = world.profiles[0]
    world.profiles.append({**profile, "metadata": {"name": "later", "uid": "u"}, "spec": {"vendor": "none"}})
    found = view(world)
    assert findings(found) == [
        ("failure", "SovereigntyPolicy later", "Invalid"),
        ("failure", "AcceleratorProfile later", "Invalid"),
        ("failure", "SovereigntyExemption later", "Invalid"),
    ]
    assert found.attention[0].command == "kubectl describe sovereigntypolicy later"


def test_free_devices_are_those_that_no_pod_holds_on_nodes_that_take_pods() -> None:
    world = fine()
    world.nodes = [ascend("a1"), ascend("a2"), ascend("down", ready=False)]
    world.pods = [pod("p", "a1", {"huawei.com/Ascend910": "3"}), pod("w", "", {"huawei.com/Ascend910": "2"})]
    (row,) = view(world).zones
    assert (row.nodes, row.devices, row.free_devices) == (3, 24, 13)
    assert [(a.profile, a.devices, a.free) for a in row.accelerators] == [("huawei-ascend-910b", 24, 13)]


def test_devices_of_claims_are_free_until_a_claim_holds_them() -> None:
    world = fine()
    labels = {"nvidia.com/gpu.product": "NVIDIA-H20"}
    world.nodes = [bare_node("d1", labels=labels)]
    world.slices, world.claims = [offered("d1", device_of("g0"), device_of("g1"))], [held("c", "d1", "g0")]
    (row,) = view(world).zones
    assert (row.devices, row.free_devices) == (2, 1)


def test_free_devices_arent_known_without_pods_and_counts_are_of_the_status_without_nodes() -> None:
    (row,) = view(fine(), {"Pod": "forbidden"}).zones
    assert (row.devices, row.free_devices) == (24, None)
    count = {"profile": "nvidia-h20", "resource": "nvidia.com/gpu", "nodes": 2, "devices": 16}
    world = fine()
    world.nodes = []
    world.zones = [with_status(zone(), told(ready(), nodes=2, devices=16, accelerators=[count]))]
    (row,) = view(world, {"Node": "forbidden"}).zones
    assert (row.nodes, row.devices, row.free_devices) == (2, 16, None)


def test_what_couldnt_be_read_is_named_and_nothing_is_called_fine() -> None:
    found = view(fine(), {"Pod": "forbidden", "Lease": "forbidden"}, lease=None)
    assert [(each.kind, each.why) for each in found.unread] == [("Lease", "forbidden"), ("Pod", "forbidden")]
    assert found.operator.leading is None
    assert found.attention == ()
    assert found.exit_code == 2


def test_exemptions_have_the_next_to_end_first_and_those_that_ended_are_left_out() -> None:
    world = fine()
    in_force = ("Active", "True", "InForce", "")
    soon = ("ExpiringSoon", "True", "EndsSoon", "")
    world.exemptions = [
        with_status(exemption("later", expiresAt=ago(-90 * 86400)), told(in_force)),
        with_status(exemption("soon", expiresAt=ago(-86400)), told(in_force, soon)),
        with_status(exemption("over", expiresAt=ago(1)), told(in_force)),
        with_status(exemption("waits", expiresAt=ago(-2 * 86400)), told(("Active", "False", "NotApproved", "waits"))),
    ]
    found = view(world)
    assert [(row.name, row.active, row.seconds_left) for row in found.exemptions] == [
        ("soon", True, 86400),
        ("waits", False, 2 * 86400),
        ("later", True, 90 * 86400),
    ]
    assert findings(found) == [
        ("warning", "SovereigntyExemption soon", "EndsSoon"),
        ("warning", "SovereigntyExemption waits", "NotApproved"),
    ]


def test_an_exemption_ends_when_its_policy_says() -> None:
    world = fine()
    world.policies = [policy(exemptions={"maxDuration": "24h"})]
    made = exemption("long", expiresAt=ago(-90 * 86400))
    made["metadata"]["creationTimestamp"] = ago(3600)
    world.exemptions = [made]
    (row,) = view(world).exemptions
    assert row.seconds_left == 23 * 3600


def test_commands_quote_what_a_shell_would_read_otherwise_and_name_the_context() -> None:
    world = fine()
    world.models = [model("$(reboot)", status=told(broken("NoEligibleNode")))]
    found = examine(facts(world), "my cluster")
    assert found.attention[0].command == (
        "daulat explain model '$(reboot)' -n treasury --cluster --context 'my cluster'"
    )


def test_failures_come_before_warnings() -> None:
    newer = Definition("u", unknown=frozenset({"spec.later"}))
    world = fine()
    world.models.append(model("lost", status=told(broken("NoEligibleNode"))))
    found = view(world, lease=None, definitions={**CURRENT, "SovereignZone": newer})
    severities = [each.severity for each in found.attention]
    assert len(severities) == 3
    assert severities == sorted(severities, key=list(Severity).index)


def test_thousands_of_models_are_summarised_within_seconds() -> None:
    world = fine()
    world.models = [serving(f"m{n}", f"team-{n % 50}") for n in range(5000)]
    taken = facts(world)
    began = time.process_time()
    found = examine(taken)
    assert time.process_time() - began < 5
    assert len(found.models) == 5000


def test_chips_that_dont_add_up_need_attention_and_those_that_may_come_back_dont() -> None:
    world = fine()
    states = {
        "abroad": ("Accounted", "False", "ChipsOutside", "2 chips stand in SG"),
        "rebooting": ("Accounted", "False", "ChipsNotSeen", "1 chip"),
        "unseen": ("Accounted", "Unknown", "NoChipsObserved", "no driver"),
        "fine": ("Accounted", "True", "ChipsAccounted", ""),
    }
    world.inventories = [with_status(inventory(name, "GPU-1"), told(state)) for name, state in states.items()]
    broken_one = inventory("typo", "GPU-1")
    broken_one["spec"] = {"deliveries": 7}
    world.inventories.append(broken_one)
    found = [(each.severity.value, each.kind, each.name, each.reason) for each in view(world).attention]
    assert found == [
        ("failure", "AcceleratorInventory", "typo", "Invalid"),
        ("warning", "AcceleratorInventory", "abroad", "ChipsOutside"),
    ]


def test_an_attestation_that_is_no_evidence_needs_attention() -> None:
    world = fine()
    states = {"h1": ("Accepted", "False", "Expired", "until yesterday"), "h2": ("Accepted", "True", "R", "")}
    world.attestations = [with_status(attestation(name), told(state)) for name, state in states.items()]
    (found,) = view(world).attention
    assert (found.severity.value, found.kind, found.name, found.reason) == (
        "warning",
        "NodeAttestation",
        "h1",
        "Expired",
    )
    assert found.command == "kubectl describe nodeattestation h1"
