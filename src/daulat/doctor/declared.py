"""What zones, policies and exemptions say that weakens them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from daulat.api import reasons
from daulat.api.names import GROUP, NODE_PREFIX
from daulat.api.policy import SovereigntyPolicySpec, SovereigntyPolicyStatus
from daulat.api.status import read_status
from daulat.catalog import countries, presets
from daulat.facts.declared import Declared, Unparsable, parse_declared
from daulat.reconcile.policy.exemptions import effect

from .cluster import Cluster, name_of
from .finding import Found, Severity

CORRECT = "Correct spec.controls and spec.namespaces."
UNSET = "the operator has not set the condition"


def open_zones(cluster: Cluster) -> Iterator[Found]:
    """Name zones whose nodes are found by labels that others than zone admins write, or by none."""
    for item in cluster.items("sovereignzones"):
        zone = parse_declared("SovereignZone", item)
        if isinstance(zone, Unparsable):
            yield Found(f"SovereignZone {zone.name} can't be read: {zone.reason}", (f"SovereignZone {zone.name}",))
            continue
        selector = zone.spec.node_selector
        if loose := sorted(k for k in selector.label_keys() if not k.startswith(NODE_PREFIX)):
            what = f"SovereignZone {zone.name} selects nodes by {', '.join(loose)}"
            yield Found(what, (f"SovereignZone {zone.name}",))
        elif not selector.required_keys():
            absent = ", ".join(sorted(selector.label_keys()))
            what = f"SovereignZone {zone.name} requires no label: nodes without {absent} are in it, such as new ones"
            yield Found(what, (f"SovereignZone {zone.name}",))


def open_policies(cluster: Cluster) -> Iterator[Found]:
    """Name policies whose namespaces are found by labels that others than policy admins write."""
    for policy in cluster.policies.values():
        keys = policy.spec.namespace_selector.label_keys()
        if loose := sorted(k for k in keys if not k.startswith(f"{GROUP}/") and k != "kubernetes.io/metadata.name"):
            what = f"SovereigntyPolicy {policy.name} selects namespaces by {', '.join(loose)}"
            yield Found(what, (f"SovereigntyPolicy {policy.name}",))


def unenforced(cluster: Cluster) -> Iterator[Found]:
    """Name policies without the proof that they are in force."""
    if not cluster.served("sovereigntypolicies"):
        yield Found("the kinds of daulat.dev aren't served: Daulat isn't installed", remedy="Install the chart.")
    for item in cluster.items("sovereigntypolicies"):
        enforced = read_status(SovereigntyPolicyStatus, item.get("status")).condition(reasons.ENFORCED)
        policy = f"SovereigntyPolicy {name_of(item)}"
        if enforced is None:
            yield Found(f"{policy}: Enforced is Unknown: {UNSET}", (policy,))
            continue
        stale = enforced.observed_generation != (item.get("metadata") or {}).get("generation")
        if enforced.status == "True" and not stale:
            continue
        calm = enforced.reason in (reasons.NO_GOVERNED_NAMESPACE, reasons.NOT_ENFORCING)
        message = enforced.message or UNSET
        if stale:
            message = f"the operator has not observed its newest generation; before: {message}"
        what = f"{policy}: Enforced is {enforced.status}: {message}"
        yield Found(what, (policy,), Severity.LOW if calm and not stale else None)


def exemptions(cluster: Cluster) -> Iterator[Found]:
    """Name exemptions: those in force, expired ones, those without an approval, and those without effect."""
    for item in cluster.items("sovereigntyexemptions"):
        found = parse_declared("SovereigntyExemption", item)
        name = f"SovereigntyExemption {name_of(item)}"
        if not isinstance(found, Declared):
            yield Found(f"{name} can't be read: {found.reason}", (name,))
            continue
        spec = found.spec
        scope = f"{', '.join(spec.controls)} of policy {spec.policy} in {', '.join(spec.namespaces)}"
        if spec.expired(cluster.now):
            yield Found(f"{name} for {scope} expired at {spec.expiry}", (name,))
        elif not spec.approved:
            yield Found(f"{name} for {scope} is approved only by the requester {spec.requested_by}", (name,))
        elif spec.policy not in cluster.policies:
            yield Found(f"{name} names policy {spec.policy}, which doesn't exist or can't be read", (name,))
        else:
            lifted = effect(spec, cluster.policies[spec.policy], cluster.namespaces)
            if lifted.none:
                yield Found(f"{name} for {scope} has no effect: {lifted.idle}", (name,), remedy=CORRECT)
                continue
            by = ", ".join(sorted(a.user for a in spec.approvals if a.user != spec.requested_by))
            what = f"{name} lifts {scope} until {spec.expiry}; approved by {by}"
            if lifted.idle:
                yield Found(f"{what}; without effect: {lifted.idle}", (name,), remedy=CORRECT)
            else:
                yield Found(what, (name,), Severity.INFO)


def unknown_countries(cluster: Cluster) -> Iterator[Found]:
    """Name country codes that don't exist. Admission refuses them, but not in objects that are older than it."""
    kinds = {
        "sovereignzones": "SovereignZone",
        "sovereigntypolicies": "SovereigntyPolicy",
        "acceleratorprofiles": "AcceleratorProfile",
        "sovereignmodels": "SovereignModel",
    }
    for key, kind in kinds.items():
        for item in cluster.items(key):
            name = f"{kind} {name_of(item)}"
            for path, code in _country_codes(item.get("spec"), "spec"):
                if code not in countries.codes():
                    instead = countries.instead().get(code)
                    remedy = f"Set {path} to {instead}." if instead else ""
                    yield Found(
                        f'{name}: {path} is "{code}", which isn\'t a country code of ISO 3166-1', (name,), remedy=remedy
                    )


def _country_codes(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Return the country codes in a spec, with their fields, by the names that all kinds have for such fields."""
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        own = f"{path}.{key}"
        if key.lower().endswith(("country", "countries")):
            yield from ((own, str(code)) for code in (item if isinstance(item, list) else [item]))
        else:
            yield from _country_codes(item, own)


def departures(cluster: Cluster) -> Iterator[Found]:
    """Name the fields in which policies say something else than their preset."""
    for item in cluster.items("sovereigntypolicies"):
        name = f"SovereigntyPolicy {name_of(item)}"
        if name_of(item) not in cluster.policies:
            continue  # Its condition says why it can't be read.
        # As it is written: a policy among the facts has its preset's fields already.
        policy = SovereigntyPolicySpec.model_validate(item["spec"])
        preset = policy.preset.name if policy.preset else ""
        for path, (said, own) in presets.overridden(policy).items():
            yield Found(f"{name} sets {path} to {json.dumps(own)}; preset {preset} says {json.dumps(said)}", (name,))
