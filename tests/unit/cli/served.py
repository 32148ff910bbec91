"""The objects of a world on an API server of tests."""

from __future__ import annotations

from tests.unit.cli.explain.test_explain import typed
from tests.unit.kube.api_server import FakeApiServer
from tests.unit.world import World


def add_objects(server: FakeApiServer, world: World) -> None:
    """Add the objects that commands read."""
    kinds = {
        "SovereigntyPolicy": world.policies,
        "SovereignZone": world.zones,
        "SovereignModel": world.models,
        "AcceleratorProfile": world.profiles,
        "SovereigntyExemption": world.exemptions,
        "AcceleratorInventory": world.inventories,
        "Node": world.nodes,
        "Namespace": world.namespaces,
        "Pod": world.pods,
    }
    server.add(*(typed(kind, raw) for kind, items in kinds.items() for raw in items))
