"""`python -m dev.cluster build|up|down|status|kubeconfig|releases`: exit 0 when it is done, 2 with one sentence when not."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from dev.cluster import build, releases, state
from dev.cluster.addons import NAMES, fetch
from dev.cluster.cluster import Cluster, Status, announce
from dev.cluster.connect import DEFAULT_NAME, connect
from dev.cluster.embedded import EmbeddedCluster
from dev.cluster.errors import ClusterError
from dev.cluster.kubeconfig import ADMIN
from dev.cluster.kubernetes import versions
from dev.cluster.node import programs, requirements
from dev.cluster.paths import MODULE_DIR


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    # Somebody ending `up` by SIGTERM (CI does) must not leave half a control plane behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(options)
    except ClusterError as error:
        announce(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        announce("interrupted")
        return 130
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


_WHICH = f"a minor version (default: ${versions.VARIABLE}, or {versions.NEWEST})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.cluster", description="A control plane for development.")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default=DEFAULT_NAME, help=f"which cluster (default: {DEFAULT_NAME})")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="build the binaries, and print where they are")
    make.add_argument("--kubernetes", choices=versions.NAMES, help=_WHICH)
    make.add_argument("--api-only", action="store_true", help="of Kubernetes, just the API server")
    make.add_argument("--nodes", action="store_true", help="those of real nodes too, where this machine can have some")
    up = commands.add_parser("up", parents=[named], help="start a cluster and wait until it is ready")
    up.add_argument("--scenario", type=Path, help="a file with nodes to create, such as dev/scenarios/demo.yaml")
    up.add_argument("--kubernetes", choices=versions.NAMES, help=_WHICH)
    up.add_argument(
        "--feature",
        action="append",
        default=[],
        choices=versions.FEATURES,
        help="what that version leaves off by default; may be repeated",
    )
    up.add_argument(
        "--admission-plugin",
        action="append",
        default=[],
        help="such as PodNodeSelector, beside the default ones; may be repeated",
    )
    up.add_argument("--api-only", action="store_true", help="etcd and the API server, without controllers and nodes")
    up.add_argument("--addon", action="append", default=[], choices=NAMES, help="what else to install; may be repeated")
    down = commands.add_parser("down", parents=[named], help="stop a cluster and remove all of it")
    down.add_argument("--all", action="store_true", help="every cluster of this user, other checkouts' included")
    commands.add_parser("status", help="what runs")
    commands.add_parser("releases", help="write the digests that the projects' releases state into releases.yaml")
    identity = commands.add_parser("kubeconfig", parents=[named], help="print the path of a kubeconfig")
    identity.add_argument("--user", default=ADMIN, help="whom it acts as (default: an administrator)")
    identity.add_argument("--group", action="append", default=[], help="a group of that user; may be repeated")
    return parser


def _run(options: argparse.Namespace) -> None:
    match options.command:
        case "build":
            minor = versions.find(options.kubernetes or "").minor
            built = versions.ensure(minor, announce, controllers=not options.api_only)
            print(*dict.fromkeys([built.directory, *built.elsewhere.values()]), sep="\n")
            if not options.api_only:
                build.ensure(announce, build.LWS)
            fetch.ensure(announce)
            if options.nodes:
                _build_nodes()
        case "up":
            cluster = _chosen(options)
            cluster.up(options.scenario)
            announce(f"export KUBECONFIG={cluster.kubeconfig()}")
        case "down":
            for name in state.names() if options.all else [options.name]:
                _known(name).down()
        case "releases":
            releases.refresh((MODULE_DIR / "go.mod").read_text(), announce)
        case "status":
            _show([_known(name) for name in state.names()])
        case "kubeconfig":
            print(_known(options.name).kubeconfig(options.user, options.group))


def _chosen(options: argparse.Namespace) -> Cluster:
    """The cluster to bring up. ClusterError where it isn't ours, and something is chosen that only ours can be."""
    cluster = connect(name=options.name)
    choices = {
        "kubernetes": options.kubernetes or "",
        "features": options.feature,
        "admission_plugins": options.admission_plugin,
        "api_only": options.api_only,
        "addons": options.addon,
    }
    if not any(choices.values()):
        return cluster
    if not isinstance(cluster, EmbeddedCluster):
        raise ClusterError(
            "versions, features, admission plugins and add-ons are for an embedded cluster, "
            f"and {cluster.name} is of kind {cluster.kind}."
        )
    return EmbeddedCluster(options.name, **choices)


def _build_nodes() -> None:
    if why := requirements.missing():
        announce(why)
        return
    built = programs.ensure(announce)
    print(built.node, built.engine, sep="\n")


def _known(name: str) -> Cluster:
    # Only `up` looks at CLUSTER and KUBECONFIG: what was never brought up is not looked for elsewhere.
    return connect(None if state.load(state.directory(name)) else "embedded", name)


def _show(clusters: list[Cluster]) -> None:
    if not clusters:
        announce("there is no cluster")
    for cluster in clusters:
        status = cluster.status()
        Console().print(_table(status))


def _table(status: Status) -> Table:
    word = "ready" if status.ready else "not ready"
    of = f"{status.kind}, Kubernetes {status.kubernetes}" if status.kubernetes else status.kind
    table = Table(title=f"{status.name} ({of}): {word}  {status.server}", title_justify="left")
    for heading in ("component", "pid", "port", "memory"):
        table.add_column(heading, justify="left" if heading == "component" else "right")
    for part in status.components:
        memory = f"{part.memory_mib} MiB" if part.memory_mib else ""
        table.add_row(part.name, str(part.pid or "stopped"), str(part.port or ""), memory)
    return table


if __name__ == "__main__":
    sys.exit(main())
