"""Audit events as an API server writes them (1.37.2, level Metadata), for tests to change."""

from __future__ import annotations

import json
from typing import Any

OPERATOR = "system:serviceaccount:daulat-system:daulat"
REFUSAL = (
    "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'confidential.pods.daulat.dev' with binding"
    " 'confidential.pods.daulat.dev' denied request: USE-04 spec.nodeName: \"x\" was set; policy confidential leaves placement to"
    ' the scheduler. Remove it. STO-07 spec.containers["main"].image: "docker.io/x:1" was set; policy confidential allows images'
    " from registry.example.my/. Mirror the image there."
)


def event(**changes: Any) -> dict[str, Any]:
    """Return a pod's creation by a person, with these fields instead."""
    found: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "11d64fcf-01d9-426d-94fb-98a33c922504",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/treasury/pods?fieldManager=kubectl-create&fieldValidation=Strict",
        "verb": "create",
        "user": {
            "username": "alice",
            "groups": ["system:masters", "system:authenticated", "cleared"],
            "extra": {"k": ["v"]},
        },
        "sourceIPs": ["203.0.113.9", "10.0.0.7"],
        "userAgent": "kubectl/v1.37.2",
        "objectRef": {"resource": "pods", "namespace": "treasury", "name": "p", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": "2026-11-30T00:59:28.031982Z",
        "stageTimestamp": "2026-11-30T00:59:28.038671Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }
    return {**found, **changes}


def refused(message: str = REFUSAL, code: int = 403, **changes: Any) -> dict[str, Any]:
    """Return a request that was refused with this message."""
    status = {"metadata": {}, "status": "Failure", "message": message, "reason": "Forbidden", "code": code}
    return event(responseStatus=status, **changes)


def session(stage: str, subresource: str = "exec", query: str = "", code: int = 101, **changes: Any) -> dict[str, Any]:
    """Return a stage of a session with a pod."""
    ref = {"resource": "pods", "namespace": "treasury", "name": "m-0", "subresource": subresource, "apiVersion": "v1"}
    uri = f"/api/v1/namespaces/treasury/pods/m-0/{subresource}?{query}"
    made = {"verb": "get", "stage": stage, "objectRef": ref, "requestURI": uri}
    return event(**{**made, "responseStatus": {"metadata": {}, "code": code}, **changes})


def event_list(*events: object) -> bytes:
    """Return the body of a webhook's request."""
    head = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}}
    return json.dumps({**head, "items": list(events)}).encode()


def lines(*events: object) -> bytes:
    """Return the events as a log file has them."""
    return b"".join(json.dumps(e).encode() + b"\n" for e in events)
