"""The audit policy that lets the API server log what entries are made of, and as little else as a policy can say.

It follows the guards: a resource that a control judges is one whose refusals are logged. Everything is logged at the level
Metadata, which has no body of a request or answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from daulat.api.kinds import Manifest
from daulat.api.names import GROUP
from daulat.controls import library

from .acts import DEBUG, PROXY, RECORDS, SHARED, STREAMS, WRITES

SESSIONS = {"": [*(f"pods/{s}" for s in (*STREAMS, DEBUG, PROXY)), f"services/{PROXY}", f"nodes/{PROXY}"]}
"""What sessions are opened by, with any verb: a WebSocket is opened by a GET."""
_NODES = "system:nodes"
_COMPONENTS = ["system:kube-controller-manager", "system:kube-scheduler"]
_CONTROLLERS = "system:serviceaccounts:kube-system"


def audit_policy(namespace: str = "daulat-system") -> Manifest:
    """Return the Policy of audit.k8s.io/v1, for an installation of Daulat in this namespace."""
    own = [_NODES, _CONTROLLERS, f"system:serviceaccounts:{namespace}"]
    states = {group: [n for n in names if n.endswith("/status")] for group, names in _written().items()}
    status = _resources({**{group: names for group, names in states.items() if names}, GROUP: ["*/status"]})
    endpoints = {"": ["endpoints"], "discovery.k8s.io": ["endpointslices"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "metadata": {"name": "daulat"},
        # It comes again as ResponseStarted or ResponseComplete, with the answer.
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "resources": _resources(SESSIONS)},
            {"level": "None", "verbs": ["get", "list", "watch"]},
            # What components write all the time: heartbeats, states, addresses, and the tokens of pods.
            {"level": "None", "userGroups": own, "resources": status},
            {"level": "None", "users": _COMPONENTS, "resources": status},
            {"level": "None", "userGroups": [_CONTROLLERS], "resources": _resources(endpoints)},
            {"level": "None", "users": _COMPONENTS, "resources": _resources(endpoints)},
            {"level": "None", "userGroups": [_NODES], "resources": _resources({"": ["serviceaccounts/token"]})},
            {"level": "Metadata", "verbs": sorted(WRITES), "resources": _resources(_written())},
            {"level": "None"},
        ],
    }


def _written() -> dict[str, list[str]]:
    """Return the resources whose writes are logged, by group."""
    found: dict[str, set[str]] = {"": set(RECORDS)}
    for guard in library.guards().values():
        for judged in guard.resources:
            found.setdefault(judged.group, set()).update(judged.resources)
    # Also what no control judges, such as a deletion.
    found[GROUP] = {"*"}
    found[SHARED[0]] = {f"{v}admissionpolic{e}" for v in ("validating", "mutating") for e in ("ies", "ybindings")}
    found[SHARED[1]].add("customresourcedefinitions")
    sessions = {name for names in SESSIONS.values() for name in names}
    return {group: sorted(names - sessions) for group, names in found.items()}


def _resources(by_group: Mapping[str, list[str]]) -> list[Manifest]:
    return [{"group": group, "resources": names} for group, names in sorted(by_group.items())]
