"""``daulat explain``: why a control exists, what a policy comes to, why an object is let in, and where it would run."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import click

from daulat.admission.policy import PolicyError
from daulat.api.kinds import Manifest
from daulat.check.governance import Namespaces
from daulat.check.judge import Judge, Options
from daulat.explain.control import UnknownControl, explain_control
from daulat.explain.policy import explain_policy
from daulat.explain.subject import explain_object
from daulat.explain.world import snapshot_of
from daulat.facts.snapshot import Snapshot
from daulat.manifest.document import Document, Problem
from daulat.reconcile.policy.compiled import compiled

from .. import objects
from ..errors import fail, fail_if
from ..structured import WRITERS
from .outline import Outline, render

_CONTROL = re.compile(r"^[A-Za-z]{3}-[0-9]{2}$")
_POLICY_KINDS = frozenset(("sovereigntypolicy", "sovereigntypolicies", "spolicy", "policy"))
_ALIASES = {
    **dict.fromkeys(("model", "models", "smodel", "smodels", "sovereignmodels"), "sovereignmodel"),
    "deploy": "deployment",
    "sts": "statefulset",
    "ds": "daemonset",
}
# Objects that judge or are known, and aren't asked about by themselves.
_WORLD = frozenset(
    ("SovereigntyPolicy", "SovereignZone", "AcceleratorProfile", "SovereigntyExemption", "Namespace", "Node")
)


class _Given:
    """What the command was given: files, the cluster, or both."""

    def __init__(self, given: objects.Input, namespace: str, operator_namespace: str) -> None:
        self.given, self.namespace = given, namespace
        everything = [d.object for d in given.documents]
        self.snapshot: Snapshot = snapshot_of(everything, operator_namespace, namespace)
        self.now = time.time()

    def judge(self) -> Judge:
        """Return what judges objects by the policies that there are. What can't be compiled ends the command."""
        done, problems = [], []
        for name, policy in self.snapshot.known_policies.items():
            try:
                done.append(compiled(policy, self.snapshot, self.now))
            except PolicyError as error:
                problems.append(Problem(*self.given.place("SovereigntyPolicy", name), str(error)))
        fail_if(problems)
        created = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        inventory = self.given.inventory
        options = Options(created, self.namespace)
        return Judge(done, inventory.known_profiles, Namespaces(inventory.namespaces), options)


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [PATH...]")
@click.option(
    "-f", "--filename", "subjects", multiple=True, metavar="FILE", help="Explain the objects in this file. Repeatable."
)
@click.option("--cluster", is_flag=True, help="Read policies, nodes and the object from the current cluster as well.")
@click.option("--context", metavar="NAME", help="The kubeconfig context for --cluster.")
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="The namespace of objects that name none."
)
@click.option("--operator-namespace", default="daulat-system", show_default=True, help="Where the operator runs.")
@click.option("-o", "--output", "form", type=click.Choice(["tree", "json", "yaml"]), default="tree", show_default=True)
def explain(
    words: tuple[str, ...],
    subjects: tuple[str, ...],
    cluster: bool,
    context: str | None,
    namespace: str,
    operator_namespace: str,
    form: str,
) -> None:
    """Explain a control, a policy or an object.

    TARGET is a control's id (USE-04), a policy's name, or an object as KIND/NAME or KIND/NAMESPACE/NAME; a model may be written as
    model NAME. With -f it is left out.
    Policies, zones, profiles, namespaces and nodes are read from the PATHs, or with --cluster.

    Exit code: 0 fine, 1 an object would be refused, 2 the input or the usage is wrong.
    """
    if context and not cluster:
        raise click.UsageError("--context goes with --cluster")
    target, paths = ("", words) if subjects else _target(words)
    if not target and not subjects:
        raise click.UsageError("say what to explain: a control, a policy, an object, or -f FILE")
    if _CONTROL.match(target):
        try:
            _show([explain_control(target.upper())], form)
        except UnknownControl as error:
            fail(Problem(target, 0, str(error)))
        return
    kind, _, rest = target.rpartition("/") if target.count("/") == 1 else target.partition("/")
    is_policy = bool(target) and (not rest or not kind or kind.lower() in _POLICY_KINDS)
    if not (paths or cluster):
        raise click.UsageError("say where the policies are: PATH..., or --cluster")
    given = _read((*paths, *subjects), cluster, context, None if is_policy or not target else target, namespace)
    world = _Given(given, namespace, operator_namespace)
    fail_if(objects.unreadable(world.snapshot, given))
    if is_policy:
        _policy(world, target.rpartition("/")[2], form)
        return
    documents = _chosen(given.documents, target, subjects, namespace)
    if not documents:
        where = "the cluster or the files" if cluster else "the files"
        fail(Problem(target or ", ".join(subjects), 0, f"there is no such object in {where}"))
    judge = world.judge()
    explained = [explain_object(_asked_for(d), judge, world.snapshot) for d in documents]
    _show(explained, form)
    sys.exit(1 if any(e["result"] == "refused" for e in explained) else 0)


def _target(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return what to explain, and the paths: a model's kind and name may be two words, as kubectl has them."""
    if not words:
        return "", ()
    kind = words[0].lower()
    if len(words) > 1 and _ALIASES.get(kind, kind) == "sovereignmodel" and not os.path.exists(words[1]):
        return f"{words[0]}/{words[1]}", words[2:]
    return words[0], words[1:]


def _read(
    paths: Sequence[str], cluster: bool, context: str | None, target: str | None, namespace: str
) -> objects.Input:
    more: list[tuple[str, bytes]] = []
    problems: list[Problem] = []
    if cluster:
        from ..clusterobjects import Wanted, read_objects  # noqa: PLC0415 - its client takes half a second to import

        wanted = Wanted(*_parts(target, namespace)) if target else None
        more, problems = read_objects(context, wanted)
    given = objects.read(paths, more)
    fail_if([*problems, *given.problems])
    return given


def _policy(world: _Given, name: str, form: str) -> None:
    policy = world.snapshot.known_policies.get(name)
    if policy is None:
        there = ", ".join(world.snapshot.known_policies) or "none"
        fail(Problem(name, 0, f"there is no such policy; there are {there}"))
    try:
        result = compiled(policy, world.snapshot, world.now)
    except PolicyError as error:
        fail(Problem(*world.given.place("SovereigntyPolicy", name), str(error)))
    declared = world.given.inventory.policies[name]
    _show([explain_policy(policy, declared, result, world.snapshot, world.now)], form)


def _parts(target: str, namespace: str) -> tuple[str, str, str]:
    """Return kind, namespace and name of an object that the user named."""
    parts = target.split("/")
    kind, name = parts[0].lower(), parts[-1]
    return _ALIASES.get(kind, kind), parts[1] if len(parts) == 3 else namespace, name


def _chosen(documents: Sequence[Document], target: str, subjects: Sequence[str], namespace: str) -> list[Document]:
    if subjects:
        names = {"<stdin>" if s == "-" else os.path.normpath(s) for s in subjects}
        there = [d for d in documents if _in(d.chunk.file, names)]
        return [d for d in there if d.kind not in _WORLD] or there
    kind, where, name = _parts(target, namespace)
    return [
        d
        for d in documents
        if d.kind.lower() in (kind, kind.removesuffix("s"))
        and d.name == name
        and str(d.metadata.get("namespace") or namespace) == where
    ][:1]


def _in(file: str, names: set[str]) -> bool:
    path = os.path.normpath(file)
    return path in names or any(path.startswith(name + os.sep) for name in names)


def _asked_for(document: Document) -> Document:
    """Return the object as somebody asked for it: a pod that runs has its node from the scheduler."""
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
