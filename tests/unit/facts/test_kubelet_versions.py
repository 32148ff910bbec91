"""Whether a node mounts images as volumes depends on its kubelet and on its container runtime."""

from __future__ import annotations

import pytest

from daulat.facts.node import Node, parse_node


@pytest.mark.parametrize(
    ("kubelet", "runtime", "mounts"),
    [
        ("v1.37.2", "containerd://2.1.4", True),
        ("v1.35.0", "containerd://2.1.4", True),
        ("v1.34.13", "containerd://2.1.4", False),
        ("v1.32.2-eks-1", "containerd://2.2.0", False),
        ("v1.37.2", "containerd://1.7.20", False),
        ("", "containerd://2.1.4", True),
        ("fake", "", True),
    ],
)
def test_a_node_mounts_images_where_both_can(kubelet: str, runtime: str, mounts: bool) -> None:
    info = {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime}
    node = parse_node({"metadata": {"name": "n"}, "status": {"nodeInfo": info}})
    assert isinstance(node, Node)
    assert node.image_volumes is mounts
