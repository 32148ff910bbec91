"""Makes every check, and returns the findings and what couldn't be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import declared, devices, enforcement, foreign, network, rights, versions, workloads
from .catalog import Check, checks
from .cluster import Cluster
from .finding import Finding, Found, NotLooked, Report, Unchecked

RUNS: dict[str, Callable[[Cluster], Iterator[Found]]] = {
    "DOC-01": rights.administrators,
    "DOC-13": rights.wildcards,
    "DOC-14": devices.runtimes,
    "DOC-15": devices.privileged,
    "DOC-16": devices.node_features,
    "DOC-17": devices.device_classes,
    "DOC-18": devices.fake_devices,
    "DOC-19": declared.open_zones,
    "DOC-20": declared.open_policies,
    "DOC-21": versions.api_server,
    "DOC-22": versions.pin,
    "DOC-23": versions.kubelets,
    "DOC-24": versions.toolkits,
    "DOC-25": enforcement.guards,
    "DOC-26": enforcement.operator,
    "DOC-27": declared.unenforced,
    "DOC-28": enforcement.drift,
    "DOC-29": foreign.mutators,
    "DOC-30": foreign.failing_open,
    "DOC-31": enforcement.node_restriction,
    "DOC-32": enforcement.kubelet_ports,
    "DOC-33": enforcement.anchor,
    "DOC-34": workloads.pod_security,
    "DOC-35": workloads.violations,
    "DOC-36": workloads.misplaced,
    "DOC-37": workloads.static_pods,
    "DOC-38": workloads.settings,
    "DOC-39": declared.exemptions,
    "DOC-40": declared.departures,
    "DOC-41": versions.missing,
    "DOC-43": foreign.other_servers,
    "DOC-44": network.open_egress,
    "DOC-45": network.plugins,
    "DOC-46": network.older_policies,
    "DOC-47": versions.definitions,
    "DOC-48": declared.unknown_countries,
}
"""How each check is made, but for those that name the holders of rights: what they look for is in checks.yaml alone."""


def examine(cluster: Cluster) -> Report:
    """Return everything that weakens enforcement, the worst first."""
    findings: list[Finding] = []
    unchecked: list[Unchecked] = []
    checked: list[str] = []
    for check in checks().values():
        try:
            for found in _run(check, cluster):
                findings.append(_finding(check, found))  # noqa: PERF401 - what was found before a list is missing stays
            # Where nothing else was there to look at, a check may not have come to all that it needs.
            cluster.items(*check.needs)
            checked.append(check.id)
        except NotLooked as missing:
            unchecked.append(Unchecked(check.id, check.title, check.severity, missing.needs, missing.rights))
    findings.sort(key=lambda f: (-f.severity.rank, f.check, f.what))
    unchecked.sort(key=lambda u: (not u.rights, -u.severity.rank, u.check))
    return Report(cluster.version, tuple(findings), tuple(unchecked), tuple(checked))


def _run(check: Check, cluster: Cluster) -> Iterator[Found]:
    return rights.holders(cluster, check) if check.rights else RUNS[check.id](cluster)


def _finding(check: Check, found: Found) -> Finding:
    severity = found.severity or check.severity
    return Finding(check.id, check.title, severity, found.what, found.objects, check.why, found.remedy or check.remedy)
