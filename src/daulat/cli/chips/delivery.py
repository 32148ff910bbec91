"""``daulat chips import``: makes AcceleratorInventories of a delivery's list."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from daulat.api.inventory import AcceleratorInventorySpec
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION
from daulat.manifest.document import Problem

from ..errors import fail, fail_if
from ..examples import examples
from ..structured import manifest_format, manifests_as
from .lists import Lot, Terms, read_list

SHARD = 2000
"""Chips of one object: with its status about 300 kB, which the API server writes whenever a chip comes or goes."""
LARGEST = 8 << 20
"""Bytes of a list: 100,000 chips with ten columns."""


_EXAMPLES = examples(
    (
        "A delivery's list, under its permit",
        "daulat chips import delivery.csv --name h20-2026 --permit STA-2026-0417 --zone my-1",
    ),
    ("From a spreadsheet's export, as JSON", "daulat chips import - --name h20-2026 -o json < export.csv"),
)


@click.command("import", epilog=_EXAMPLES)
@click.argument("path", metavar="CSV")
@click.option(
    "--name",
    required=True,
    metavar="NAME",
    help="The name of the AcceleratorInventory, numbered where it takes several.",
)
@click.option("--delivery", metavar="TEXT", help="The delivery's name of record; by default the file's name.")
@click.option("--permit", metavar="REFERENCE", help="The permit under which the chips were imported.")
@click.option("--permit-date", metavar="DATE", help="The day on which it was issued, such as 2026-02-20.")
@click.option("--received", metavar="DATE", help="The day on which the chips were received.")
@click.option(
    "--zone", "zones", multiple=True, metavar="ZONE", help="A SovereignZone in which they may be. Repeatable."
)
@click.option(
    "--country", "countries", multiple=True, metavar="CODE", help="A country in which they may be. Repeatable."
)
@click.option(
    "--exporters",
    is_flag=True,
    help="Only exporters show the chips, which the operator doesn't read: `daulat chips --metrics` compares them.",
)
@click.option(
    "--gone-after", metavar="TIME", help="For how long a chip may not be seen, such as 72h, which is the default."
)
@click.option(
    "--shard",
    type=click.IntRange(1, 5000),
    default=SHARD,
    show_default=True,
    metavar="NUMBER",
    help="The most chips of one object.",
)
@manifest_format()
def import_(
    path: str,
    name: str,
    delivery: str | None,
    permit: str | None,
    permit_date: str | None,
    received: str | None,
    zones: tuple[str, ...],
    countries: tuple[str, ...],
    exporters: bool,
    gone_after: str | None,
    shard: int,
    form: str,
) -> None:
    """Write the manifests of AcceleratorInventories for a list of chips.

    CSV is a file, or - for standard input, with comma, semicolon or tab between its columns. Columns are found by their names in
    the first line: serial, serial_number, sn, uuid, gpu_uuid, vdie_id, chip, id; and, in place of the options, delivery, permit,
    permit_date, received. Without such a line each column is an id.

    Nothing is written where a line is wrong: no id, a placeholder such as N/A, an id that is there twice, or a number that a
    spreadsheet has rounded.

    Exit codes: 0 written, 2 wrong input or usage.
    """
    if permit_date and not permit:
        raise click.UsageError("--permit-date requires --permit")
    file, data = _data(path)
    terms = Terms(delivery or Path(file).stem, permit or "", permit_date or "", received or "")
    lots, problems = read_list(data, file, terms)
    fail_if(problems)
    limits: dict[str, Any] = {"zones": list(zones)} if zones else {}
    limits |= {"countries": list(countries)} if countries else {}
    limits |= {"goneAfter": gone_after} if gone_after else {}
    parts = _shards(lots, shard)
    for each in (delivery for part in parts for delivery in part) if exporters else ():
        each["observedBy"] = "Exporters"
    names = [name] if len(parts) == 1 else [f"{name}-{number}" for number in range(1, len(parts) + 1)]
    manifests = [_manifest(n, {**limits, "deliveries": part}) for n, part in zip(names, parts, strict=True)]
    for manifest in manifests:
        fail_if(_mistakes(file, manifest))
    click.echo(manifests_as(form, manifests), nl=False)


def _data(path: str) -> tuple[str, str]:
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1) if path == "-" else Path(path).read_bytes()
    except OSError as error:
        fail(Problem(path, 0, (error.strerror or str(error)).lower()))
    if len(raw) > LARGEST:
        fail(Problem(path, 0, f"is larger than {LARGEST >> 20} MiB: split it"))
    try:
        return ("delivery" if path == "-" else path), raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        fail(Problem(path, 0, "isn't in UTF-8: save it as CSV UTF-8"))


def _shards(lots: Sequence[Lot], most: int) -> list[list[Manifest]]:
    """Return the deliveries of each object. A delivery of more chips than an object may have is in several."""
    parts: list[list[Manifest]] = [[]]
    room = most
    for lot in lots:
        chips = list(lot.chips)
        while chips:
            if room == 0:
                parts.append([])
                room = most
            parts[-1].append({**lot.terms.manifest(), "chips": chips[:room]})
            taken = len(chips[:room])
            chips, room = chips[taken:], room - taken
    return parts


def _manifest(name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": "AcceleratorInventory", "metadata": {"name": name}, "spec": spec}


def _mistakes(file: str, manifest: Manifest) -> list[Problem]:
    """Return what the API server would refuse, such as a date that is none."""
    try:
        spec = AcceleratorInventorySpec.model_validate(manifest["spec"])
    except ValidationError as error:
        return [
            Problem(file, 0, e["msg"], ".".join(str(part) for part in ("spec", *e["loc"]))) for e in error.errors()[:5]
        ]
    found = []
    for delivery in spec.deliveries:
        for text in (delivery.received, delivery.permit.date if delivery.permit is not None else None):
            try:
                date.fromisoformat(text or "2026-01-01")
            except ValueError:
                found.append(Problem(file, 0, f'"{text}" is no day of the calendar'))
    return found
