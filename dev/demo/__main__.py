"""``python -m dev.demo up|down``: the demo, and its removal."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from dev.cluster import Cluster, ClusterError, EmbeddedCluster, connect
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.kubernetes import versions
from dev.cluster.paths import DEMO_SCENARIO, REAL_NODE_SCENARIO, clusters_dir
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import ROOT, WEIGHTS_IMAGE, OperatorProcess, install, kubectl, poll
from dev.incluster import Operator, OperatorPods

from . import answering, attempts
from .answering import Answering, Supplies
from .attempts import Demo
from .removal import directory, note_installed, remove, taken
from .row import Row, condition
from .table import explain, table


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--name", default="demo", help="the name of the demo's cluster")
    parser.add_argument(
        "--real-node", choices=["auto", "no"], default="auto", help="no: without the node on which a model answers"
    )
    arguments = parser.parse_args()
    # Somebody ending it by SIGTERM (CI does) wants nothing left, as with Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if arguments.command == "up":
            return _up(arguments.name, arguments.real_node != "no")
        remove(arguments.name)
        return 0
    except ClusterError as error:
        announce(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        announce(f"interrupted; `python -m dev.demo down --name {arguments.name}` removes what is left")
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _up(name: str, real_node: bool) -> int:
    ensure(announce)
    if directory(name).exists() or (clusters_dir() / name).exists():
        remove(name)
    cluster = _pinning(connect(name=name))
    try:
        return _play(cluster, real_node)
    except KeyboardInterrupt:
        announce("interrupted: removing what the demo has made")
        remove(name)
        return 130


def _pinning(cluster: Cluster) -> Cluster:
    """Return the cluster with an admission plugin that pins pods, where its Kubernetes has no mutating policies for that."""
    if not isinstance(cluster, EmbeddedCluster):
        return cluster
    return EmbeddedCluster(cluster.name, admission_plugins=versions.pinning_plugins())


@dataclass
class _Rows:
    """The rows so far, each of which is told at once."""

    all: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        announce(f"  {row.outcome}: {row.attempt}")
        self.all.append(row)

    @property
    def wrong(self) -> list[Row]:
        """Those that came out otherwise than they should."""
        return [row for row in self.all if row.outcome != row.expected]


def _play(cluster: Cluster, real_node: bool) -> int:
    supplies, why_not = _supplies(cluster, real_node)
    began, rows = time.monotonic(), _Rows()
    if cluster.kind == "existing" and (found := taken(Path(os.environ["KUBECONFIG"]))):
        raise ClusterError(f"that cluster has {found} already, which the demo would change and remove: choose another.")
    _bring_up(cluster, with_real_node=supplies is not None)
    models = Answering(cluster, supplies, rows.add) if supplies and isinstance(cluster, EmbeddedCluster) else None
    operator = _install(cluster, models)
    admin = kubectl(cluster)
    admin.apply(zone_manifests(load(DEMO_SCENARIO)))
    for file in attempts.manifests():
        admin.run("apply", "--server-side", "-f", str(file))
    admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": attempts.OPEN_NAMESPACE}}])
    if models:
        models.prepare()
    announce("waiting for policies to be enforced")
    for policy in [attempts.POLICY, *([answering.POLICY] if models else [])]:
        poll(f"policy {policy} to be enforced", partial(_is_enforced, cluster, policy), 60)
    Demo(cluster, operator, rows.add).run()
    if models:
        models.run()
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(rows.all))
    console.print(f"\nDone in {time.monotonic() - began:.0f} s; {operator.last_usage}.", soft_wrap=True)
    explain(console, cluster, operator.where_logged, models.hints() if models else [], why_not)
    for row in rows.wrong:
        announce(f"error: {row.attempt}: expected {row.expected}, got {row.outcome}: {row.answer}")
    return 1 if rows.wrong else 0


def _install(cluster: Cluster, models: Answering | None) -> Operator:
    """Install the chart, and return the operator: pods where a real node runs them, and a process of this machine elsewhere."""
    if models:
        announce("giving the real node its images")
        models.load()
    announce("installing the chart")
    note_installed(cluster)
    if models:
        models.install()
        return OperatorPods(cluster)
    install(cluster)
    operator = OperatorProcess(cluster, directory(cluster.name), weights_image=WEIGHTS_IMAGE)
    operator.start()
    return operator


def _supplies(cluster: Cluster, real_node: bool) -> tuple[Supplies | None, str]:
    """What a real node is given; None, and why, where there can't be one."""
    if why := answering.why_not(cluster.kind, real_node):
        return None, why
    try:
        return Supplies.made(directory(cluster.name) / "images", announce), ""
    except ClusterError as error:
        announce(f"going on without a real node: {error}")
        return None, str(error).rstrip(".")


def _bring_up(cluster: Cluster, with_real_node: bool) -> None:
    try:
        cluster.up(REAL_NODE_SCENARIO if with_real_node else DEMO_SCENARIO)
    except ClusterError as error:
        hint = " To go without a real node: make demo REAL_NODE=no" if with_real_node else ""
        raise ClusterError(f"{error}{hint}") from error


def _is_enforced(cluster: Cluster, policy: str) -> bool:
    found = kubectl(cluster).get("sovereigntypolicy", policy).get("status") or {}
    return bool(condition(found, "Enforced").get("status") == "True")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
