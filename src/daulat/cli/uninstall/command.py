"""``daulat uninstall``: removes what Daulat has made in a cluster, and nothing of what runs there unless that is asked for."""

from __future__ import annotations

import sys
import time

import click

from .. import cluster
from ..errors import fail, print_errors
from ..examples import examples
from ..namespace import context_option, installed_in_option
from ..progress import progress
from ..structured import TEXT, echo, text_or_structured
from .inventory import read_inventory
from .output import structured
from .plan import Choice, Inventory, Plan, plan, running
from .removal import Outcome, remove

_EXAMPLES = examples(
    ("What would be removed, in order, and what would be kept", "daulat uninstall --dry-run"),
    ("The same for a program", "daulat uninstall --dry-run -o json"),
    ("What nothing depends on; models go on running", "daulat uninstall"),
    ("All of it, with models, weights and definitions", "daulat uninstall --models --weights --crds"),
)


@click.command(epilog=_EXAMPLES)
@context_option
@installed_in_option
@click.option("--dry-run", is_flag=True, help="Only list what would be removed, in order, and what would be kept.")
@click.option("-y", "--yes", is_flag=True, help="Remove it without asking for confirmation.")
@click.option(
    "--models", is_flag=True, help="Also remove what runs models: Deployments, Services, autoscalers, routes."
)
@click.option(
    "--weights", is_flag=True, help="Also remove the PersistentVolumeClaims that models' weights are kept in."
)
@click.option(
    "--crds",
    is_flag=True,
    help="Also remove the CustomResourceDefinitions, and with them every zone, policy, profile, exemption and model, and all that "
    "models own: needs --models and --weights.",
)
@text_or_structured
def uninstall(
    context: str | None,
    namespace: str,
    dry_run: bool,
    yes: bool,
    models: bool,
    weights: bool,
    crds: bool,
    form: str,
) -> None:
    """Remove what Daulat has made in the cluster, with the rights of your kubeconfig.

    That is: admission policies and their bindings, also those that GitOps applied; labels and taints of nodes; annotations that pin
    the pods of namespaces; NetworkPolicies of namespaces; the operator's Lease. Policies are enforced until the last step. The
    workloads of models, the claims of their weights, the CustomResourceDefinitions and their objects are kept unless a flag names
    them. So are labels of nodes to which pods are pinned, and what Helm installed, which helm uninstall removes. Static manifests
    aren't in the API: delete their files on the API servers.

    The operator mustn't run, since it would create these objects again: scale its Deployment to zero, or uninstall the chart first.

    Exit codes: 0 all of it is removed, or listed; 1 something couldn't be removed; 2 the cluster can't be read, the operator runs,
    or wrong usage.
    """
    if crds and not (models and weights):
        raise click.UsageError(
            "--crds removes every SovereignModel and the objects that models own: --models and --weights are required as well."
        )
    choice = Choice(models, weights, crds)
    try:
        found = cluster.read(context, lambda reader: read_inventory(reader, namespace))
    except cluster.ClusterUnreadable as error:
        fail(error)
    planned = plan(found, choice, namespace)
    if form == TEXT:
        _print(planned, dry_run=dry_run)
    runs = running(found, namespace, time.time())
    if dry_run:
        if form != TEXT:
            echo(form, "", structured(planned, runs))
        elif runs:
            click.echo(f"\nThe operator runs: {runs}. Stop it before you remove anything.")
        return
    _refuse_while(runs, namespace)
    if not planned.removals:
        if form != TEXT:
            echo(form, "", structured(planned, runs, Outcome(0)))
        return
    if not yes:
        if form != TEXT:
            fail(f"say --yes with -o {form}: this format has no confirmation prompt")
        _confirm(found)
    outcome = _removed(context, planned)
    print_errors(outcome.errors)
    removed = f"{outcome.removed} of {len(planned.removals)} removed."
    echo(form, removed, structured(planned, runs, outcome))
    if outcome.stopped:
        click.echo("It stopped there: what enforces policies is still in place. Run the command again.", err=True)
    sys.exit(1 if outcome.errors else 0)


def _removed(context: str | None, planned: Plan) -> Outcome:
    try:
        with progress("removing"):
            return cluster.read(context, lambda reader: remove(reader.client, planned.removals))
    except cluster.ClusterUnreadable as error:
        fail(error)


def _refuse_while(runs: str, namespace: str) -> None:
    if runs:
        fail(
            f"the operator runs, and would create these objects again: {runs}. Stop it first: "
            f"kubectl scale deployment daulat --replicas=0 --namespace {namespace}"
        )


def _confirm(found: Inventory) -> None:
    policies = len(found.of("SovereigntyPolicy"))
    if not sys.stdin.isatty():
        fail("--yes is required: there is no terminal for a confirmation")
    click.confirm(f"\n{policies} SovereigntyPolicies won't be enforced any more. Remove all of this?", abort=True)


def _print(planned: Plan, *, dry_run: bool) -> None:
    if not planned.removals:
        click.echo("Daulat has left nothing to remove.")
    else:
        click.echo("Would remove, in this order:" if dry_run else "Removes, in this order:")
        for removal in planned.removals:
            click.echo(f"  {removal}")
    if planned.kept:
        click.echo("Keeps:")
        for kept in planned.kept:
            click.echo(f"  {kept}")
