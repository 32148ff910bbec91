"""What policies in files compile to, and the same as text: the same bytes for the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from daulat.admission.cluster import Installation, cluster_name, compile_cluster_guards, of_deployment
from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities
from daulat.explain.world import snapshot_of
from daulat.manifest.document import Problem
from daulat.reconcile.policy.desired import desired

from .. import objects
from ..errors import fail, fail_if


def compiled(
    paths: Sequence[str], now: float, operator_namespace: str, shared: bool, cluster: Capabilities
) -> tuple[Manifest, ...]:
    """Return what every policy at the paths compiles to at this time, in seconds since the epoch. Wrong input ends the command.

    With ``shared`` the guard that all policies share is there even where GitOps applies the policies.
    """
    given = objects.read(paths)
    fail_if(given.problems)
    snapshot = snapshot_of((d.object for d in given.documents), operator_namespace, cluster=cluster, now=now)
    fail_if(objects.unreadable(snapshot, given))
    if not snapshot.policies:
        fail(Problem(", ".join(paths), 0, "no SovereigntyPolicy found"))
    result = desired(snapshot, now)
    fail_if([Problem(*given.place("SovereigntyPolicy", name), why) for name, why in result.refused.items()])
    for name, profiles in result.missing_profiles.items():
        for profile in profiles:
            _warn(given, name, f'AcceleratorProfile "{profile}" not found; nothing of it is approved')
    for name, doubts in result.doubts.items():
        for doubt in doubts:
            _warn(given, name, doubt)
    for each in result.unannotated:
        click.echo(f"warning: {each}, which pins its pods. Add it.", err=True)
    for name, controls in result.left_out.items():
        _warn(given, name, f"left out on Kubernetes {cluster.version}: {', '.join(controls)}")
    if not snapshot.zones:
        click.echo(
            "warning: no SovereignZone found; the operator of a cluster that has zones compiles different manifests",
            err=True,
        )
    # With GitOps the operator runs and keeps this one: it depends on all policies in force, not only on those that are here.
    return result.manifests + (result.ungoverned if shared or not result.by_gitops else ())


def _warn(given: objects.Input, policy: str, message: str) -> None:
    click.echo(f"warning: {Problem(*given.place('SovereigntyPolicy', policy), message)}", err=True)


def guards_of_cluster(operator_namespace: str, image: str | None, deployment: Path | None = None) -> list[Manifest]:
    """Return the guards of the whole cluster; that of the operator's own pods only where its image or its Deployment is given."""
    if deployment is not None:
        return compile_cluster_guards(
            of_deployment(_deployment(deployment), Installation(namespace=operator_namespace))
        )
    if image is not None:
        return compile_cluster_guards(Installation(namespace=operator_namespace, image=image))
    found = compile_cluster_guards(Installation(namespace=operator_namespace))
    # A guard that requires another image than the installed one would keep the operator from starting.
    return [m for m in found if m["metadata"]["name"] != cluster_name("software")]


def _deployment(path: Path) -> Manifest:
    """Return the operator's Deployment from a file. Anything else ends the command."""
    given = objects.read([str(path)])
    fail_if(given.problems)
    found = [d.object for d in given.documents if _is_operator(d.object)]
    if not found:
        why = "no Deployment of the operator found; render it with helm template -s templates/deployment.yaml"
        fail(Problem(str(path), 0, why))
    return found[0]


def _is_operator(manifest: Manifest) -> bool:
    pod = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
    names = [c.get("name") for c in pod.get("containers") or ()]
    return manifest.get("kind") == "Deployment" and "operator" in names and bool(pod.get("serviceAccountName"))
