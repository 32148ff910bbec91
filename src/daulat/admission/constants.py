"""What a policy's controls read of the policy: every named constant that the compiled manifests can hold."""

from __future__ import annotations

from collections.abc import Mapping

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.names import eligible_label
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators

from .literals import Constant


def constants(
    name: str, spec: SovereigntyPolicySpec, profiles: Mapping[str, AcceleratorProfileSpec]
) -> dict[str, Constant]:
    """Return the policy's constants by CEL variable name. A profile that isn't there approves nothing."""
    approved = [profiles[p] for p in spec.accelerators.profiles if p in profiles]
    known = accelerators.known_access()
    every = [*accelerators.shipped().values(), *profiles.values()]
    models, images = spec.models, spec.images
    runtime_classes = {c for p in approved for c in p.device_access.runtime_class_names}
    return {
        "policy": name,
        "pin": eligible_label(name),
        "schedulers": spec.schedulers,
        "deviceComponents": sorted(spec.accelerators.component_users),
        "approvedProfiles": sorted(spec.accelerators.profiles),
        "approvedResources": sorted(
            {r.name for p in approved for r in p.resources} | {*spec.accelerators.other_resources}
        ),
        "approvedRuntimeClasses": sorted(runtime_classes | {*spec.accelerators.runtime_class_names}),
        "deviceRuntimeClasses": sorted({c for p in every for c in p.device_access.runtime_class_names}),
        "deviceEnvironment": sorted({*known.environment} | {e for p in every for e in p.device_access.environment}),
        "deviceAnnotations": sorted({*known.annotations} | {a for p in every for a in p.device_access.annotations}),
        "approvedCapabilities": known.capabilities,
        "imageRegistries": sorted(images.registries) if images else [],
        "imageDigestRequired": bool(images and images.require_digest),
        "weightRegistries": sorted(s.removeprefix("oci://") for s in _sources(spec) if s.startswith("oci://")),
        "modelSources": sorted(_sources(spec)),
        "weightDigestRequired": bool(models and models.require_digest),
        "licenses": sorted((models.licenses if models else None) or ()),
        "developers": sorted((models.developers if models else None) or ()),
        "originCountries": sorted((models.origin_countries if models else None) or ()),
    }


def _sources(spec: SovereigntyPolicySpec) -> tuple[str, ...]:
    return (spec.models.sources if spec.models else None) or ()
