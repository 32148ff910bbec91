"""A live object is compared with what was rendered: defaults and webhooks count as rendered, and nothing else does."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from daulat.operator.rendered import Defaults, comparable, differences

Raw = dict[str, Any]

RENDERED: Raw = {
    "replicas": 1,
    "ingress": None,
    "template": {
        "metadata": {"labels": {"a": "b"}, "annotations": {"daulat.dev/revision": "r"}},
        "spec": {"containers": [{"name": "engine", "env": [{"name": "HOME", "value": "/"}]}]},
    },
}


def with_defaults(spec: Raw) -> Raw:
    """Return the spec as an API server stores it."""
    made = copy.deepcopy(spec)
    made.pop("ingress", None)
    made["progressDeadlineSeconds"] = 600
    made["template"]["metadata"]["creationTimestamp"] = None
    made["template"]["spec"] |= {"dnsPolicy": "ClusterFirst", "securityContext": {}}
    for one in made["template"]["spec"]["containers"]:
        one |= {"terminationMessagePath": "/dev/termination-log", "resources": {}}
    return made


def learned() -> Defaults:
    defaults = Defaults()
    defaults.learn("Deployment", with_defaults(RENDERED), RENDERED)
    return defaults


def test_what_an_api_server_adds_to_a_new_object_is_no_difference_in_another_one() -> None:
    other = copy.deepcopy(RENDERED)
    other["template"]["spec"]["containers"].append({"name": "second"})
    assert learned().explain("Deployment", with_defaults(other), other)
    assert not learned().explain("StatefulSet", with_defaults(other), other)


def test_a_restart_is_no_difference() -> None:
    live = with_defaults(RENDERED)
    live["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now"
    assert learned().explain("Deployment", live, RENDERED)
    assert list(differences(comparable("Deployment", live), comparable("Deployment", with_defaults(RENDERED)))) == []


def test_the_address_of_a_service_is_no_difference() -> None:
    spec = {"selector": {"a": "b"}}
    assert Defaults().explain("Service", {**spec, "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"]}, spec)
    assert not Defaults().explain("Service", {**spec, "publishNotReadyAddresses": True}, spec)


PATHS = st.lists(
    st.sampled_from(["template", "spec", "metadata", "labels", "annotations", "containers", "env", 0, "new"]),
    max_size=6,
)
VALUES = st.recursive(
    st.sampled_from(["x", "/", 600, True, "ClusterFirst", "/dev/termination-log"]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2) | st.dictionaries(st.sampled_from(["name", "value"]), inner, min_size=1)
    ),
    max_leaves=4,
)


@given(PATHS, st.sampled_from(["hostAliases", "command", "initContainers", "dnsPolicy", "value"]), VALUES)
def test_whatever_is_added_or_changed_anywhere_is_a_difference(path: list[str | int], key: str, value: Any) -> None:
    """But what an object of the kind has there by default."""
    live = with_defaults(RENDERED)
    at: Any = live
    for step in path:
        if isinstance(at, list):
            at = at[0]
        elif isinstance(step, str) and isinstance(at.get(step), dict | list):
            at = at[step]
    if isinstance(at, list):
        at.append(value)
    else:
        assume(at.get(key) != value and not (key == "dnsPolicy" and value == "ClusterFirst"))
        at[key] = value
    assert not learned().explain("Deployment", live, RENDERED)
    assert list(differences(comparable("Deployment", live), comparable("Deployment", with_defaults(RENDERED))))
