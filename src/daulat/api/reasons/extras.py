"""Reasons of what a SovereignModel may have beside its replicas: `Autoscaled`, `Exposed`."""

from __future__ import annotations

from .conditions import AUTOSCALED, EXPOSED
from .types import Reason

SCALING_ACTIVE = Reason("ScalingActive", (AUTOSCALED,), "The autoscaler works.")
AUTOSCALER_PENDING = Reason(
    "AutoscalerPending",
    (AUTOSCALED,),
    "The autoscaler exists, and its controller hasn't reported a status yet.",
    "Wait. If it persists, check that the controller of HorizontalPodAutoscalers or KEDA runs.",
    transient=True,
)
AUTOSCALER_FAILED = Reason(
    "AutoscalerFailed",
    (AUTOSCALED,),
    "The autoscaler can't scale. The message is its controller's, such as that no API serves the metric.",
    "Correct what the message names, usually the metrics API or the address of Prometheus.",
)
AUTOSCALER_MIGRATING = Reason(
    "AutoscalerMigrating",
    (AUTOSCALED,),
    "A HorizontalPodAutoscaler replaces a ScaledObject or the other way round, and the old object isn't deleted yet.",
    "Wait for the deletion of the old autoscaler.",
    transient=True,
)
METRIC_NOT_SUPPORTED = Reason(
    "MetricNotSupported",
    (AUTOSCALED,),
    "The engine doesn't export the metric of spec.autoscaling.",
    "Choose another spec.autoscaling.metric, or name the metric in spec.engine.custom.metrics.",
)
AMBIGUOUS_PROMETHEUS = Reason(
    "AmbiguousPrometheus",
    (AUTOSCALED,),
    "The policies that govern the namespace name different Prometheus servers.",
    "Set the same monitoring.prometheus in these policies.",
)
SCALE_TO_ZERO_UNAVAILABLE = Reason(
    "ScaleToZeroUnavailable",
    (AUTOSCALED,),
    "minReplicas is 0, and the cluster lacks what scaling to zero needs. The model scales from one replica meanwhile.",
    "Install KEDA and set prometheus.address and prometheus.wakeQuery, or set minReplicas to 1.",
)
CANNOT_SCALE_FROM_ZERO = Reason(
    "CannotScaleFromZero",
    (AUTOSCALED,),
    "The model has no replica, and its autoscaler can't scale from zero.",
    "Set spec.replicas to 1.",
)
EXCEEDS_CAPACITY = Reason(
    "ExceedsCapacity",
    (AUTOSCALED,),
    "The autoscaler requests more replicas than the chosen zone has devices for. The others stay pending in that zone.",
    "Reduce maxReplicas, or add nodes to the zone.",
)

ROUTE_ACCEPTED = Reason("RouteAccepted", (EXPOSED,), "The Gateway accepted the route.")
ROUTE_PENDING = Reason(
    "RoutePending",
    (EXPOSED,),
    "The route exists, and no Gateway has accepted it yet.",
    "Wait. If it persists, check that the Gateway's controller runs.",
    transient=True,
)
ROUTE_NOT_ACCEPTED = Reason(
    "RouteNotAccepted",
    (EXPOSED,),
    "The Gateway didn't accept the route. The message is its controller's.",
    "Correct what the message names, such as the host names of the listener.",
)
CRD_NOT_INSTALLED = Reason(
    "CRDNotInstalled",
    (EXPOSED,),
    "The cluster doesn't serve HTTPRoute v1, or InferencePool v1 where an endpoint picker is set.",
    "Install the CRDs named in the message.",
)
GATEWAY_NOT_FOUND = Reason(
    "GatewayNotFound",
    (EXPOSED,),
    "The namespace has no Gateway of that name, or the Gateway has no such listener.",
    "Create the Gateway in the model's namespace, or correct spec.exposure.",
)
GATEWAY_CLASS_NOT_APPROVED = Reason(
    "GatewayClassNotApproved",
    (EXPOSED,),
    "A policy doesn't allow the Gateway's class, so there is no route.",
    "Use a Gateway of a class listed in exposure.gatewayClasses of every policy.",
)
GATEWAY_CLASS_NOT_IN_ZONE = Reason(
    "GatewayClassNotInZone",
    (EXPOSED,),
    "The zone where the model runs doesn't list the Gateway's class, so there is no route.",
    "Use a Gateway of a class listed in gatewayClasses of the SovereignZone, or add the class there.",
)
