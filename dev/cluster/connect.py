"""Decides which kind of cluster a name means: CLUSTER=embedded|kind|existing, KUBECONFIG, or an embedded one."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from dev.cluster import kubeconfig, state
from dev.cluster.cluster import Cluster, announce
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.cluster.existing import ExistingCluster
from dev.cluster.kind import KindCluster
from dev.cluster.locking import Say
from dev.cluster.paths import clusters_dir

KINDS = ("embedded", "kind", "existing")
DEFAULT_NAME = "dev"


def connect(kind: str | None = None, name: str = DEFAULT_NAME, say: Say = announce) -> Cluster:
    """The cluster of that name; `kind` is, unless given, what it was brought up as, or what the environment says."""
    record = state.load(state.directory(name))
    kind = kind or (record.kind if record else _kind_wanted())
    if kind == "embedded":
        return EmbeddedCluster(name, say=say)
    if kind == "kind":
        return KindCluster(name, say=say)
    if kind == "existing":
        source = record.source_kubeconfig if record else os.environ.get("KUBECONFIG", "")
        if not source:
            raise ClusterError("CLUSTER=existing needs KUBECONFIG=<file> to say which cluster.")
        if os.pathsep in source:
            raise ClusterError("KUBECONFIG names several files: name the one that is meant.")
        return ExistingCluster(name, Path(source), say=say)
    raise ClusterError(f"CLUSTER={kind} is unknown: use one of {', '.join(KINDS)}, or leave it out.")


def _kind_wanted() -> str:
    wanted = os.environ.get("CLUSTER", "")
    source = os.environ.get("KUBECONFIG", "")
    # `up` prints a line that exports the kubeconfig of an embedded cluster; that asks for no second cluster on top of it.
    if wanted or not source or Path(source).absolute().is_relative_to(clusters_dir()):
        return wanted or "embedded"
    # Many people have KUBECONFIG set all day, for a cluster where pods on fake nodes would do harm.
    server = kubeconfig.server(kubeconfig.read(Path(source)))
    if urlsplit(server).hostname in {"127.0.0.1", "::1", "localhost"}:
        return "existing"
    raise ClusterError(
        f"KUBECONFIG names {server}: set CLUSTER=existing if fake nodes may be added there, "
        "or CLUSTER=embedded for a private control plane."
    )
