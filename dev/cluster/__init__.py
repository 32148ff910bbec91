"""A control plane for development, tests and the demo: real Kubernetes, fake nodes.

`connect()` gives a `Cluster`; `EmbeddedCluster` can also stop and restart its components.
"""

from dev.cluster.cluster import Cluster, ComponentStatus, Status
from dev.cluster.connect import connect
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError

__all__ = ["Cluster", "ClusterError", "ComponentStatus", "EmbeddedCluster", "Status", "connect"]
