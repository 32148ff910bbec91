"""Ways to let the operator, or those who ask the API server, believe what isn't so."""

from __future__ import annotations

import pytest

from .attack import Ground, refused, rule, taken

REGISTRATIONS = "/apis/apiregistration.k8s.io/v1/apiservices"
ELSEWHERE = {"service": {"namespace": "default", "name": "other", "port": 443}, "insecureSkipTLSVerify": True}


@pytest.mark.parametrize("name", ["v1alpha1.daulat.dev", "v1.admissionregistration.k8s.io", "v1.", "v1.apps"])
def test_more_another_server_in_the_place_of_the_api_server(ground: Ground, name: str) -> None:
    injector = ground.with_rights(
        "ca-injector", rule("apiregistration.k8s.io", "apiservices", "get update patch create")
    )
    path = f"{REGISTRATIONS}/{name}"
    refused(injector.change(f"{path}?dryRun=All", lambda body: body["spec"].update(ELSEWHERE)), "MGD-08 spec.service")
    # Another version, which clients would prefer. The API server itself refuses one of the group without a name.
    group = name.partition(".")[2] or "apps"
    spec = {"group": group, "version": "v9", "groupPriorityMinimum": 20000, "versionPriority": 900, **ELSEWHERE}
    head = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    other = {**head, "metadata": {"name": f"v9.{group}"}, "spec": spec}
    refused(injector.create(f"{REGISTRATIONS}?dryRun=All", other), "MGD-08 spec.service")
    # What is no attack: a label, and an aggregated API of one's own.
    taken(injector.change(f"{path}?dryRun=All", lambda body: body["metadata"].setdefault("labels", {}).update(a="b")))
    own = {**other, "metadata": {"name": "v9.metrics.example.my"}, "spec": {**spec, "group": "metrics.example.my"}}
    taken(injector.create(f"{REGISTRATIONS}?dryRun=All", own))
