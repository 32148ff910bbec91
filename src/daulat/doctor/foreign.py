"""Other admission beside Daulat's: what mutates the objects that Daulat judges, and what fails open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daulat.api.names import MANAGED_BY
from daulat.kube.resources import GROUPS

from .cluster import Cluster, labels_of, name_of
from .finding import Found, Severity

_PODS = ("pods", "pods/ephemeralcontainers")
_PLACES = ("pods/binding", "bindings", "nodes", "nodes/status", "namespaces")


def mutators(cluster: Cluster) -> Iterator[Found]:
    """Name webhooks and policies of others that may change pods, bindings, nodes or namespaces."""
    for item in cluster.items("mutatingwebhookconfigurations"):
        for hook in item.get("webhooks") or ():
            yield from _mutates(f"MutatingWebhookConfiguration {name_of(item)}", hook.get("name"), hook.get("rules"))
    for item in cluster.items("mutatingadmissionpolicies"):
        if labels_of(item).get(MANAGED_BY) != "daulat":
            rules = ((item.get("spec") or {}).get("matchConstraints") or {}).get("resourceRules")
            yield from _mutates(f"MutatingAdmissionPolicy {name_of(item)}", None, rules)


def failing_open(cluster: Cluster) -> Iterator[Found]:
    """Name validating webhooks on pods, bindings, nodes or namespaces that let through what they can't judge."""
    for item in cluster.items("validatingwebhookconfigurations"):
        for hook in item.get("webhooks") or ():
            touched = _touched(hook.get("rules"), (*_PODS, *_PLACES))
            if hook.get("failurePolicy") == "Ignore" and touched:
                name = f"ValidatingWebhookConfiguration {name_of(item)}"
                what = f"{name}: webhook {hook.get('name')} on {', '.join(touched)} has failurePolicy Ignore"
                yield Found(what, (name,))


def other_servers(cluster: Cluster) -> Iterator[Found]:
    """Name APIServices that lead the groups to a Service from which the operator has its facts."""
    for item in cluster.items("apiservices"):
        spec = item.get("spec") or {}
        service = spec.get("service")
        if service is not None and spec.get("group", "") in GROUPS:
            name, group = f"APIService {name_of(item)}", spec.get("group") or "core"
            where = f"{service.get('namespace')}/{service.get('name')}"
            yield Found(f"{name} leads requests for the group {group} to Service {where}", (name,))


def _mutates(name: str, hook: Any, rules: Any) -> Iterator[Found]:
    touched = _touched(rules, (*_PODS, *_PLACES))
    if touched:
        which = f": webhook {hook}" if hook else ""
        # The guards on nodes and bindings judge the requesting user as well, and that isn't the webhook.
        worse = Severity.MEDIUM if _touched(rules, _PLACES) else None
        yield Found(f"{name}{which} may change {', '.join(touched)}", (name,), worse)


def _touched(rules: Any, resources: tuple[str, ...]) -> list[str]:
    found = []
    for resource in resources:
        base, _, subresource = resource.partition("/")
        wild = {"*/*", resource, f"{base}/*"} | ({f"*/{subresource}"} if subresource else {"*"})
        for rule in rules or ():
            groups, operations = rule.get("apiGroups") or (), set(rule.get("operations") or ())
            if (
                ({"", "*"} & set(groups))
                and (operations & {"CREATE", "UPDATE", "*"})
                and wild & set(rule.get("resources") or ())
            ):
                found.append(resource)
                break
    return found
