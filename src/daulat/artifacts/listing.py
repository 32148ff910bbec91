"""Goes through manifests and lists what all of them need."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.model import SovereignModelSpec
from daulat.api.names import GROUP
from daulat.catalog import accelerators
from daulat.catalog.kubernetes import Capabilities
from daulat.check.governance import Namespaces
from daulat.check.inventory import Inventory, parse_own
from daulat.check.templates import TooManyValues
from daulat.check.unjudged import Devices, outside_pods
from daulat.manifest.document import Document

from .charts import Sources, add_charts, sources
from .installation import Installation, add_installation, is_operator
from .models import add_model
from .needs import Needs, Role, mention
from .pods import add_pods

_NO_DEVICES = Devices(frozenset(), frozenset())


def listing(
    documents: Sequence[Document],
    inventory: Inventory,
    installation: Installation,
    cluster: Capabilities,
    default_namespace: str = "default",
) -> Needs:
    """Return what the documents and the installation need. Documents of Daulat's kinds must have been found valid."""
    needs = Needs()
    if installation.operator:
        add_installation(needs, installation)
    known = sources([*documents])
    namespaces = Namespaces(inventory.namespaces)
    # The chart has every shipped profile, and nothing needs the engines of those that no model names.
    own = {name for name, spec in inventory.profiles.items() if accelerators.shipped().get(name) != spec}
    for document in documents:
        namespace = str(document.metadata.get("namespace") or default_namespace)
        if document.group != GROUP:
            _add_foreign(needs, document, namespace, known)
            continue
        _, spec = parse_own(document)
        if isinstance(spec, SovereignModelSpec):
            policies = [
                policy
                for policy in inventory.policies.values()
                if namespaces.selected(policy.namespace_selector, namespace) is not False
            ]
            add_model(needs, document, spec, inventory.known_profiles, own, policies, cluster, installation)
        elif isinstance(spec, AcceleratorProfileSpec) and document.name in own:
            for n, engine in enumerate(spec.engines):
                if engine.image:
                    needs.image(Role.ENGINE, engine.image, mention(document, ("spec", "engines", n, "image")))
    return needs


def _add_foreign(needs: Needs, document: Document, namespace: str, known: Sources) -> None:
    add_charts(needs, document, known)
    try:
        role = Role.OPERATOR if is_operator(document.object) else Role.WORKLOAD
        pods = add_pods(needs, document, namespace, role)
    except TooManyValues as error:
        needs.unknown(mention(document, ()), str(error))
        return
    for remark in outside_pods(document, pods, _NO_DEVICES):
        text = remark.message.replace("isn't judged", "may be needed, and isn't listed")
        needs.unknown(mention(document, ()), text)
