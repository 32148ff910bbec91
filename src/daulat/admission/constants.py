"""What a policy's controls read of the policy: every named constant that the compiled manifests can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from daulat.api import licenses as spdx
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.approval import Profiles, approved_profiles
from daulat.api.meta import DataClass
from daulat.api.names import WEIGHTS_PATH, eligible_label
from daulat.api.network import Hosts
from daulat.api.policy import ControlAction, SovereigntyPolicySpec
from daulat.api.requirements import (
    AccessRequirements,
    EngineRequirements,
    Exposure,
    StorageRequirements,
    WeightEndpoints,
)
from daulat.api.resources import expression
from daulat.api.weights import REMOTE
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators, engine_environment, engine_options, engine_settings, key_domains

from . import claims
from .literals import Constant
from .zones import rejects

CLASS = "deviceclass.resource.kubernetes.io/"
"""What stands before a DeviceClass's name where it is asked for as an extended resource."""
Constants = dict[str, Constant]


def constants(
    name: str, spec: SovereigntyPolicySpec, profiles: Profiles, zones: Mapping[str, SovereignZoneSpec]
) -> Constants:
    """Return the policy's constants by CEL variable name. A profile or a zone that isn't there approves nothing."""
    asked = spec.accelerators
    approved = approved_profiles(asked, profiles)
    # A model may name a profile that is listed before it is created. Whether one matches other selectors isn't known before.
    named = asked.profiles if asked.by_name_alone and asked.profiles else approved
    return {
        "policy": name,
        "pin": eligible_label(name),
        "approvedProfiles": sorted(named),
        **_accelerators(spec, [*approved.values()]),
        **_ways_to_devices(spec, [*approved.values()], profiles),
        **_acknowledgements(spec, approved),
        **_artefacts(spec),
        **_engines(),
        **_places(spec, zones),
        **_people_and_network(spec),
    }


def _accelerators(spec: SovereigntyPolicySpec, approved: Sequence[AcceleratorProfileSpec]) -> Constants:
    claimable = [r for p in approved for r in p.dynamic_resources]
    # The implicit resource of a DeviceClass (KEP-5004) stands for every device of it, and a class for many products: it isn't
    # among them.
    resources = {r.name for p in approved for r in p.resources}
    patterns = sorted({f.pattern for p in approved for f in p.resource_families})
    return {
        # Patterns are listed for messages: no resource has such a name.
        "approvedResources": sorted(resources | {*patterns, *spec.accelerators.other_resources}),
        "acceleratorResources": sorted(resources),
        "acceleratorPattern": _anchored(patterns),
        "approvedDeviceClasses": sorted({r.device_class_name for r in claimable}),
        "approvedDeviceRequests": sorted({claims.request(r.device_class_name, claims.selector(r)) for r in claimable}),
    }


def _anchored(patterns: Iterable[str]) -> str:
    """Return one regular expression for all names that the patterns stand for; without patterns it is for no name."""
    return f"^({'|'.join(map(expression, patterns))})$"


def _ways_to_devices(
    spec: SovereigntyPolicySpec, approved: Sequence[AcceleratorProfileSpec], profiles: Profiles
) -> Constants:
    known = accelerators.known_access()
    every = [*accelerators.shipped().values(), *profiles.values()]
    runtime_classes = {c for p in approved for c in p.device_access.runtime_class_names}
    runtime_classes |= {p.runtime_class_name for p in approved if p.runtime_class_name}
    return {
        "schedulers": spec.schedulers,
        "deviceComponents": sorted(spec.accelerators.component_users),
        "approvedRuntimeClasses": sorted(runtime_classes | {*spec.accelerators.runtime_class_names}),
        "deviceRuntimeClasses": sorted({c for p in every for c in p.device_access.runtime_class_names}),
        "deviceEnvironment": _names({*known.environment} | {e for p in every for e in p.device_access.environment}),
        **_device_annotations(known.annotations, {a for p in every for a in p.device_access.annotations}),
        "schedulerVariables": dict(sorted(known.chosen_by_scheduler.items())) if _enforced("USE-20", spec) else {},
        "approvedCapabilities": known.capabilities,
        "actedOnDomains": key_domains.acted_on(),
        "controllerLabels": _names(key_domains.of_controllers()),
    }


def _device_annotations(known: accelerators.KnownAnnotations, of_profiles: Iterable[str]) -> Constants:
    """Return the annotations that choose devices. Of a profile's, one that ends with a slash is a domain."""
    domains = {a.removesuffix("/") for a in of_profiles if a.endswith("/")}
    return {
        "deviceAnnotations": _names(a for a in of_profiles if not a.endswith("/")),
        "deviceAnnotationDomains": _names({*known.domains} | domains),
        "deviceAnnotationBeginnings": known.beginnings,
        "requestAnnotations": _names(known.requests),
        "requestAnnotationBeginnings": known.request_beginnings,
    }


def _enforced(control: str, spec: SovereigntyPolicySpec) -> bool:
    """Say whether what breaks a control is refused. What another control relies on may not be warned of alone."""
    return spec.controls.get(control, ControlAction(spec.action.value)) is ControlAction.ENFORCE


def _names(found: Iterable[str]) -> dict[str, str]:
    """Return names as the keys of a map, where CEL looks a name up; in a list it compares it with each."""
    return dict.fromkeys(sorted(found), "")


def _acknowledgements(spec: SovereigntyPolicySpec, approved: Profiles) -> Constants:
    """Return what approved profiles' resources and names lack: the regimes that nobody has acknowledged."""
    open_regimes = {*spec.accelerators.require_acknowledgement} - {a.regime for a in spec.accelerators.acknowledgements}
    missing = {name: sorted({f.regime for f in p.risk_flags} & open_regimes) for name, p in approved.items()}
    by_resource: dict[str, set[str]] = {}
    by_pattern: dict[str, set[str]] = {}
    for name, profile in approved.items():
        for family in profile.resource_families:
            by_pattern.setdefault(_anchored([family.pattern]), set()).update(missing[name])
        classes = [f"{CLASS}{r.device_class_name}" for r in profile.dynamic_resources]
        for resource in [*(r.name for r in profile.resources), *classes]:
            by_resource.setdefault(resource, set()).update(missing[name])
    return {
        "unacknowledgedResources": {r: ", ".join(sorted(m)) for r, m in by_resource.items() if m},
        "unacknowledgedPatterns": {p: ", ".join(sorted(m)) for p, m in by_pattern.items() if m},
        "unacknowledgedProfiles": {p: ", ".join(m) for p, m in missing.items() if m},
    }


def _artefacts(spec: SovereigntyPolicySpec) -> Constants:
    models, images, engines = spec.models, spec.images, spec.engines or EngineRequirements()
    sources = (models.sources if models else None) or ()
    licenses = (models.licenses if models else None) or ()
    servers = (models.endpoints if models else None) or WeightEndpoints()
    return {
        "imageRegistries": sorted(images.registries) if images else [],
        "imageDigestRequired": bool(images and images.require_digest),
        "weightRegistries": sorted(s.removeprefix("oci://") for s in sources if s.startswith("oci://")),
        "modelSources": sorted(sources),
        "weightServers": {s: " ".join(sorted(getattr(servers, s))) for s in REMOTE},
        "weightProxies": sorted(servers.proxies),
        "weightDigestRequired": bool(models and models.require_digest),
        "licenses": sorted(licenses),
        "licenseIds": sorted({id_.lower() for id_ in licenses}),
        "licenseForm": spdx.FORM,
        "misplacedOperator": spdx.MISPLACED,
        "developers": sorted((models.developers if models else None) or ()),
        "originCountries": sorted((models.origin_countries if models else None) or ()),
        "parentCountries": sorted((models.parent_countries if models else None) or ()),
        "excludedDevelopers": sorted(models.exclude_developers if models else ()),
        "offlineRequired": engines.require_offline,
        "additionalSettings": _names([*engines.additional_arguments, *engines.additional_variables]),
        "remoteCodeAllowed": engines.allow_remote_code,
    }


def _engines() -> Constants:
    """Return what is known about the environment of engines. It is the same for every policy."""
    known, options = engine_environment.variables(), engine_options.known_options()
    required = [v for v in known if v.required]
    return {
        "engineVariables": {v.name: v.kind for v in known},
        "safeValues": {v.name: "|".join(v.safe) for v in known},
        "requiredTelemetry": [f"{v.name}={v.set_to}" for v in required if v.kind == "telemetry"],
        "requiredOffline": [f"{v.name}={v.set_to}" for v in required if v.kind == "hub"],
        "engineOptions": dict(options.kinds),
        "codeFileOptions": options.files,
        "weightsPath": WEIGHTS_PATH,
        **{
            f"settingsOf{name.replace('.', '').title()}": _names(engine_settings.safe(name))
            for name in engine_settings.engines()
        },
    }


def storage(name: str, spec: SovereigntyPolicySpec, zones: Mapping[str, SovereignZoneSpec]) -> Constants:
    """Return what controls of volumes read: the same constants as ``constants`` has, without those that need profiles."""
    return {"policy": name, **_places(spec, zones)}


def _places(spec: SovereigntyPolicySpec, zones: Mapping[str, SovereignZoneSpec]) -> Constants:
    accepted = [zone for name, zone in sorted(zones.items()) if rejects(spec.zones, name, zone) is None]
    storage = spec.storage or StorageRequirements()
    of_record = {c for zone in accepted for c in zone.storage_classes}
    listed = of_record if storage.storage_classes is None else {*storage.storage_classes}
    lowest = spec.zones.minimum_data_class
    return {
        "zoneStorageClasses": sorted(of_record),
        "approvedStorageClasses": sorted(listed),
        "storageDrivers": sorted(storage.drivers),
        "binders": sorted(storage.binders),
        "snapshotClasses": sorted(storage.snapshot_classes or ()),
        "snapshotClassesListed": storage.snapshot_classes is not None,
        "volumeAttributesClasses": sorted(storage.volume_attributes_classes),
        "approvedVolumeTypes": sorted(storage.volume_types),
        # One accepted zone without regions of record may be anywhere, so then regions say nothing.
        "zoneRegions": sorted({r for z in accepted for r in z.regions}) if all(z.regions for z in accepted) else [],
        "dataClasses": [str(c.value) for c in DataClass],
        "handledDataClasses": [str(c.value) for c in DataClass if lowest is not None and c.rank <= lowest.rank],
    }


def _people_and_network(spec: SovereigntyPolicySpec) -> Constants:
    access, exposure = spec.access or AccessRequirements(), spec.exposure or Exposure()
    hosts = spec.hosts or Hosts()
    return {
        "accessUsers": sorted(access.users),
        "accessGroups": sorted(access.groups),
        "loadBalancerClasses": sorted(exposure.load_balancer_classes),
        "ingressClasses": sorted(exposure.ingress_classes),
        "gatewayClasses": sorted(exposure.gateway_classes),
        "routeDomains": sorted(exposure.domains),
        "routeKinds": sorted(exposure.route_kinds),
        "routeNamespaces": sorted(exposure.backend_namespaces),
        "knativeUsers": sorted(exposure.knative_controllers),
        # The addresses of Knative's activator are those of pods beside its controller.
        "knativeNamespaces": sorted({user.split(":")[2] for user in exposure.knative_controllers}),
        "knativeGateways": sorted(exposure.knative_gateways),
        "nodePortsAllowed": exposure.node_ports,
        "egressClosed": spec.egress is not None,
        "hostAliases": _names(f"{a.ip} {name}" for a in hosts.aliases for name in a.hostnames),
        "nameservers": sorted(hosts.nameservers),
        "searchDomains": sorted(hosts.searches),
        "probeHosts": sorted(hosts.probes),
        "longestExemption": (spec.exemptions.max_duration if spec.exemptions else None) or "",
    }
