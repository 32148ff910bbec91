"""The pods that a SovereignModel would get, on each accelerator that it may run on: rendered as the operator renders them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.kinds import Manifest
from daulat.catalog import models
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.catalog.model_names import parse
from daulat.facts.declared import Unparsable, parse_declared
from daulat.facts.snapshot import Model
from daulat.manifest.paths import Path
from daulat.placement.choice import Chosen
from daulat.placement.devices import Devices, devices
from daulat.placement.loading import loading
from daulat.placement.sizing import Indivisible, NoFit
from daulat.workload.container import image_of
from daulat.workload.pod import templates, unusable_settings


@dataclass(frozen=True)
class ModelPod:
    """One pod, and the accelerator of the model that it is for."""

    path: Path
    object: Manifest


@dataclass(frozen=True)
class Rendered:
    """A model's pods, the settings that the operator refuses, and notes on what isn't known before it is placed."""

    pods: tuple[ModelPod, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def render(
    raw: Manifest,
    namespace: str,
    policies: Sequence[str],
    profiles: Mapping[str, AcceleratorProfileSpec],
    cluster: Capabilities = DEFAULT,
) -> Rendered:
    """Return the pods under these policies. The zone isn't known before the model is placed, and no control reads it."""
    model = parse_declared(
        "SovereignModel", {**raw, "metadata": {**(raw.get("metadata") or {}), "namespace": namespace}}
    )
    if isinstance(model, Unparsable):
        return Rendered(notes=(model.reason,))
    pods: list[ModelPod] = []
    refused: list[str] = []
    notes = _declared_otherwise(model)
    for n, choice in enumerate(model.spec.accelerators):
        where = f'spec.accelerators["{choice.profile}"]'
        profile = profiles.get(choice.profile)
        if profile is None:
            notes.append(f'{where}: AcceleratorProfile "{choice.profile}" not found, so the model can\'t run on it')
            continue
        if profile.engine(model.spec.engine.name) is None:
            notes.append(
                f"{where}: the profile doesn't list the engine {model.spec.engine.name}, so the model can't run on it"
            )
            continue
        try:
            needed = devices(model.spec, choice, profile)
        except Indivisible as error:
            refused.append(str(error))
            continue
        except NoFit as error:
            notes.append(f"{where}: the model can't run on it: {error}")
            continue
        if needed.note:
            notes.append(f"{where}.count: {needed.note}")
        for chosen in _options(model, n, profile, needed, cluster):
            refused += unusable_settings(model, chosen)
            if image_of(model, chosen):
                pods += [ModelPod(("spec", "accelerators", n), pod) for pod in _pods(model, chosen, policies)]
    return Rendered(tuple(pods), tuple(dict.fromkeys(refused)), tuple(notes))


def _declared_otherwise(model: Model) -> list[str]:
    """Return what the model says of its origin and the catalogue says otherwise. Policies go by what the model says."""
    said = model.spec.model
    known = models.named(said.name)
    if known is None or known.origin_country == said.origin_country:
        return []
    organisation = parse(said.name).organisation
    if organisation not in ("", parse(known.repository).organisation):
        return []  # Weights of others, who may have made another model of it.
    declared, noted = said.origin_country, known.origin_country
    return [f"spec.model.originCountry: {declared} was declared, and the catalogue has {noted} for {known.name}"]


def _options(
    model: Model, index: int, profile: AcceleratorProfileSpec, needed: Devices, cluster: Capabilities
) -> Iterable[Chosen]:
    choice = model.spec.accelerators[index]
    for resource in profile.resources:
        mounts = cluster.has("image-volumes")
        yield Chosen("unplaced", choice, profile, resource.name, (), needed, image_volumes=mounts)


def _pods(model: Model, chosen: Chosen, policies: Sequence[str]) -> Iterable[Manifest]:
    # Whose keys are trusted and which image checks them is the cluster's; controls judge what the author writes.
    for made in templates(model, chosen, policies, loading(model, chosen, (), "")):
        metadata = {**made["metadata"], "name": model.name, "namespace": model.namespace}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made["spec"]}
