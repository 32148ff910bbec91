"""``daulat explain``: why a control exists, what a policy comes to, why an object is let in, and where it would run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NoReturn

import click

from daulat.admission.policy import PolicyError
from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities
from daulat.check.governance import Namespaces
from daulat.check.judge import Judge, Options
from daulat.check.templates import TooManyValues
from daulat.explain.control import UnknownControl, explain_control
from daulat.explain.policy import explain_policy
from daulat.explain.subject import explain_object
from daulat.explain.world import snapshot_of
from daulat.facts.snapshot import Snapshot
from daulat.manifest.document import Document, Problem
from daulat.reconcile.policy.compiled import compiled

from .. import objects
from ..errors import fail, fail_if
from ..kubernetes import kubernetes_options, offered, offered_by
from ..structured import WRITERS
from .outline import Outline, render
from .target import ControlTarget, FilesTarget, ObjectTarget, PolicyTarget, parse


class _World:
    """What the input says, as facts."""

    def __init__(self, given: objects.Input, namespace: str, operator_namespace: str, cluster: Capabilities) -> None:
        self.given, self.namespace = given, namespace
        found = (d.object for d in given.documents)
        self.snapshot: Snapshot = snapshot_of(found, operator_namespace, namespace, cluster)
        self.now = time.time()

    def judge(self) -> Judge:
        """Return what judges objects by the policies in the input. One that can't be compiled ends the command."""
        done, problems = [], []
        for name, policy in self.snapshot.known_policies.items():
            try:
                done.append(compiled(policy, self.snapshot, self.now))
            except PolicyError as error:
                problems.append(Problem(*self.given.place("SovereigntyPolicy", name), str(error)))
        fail_if(problems)
        created = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        inventory = self.given.inventory
        options = Options(created, self.namespace, cluster=self.snapshot.capabilities)
        return Judge(done, inventory.known_profiles, Namespaces(inventory.namespaces), options, inventory.scopes)


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [PATH...]")
@click.option(
    "-f", "--filename", "files", multiple=True, metavar="FILE", help="Explain the objects in this file. Repeatable."
)
@click.option("--cluster", is_flag=True, help="Read what the answer needs from the current cluster as well.")
@click.option("--context", metavar="NAME", help="The kubeconfig context for --cluster; the current one by default.")
@click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    metavar="NAMESPACE",
    help="The namespace of objects that don't name one.",
)
@click.option(
    "--operator-namespace",
    default="daulat-system",
    show_default=True,
    metavar="NAMESPACE",
    help="The operator's namespace.",
)
@kubernetes_options
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["tree", *WRITERS]),
    default="tree",
    show_default=True,
    help="The format.",
)
def explain(
    words: tuple[str, ...],
    files: tuple[str, ...],
    cluster: bool,
    context: str | None,
    namespace: str,
    operator_namespace: str,
    kubernetes_version: str,
    pin: str | None,
    form: str,
) -> None:
    """Explain a control, a policy or an object.

    TARGET is a control's id (USE-04), a policy's name, or an object as KIND/NAME or KIND/NAMESPACE/NAME; a model may be written as
    model NAME. With -f it is left out.

    Policies, zones, profiles, namespaces and nodes are read from the PATHs, or with --cluster.

    Exit codes: 0 explained, 1 an object would be refused, 2 wrong input or usage, or an object that can't be evaluated.
    """
    if context and not cluster:
        raise click.UsageError("--context requires --cluster")
    target, paths = parse(words, files, namespace)
    if isinstance(target, ControlTarget):
        _explain_control(target, form)
        return
    if not (paths or cluster):
        raise click.UsageError("Missing argument 'PATH...': the files that hold the policies, or --cluster.")
    capabilities = offered(kubernetes_version, pin)
    given = objects.read((*paths, *files))
    fail_if(given.problems)
    try:
        if cluster:
            found = _add_cluster(given, target, context, namespace)
            capabilities = offered_by(found, kubernetes_version, pin)
            fail_if(given.problems)
        world = _World(given, namespace, operator_namespace, capabilities)
        fail_if(objects.unreadable(world.snapshot, given))
        if isinstance(target, PolicyTarget):
            _explain_policy(world, target, form)
        else:
            _explain_objects(world, target, form, "the cluster or the files" if cluster else "the files")
    except TooManyValues as error:
        fail(f"the object {error}")


def _add_cluster(
    given: objects.Input, target: PolicyTarget | ObjectTarget | FilesTarget, context: str | None, namespace: str
) -> Capabilities:
    from .. import cluster as clusters  # noqa: PLC0415 - its client takes half a second to import
    from .cluster import add_cluster  # noqa: PLC0415

    try:
        return clusters.read(context, lambda reader: add_cluster(reader, given, target, namespace))
    except clusters.ClusterUnreadable as error:
        fail(Problem("--cluster", 0, str(error)))


def _explain_control(target: ControlTarget, form: str) -> None:
    try:
        _show([explain_control(target.id)], form)
    except UnknownControl as error:
        fail(error)


def _explain_policy(world: _World, target: PolicyTarget, form: str) -> None:
    policy = world.snapshot.known_policies.get(target.name)
    if policy is None:
        known = ", ".join(world.snapshot.known_policies) or "none"
        fail(f'SovereigntyPolicy "{target.name}" not found; known policies: {known}')
    try:
        result = compiled(policy, world.snapshot, world.now)
    except PolicyError as error:
        fail(Problem(*world.given.place("SovereigntyPolicy", target.name), str(error)))
    declared = world.given.inventory.policies[target.name]
    _show([explain_policy(policy, declared, result, world.snapshot, world.now)], form)


def _explain_objects(world: _World, target: ObjectTarget | FilesTarget, form: str, where: str) -> NoReturn:
    if isinstance(target, ObjectTarget):
        documents, name = target.among(world.given.documents, world.namespace), target.text
    else:
        documents, name = target.among(world.given.documents), ", ".join(target.paths)
    if not documents:
        fail(f'object "{name}" not found in {where}')
    judge = world.judge()
    explained = [explain_object(_as_created(d), judge, world.snapshot) for d in documents]
    _show(explained, form)
    results = {e["result"] for e in explained}
    sys.exit(2 if "unevaluated" in results else 1 if "refused" in results else 0)


def _as_created(document: Document) -> Document:
    """Return the object as it was sent to the API server: a pod that runs has its node from the scheduler."""
    spec = document.object.get("spec")
    if document.kind != "Pod" or not isinstance(spec, dict) or not document.metadata.get("uid"):
        return document
    return replace(document, object={**document.object, "spec": {k: v for k, v in spec.items() if k != "nodeName"}})


def _show(explained: Sequence[Manifest], form: str) -> None:
    if form == "tree":
        text = "\n".join(render(each, Outline.for_output()) for each in explained)
    else:
        text = WRITERS[form](explained[0] if len(explained) == 1 else list(explained))
    click.echo(text, nl=False)
