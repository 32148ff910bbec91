"""``daulat compile``: what the operator would apply, as text; for GitOps, for the API server's own files, or as an anchor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import click

from daulat.admission import anchor as anchors
from daulat.admission.cluster import Installation, cluster_name, compile_cluster_guards
from daulat.admission.static import MUTATING, VALIDATING, admission_configuration, static
from daulat.api.kinds import Manifest
from daulat.explain.world import snapshot_of
from daulat.manifest.document import Problem
from daulat.reconcile.policy.desired import desired

from .. import objects
from ..errors import end, end_if
from . import static_files
from .printed import as_json, as_yaml

CONFIGURATION = "admission-configuration.yaml"
_README = """<!-- {mark} -->
Static admission manifests of Daulat, for kube-apiserver 1.37 or later. Every API server of the cluster needs this directory at
{root}, readable by it and writable by nobody else, and this flag:

    --admission-control-config-file={root}/{configuration}

Where that flag is set already, add the two plugins of {configuration} to the file that it names. The flag is read at
the start, the directories for as long as the API server runs: a change is in force about two seconds later. A file that
can't be read keeps what was in force, but lets no API server start.
"""


class _Moment(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time; one without a zone is refused, for it would mean another one elsewhere."""
        try:
            at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} isn't a time such as 2026-11-24T00:00:00Z", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value} needs a time zone, such as Z", param, ctx)
        return at


@click.command("compile")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--static", "as_static", is_flag=True, help="Write files for the API server's static manifest directories."
)
@click.option(
    "--anchor", is_flag=True, help="Write one static policy that keeps Daulat's policies in the API as they are."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file to write; with --static or --anchor, a directory."
)
@click.option("-o", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="The format.")
@click.option(
    "--guards/--no-guards",
    default=None,
    help="Add the guards of the whole cluster, which the chart installs. Only --static does so by default.",
)
@click.option("--operator-image", help="The operator's image, where the guard of its own pods is wanted among them.")
@click.option("--at", type=_Moment(), help="Leave out exemptions that are over by then; now by default.")
@click.option("--operator-namespace", default="daulat-system", show_default=True, help="Where the operator runs.")
@click.option(
    "--allow-user",
    "users",
    multiple=True,
    default=[anchors.OPERATOR],
    show_default=True,
    help="With --anchor, who may write Daulat's policies. Can be given several times.",
)
@click.option(
    "--host-path", help="With --static or --anchor, the directory's path as API servers see it; where it is by default."
)
def compile_(
    paths: Sequence[str],
    as_static: bool,
    anchor: bool,
    output: Path | None,
    form: str,
    guards: bool | None,
    operator_image: str | None,
    at: datetime | None,
    operator_namespace: str,
    users: Sequence[str],
    host_path: str | None,
) -> None:
    """Write what every SovereigntyPolicy at the PATHs compiles to: the same bytes as the operator applies.

    Zones, profiles, exemptions and namespaces are read from the PATHs, too; - is standard input. Exit code 2: the input is wrong.
    """
    if as_static and anchor:
        raise click.UsageError("--static and --anchor are two things; run it twice, with the same --output")
    if (as_static or anchor) and output is None:
        raise click.UsageError("--static and --anchor need --output DIRECTORY")
    if anchor:
        if paths:
            raise click.UsageError("--anchor takes no PATH: it is the same for all policies")
        manifests: Sequence[Manifest] = anchors.anchor(users)
    else:
        if not paths:
            raise click.UsageError("say where the policies are: PATH..., or - for standard input")
        guarded = as_static if guards is None else guards
        manifests = _compiled(paths, (at or datetime.now(UTC)).timestamp(), operator_namespace, shared=guarded)
        if guarded:
            manifests = [*manifests, *_guards(operator_namespace, operator_image)]
    if output is not None and (as_static or anchor):
        _write_static(output, manifests, "daulat-anchor.yaml" if anchor else "daulat.yaml", host_path)
        return
    text = as_json(manifests) if form == "json" else as_yaml(manifests)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def _compiled(paths: Sequence[str], now: float, operator_namespace: str, shared: bool) -> tuple[Manifest, ...]:
    given = objects.read(paths)
    end_if(given.problems)
    snapshot = snapshot_of((d.object for d in given.documents), operator_namespace)
    end_if(objects.unreadable(snapshot, given))
    if not snapshot.policies:
        end(Problem(", ".join(paths), 0, "there is no SovereigntyPolicy here; name the files that hold one"))
    result = desired(snapshot, now)
    end_if([Problem(*given.place("SovereigntyPolicy", name), why) for name, why in result.refused.items()])
    for name, profiles in result.missing_profiles.items():
        where = Problem(*given.place("SovereigntyPolicy", name), f"AcceleratorProfile {', '.join(profiles)} isn't here")
        click.echo(f"warning: {where}; nothing of it is approved", err=True)
    if not snapshot.zones:
        click.echo(
            "warning: there is no SovereignZone here; where the cluster has some, its operator compiles others",
            err=True,
        )
    # With GitOps the operator runs and keeps this one: it depends on all policies in force, not only on those that are here.
    return result.manifests + (result.ungoverned if shared or not result.by_gitops else ())


def _guards(operator_namespace: str, image: str | None) -> list[Manifest]:
    if image is not None:
        return compile_cluster_guards(Installation(namespace=operator_namespace, image=image))
    found = compile_cluster_guards(Installation(namespace=operator_namespace))
    # A guard that asks for another image than the one that is installed would keep the operator from starting.
    return [m for m in found if m["metadata"]["name"] != cluster_name("software")]


def _write_static(root: Path, manifests: Sequence[Manifest], name: str, host_path: str | None) -> None:
    where = host_path or str(root.absolute())
    if not PurePosixPath(where).is_absolute():
        raise click.UsageError(f"--host-path: {where} isn't absolute")
    folders = static(manifests)
    readme = _README.format(mark=static_files.MARK, root=where, configuration=CONFIGURATION)
    # Pods are pinned before they are refused unpinned.
    files: dict[str, str | None] = {
        f"{MUTATING}/{name}": _file(folders[MUTATING]),
        f"{VALIDATING}/{name}": _file(folders[VALIDATING]),
        CONFIGURATION: _file([admission_configuration(where)]),
        "README.md": readme,
    }
    try:
        for folder in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
        written, removed = static_files.put(root, files)
    except (static_files.NotOurs, OSError) as error:
        end(Problem(str(root), 0, str(error)))
    for path in written:
        click.echo(f"wrote {root / path}", err=True)
    for path in removed:
        click.echo(f"removed {root / path}", err=True)
    if not written and not removed:
        click.echo(f"{root} is up to date", err=True)


def _file(manifests: Sequence[Manifest]) -> str | None:
    return f"# {static_files.MARK}\n{as_yaml(manifests)}" if manifests else None
