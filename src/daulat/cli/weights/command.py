"""``daulat weights``: fetch and check weights in a pod, and the same checks for publishers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import click

from ..examples import examples
from ..lazy import imported
from ..structured import text_or_structured

EXTRA = "weights"
"""The optional dependencies that its commands need, by their name in pyproject.toml. Their help needs none."""


def _code() -> ModuleType:
    return imported("daulat.cli.weights.carry_out", EXTRA)


_EXAMPLES = examples(
    ("The digest for a model's URI", "daulat weights digest deepseek-r1/"),
    ("The check of a signature that runs in the pod", "daulat weights verify deepseek-r1/ --key key.pub"),
)


@click.group(epilog=_EXAMPLES)
def weights() -> None:
    """Fetch weights, and check their digest and their signature."""


@weights.command()
def load() -> None:
    """Fetch weights and check them. For a pod's init container, which is configured by its environment."""
    _code().load()


@weights.command()
def check() -> None:
    """Check weights that are mounted. For a pod's init container, which is configured by its environment."""
    _code().check()


@weights.command(epilog=examples(("The digest for a model's URI", "daulat weights digest deepseek-r1/")))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@text_or_structured
def digest(folder: Path, form: str) -> None:
    """Print the digest that pins FOLDER in a model's URI.

    Files that download tools keep in the folder are left out, with a warning: a pod that fetches from a hub doesn't have them.

    Exit codes: 0 printed, 2 wrong input or usage.
    """
    _code().digest(folder, form)


@weights.command(
    epilog=examples(
        ("By a public key", "daulat weights verify deepseek-r1/ --key key.pub"),
        ("By an authority's certificate", "daulat weights verify deepseek-r1/ --certificate ca.pem -o json"),
    )
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A public key, as PEM. Repeatable.",
)
@click.option(
    "--certificate",
    "certificates",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate of an authority, as PEM. Repeatable.",
)
@click.option("--signature", default="model.sig", show_default=True, help="The signature's path under FOLDER.")
@text_or_structured
def verify(folder: Path, keys: tuple[Path, ...], certificates: tuple[Path, ...], signature: str, form: str) -> None:
    """Check the signature of FOLDER as a pod does.

    Exit codes: 0 valid, 1 not valid, 2 wrong input or usage.
    """
    if not keys and not certificates:
        raise click.UsageError("Missing option '--key' or '--certificate'.")
    _code().verify(folder, keys, certificates, signature, form)
