"""Makes the summary of the facts."""

from __future__ import annotations

from . import attention, installation, rows
from .attention import Commands
from .facts import Facts
from .view import Unread, View
from .zones import zones

_WITHOUT = {
    "Lease": "whether an operator leads",
    "CustomResourceDefinition": "whether the CustomResourceDefinitions are current",
    "SovereigntyPolicy": "the policies",
    "SovereignZone": "the zones",
    "SovereignModel": "the models",
    "SovereigntyExemption": "the exemptions",
    "AcceleratorInventory": "the chips of record",
    "NodeAttestation": "which nodes are attested",
    "AcceleratorProfile": "free accelerators",
    "Node": "free accelerators",
    "Pod": "free accelerators",
    "ResourceSlice": "free accelerators",
    "ResourceClaim": "free accelerators",
}
"""What isn't known without a kind, the most important first."""
KINDS = tuple(_WITHOUT)
"""The kinds that the summary is made from."""


def examine(facts: Facts, context: str = "") -> View:
    """Return the summary. ``context`` is the kubeconfig's context that the commands in it have to name; empty for the current."""
    commands = Commands(context)
    operator, definitions = installation.operator(facts), installation.definitions(facts)
    policies, of_zones, models, exemptions = (
        rows.policies(facts),
        zones(facts),
        rows.models(facts),
        rows.exemptions(facts),
    )
    found = [
        *attention.installation(operator, definitions, facts, commands),
        *attention.objects("SovereigntyPolicy", policies, commands),
        *attention.objects("SovereignZone", of_zones, commands),
        *attention.objects("SovereignModel", models, commands),
        *attention.exemptions(exemptions, commands),
        *attention.records(facts, commands),
        *attention.without_rows(facts, commands),
    ]
    return View(
        at=facts.now,
        kubernetes_version=facts.version,
        pin=str(facts.snapshot.capabilities.pin),
        namespace=facts.namespace,
        operator=operator,
        definitions=definitions,
        attention=attention.ordered(found),
        policies=policies,
        zones=of_zones,
        models=models,
        exemptions=exemptions,
        unread=tuple(Unread(kind, facts.unread[kind], _WITHOUT[kind]) for kind in KINDS if kind in facts.unread),
    )
