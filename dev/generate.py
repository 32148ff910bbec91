"""`python -m dev.generate [--check]`: writes what the source decides and the chart ships, or says what has drifted.

CRDs come from the kinds, the cluster's guards from their controls, the rules of the operator's roles from the table of kinds in
``kube``, accelerator profiles and presets from the catalog, tables of conditions from their
reasons, the map to public frameworks, the help of commands, the table of the chart's values from their schema, the audit policy
from the guards, rules of Prometheus from the alerts, and tables of metrics from what the processes expose.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from textwrap import wrap
from typing import Any

from daulat.admission.cluster import Installation, compile_cluster_guards
from daulat.api import crd
from daulat.api.accelerator import DeviceResource, Vendor
from daulat.api.meta import DataClass
from daulat.catalog import accelerators, kubernetes
from daulat.catalog.presets import Citation, Preset, leaves, presets, rules
from daulat.catalog.sources import unverified
from daulat.check.narrower.directions import DIRECTIONS, MEANINGS, Direction
from daulat.controls import library
from daulat.doctor.catalog import checks
from daulat.doctor.sources import manifests as doctor_roles
from daulat.evidence.audit.policy import audit_policy
from daulat.kube.rbac import (
    Rule,
    annotation_rules,
    cluster_rules,
    console_rules,
    namespace_rules,
    queue_rules,
    recorder_rules,
    reporter_rules,
    simulation_rules,
)
from daulat.manifest.yaml_writer import dump_manifest
from dev import chartvalues, clireference, conditiontables, diagrams, entrytables, frameworktables, karmada, routes
from dev.gitops import healthfiles
from dev.monitoring import dashboards, metrics
from dev.monitoring import rules as alerts
from dev.pages import between, page, table

ROOT = Path(__file__).resolve().parents[1]
CRDS = Path("crds")
CHART_CRDS = Path("charts/daulat/crds")
CHART_FILES = Path("charts/daulat/files")
CONTROLS_DOC = page("controls")
ACCELERATORS_DOC = page("accelerators")
PRESETS_DOC = page("presets")
DOCTOR_DOC = page("doctor")
KUBERNETES_DOC = page("kubernetes")
NATIONAL_DOC = page("national-policies")
AUDIT_POLICY = Path("contrib/audit/policy.yaml")
CHART_ACCELERATORS = CHART_FILES / "accelerators"
OWNED = (CRDS, CHART_CRDS, CHART_FILES, CHART_ACCELERATORS, karmada.FOLDER, *alerts.PLACES, *dashboards.PLACES)
"""Folders that hold nothing but generated files, so that one of a kind that is gone can be told and removed."""

PLACEHOLDERS = Installation(
    namespace="daulat-placeholder-namespace",
    service_account="daulat-placeholder-account",
    image="daulat-placeholder-image",
    sidecar_images=("daulat-placeholder-sidecars",),
    args=("daulat-placeholder-args",),
    env=("daulat-placeholder-env",),
    node_selector={"daulat-placeholder-node": "selector"},
    sidecar_programs=("daulat-placeholder-programs",),
    injected_env=("daulat-placeholder-injected-env",),
    injected_mounts=("daulat-placeholder-injected-mounts",),
    injected_volumes=("daulat-placeholder-injected-volumes",),
    leader_worker_set_users=("daulat-placeholder-lws",),
    keda_users=("daulat-placeholder-keda",),
)
"""What the chart's template puts the release's own values in the place of: see charts/daulat/templates/cluster-guards.yaml."""


def render() -> dict[Path, str]:
    """Return every generated file by its path in the repository."""
    files: dict[Path, str] = {}
    for manifest in crd.manifests():
        text = _header("src/daulat/api") + dump_manifest(manifest)
        name = f"{manifest['metadata']['name']}.yaml"
        files |= {CRDS / name: text, CHART_CRDS / name: text}
    guards = "---\n".join(dump_manifest(manifest) for manifest in compile_cluster_guards(PLACEHOLDERS))
    files[CHART_FILES / "cluster-guards.yaml"] = _header("src/daulat/controls") + guards
    granted_by_file = {
        "operator-clusterrole": cluster_rules(),
        "operator-role": namespace_rules(),
        "operator-annotations": annotation_rules(),
        "operator-queues": queue_rules(),
        "console-clusterrole": console_rules(),
        "console-what-if-clusterrole": simulation_rules(),
        "recorder-clusterrole": recorder_rules(),
        "reporter-clusterrole": reporter_rules(),
    }
    for name, granted in granted_by_file.items():
        files[CHART_FILES / f"{name}.yaml"] = _header("src/daulat/kube") + _rules(granted)
    for manifest in accelerators.manifests():
        name = f"{manifest['metadata']['name']}.yaml"
        # The text as it is: its comments say where each name was read.
        source = resources.files("daulat.catalog") / "accelerators" / name
        header = _header("src/daulat/catalog/accelerators")
        text, _, sources = source.read_text(encoding="utf-8").partition("\nsources:\n")
        files[CHART_ACCELERATORS / name] = (
            header + text + "\n" + "".join(f"# {line}\n" for line in sources.splitlines())
        )
    files[ACCELERATORS_DOC] = _accelerators_doc((ROOT / ACCELERATORS_DOC).read_text(encoding="utf-8"))
    files[CONTROLS_DOC] = _controls_doc((ROOT / CONTROLS_DOC).read_text(encoding="utf-8"))
    text = "\n\n".join(_preset(p) for p in presets().values())
    files[PRESETS_DOC] = between((ROOT / PRESETS_DOC).read_text(encoding="utf-8"), "presets", f"\n{text}\n")
    files[DOCTOR_DOC] = _doctor_doc((ROOT / DOCTOR_DOC).read_text(encoding="utf-8"))
    files[KUBERNETES_DOC] = _kubernetes_doc((ROOT / KUBERNETES_DOC).read_text(encoding="utf-8"))
    files[chartvalues.PAGE] = chartvalues.written(ROOT)
    files[NATIONAL_DOC] = _national_doc((ROOT / NATIONAL_DOC).read_text(encoding="utf-8"))
    files[frameworktables.PAGE] = frameworktables.written((ROOT / frameworktables.PAGE).read_text(encoding="utf-8"))
    files |= diagrams.written()
    files |= healthfiles.written(_header("src/daulat/api/reasons"))
    files |= routes.written((ROOT / routes.CONTROL).read_text(encoding="utf-8"))
    files |= karmada.written()
    files[clireference.PAGE] = clireference.written((ROOT / clireference.PAGE).read_text(encoding="utf-8"))
    files |= entrytables.written(ROOT)
    files |= alerts.written(_header("dev/monitoring/alerts.yaml"), ROOT)
    files |= dashboards.written()
    files[metrics.PAGE] = metrics.written(files[metrics.PAGE])
    files[AUDIT_POLICY] = _header("src/daulat/evidence/audit and src/daulat/controls") + dump_manifest(audit_policy())
    for path in conditiontables.PAGES:
        files[path] = conditiontables.written((ROOT / path).read_text(encoding="utf-8"), path)
    return files


def _rules(granted: Sequence[Rule]) -> str:
    """Return the rules as a template includes them, each with a comment that says what it is for."""
    lines: list[str] = []
    said = ""
    for rule in granted:
        lines += [f"# {line}" for line in wrap(rule.reason, 126)] if rule.reason != said else []
        said = rule.reason
        lines += [
            f"- apiGroups: [{rule.group or json.dumps('')}]",
            f"  resources: [{', '.join(rule.resources)}]",
            f"  verbs: [{', '.join(rule.verbs)}]",
        ]
    return "\n".join(lines) + "\n"


def _accelerators_doc(text: str) -> str:
    """Return the page about accelerators with its table written anew."""
    rows = []
    for name, profile in sorted(accelerators.shipped().items()):
        devices = [r for r in profile.resources if r.unit == "Device"]
        memory = sorted({(r.memory_gi_b, _allocatable(r)) for r in devices if r.memory_gi_b}, reverse=True)
        rows.append(
            (
                f"`{name}`",
                _maker(profile.vendor),
                profile.family,
                ", ".join(
                    f"`{r}`" for r in (*(r.name for r in devices), *(f.pattern for f in profile.resource_families))
                ),
                ", ".join(f"`{c}`" for c in dict.fromkeys(r.device_class_name for r in profile.dynamic_resources)),
                ", ".join(f"{nominal}{allocatable}" for nominal, allocatable in memory),
                str(profile.devices_per_node or ""),
                ", ".join(profile.precisions),
                ", ".join(e.name for e in profile.engines),
                ", ".join(f.regime for f in profile.risk_flags),
                ", ".join(unverified(accelerators.sources()[name])),
            )
        )
    heads = (
        "profile",
        "vendor",
        "family",
        "resources",
        "DeviceClass",
        "GiB (allocatable)",
        "a node",
        "weights",
        "engines",
        "regimes",
        "not verified",
    )
    return between(text, "accelerators", table(heads, rows))


def _allocatable(device: DeviceResource) -> str:
    """Return what of a device's memory can be allocated, where that is less than all."""
    return f" ({device.allocatable_gib:.2f})" if device.allocatable_memory_mi_b is not None else ""


def _maker(vendor: Vendor) -> str:
    """Return a vendor with its country, and its parent's where that is another."""
    parent = f" (parent in {vendor.parent_country})" if vendor.parent_country else ""
    return f"{vendor.name}, {vendor.country}{parent}"


def _controls_doc(text: str) -> str:
    """Return the page about controls with its tables written anew; what people wrote around them stays."""
    controls = sorted(library.controls(), key=lambda c: (c.id, c.guard))
    rows = [
        (f"`{c.id}`", c.guard, c.axis, c.title, c.why, ", or ".join(f"`{f}`" for f in c.requires) or "always")
        for c in controls
    ]
    text = between(text, "controls", table(("id", "guard", "axis", "title", "why", "applies"), rows))
    judged = [
        (f"`{g.guard}`", g.title, ", ".join(f"`{n}`" for r in g.resources for n in r.resources), _operations(g))
        for g in library.guards().values()
    ]
    return between(text, "guards", table(("guard", "judges", "resources", "on"), judged))


def _doctor_doc(text: str) -> str:
    roles = "---\n".join(dump_manifest(m) for m in doctor_roles())
    text = between(text, "doctor-role", f"\n```yaml\n{roles}```\n")
    rows = [(f"`{c.id}`", c.severity, c.title, c.why, c.remedy) for c in checks().values()]
    return between(text, "doctor-checks", table(("id", "severity", "title", "why", "remedy"), rows))


def _national_doc(text: str) -> str:
    """Return the page about national policies with its table of directions written anew."""
    rows = []
    for direction in (d for d in Direction if d is not Direction.ITEM):
        fields = [f"`{path}`" for path, of in DIRECTIONS.items() if of is direction and "[]" not in path]
        rows.append((", ".join(fields), MEANINGS[direction]))
    return between(text, "directions", table(("fields", "compared"), rows))


def _kubernetes_doc(text: str) -> str:
    """Return the page about versions of Kubernetes with its table written anew."""
    oldest, newest = kubernetes.OLDEST, kubernetes.NEWEST
    minors = [kubernetes.Minor(oldest.major, minor) for minor in range(oldest.minor, newest.minor + 1)]
    rows = [
        (f.title, *(f.at(m) for m in minors), f.without, f"`{f.switch_on}`" if f.switch_on else "")
        for f in kubernetes.features()
    ]
    return between(
        text, "kubernetes-features", table(("what", *map(str, minors), "without it", "to switch it on"), rows)
    )


def _preset(preset: Preset) -> str:
    """Return what the page about presets says of one: its rules for each class of data, and where each comes from."""
    classes: list[DataClass | None] = [*preset.data_classes] or [None]
    said = {c: leaves(rules(preset.name, c)) for c in classes}
    fields = sorted({field for body in said.values() for field in body})
    head = ("field", *(str(c or "all data") for c in classes))
    values = table(head, [(f"`{f}`", *(_told(said[c].get(f)) for c in classes)) for f in fields])
    lines = [f"## {preset.name}", f"{preset.title}. Status: {preset.status}.", preset.note, values]
    head = ("field", "for", "requirement", "source", "dated", "read", "grade")
    lines.append(table(head, [_cited(c) for c in preset.citations]))
    if preset.open:
        lines.append("Not verified, or not to be checked here:\n\n" + "\n".join(f"- {o}" for o in preset.open))
    return "\n\n".join(lines)


def _cited(citation: Citation) -> tuple[str, ...]:
    source = f"[{citation.source}]({citation.url})" if citation.url else citation.source
    classes = ", ".join(citation.classes) or "all data"
    return (f"`{citation.field}`", classes, citation.rule, source, citation.dated, citation.read, citation.grade)


def _told(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def _operations(guard: library.Guard) -> str:
    return ", ".join(dict.fromkeys(o for r in guard.resources for o in r.operations))


def _header(source: str) -> str:
    return f'# Generated by "make generate" from {source}; do not edit.\n'


def drift(root: Path, files: Mapping[Path, str]) -> list[str]:
    """Return a sentence for each file under `root` that is missing, differs, or is left over."""
    found = [_compare(root, path, text) for path, text in sorted(files.items())]
    return [f for f in found if f] + [f"{path} is left over" for path in _left_over(root, files)]


def write(root: Path, files: Mapping[Path, str]) -> None:
    """Make the generated folders hold these files and no others."""
    for path in _left_over(root, files):
        (root / path).unlink()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _compare(root: Path, path: Path, text: str) -> str:
    if not (root / path).is_file():
        return f"{path} is missing"
    return "" if (root / path).read_text(encoding="utf-8") == text else f"{path} differs"


def _left_over(root: Path, files: Iterable[Path]) -> list[Path]:
    present = {f.relative_to(root) for folder in OWNED for f in (root / folder).glob("*") if f.is_file()}
    return sorted(present - set(files))


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the files, or with --check only compare them; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.generate", description="CRDs, guards and profiles of the chart."
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a file has drifted")
    options = parser.parse_args(arguments)
    files = render()
    findings = drift(root, files)
    if not options.check:
        write(root, files)
        print(f"{len(files)} files, {len(findings)} of them changed or removed")
        return 0
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        print('Run "make generate" and commit what it writes.', file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
