"""``python -m dev.demo up|down``: the demo, and its removal."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from dev.cluster import Cluster, ClusterError, EmbeddedCluster, connect
from dev.cluster.build import ensure, is_built
from dev.cluster.cluster import announce
from dev.cluster.kind import quicker
from dev.cluster.kubernetes import versions
from dev.cluster.paths import DEMO_SCENARIO, REAL_NODE_SCENARIO, clusters_dir
from dev.cluster.scenario import load, zone_manifests
from dev.deployment import RECORDER, ROOT, OperatorProcess, RecorderProcess, install, kubectl, poll
from dev.incluster import WHERE_LOGGED

from . import answering, attempts, evidence
from .answering import Answering, Supplies
from .attempts import Demo
from .removal import directory, note_installed, remove, taken
from .row import condition
from .table import Rows, explain, ran


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
    cluster = connect(name=name)
    if cluster.kind == EmbeddedCluster.kind and not is_built() and (hint := quicker()):
        announce(hint)
    ensure(announce)
    if directory(name).exists() or (clusters_dir() / name).exists():
        remove(name)
    why_not = answering.why_not(cluster.kind, real_node)
    if isinstance(cluster, EmbeddedCluster):
        # An admission plugin pins pods, where this Kubernetes has no mutating policies for that.
        cluster = EmbeddedCluster(
            cluster.name, admission_plugins=versions.pinning_plugins(), real_nodes_later=not why_not
        )
    try:
        return _play(cluster, why_not)
    except KeyboardInterrupt:
        announce("interrupted: removing what the demo has made")
        remove(name)
        return 130


def _play(cluster: Cluster, why_not: str) -> int:
    began, console = time.monotonic(), Console(width=None if sys.stdout.isatty() else 160)
    if cluster.kind == "existing" and (found := taken(Path(os.environ["KUBECONFIG"]))):
        raise ClusterError(f"that cluster has {found} already, which the demo would change and remove: choose another.")
    cluster.up(DEMO_SCENARIO)
    announce("installing the chart")
    note_installed(cluster)
    install(cluster, *RECORDER)
    operator = OperatorProcess(cluster, directory(cluster.name))
    operator.start()
    recorder = RecorderProcess(cluster, directory(cluster.name))
    recorder.start()
    admin = kubectl(cluster)
    admin.apply(zone_manifests(load(DEMO_SCENARIO)))
    for file in attempts.manifests():
        admin.run("apply", "--server-side", "-f", str(file))
    admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": attempts.OPEN_NAMESPACE}}])
    _await_enforcement(cluster, attempts.POLICY)
    rows = Rows(console, "What was tried, and what the cluster answered")
    with rows:
        Demo(cluster, operator, rows.add).run()
    usage, where_logged, hints = operator.last_usage, operator.where_logged, list[str]()
    if isinstance(cluster, EmbeddedCluster) and not why_not:
        rows = rows.continued("On a node with a kubelet and containers, the operator's own among them")
        where_logged, why_not, hints = _answer(cluster, operator, rows)
    ran(console, evidence.answer(recorder))
    console.print(f"\nDone in {time.monotonic() - began:.0f} s; {usage}.", soft_wrap=True)
    explain(console, cluster, where_logged, hints, why_not, evidence.commands(recorder))
    for row in rows.wrong:
        announce(f"error: {row.attempt}: expected {row.expected}, got {row.outcome}: {row.answer}")
    return 1 if rows.wrong else 0


def _answer(cluster: EmbeddedCluster, operator: OperatorProcess, rows: Rows) -> tuple[str, str, list[str]]:
    """Let models answer on a real node, where the operator runs in pods of its image from then on.

    Return how to read the operator's log, why no model answers, and the commands with which a reader asks one.
    """
    try:
        supplies = Supplies.made(directory(cluster.name) / "images", announce)
        cluster.up(REAL_NODE_SCENARIO)
    except ClusterError as error:
        announce(f"going on without a real node: {error}")
        return operator.where_logged, str(error).rstrip("."), []
    models = Answering(cluster, supplies, rows.add)
    announce("giving the real node its images")
    models.load()
    announce("starting the operator's pods there")
    models.install()
    # They stand by until now.
    operator.stop()
    models.prepare()
    _await_enforcement(cluster, answering.POLICY)
    with rows:
        models.run()
    return WHERE_LOGGED, "", models.hints()


def _await_enforcement(cluster: Cluster, policy: str) -> None:
    announce(f"waiting for policy {policy} to be enforced")
    poll(f"policy {policy} to be enforced", partial(_is_enforced, cluster, policy))


def _is_enforced(cluster: Cluster, policy: str) -> bool:
    found = kubectl(cluster).get("sovereigntypolicy", policy).get("status") or {}
    return bool(condition(found, "Enforced").get("status") == "True")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
