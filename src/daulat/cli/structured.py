"""Output for programs: one JSON or YAML document."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_json

if TYPE_CHECKING:
    from daulat.api.kinds import Manifest


def as_json(value: object, *, sort_keys: bool = False) -> str:
    """Return the value as indented JSON, with a line end behind it."""
    if sort_keys:
        return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    # The standard library writes indented text in Python, which is noticeable with thousands of objects.
    return to_json(value, indent=2).decode() + "\n"


def as_yaml(value: object) -> str:
    """Return the value as a YAML document. Its bytes may differ between machines; manifests are written by ``manifest``."""
    from daulat.manifest.yaml_writer import dump  # noqa: PLC0415 - a command's help needs no YAML

    return dump(value, fast=True)


WRITERS: dict[str, Callable[[object], str]] = {"json": as_json, "yaml": as_yaml}
"""How a value is written, by the name of the format."""


TEXT = "text"
"""The format for people, of what is a line or a few."""
text_or_structured = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice([TEXT, *WRITERS]),
    default=TEXT,
    show_default=True,
    help="The format.",
)


def echo(form: str, text: str, value: object) -> None:
    """Write the text for people, or the value in another format."""
    click.echo(f"{text}\n" if form == TEXT else WRITERS[form](value), nl=False)


def manifest_format(
    text: str = "The format: YAML documents, or a List as JSON.",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of commands that print manifests, with its help."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help=text
    )


def manifests_as(form: str, manifests: Sequence[Manifest], *, sort_keys: bool = False) -> str:
    """Return manifests as YAML documents, or as a List in JSON. ValueError where one wouldn't be read back as it is."""
    if form == "json":
        return as_json({"apiVersion": "v1", "kind": "List", "items": list(manifests)}, sort_keys=sort_keys)
    from daulat.manifest.yaml_writer import dump_manifest  # noqa: PLC0415 - a command's help needs no YAML

    return "---\n".join(dump_manifest(manifest, sort_keys=sort_keys) for manifest in manifests)
