"""What Hypothesis makes of our domain: labels, selectors, texts, whole clusters."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.unit.world import (
    ASCEND,
    ASCEND_LABELS,
    ASCEND_RESOURCE,
    H20,
    H20_LABELS,
    NVIDIA_RESOURCE,
    World,
    choice,
    model,
    node,
    pod,
    policy,
    standing,
    zone,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
"""Any text that JSON can carry: all of Unicode but lone surrogates, and NUL, which the evaluator refuses."""

KEYS = st.sampled_from(["a", "b", "daulat.dev/c"])
VALUES = st.sampled_from(["", "1", "2", "3"])
LABELS = st.dictionaries(KEYS, VALUES)


@st.composite
def selectors(draw: st.DrawFn) -> dict[str, Any]:
    """Return a raw label selector."""
    expressions = draw(
        st.lists(
            st.one_of(
                st.fixed_dictionaries(
                    {
                        "key": KEYS,
                        "operator": st.sampled_from(["In", "NotIn"]),
                        "values": st.lists(VALUES, min_size=1, max_size=3),
                    }
                ),
                st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
            ),
            max_size=3,
        )
    )
    return {"matchLabels": draw(LABELS), "matchExpressions": expressions}


_SITES = ["cyberjaya-1", "johor-1", "singapore-1", ""]
_HARDWARE = [
    ({ASCEND_RESOURCE: "8"}, ASCEND_LABELS),
    ({ASCEND_RESOURCE: "2"}, ASCEND_LABELS),
    ({NVIDIA_RESOURCE: "8"}, H20_LABELS),
    ({NVIDIA_RESOURCE: "8"}, {"nvidia.com/gpu.product": "NVIDIA-H100"}),
    ({NVIDIA_RESOURCE: "1.5"}, H20_LABELS),
    ({ASCEND_RESOURCE: "4", "amd.com/gpu": "1"}, ASCEND_LABELS),
    ({}, {}),
]


@st.composite
def clusters(draw: st.DrawFn) -> World:
    """Return a cluster with nodes of any kind, pods on them, two policies, and a model that may stand somewhere already."""
    nodes = []
    for i in range(draw(st.integers(0, 7))):
        devices, labels = draw(st.sampled_from(_HARDWARE))
        raw = node(f"n{i}", draw(st.sampled_from(_SITES)), devices, draw(st.booleans()), labels)
        raw["metadata"]["labels"]["rack"] = draw(st.sampled_from(["1", "2"]))
        nodes.append(raw)
    zones = [zone("cyberjaya-1"), zone("johor-1", maximumDataClass="public"), zone("singapore-1", country="SG")]
    if draw(st.booleans()):
        zones.append(zone("rack-2"))
        zones[-1]["spec"]["nodeSelector"] = {"matchLabels": {"rack": "2"}}
    policies = [policy("one")]
    if draw(st.booleans()):
        policies.append(policy("two", zones={"minimumDataClass": draw(st.sampled_from(["public", "restricted"]))}))
    pods = []
    for i in range(draw(st.integers(0, 4))):
        on = draw(st.sampled_from([*(n["metadata"]["name"] for n in nodes), ""]))
        resource = draw(st.sampled_from([ASCEND_RESOURCE, NVIDIA_RESOURCE]))
        pods.append(pod(f"p{i}", on, {resource: "2"}, model=draw(st.sampled_from(["", "deepseek", "other"]))))
    where = draw(st.sampled_from([None, (ASCEND, ASCEND_RESOURCE), (H20, NVIDIA_RESOURCE)]))
    chosen = [choice(p, draw(st.integers(1, 4))) for p in draw(st.permutations([ASCEND, H20]))]
    status = standing(*where, "n0", "n1") if where else None
    own = model(status=status, accelerators=chosen, replicas=draw(st.integers(0, 4)))
    other = model("other", status=standing(ASCEND, ASCEND_RESOURCE, "n0", "n1"), replicas=draw(st.integers(0, 2)))
    return World(nodes=nodes, zones=zones, policies=policies, pods=pods, models=[own, other])
