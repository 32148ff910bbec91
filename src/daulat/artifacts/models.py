"""What a SovereignModel needs: an engine for each accelerator that it may run on, its weights, and what fetches or checks them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.model import SovereignModelSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.weights import REMOTE, parse
from daulat.catalog.kubernetes import Capabilities
from daulat.manifest.document import Document

from .installation import Installation
from .needs import Needs, Role, mention
from .weights import add_uri


def add_model(
    needs: Needs,
    document: Document,
    spec: SovereignModelSpec,
    profiles: Mapping[str, AcceleratorProfileSpec],
    own: Collection[str],
    governing: Iterable[SovereigntyPolicySpec],
    cluster: Capabilities,
    installation: Installation,
) -> None:
    """Add what a model needs.

    ``own``: profiles of the input itself, which name their images there. ``governing``: the policies that govern it, or may, where
    its namespace's labels aren't known.
    """
    for n, choice in enumerate(spec.accelerators):
        path = ("spec", "accelerators", n)
        if choice.image:
            needs.image(Role.ENGINE, choice.image, mention(document, (*path, "image")))
            continue
        profile = profiles.get(choice.profile)
        if profile is None:
            reason = f"AcceleratorProfile \"{choice.profile}\" not found, so the engine's image isn't known"
            needs.unknown(mention(document, (*path, "profile")), reason)
            continue
        settings = profile.engine(spec.engine.name)
        if settings is None or not settings.image:
            reason = f"no image was set, and AcceleratorProfile {choice.profile} has none for {spec.engine.name}"
            needs.unknown(mention(document, path), reason)
            continue
        note = f"AcceleratorProfile {choice.profile}"
        named = mention(document, path, implied=True, note=note)
        needs.image(Role.ENGINE, settings.image, replace(named, document=None) if choice.profile in own else named)
    _add_weights(needs, document, spec, governing, cluster, installation)


def _add_weights(
    needs: Needs,
    document: Document,
    spec: SovereignModelSpec,
    governing: Iterable[SovereigntyPolicySpec],
    cluster: Capabilities,
    installation: Installation,
) -> None:
    source, where = parse(spec.model.uri), mention(document, ("spec", "model", "uri"))
    add_uri(needs, spec.model.uri, where)
    if source.scheme == "oci":
        fetched = spec.model.fetch is not None or not cluster.has("image-volumes")
    else:
        fetched = source.scheme in REMOTE
    signed = any(p.models is not None and p.models.signatures is not None for p in governing)
    if not (fetched or signed or (source.digest and source.scheme != "oci")):
        return
    if not installation.weights_image:
        needs.unknown(where, "the image that fetches and checks these weights isn't known: name the chart's values")
        return
    # The chart names it, and every such model's pods run it.
    named = mention(document, ("spec", "model"), implied=True, note="weights.image of the chart")
    needs.image(Role.INIT_CONTAINER, installation.weights_image, named)
