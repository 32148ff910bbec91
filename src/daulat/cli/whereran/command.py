"""The command line of ``daulat where-ran``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daulat.evidence.index import Index, Question
from daulat.evidence.whereran import ask
from daulat.ledger.errors import LedgerError
from daulat.ledger.verification import current

from ..examples import examples
from ..logplace import LogPlace, log_argument, s3_options
from ..times import Time
from ..trusting import trust_of, trust_options
from .output import FORMATS, formatted

_EXAMPLES = examples(
    (
        "Where a model ran in a month",
        "daulat where-ran ./log --key log.vkey --model treasury/r1 --from 2027-01-01 --to 2027-02-01",
    ),
    ("Runs outside of Malaysia, as JSON", "daulat where-ran ./log --key log.vkey --outside MY -o json"),
    ("What ran on a node", "daulat where-ran ./log --key log.vkey --node npu-host-7"),
)


@click.command("where-ran", epilog=_EXAMPLES)
@log_argument
@trust_options
@click.option("--model", default="", metavar="[NAMESPACE/]NAME", help="Runs of this SovereignModel.")
@click.option("--pod", default="", metavar="[NAMESPACE/]NAME", help="Runs of this pod.")
@click.option("--namespace", "-n", default="", metavar="NAMESPACE", help="Runs in this namespace.")
@click.option("--node", default="", metavar="NAME", help="Runs on this node.")
@click.option("--zone", default="", metavar="NAME", help="Runs in this zone of record.")
@click.option("--country", default="", metavar="CODE", help="Runs in this country.")
@click.option("--outside", default="", metavar="CODE", help="Runs that aren't known to have been in this country.")
@click.option("--from", "since", type=Time(), metavar="TIME", help="Runs that weren't over by then.")
@click.option("--to", "until", type=Time(), metavar="TIME", help="Runs that began before then.")
@click.option(
    "--index",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the index of the log is kept; never one that came with the log. By default it is made in memory each time.",
)
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
)
@s3_options
def where_ran(
    log: LogPlace,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    model: str,
    pod: str,
    namespace: str,
    node: str,
    zone: str,
    country: str,
    outside: str,
    since: str | None,
    until: str | None,
    index: Path | None,
    form: str,
) -> None:
    """Show which pods ran where, from the log in LOG, a folder or s3://BUCKET/PREFIX.

    The result uses only entries covered by the checkpoint's root, which has to be signed and witnessed as the options require.
    It also lists the times without observation.

    Exit codes: 0 answered, 1 the log isn't as it was signed, 2 wrong input or usage.
    """
    trust = trust_of(keys, witnesses, quorum)
    asked = _question(model, pod, namespace, node, zone, country, outside, since or "", until or "")
    files = log.files()
    try:
        found, findings = current(files, trust)
        if findings or found.head is None:
            click.echo("\n".join(map(str, findings)), err=True)
            sys.exit(1)
        opened = Index(log.own_index(index))
        opened.update(files, found.head)
        answer = ask(opened, asked)
        text = formatted(answer, found, files, asked, form)
    except LedgerError as error:
        click.echo(f"{log}: {error}. `daulat ledger verify` names what was changed", err=True)
        sys.exit(1)
    except OSError as error:
        log.unreadable(error)
    click.echo(text, nl=False)


def _question(
    model: str, pod: str, namespace: str, node: str, zone: str, country: str, outside: str, since: str, until: str
) -> Question:
    names = {}
    for option, text in (("model", model), ("pod", pod)):
        within, slash, name = text.rpartition("/")
        if slash and namespace and within != namespace:
            raise click.UsageError(f"--{option} {text}: --namespace is {namespace}")
        names[option] = name
        namespace = within or namespace
    if since and until and since >= until:
        raise click.UsageError("--from has to be before --to")
    return Question(since, until, namespace, names["model"], names["pod"], node, zone, country.upper(), outside.upper())
