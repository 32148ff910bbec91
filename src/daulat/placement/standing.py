"""The place where a model stands, whether or not it may stay: what keeps its workload as it is while it has drifted."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api import reasons
from daulat.facts.snapshot import Model, Snapshot

from .choice import Chosen, Decision, with_memory
from .current_placement import current_placement
from .devices import devices
from .dra import Asked, claimed
from .sizing import NoFit
from .survey import Group


def standing(model: Model, snapshot: Snapshot) -> Iterator[Chosen]:
    """Return the choice that an earlier pass made, as far as today's facts tell; nothing where they don't tell any more.

    Whether image volumes were mounted depends on nodes that aren't eligible now, so there may be two. There is no room in any: no
    further pod may come there.
    """
    where = current_placement(model)
    if where is None:
        return
    choice = next((a for a in model.spec.accelerators if a.profile == where.accelerator), None)
    profile = snapshot.known_profiles.get(where.accelerator)
    if choice is None or profile is None or profile.engine(model.spec.engine.name) is None:
        return
    claims = choice.claims == "DynamicResourceAllocation"
    resource: Asked | None = claimed(profile) if claims else profile.resources[0].name
    if resource is None or (resource if isinstance(resource, str) else resource.name) != where.resource:
        return
    try:
        needed = devices(model.spec, choice, with_memory(profile, resource), where)
    except NoFit:
        return
    pods = snapshot.pods_by_model.get((model.namespace, model.name), ())
    nodes = tuple(sorted({pod.node for pod in pods if pod.node}))
    cluster = snapshot.capabilities
    for mounts in (True, False) if cluster.has("image-volumes") else (False,):
        yield Chosen(
            where.zone,
            choice,
            profile,
            where.resource,
            nodes,
            needed,
            claim=None if isinstance(resource, str) else resource.resource,
            image_volumes=mounts,
            claims_version=cluster.served.get("resourceclaimtemplates", "v1"),
        )


def stays(chosen: Chosen, rejected: tuple[Group, ...]) -> Decision:
    """Return the decision that the model keeps that place for now. ``rejected``: why no other node was chosen."""
    message = f"stays on {chosen.choice.profile} in zone {chosen.zone} as long as it goes on"
    return Decision(chosen, reasons.PLACEMENT_CHOSEN, message, rejected)
