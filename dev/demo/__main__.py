"""``python -m dev.demo up|down``: the demo, and its removal."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dev.cluster import Cluster, ClusterError, connect
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.paths import clusters_dir
from dev.cluster.scenario import load, zone_manifests
from dev.demo.attempts import NAMESPACE as TENANT_NAMESPACE
from dev.demo.attempts import OPEN_NAMESPACE, Demo, Row, manifests
from dev.deployment import NAMESPACE, ROOT, OperatorProcess, helm, install, kubectl, poll

SCENARIO = ROOT / "dev" / "scenarios" / "demo.yaml"
COLOURS = {"placed": "green", "pinned": "green", "refused": "yellow", "told why": "yellow"}


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--name", default="demo", help="the name of the demo's cluster")
    arguments = parser.parse_args()
    try:
        return _up(arguments.name) if arguments.command == "up" else _down(arguments.name)
    except ClusterError as error:
        announce(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        announce(f"interrupted; `python -m dev.demo down --name {arguments.name}` removes what is left")
        return 130


def _up(name: str) -> int:
    ensure(announce)
    began = time.monotonic()
    _down(name)
    cluster = connect(name=name)
    if cluster.kind == "existing":
        releases = helm(Path(os.environ["KUBECONFIG"]), "list", "--all-namespaces", "--short").split()
        if "daulat" in releases:
            raise ClusterError(
                "that cluster has Daulat already, which the demo would change and remove: choose another."
            )
    cluster.up(SCENARIO)
    announce("installing the chart")
    (_directory(name) / "installed").touch()
    install(cluster)
    operator = OperatorProcess(cluster, _directory(name))
    operator.start()
    _pid_file(name).write_text(str(operator.pid))
    admin = kubectl(cluster)
    admin.apply(zone_manifests(load(SCENARIO)))
    for file in manifests():
        admin.run("apply", "--server-side", "-f", str(file))
    admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPEN_NAMESPACE}}])
    announce("waiting for the policy to be enforced")
    poll("the policy to be enforced", lambda: _enforced(cluster), 60)
    rows = Demo(cluster, operator, lambda row: announce(f"  {row.outcome}: {row.attempt}")).run()
    usage = operator.last_usage
    operator.start()
    _pid_file(name).write_text(str(operator.pid))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(_table(rows))
    _explain(console, cluster, name, time.monotonic() - began, usage)
    wrong = [row for row in rows if row.outcome != row.expected]
    for row in wrong:
        announce(f"error: {row.attempt}: expected {row.expected}, got {row.outcome}: {row.answer}")
    return 1 if wrong else 0


def _down(name: str) -> int:
    file = _pid_file(name)
    if file.exists():
        _end(int(file.read_text() or 0))
        file.unlink()
    cluster = connect(name=name)
    installed = _directory(name) / "installed"
    if cluster.kind == "existing" and installed.exists():
        _clear(cluster)
    installed.unlink(missing_ok=True)
    cluster.down()
    return 0


def _end(pid: int) -> None:
    """End the operator that this demo started, and nothing that has its process id by now."""
    try:
        process = psutil.Process(pid)
        if "daulat.cli.main" in process.cmdline():
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
    except psutil.TimeoutExpired:
        process.kill()


def _clear(cluster: Cluster) -> None:
    """Take the demo, and only the demo, out of a cluster that stays."""
    admin = kubectl(cluster)
    admin.run("delete", "namespace", TENANT_NAMESPACE, OPEN_NAMESPACE, "--ignore-not-found", "--wait=false")
    zones = [manifest["metadata"]["name"] for manifest in zone_manifests(load(SCENARIO))]
    if "sovereignzones" in admin.run("api-resources", "--api-group=daulat.dev"):
        admin.run("delete", "sovereigntypolicies", "confidential", "--ignore-not-found")
        admin.run("delete", "sovereignzones", *zones, "--ignore-not-found")
    for kind in ("validatingadmissionpolicy", "mutatingadmissionpolicy"):
        for suffix in ("binding", ""):
            admin.run("delete", f"{kind}{suffix}", "-l", "daulat.dev/policy=confidential")
    for what in ("clusterrole", "clusterrolebinding"):
        admin.run("delete", what, "demo-node-ops", "demo-namespaces", "demo-scheduler", "--ignore-not-found")
    helm(cluster.kubeconfig(), "uninstall", "daulat", "--ignore-not-found", f"--namespace={NAMESPACE}")


def _enforced(cluster: Cluster) -> bool:
    path = '-o=jsonpath={.status.conditions[?(@.type=="Enforced")].status}'
    return kubectl(cluster).run("get", "sovereigntypolicy", "confidential", path) == "True"


def _table(rows: list[Row]) -> Table:
    table = Table(title="What was tried, and what the API server answered", show_lines=True, expand=True)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("attempt", ratio=3)
    table.add_column("by", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("answer", ratio=8, overflow="fold")
    for number, row in enumerate(rows, 1):
        colour = COLOURS[row.outcome] if row.outcome == row.expected else "bold red"
        table.add_row(str(number), Text(row.attempt), row.who, Text(row.outcome, style=colour), Text(row.answer))
    return table


def _explain(console: Console, cluster: Cluster, name: str, seconds: float, usage: str) -> None:
    binaries = Path(str(ensure(announce)["kubectl"])).parent
    suffix = f" NAME={name}" if name != "demo" else ""
    console.print(f"\nDone in {seconds:.0f} s; {usage}. The cluster stays up. To look around:\n", soft_wrap=True)
    console.print(
        f'  export KUBECONFIG={cluster.kubeconfig()} PATH="{binaries}:$PATH"', soft_wrap=True, highlight=False
    )
    console.print("  kubectl get daulat", highlight=False)
    console.print(f"  kubectl describe smodel --namespace {TENANT_NAMESPACE}", highlight=False)
    console.print("  kubectl get nodes -L daulat.node-restriction.kubernetes.io/zone", highlight=False)
    console.print(f"\nThe operator's log is {_directory(name) / 'operator-0.log'}.", soft_wrap=True, highlight=False)
    console.print(f"To remove it all: make demo-down{suffix}\n", highlight=False)


def _directory(name: str) -> Path:
    path = clusters_dir().parent / "operators" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def _pid_file(name: str) -> Path:
    return _directory(name) / "pid"


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
