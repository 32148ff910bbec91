"""``daulat check``: judges manifests before they reach a cluster, with the expressions that the API server would judge them by."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities
from daulat.check.judge import Options
from daulat.check.layout import Layout, layout
from daulat.check.narrower.report import narrowings, usable
from daulat.check.report import Report
from daulat.check.run import Run
from daulat.manifest.document import Document, Problem

from ..errors import print_errors
from ..examples import examples
from ..files import File, Unreadable, files
from ..kubernetes import kubernetes_options, offered, offered_by
from ..namespace import chosen_namespace, namespace_option, operator_namespace_option
from ..progress import progress
from ..text import Page

if TYPE_CHECKING:
    from ..cluster import Reader

NO_OBJECT = "no Kubernetes objects found, so nothing was checked"
NO_POLICY = "no SovereigntyPolicy found: add a file that holds one, or set --policy-dir or --cluster"
NO_NATIONAL_POLICY = "no SovereigntyPolicy found"
_JUDGING = ("SovereigntyPolicy", "SovereignZone", "AcceleratorProfile", "SovereigntyExemption", "Namespace")
"""The kinds that objects are judged by."""
FORMATS = ("table", "json", "yaml", "sarif", "junit", "github")
_MODULES = {"json": "structured", "yaml": "structured"}
"""The module of a format, where it isn't named like the format."""
_MIB = 1 << 20


_EXAMPLES = examples(
    ("Manifests by the policies in a directory", "daulat check manifests/ --policy-dir policies/"),
    ("A rendered chart by the policies of the current cluster", "helm template chart/ | daulat check - --cluster"),
    ("Annotations for a pull request", "daulat check manifests/ --policy-dir policies/ -o github"),
)


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--policy-dir",
    "policy_dirs",
    multiple=True,
    type=click.Path(exists=True),
    metavar="DIR",
    help="Policies, zones, profiles, exemptions and namespaces to judge by, not judged themselves. Repeatable.",
)
@click.option(
    "--cluster", is_flag=True, help="Judge by the policies of the current cluster as well, which is only read."
)
@click.option("--context", metavar="NAME", help="The kubeconfig context for --cluster; the current one by default.")
@namespace_option
@click.option(
    "--namespace-labels",
    "namespace_labels",
    multiple=True,
    metavar="NAMESPACE=KEY=VALUE,...",
    help="The labels of a namespace that isn't in the input. Repeatable.",
)
@click.option("--strict-namespaces", is_flag=True, help="A namespace whose labels aren't known is a violation.")
@click.option(
    "--strict", is_flag=True, help="What couldn't be judged, such as pods of an unknown kind, is a violation."
)
@click.option(
    "--as",
    "user",
    default="",
    metavar="USER",
    help="The user who applies the manifests, without the verbs that Daulat's guards check; by default a user who has them.",
)
@click.option("--as-group", "groups", multiple=True, metavar="GROUP", help="A group of that user. Repeatable.")
@operator_namespace_option
@kubernetes_options
@click.option(
    "--narrower-than",
    "nationals",
    multiple=True,
    type=click.Path(exists=True),
    metavar="PATH",
    help="National policies, with their zones, profiles and exemptions: every policy must only narrow them. Repeatable.",
)
@click.option("--skip-foreign", is_flag=True, help="Skip documents that aren't Kubernetes objects in named files, too.")
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
)
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the report to this file instead of standard output.",
)
@click.option(
    "--warn-exit-code",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    help="The exit code for warnings without violations.",
)
@click.option(
    "--max-file-size",
    type=click.FloatRange(min=0.001),
    default=64.0,
    show_default=True,
    metavar="MIB",
    help="The largest file that is read, in MiB.",
)
def check(
    paths: tuple[str, ...],
    policy_dirs: tuple[str, ...],
    cluster: bool,
    context: str | None,
    namespace: str | None,
    namespace_labels: tuple[str, ...],
    strict_namespaces: bool,
    strict: bool,
    user: str,
    groups: tuple[str, ...],
    operator_namespace: str,
    kubernetes_version: str,
    pin: str | None,
    nationals: tuple[str, ...],
    skip_foreign: bool,
    form: str,
    output_file: str | None,
    warn_exit_code: int,
    max_file_size: float,
) -> None:
    """Judge manifests as the API server would, before they reach it.

    PATH is a YAML or JSON file, a directory, or - for standard input. The other objects are judged by the policies, zones,
    profiles, exemptions and namespaces among them. AcceleratorProfiles alone are checked for mistakes, which needs no policy.

    Exit codes: 0 no violations, 1 violations, 2 wrong input or usage.
    """
    if context and not cluster:
        raise click.UsageError("--context requires --cluster")
    if groups and not user:
        raise click.UsageError("--as-group requires --as")
    in_namespace = chosen_namespace(namespace, cluster, context)
    capabilities = offered(kubernetes_version, pin)
    run = Run()
    limit = int(max_file_size * _MIB)
    for folder in policy_dirs:
        _add(run, (folder,), limit, judged=False, foreign=True)
    _add(run, paths, limit, judged=True, foreign=skip_foreign)
    authority = Run()
    _add(authority, nationals, limit, judged=False, foreign=False)
    for given in namespace_labels:
        manifest = _namespace(given)
        run.inventory.namespaces[manifest["metadata"]["name"]] = manifest
    if cluster:
        from .. import cluster as clusters  # noqa: PLC0415 - its client takes half a second to import

        try:
            documents, found = clusters.read(context, _judging)
            run.judge_by(documents)
            capabilities = offered_by(found, kubernetes_version, pin)
        except clusters.ClusterUnreadable as error:
            run.problems.append(Problem("--cluster", 0, str(error)))
    alone = run.needs_no_policy
    if not run.inventory.policies and not run.problems and not alone:
        run.problems.append(Problem("daulat check", 0, NO_POLICY))
    now = time.time()
    created = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    options = Options(created, in_namespace, user, groups, strict_namespaces, strict, capabilities, operator_namespace)
    report = Report(policies=tuple(sorted(run.inventory.policies)))
    if run.inventory.policies or alone:
        with progress("judging", run.pending) as say:
            for judged in run.judge(options, now):
                report.objects.append(judged)
                say(run.taken, "")
    if not report.objects and not run.problems and not skip_foreign:
        run.problems.append(Problem(", ".join(paths), 0, NO_OBJECT))
    if nationals:
        _compare(report, run, authority, now)
    report.problems += run.problems
    report.skipped = run.skipped
    report.unbuilt, report.strict = tuple(run.unbuilt), strict
    print_errors(report.problems)
    _write(report, form, output_file)
    sys.exit(report.exit_code(warn_exit_code))


def _compare(report: Report, run: Run, authority: Run, now: float) -> None:
    """Add to the report whether the policies only narrow the authority's."""
    national, problems = usable(authority.inventory)
    run.problems += [*authority.problems, *problems]
    if not national and not run.problems:
        run.problems.append(Problem("--narrower-than", 0, NO_NATIONAL_POLICY))
    report.narrower_than = tuple(national)
    found = narrowings(national, authority.inventory, run.inventory, now)
    report.objects = found.added_to(report.objects, run.inventory)


async def _judging(reader: Reader) -> tuple[list[Document], Capabilities]:
    """Return what a cluster judges by."""
    return await reader.documents(_JUDGING), await reader.capabilities()


def _add(run: Run, paths: tuple[str, ...], limit: int, judged: bool, foreign: bool) -> None:
    with progress("reading files"):
        found = list(files(paths, limit, "split it, or raise --max-file-size"))
        known = layout({f.name: f.data for f in found if isinstance(f, File) and not f.named})
        _take(run, found, known, judged=judged, foreign=foreign)


def _take(run: Run, found: list[File | Unreadable], known: Layout, *, judged: bool, foreign: bool) -> None:
    if judged:
        run.unbuilt += known.unbuilt
    for file in found:
        if isinstance(file, Unreadable):
            run.problems.append(Problem(file.name, 0, file.reason))
        elif file.name in known.skipped:
            run.skipped += 1
        else:
            run.add(file.data, file.name, judged=judged, named=file.named and not foreign)


def _namespace(given: str) -> Manifest:
    """Return the namespace that an option describes."""
    name, _, pairs = given.partition("=")
    labels = dict(pair.partition("=")[::2] for pair in pairs.split(",") if pair)
    if not name or not labels or not all(labels) or any("=" not in pair for pair in pairs.split(",") if pair):
        raise click.BadParameter(f"{given!r} is not NAMESPACE=KEY=VALUE,...", param_hint="--namespace-labels")
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _write(report: Report, form: str, output_file: str | None) -> None:
    data = _formatted(report, form, Page.for_output(terminal=output_file is None)).encode("utf-8", "replace")
    if output_file is not None:
        try:
            Path(output_file).write_bytes(data)
        except OSError as error:
            raise click.BadParameter(f"{output_file}: {error.strerror or error}", param_hint="--output-file") from error
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe; Python must not flush into it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _formatted(report: Report, form: str, page: Page) -> str:
    """Return the report in a format, of which only the module is imported. The table alone is for people, and fits the page."""
    module = import_module(f".{_MODULES.get(form, form)}", __package__)
    if form == "table":
        table: Callable[[Report, Page], str] = module.as_table
        return table(report, page)
    formatted: Callable[[Report], str] = getattr(module, f"as_{form}")
    return formatted(report)
