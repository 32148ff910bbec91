"""What a SovereigntyPolicy asks for: of zones, accelerators, models, images, engines, storage, the network, and people."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from .accelerator import EnvName
from .authorities import AttestationRequirements, EvidenceTier, PublicKey
from .exposure import Hostname
from .licenses import LICENSE_PATTERN
from .meta import CountryCode, DataClass, ObjectName, Spec
from .network import EITHER, Peer
from .reference import HOST, PLAIN_PREFIX, SEGMENT
from .resources import ResourceName
from .weights import Endpoint

UserName = Annotated[str, Field(min_length=1, max_length=253)]
GroupName = Annotated[str, Field(min_length=1, max_length=253)]
Regime = Annotated[str, Field(pattern=r"^[A-Z0-9]([-A-Z0-9]*[A-Z0-9])?$", max_length=63, examples=["US-GP10"])]
VolumeType = Annotated[
    str,
    Field(
        pattern=r"^[a-z][A-Za-z0-9]*$",
        max_length=63,
        description="A volume source by the name of its field, such as nfs or csi.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self != 'hostPath'", "message": "host paths can't be approved by a policy; use an exemption"}
            ]
        },
    ),
]
PREFIX_PATTERN = rf"^{HOST}(/{SEGMENT})*/$"
Prefix = Annotated[
    str,
    Field(
        pattern=PREFIX_PATTERN,
        max_length=512,
        description="A prefix that ends with a slash, so that it can't be continued by another name.",
        examples=["registry.example.my/"],
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!self.contains('://')",
                    "message": "images name no scheme: write registry.example.my/ rather than https://registry.example.my/",
                },
                PLAIN_PREFIX,
            ]
        },
    ),
]
SOURCE_PATTERN = (
    r"^(oci|pvc|s3|hf|ms)://([A-Za-z0-9][-A-Za-z0-9._]*(:[0-9]{1,5})?(/[-A-Za-z0-9_][-A-Za-z0-9._=+]*)*/)?$"
)
SourcePrefix = Annotated[
    str,
    Field(
        pattern=SOURCE_PATTERN,
        max_length=512,
        description="A prefix of model URIs that ends with a slash.",
        examples=["oci://registry.example.my/"],
        json_schema_extra={"x-kubernetes-validations": [PLAIN_PREFIX]},
    ),
]


CERTIFICATE_PATTERN = r"^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?$"
Certificate = Annotated[str, Field(pattern=CERTIFICATE_PATTERN, max_length=8192)]
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
ACCOUNT_PATTERN = rf"^system:serviceaccount:{_LABEL}:{_LABEL}(\.{_LABEL})*$"
SERVICE_HOST_PATTERN = rf"^[a-z]([-a-z0-9]*[a-z0-9])?\.{_LABEL}\.svc(\.{_LABEL})*$"
KIND_PATTERN = r"^[A-Z][A-Za-z0-9]*(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$"


class ZoneRequirements(Spec):
    """Which zones are accepted. A zone must satisfy every field that is set; a field that isn't set doesn't restrict."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.?minimumEvidence.orValue('') != 'attested' || has(self.attestations)",
                    "message": "minimumEvidence attested requires attestations: the authorities that are trusted",
                }
            ]
        }
    )

    names: tuple[ObjectName, ...] | None = Field(default=None, min_length=1, max_length=64)
    """Only these zones."""
    countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The facility is in one of these countries."""
    operator_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The facility's operator is incorporated in one of these countries."""
    parent_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The operator's ultimate parent is in one of these countries."""
    minimum_data_class: DataClass | None = None
    """The zone may handle at least this class of data."""
    minimum_evidence: EvidenceTier | None = None
    """The minimum evidence that a node is in its zone: declared < observed < attested; left out, declared. Observed: the node
    reports a system UUID that no other node reports, and one of the zone's regions. Attested: a NodeAttestation of an authority
    that attestations trusts. If the evidence is missing, has expired or is contradicted by the node, the node isn't eligible
    for new pods."""
    attestations: AttestationRequirements | None = None
    """The authorities whose NodeAttestations are evidence; left out, none."""

    @model_validator(mode="after")
    def _says_whom_to_trust(self) -> Self:
        if self.minimum_evidence is EvidenceTier.ATTESTED and self.attestations is None:
            raise ValueError("minimumEvidence attested requires attestations: the authorities that are trusted")
        return self


class Acknowledgement(Spec):
    """An accountable person's note that accelerators under a legal regime are used."""

    regime: Regime
    """The regime."""
    by: str = Field(min_length=1, max_length=253)
    """The accountable person or body of record."""
    reference: str = Field(min_length=1, max_length=512)
    """Where the decision is filed."""


_SELECTORS = ("profiles", "vendors", "vendorCountries", "families")
_NO_SELECTOR = "is required unless vendors, vendorCountries or families is set; an empty list approves none"


class AcceleratorRequirements(Spec):
    """Which accelerators are approved: those of the AcceleratorProfiles that profiles, vendors, vendorCountries, families and
    excludeRegimes all allow, as far as they are set. Every other extended resource is refused.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": " || ".join(f"has(self.{name})" for name in _SELECTORS), "message": f"profiles {_NO_SELECTOR}"}
            ]
        }
    )

    profiles: tuple[ObjectName, ...] | None = Field(default=None, max_length=64)
    """The approved AcceleratorProfiles by name; an empty list approves none. Required unless vendors, vendorCountries or
    families is set; left out, a profile may have any name, and one that is created later may be approved."""
    vendors: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] | None = Field(
        default=None, min_length=1, max_length=64
    )
    """Only profiles with one of these names as spec.vendor.name, such as NVIDIA. Letter case counts."""
    vendor_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """Only profiles whose vendor is headquartered in one of these countries: spec.vendor.country, and spec.vendor.parentCountry
    where the profile has one, must both be among them."""
    families: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] | None = Field(
        default=None, min_length=1, max_length=64
    )
    """Only profiles with one of these as spec.family, such as Hopper. Letter case counts."""
    exclude_regimes: tuple[Regime, ...] = Field(default=(), max_length=16)
    """No profile with one of these legal regimes in spec.riskFlags, such as US-GP10, acknowledged or not. A profile without flags
    passes, though a regime may concern it."""
    other_resources: tuple[ResourceName, ...] = Field(default=(), max_length=64)
    """Extended resources that aren't accelerators and are fine, such as rdma/hca."""
    other_drivers: tuple[Annotated[ObjectName, Field(max_length=63)], ...] = Field(default=(), max_length=64)
    """Drivers of dynamic resource allocation whose devices aren't accelerators, such as network devices. Nodes with such
    devices can be eligible. Claims for these devices are still refused."""
    component_users: tuple[UserName, ...] = Field(default=(), max_length=16)
    """User names of the vendors' components that may set device annotations on pods, such as a device plugin's."""
    runtime_class_names: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """RuntimeClasses that are allowed in addition to those of the approved profiles, such as gvisor."""
    require_acknowledgement: tuple[Regime, ...] = Field(default=(), max_length=16)
    """Legal regimes that matter here, such as US-GP10: an approved profile that carries one needs an acknowledgement."""
    acknowledgements: tuple[Acknowledgement, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["regime"]},
    )
    """Acknowledgements of legal regimes."""

    @property
    def selects(self) -> bool:
        """Whether anything says which profiles are approved. excludeRegimes alone doesn't: it only takes away."""
        return any(given is not None for given in (self.profiles, self.vendors, self.vendor_countries, self.families))

    @property
    def by_name_alone(self) -> bool:
        """Whether the policy lists the approved profiles, so that no other profile is ever approved."""
        narrowed = (self.vendors, self.vendor_countries, self.families)
        return self.profiles is not None and not any(narrowed) and not self.exclude_regimes

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        if not self.selects:
            raise ValueError(f"profiles {_NO_SELECTOR}")
        return self


class WeightEndpoints(Spec):
    """The servers that weights are fetched from. Whatever isn't named here isn't fetched from."""

    s3: tuple[Endpoint, ...] = Field(default=(), max_length=16)
    """Object stores with the S3 API."""
    hf: tuple[Endpoint, ...] = Field(default=(), max_length=16)
    """Mirrors with the API of the Hugging Face Hub."""
    ms: tuple[Endpoint, ...] = Field(default=(), max_length=16)
    """Mirrors with the API of ModelScope."""
    proxies: tuple[Endpoint, ...] = Field(default=(), max_length=16)
    """Proxies on the way to them."""


class TrustedSigners(Spec):
    """Who may have signed the weights. One of them must have, and every file must be as it was signed."""

    keys: tuple[PublicKey, ...] = Field(default=(), max_length=16)
    """Public keys: EC keys as PEM."""
    certificates: tuple[Certificate, ...] = Field(default=(), max_length=16)
    """Certificates of the authorities that issue the signers' certificates, as PEM."""


class ModelRequirements(Spec):
    """Which models may be served. A field that isn't set doesn't restrict."""

    sources: tuple[SourcePrefix, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The allowed sources of weights, as prefixes of spec.model.uri."""
    endpoints: WeightEndpoints | None = None
    """Where s3, hf and ms weights may be fetched from; left out, from nowhere."""
    signatures: TrustedSigners | None = Field(
        default=None,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "size(self.?keys.orValue([])) + size(self.?certificates.orValue([])) > 0",
                    "message": "name at least one key or certificate",
                }
            ]
        },
    )
    """Weights must be signed by one of these (OpenSSF model signing); it is checked in the pod, before the engine starts."""
    require_digest: bool = False
    """Weights must be pinned by digest."""
    licenses: tuple[Annotated[str, Field(pattern=LICENSE_PATTERN, max_length=128)], ...] | None = Field(
        default=None, min_length=1, max_length=128
    )
    """SPDX licence ids that are fine, in any letter case; with an exception as in GPL-2.0-only WITH Classpath-exception-2.0."""
    developers: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] | None = Field(
        default=None, min_length=1, max_length=128
    )
    """Developers whose models are allowed."""
    origin_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """Countries of origin whose models are allowed."""
    parent_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The developer's ultimate parent is in one of these countries: spec.model.developerParentCountry, or originCountry where a
    model names no parent."""
    exclude_developers: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = Field(
        default=(), max_length=128
    )
    """Developers whose models are refused, even if another field allows them."""


class ImageRequirements(Spec):
    """Which container images may run."""

    registries: tuple[Prefix, ...] = Field(min_length=1, max_length=64)
    """The registries that images may be pulled from, as prefixes."""
    require_digest: bool = False
    """Images must be pinned by digest."""


class PrometheusServer(Spec):
    """The Prometheus that KEDA asks for models' metrics. Models can't name one: KEDA would ask whatever they name."""

    address: Endpoint
    """Where it answers queries."""
    wake_query: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\r\n]*$")] | None = None
    """A query whose result is above 0 when requests for a model arrive while it has no replica, such as one of the Gateway's
    metrics. {namespace} and {name} are the model's. Without it no model scales to zero, because an engine that doesn't run has
    no metrics."""


class Monitoring(Spec):
    """Who reads engines' metrics. Left out, nobody but the model's own namespace."""

    allow: tuple[Peer, ...] = Field(default=(), max_length=16, json_schema_extra=EITHER)
    """Peers that may connect to the port of the metrics, such as the namespace of Prometheus. If an engine serves its metrics
    on the port of its API, these peers can reach the API as well."""
    prometheus: PrometheusServer | None = None
    """The Prometheus of these models; left out, the operator's."""


class EngineRequirements(Spec):
    """How inference engines run, in the pods of a SovereignModel and in any other."""

    require_offline: bool = False
    """Containers that request an accelerator must set the variables that keep telemetry off and model hubs offline."""
    allow_remote_code: bool = False
    """Engines may run code from the weights' repository."""
    additional_arguments: tuple[
        Annotated[str, Field(pattern=r"^-{1,2}[A-Za-z][-A-Za-z0-9]*$", max_length=128)], ...
    ] = Field(default=(), max_length=64)
    """Options of engines, such as --new-option, that SovereignModels may use in addition to those that the catalogue lists as
    safe."""
    additional_variables: tuple[EnvName, ...] = Field(default=(), max_length=64)
    """Environment variables of engines that SovereignModels may set in addition to those that the catalogue lists as safe."""


class StorageRequirements(Spec):
    """Where volumes may come from."""

    storage_classes: tuple[ObjectName, ...] | None = Field(default=None, max_length=64)
    """StorageClasses that are fine, if an accepted zone has them on record; left out, every such class."""
    volume_types: tuple[VolumeType, ...] = Field(default=(), max_length=16)
    """Volume sources that are allowed in addition to those that hold no data outside the pod's node and namespace, such as
    nfs."""
    drivers: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(default=(), max_length=32)
    """CSI drivers that volumes of these StorageClasses may use; left out, any."""
    snapshot_classes: tuple[ObjectName, ...] | None = Field(default=None, max_length=64)
    """VolumeSnapshotClasses and VolumeGroupSnapshotClasses that snapshots may name; left out, any. An empty list allows no
    snapshots."""
    volume_attributes_classes: tuple[ObjectName, ...] = Field(default=(), max_length=64)
    """VolumeAttributesClasses that claims may name."""
    binders: tuple[UserName, ...] = Field(default=(), max_length=16)
    """Users that may bind claims to volumes in addition to Kubernetes' own controller, such as the ServiceAccount of a restore
    tool."""


class Exposure(Spec):
    """How Services may be reached from outside the cluster."""

    load_balancer_classes: tuple[str, ...] = Field(default=(), max_length=16)
    """Values of spec.loadBalancerClass that are allowed; an empty string is for Services without a class."""
    ingress_classes: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """IngressClasses that are allowed."""
    gateway_classes: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """GatewayClasses that are allowed."""
    domains: tuple[Hostname, ...] = Field(default=(), max_length=32)
    """If set, routes and listeners of Gateways may have only these host names or subdomains of them."""
    route_kinds: tuple[Annotated[str, Field(pattern=KIND_PATTERN, max_length=253)], ...] = Field(
        default=(), max_length=32
    )
    """Kinds of routes of other projects that are allowed, as KIND.GROUP, such as Route.route.openshift.io; left out, none."""
    backend_namespaces: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """Other namespaces whose Services may be backends of routes, such as that of a shared cache. Each also needs a
    ReferenceGrant."""
    knative_controllers: tuple[Annotated[str, Field(pattern=ACCOUNT_PATTERN, max_length=253)], ...] = Field(
        default=(), max_length=4
    )
    """User names of Knative Serving's controller, such as system:serviceaccount:knative-serving:controller. It may write the
    Endpoints of its ServerlessServices, with addresses of pods of the governed namespace and of its own; Services of type
    ExternalName for knativeGateways; and Ingresses of Knative inside the cluster. An account of the governed namespace itself
    never counts. Left out, none."""
    knative_gateways: tuple[Annotated[str, Field(pattern=SERVICE_HOST_PATTERN, max_length=253)], ...] = Field(
        default=(), max_length=8
    )
    """DNS names of Services that are Knative's gateways inside the cluster, such as
    kourier-internal.kourier-system.svc.cluster.local. Knative's controller makes a Service of type ExternalName for each route."""
    gateway_peers: tuple[Peer, ...] = Field(default=(), max_length=16, json_schema_extra=EITHER)
    """Peers that may connect to the API of exposed models, such as the pods of Gateways that run outside the model's
    namespace."""
    node_ports: bool = False
    """Services may open a port on every node."""


class AccessRequirements(Spec):
    """Who may open sessions in running pods: exec, attach, port-forward, proxies, ephemeral containers. With empty lists, no
    user may."""

    users: tuple[UserName, ...] = Field(default=(), max_length=64)
    """Users that may open sessions."""
    groups: tuple[GroupName, ...] = Field(default=(), max_length=64)
    """Groups whose members may open sessions."""
