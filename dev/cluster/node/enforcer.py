"""Who enforces NetworkPolicies on a real node: what it may read, which packets it judges, and whether it is at work.

It is Kubernetes' own kube-network-policies: the kernel holds the first packet of each connection until that program has judged it.
"""

from __future__ import annotations

from typing import Any

from dev.cluster.node import addresses
from dev.cluster.node.sandbox import PROGRAMS

NAME = "kube-network-policies"
NAMESPACE = "kube-system"
QUEUE = 100
WAITING = "/proc/net/netfilter/nfnetlink_queue"

# Nothing is let through where nobody judges: there is no --queue-bypass. The program tries to lay rules of its own as well. That
# fails, with a line in its log, where the kernel can't send packets to a queue from nftables. Where it can, who comes by both is
# judged twice, by the same program and with the same result.
RULES = (
    "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    # The node's own, as the kubelet's probes. A socket in a pod's namespace is no socket of the node's, whoever owns it.
    "-m owner --uid-owner 0 -j ACCEPT",
    f"-j NFQUEUE --queue-num {QUEUE}",
)


def rules() -> list[list[str]]:
    """Return the commands that hand packets to the program: all that leaves the node or is handed on by it, but for answers."""
    return [["iptables", "-w", "-t", "mangle", "-A", "POSTROUTING", *rule.split()] for rule in RULES]


def permissions() -> list[dict[str, Any]]:
    """Return its ServiceAccount, which may read what policies speak of."""
    api = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    role = {"apiGroup": api, "kind": "ClusterRole", "name": NAME}
    head = {"apiVersion": f"{api}/v1", "metadata": {"name": NAME}}
    verbs = ["list", "watch"]
    rights = [
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": verbs},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs},
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAMESPACE}},
        {**head, "kind": "ClusterRole", "rules": rights},
        {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [account]},
    ]


def command(node: str) -> list[str]:
    """Return its command line, as a pod's would be."""
    return [
        "env",
        f"KUBERNETES_SERVICE_HOST={addresses.FABRIC}",
        f"KUBERNETES_SERVICE_PORT={addresses.API_PORT}",
        f"{PROGRAMS}/{NAME}",
        f"--hostname-override={node}",
        f"--nfqueue-id={QUEUE}",
        # These nodes have no DNS that would need it.
        "--netfilter-bug-1766-fix=false",
        "--metrics-bind-address=127.0.0.1:9080",
    ]


def judges(queues: str) -> bool:
    """Say whether it is at work, by what the kernel tells of queues: it listens to its own once it knows all policies."""
    return any(line.split()[:1] == [str(QUEUE)] for line in queues.splitlines())
