"""The command line of ``daulat bundle``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daulat.api.counted import counted
from daulat.artifacts import commands
from daulat.artifacts.commands import left_behind
from daulat.artifacts.installation import Installation, is_operator
from daulat.artifacts.mirror import Mirror, MirrorError, mirror, moves
from daulat.artifacts.needs import Needs
from daulat.artifacts.reference import Reference
from daulat.artifacts.renaming import changes, values
from daulat.manifest.document import Problem
from daulat.manifest.yaml_writer import dump

from .. import objects
from ..errors import fail, print_errors
from ..examples import examples
from ..files import File
from ..images.gathering import NOTHING, gathered, installed, read_input
from ..kubernetes import kubernetes_options, offered
from ..lazy import imported
from ..namespace import chosen_namespace, namespace_option
from .writing import VALUES, names, rewritten, write

if TYPE_CHECKING:
    from .copying import Copied


_EXAMPLES = examples(
    (
        "Manifests with the names of a registry of your own",
        "daulat bundle manifests/ --registry registry.example.my/mirror --rewrite --output-dir mirrored",
    ),
    ("Copy images and charts there", "daulat bundle manifests/ --registry registry.example.my/mirror --copy"),
)


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--registry", metavar="HOST[/FOLDER]", help="The registry of your own.")
@click.option("--copy", "copying", is_flag=True, help="Copy what the manifests need to the registry.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="Copy it into a directory, an OCI image layout, to be carried to another network.",
)
@click.option(
    "--load",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="Copy it from such a directory to the registry.",
)
@click.option(
    "--print-commands",
    "tool",
    type=click.Choice(commands.TOOLS),
    help="Print a shell script that copies it with this tool instead.",
)
@click.option("--rewrite", is_flag=True, help="Write the manifests with references to the registry into --output-dir.")
@click.option(
    "--output-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIRECTORY", help="Where to write them."
)
@click.option(
    "--offline", is_flag=True, help="With --rewrite, leave tags as they are instead of reading their digests."
)
@click.option(
    "--keep-host", is_flag=True, help="Keep the old registry's host as a part of the name: HOST/FOLDER/ghcr.io/..."
)
@click.option(
    "--values",
    "value_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Values of Daulat's chart; its defaults are used without. Repeatable, later files count more.",
)
@click.option("--no-installation", is_flag=True, help="Leave out what Daulat's own installation needs.")
@click.option(
    "--authfile",
    "authfiles",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Credentials as in Docker's config.json, which is read as well. Repeatable.",
)
@click.option("--plain-http", is_flag=True, help="Reach the registry without TLS, as is always done on loopback.")
@namespace_option
@kubernetes_options
def bundle(
    paths: tuple[str, ...],
    registry: str | None,
    copying: bool,
    save: Path | None,
    load: Path | None,
    tool: str | None,
    rewrite: bool,
    output_dir: Path | None,
    offline: bool,
    keep_host: bool,
    value_files: tuple[Path, ...],
    no_installation: bool,
    authfiles: tuple[Path, ...],
    plain_http: bool,
    namespace: str | None,
    kubernetes_version: str,
    pin: str | None,
) -> None:
    """Move what manifests need to a registry of your own, and rewrite the manifests for it.

    PATH is a YAML or JSON file, a directory, or - for standard input. Without a PATH only Daulat's own installation is moved.
    Artefacts keep their repository, tag and digest; every platform of an image is copied. Rewritten manifests keep their comments
    and their order, and go to the folder manifests of the directory. values.yaml next to it has the chart's values, for helm -f.

    Exit codes: 0 done, 1 something couldn't be copied, rewritten or isn't known, 2 wrong input or usage.
    """
    _check(
        {"--copy": copying, "--save": save, "--load": load, "--print-commands": tool, "--rewrite": rewrite}, registry
    )
    if rewrite != (output_dir is not None):
        raise click.UsageError("--rewrite and --output-dir need each other")
    if offline and (copying or load or not rewrite):
        raise click.UsageError("--offline requires --rewrite, and excludes every other action")
    if value_files and no_installation:
        raise click.UsageError("--values and --no-installation are mutually exclusive")
    gathering = read_input(paths)
    given, read = gathering.files, gathering.input
    if paths and not read.documents and not read.problems:
        fail(Problem(", ".join(paths), 0, NOTHING))
    of = Installation() if no_installation else installed(value_files, read)
    needs = gathered(
        read, of, offered(kubernetes_version, pin), chosen_namespace(namespace, cluster=False, context=None)
    )
    try:
        # Artefacts in a directory keep the names that they have outside.
        to = mirror(registry or "outside.invalid", keep_host=keep_host or registry is None)
        todo = moves(needs.needed, to)
    except MirrorError as error:
        fail(error)
    if tool is not None:
        click.echo(commands.script(tool, todo, needs.needed, to, plain_http=plain_http), nl=False)
    copies = bool(copying or save or load)
    found: Copied | None = None
    if copies or (rewrite and not offline):
        module = imported("daulat.cli.bundle.copying", "weights")
        way = module.Way(authfiles, plain_http, save or load, saves=save is not None)
        found = (module.copy_all if copies else module.resolve)(todo, way)
    remaining = [f"unknown: {unknown}" for unknown in (*needs.unknowns, *gathering.remarks)]
    errors = [*(found.errors if found is not None else ())]
    if rewrite and output_dir is not None and not errors:
        own = [each for each in given if isinstance(each, File)]
        remaining += _rewrite(paths, own, read, needs, of, to, found.digests if found is not None else {}, output_dir)
    print_errors(errors)
    for remark in [*remaining, *(_elsewhere(needs) if copies else ())]:
        click.echo(remark, err=True)
    sys.exit(1 if errors or remaining else 0)


def _check(actions: Mapping[str, object], registry: str | None) -> None:
    asked = [name for name, value in actions.items() if value]
    if not asked:
        raise click.UsageError(f"an action is required: one of {', '.join(actions)}")
    if len(asked) > 1 and (asked[-1] != "--rewrite" or len(asked) > 2 or asked[0] in ("--save", "--print-commands")):
        hint = ": rewrite once the artefacts are in the registry" if asked[-1] == "--rewrite" else ""
        raise click.UsageError(f"{' and '.join(asked)} are mutually exclusive{hint}")
    if (registry is None) != (asked == ["--save"]):
        raise click.UsageError("--registry HOST is required, but with --save, which copies into a directory")


def _rewrite(
    paths: Sequence[str],
    given: Sequence[File],
    read: objects.Input,
    needs: Needs,
    of: Installation,
    to: Mirror,
    digests: dict[Reference, str],
    output_dir: Path,
) -> list[str]:
    """Write the manifests, and return what has to be done by hand."""
    try:
        places = names(paths, given)
    except ValueError as error:
        fail(error)
    texts, problems = rewritten(given, changes(needs.needed, read.documents, to, digests))
    written = {places[name]: text for name, text in texts.items()}
    if of.operator:
        made: dict[str, Any] = values(of, to, digests)
        written[VALUES] = dump(made)
    try:
        write(output_dir, written)
    except OSError as error:
        fail(f"--output-dir {output_dir}: {error.strerror or error}")
    click.echo(f"{counted(len(written), 'file')} written to {output_dir}", err=True)
    by_hand = [f"manual step: {problem}" for problem in problems]
    if any(is_operator(document.object) for document in read.documents):
        by_hand.append(
            f"manual step: the operator's Deployment was not changed: render the chart with {output_dir / VALUES} (helm -f)"
        )
    return by_hand


def _elsewhere(needs: Needs) -> list[str]:
    """Return what to do for what no registry holds. It is no error: it may be where it has to be already."""
    return [f"not in a registry: {n.role} {n.text}: {left_behind(n)}" for n in needs.needed if n.reference is None]
