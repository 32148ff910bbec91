"""``daulat explain``: why a control exists, what a policy comes to, why an object is let in, and where it would run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NoReturn

import click

from daulat.admission.policy import CompiledPolicy, PolicyError
from daulat.api.kinds import Manifest
from daulat.catalog import accelerators
from daulat.catalog.kubernetes import Capabilities
from daulat.check.governance import Namespaces
from daulat.check.judge import Judge, Options
from daulat.check.templates import TooManyValues
from daulat.explain.control import UnknownControl, explain_control
from daulat.explain.policy import explain_policy
from daulat.explain.shipped import UnknownName, explain_check, explain_preset
from daulat.explain.subject import explain_object
from daulat.explain.world import snapshot_of
from daulat.facts.snapshot import Policy, Snapshot
from daulat.manifest.document import Chunk, Document, Problem
from daulat.reconcile.policy.compiled import compiled, governs_protected

from .. import objects
from ..errors import fail, fail_if
from ..examples import examples
from ..kubernetes import kubernetes_options, offered, offered_by
from ..namespace import chosen_namespace, namespace_option, operator_namespace_option
from ..structured import WRITERS
from .outline import Outline, render
from .target import CheckTarget, ControlTarget, FilesTarget, ObjectTarget, PolicyTarget, PresetTarget, parse

_MISSING = "Missing argument 'PATH...': the files that hold the policies, or --cluster."


class _World:
    """What the input says, as facts."""

    def __init__(self, given: objects.Input, namespace: str, operator_namespace: str, cluster: Capabilities) -> None:
        self.given, self.namespace = given, namespace
        found = (d.object for d in given.documents)
        self.now = time.time()
        self.snapshot: Snapshot = snapshot_of(found, operator_namespace, namespace, cluster, self.now)

    def compiled(self, policy: Policy) -> CompiledPolicy | Problem:
        """Return the policy compiled, or why the operator doesn't bring it into force."""
        if not (why := governs_protected(policy, self.snapshot)):
            try:
                return compiled(policy, self.snapshot, self.now)
            except PolicyError as error:
                why = str(error)
        return Problem(*self.given.place("SovereigntyPolicy", policy.name), why)

    def judge(self) -> Judge:
        """Return what judges objects by the policies in the input. One that can't be compiled ends the command."""
        found = [self.compiled(policy) for policy in self.snapshot.known_policies.values()]
        fail_if(each for each in found if isinstance(each, Problem))
        done = [each for each in found if not isinstance(each, Problem)]
        created = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        inventory = self.given.inventory
        options = Options(created, self.namespace, cluster=self.snapshot.capabilities)
        return Judge(done, inventory.known_profiles, Namespaces(inventory.namespaces), options, inventory.scopes)


_EXAMPLES = examples(
    ("A control", "daulat explain USE-04"),
    ("A policy of the cluster", "daulat explain confidential --cluster"),
    ("Where a model runs, and why not elsewhere", "daulat explain model deepseek-r1 -n treasury --cluster"),
    ("A file before it is applied", "daulat explain -f deployment.yaml policies/ zones/ nodes.yaml"),
)


@click.command(epilog=_EXAMPLES)
@click.argument("words", nargs=-1, metavar="[TARGET] [PATH...]")
@click.option(
    "-f", "--filename", "files", multiple=True, metavar="FILE", help="Explain the objects in this file. Repeatable."
)
@click.option("--cluster", is_flag=True, help="Read what the answer needs from the current cluster as well.")
@click.option("--context", metavar="NAME", help="The kubeconfig context for --cluster; the current one by default.")
@namespace_option
@operator_namespace_option
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
    namespace: str | None,
    operator_namespace: str,
    kubernetes_version: str,
    pin: str | None,
    form: str,
) -> None:
    """Explain a control, a policy, an object of any kind, or what comes with Daulat.

    TARGET is an object as KIND/NAME, KIND/NAMESPACE/NAME or KIND NAME, with kubectl's names and short names of kinds, such as
    model, zone, node, pod or deployment. A name alone is a policy's. A control (USE-04), a check of daulat doctor (DOC-04), a
    shipped preset or a shipped AcceleratorProfile needs no PATH. With -f TARGET is left out.

    Policies, zones, profiles, namespaces and nodes are read from the PATHs, or with --cluster.

    Exit codes: 0 explained, 1 an object would be refused, 2 wrong input or usage, or an object that can't be evaluated.
    """
    if context and not cluster:
        raise click.UsageError("--context requires --cluster")
    in_namespace = chosen_namespace(namespace, cluster, context)
    target, paths = parse(words, files, in_namespace)
    if isinstance(target, ControlTarget | CheckTarget | PresetTarget):
        _explain_shipped(target, form)
        return
    shipped = isinstance(target, ObjectTarget) and target.is_shipped_profile
    if not (paths or cluster or shipped):
        raise click.UsageError(_MISSING)
    capabilities = offered(kubernetes_version, pin)
    given = objects.read((*paths, *files))
    fail_if(given.problems)
    if shipped and not cluster:
        given.add_missing(Document(Chunk("shipped with Daulat", 0, ""), m) for m in accelerators.manifests())
    try:
        if cluster:
            found = _add_cluster(given, target, context, in_namespace)
            capabilities = offered_by(found, kubernetes_version, pin)
            fail_if(given.problems)
        world = _World(given, in_namespace, operator_namespace, capabilities)
        fail_if(objects.unreadable(world.snapshot, given))
        if isinstance(target, PolicyTarget):
            _explain_policy(world, target, form)
        else:
            _explain_objects(world, target, form, in_cluster=cluster)
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


def _explain_shipped(target: ControlTarget | CheckTarget | PresetTarget, form: str) -> None:
    try:
        match target:
            case ControlTarget():
                explained = explain_control(target.id)
            case CheckTarget():
                explained = explain_check(target.id)
            case PresetTarget():
                explained = explain_preset(target.name)
    except (UnknownControl, UnknownName) as error:
        fail(error)
    _show([explained], form)


def _explain_policy(world: _World, target: PolicyTarget, form: str) -> None:
    policy = world.snapshot.known_policies.get(target.name)
    if policy is None:
        known = ", ".join(world.snapshot.known_policies) or "none"
        fail(f'SovereigntyPolicy "{target.name}" not found; known policies: {known}')
    result = world.compiled(policy)
    if isinstance(result, Problem):
        fail(result)
    declared = world.given.inventory.policies[target.name]
    _show([explain_policy(policy, declared, result, world.snapshot, world.now)], form)


def _explain_objects(world: _World, target: ObjectTarget | FilesTarget, form: str, *, in_cluster: bool) -> NoReturn:
    if isinstance(target, ObjectTarget):
        documents = target.among(world.given.documents, world.namespace)
    else:
        documents = target.among(world.given.documents)
    if not documents:
        fail(_not_found(target, in_cluster))
    judge = world.judge()
    explained = [explain_object(_as_created(d), judge, world.snapshot, world.now) for d in documents]
    _show(explained, form)
    results = {e["result"] for e in explained}
    sys.exit(2 if "unevaluated" in results else 1 if "refused" in results else 0)


def _not_found(target: ObjectTarget | FilesTarget, in_cluster: bool) -> str:
    where = "the cluster or the files" if in_cluster else "the files"
    if isinstance(target, FilesTarget):
        return f"no object found in {', '.join(target.paths)}"
    inside = "" if target.cluster_scoped else f", in namespace {target.namespace}"
    return f'object "{target.text}" not found in {where}{inside}'


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
