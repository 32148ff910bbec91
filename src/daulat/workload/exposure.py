"""Writes the route by which a model is reached from outside: by a Gateway of its namespace whose class policies and zone allow.

Whatever is in doubt gets no route: the class, the zone's record, the Gateway itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daulat.api import reasons
from daulat.api.exposure import EndpointPicker, ModelExposure
from daulat.api.kinds import Manifest
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog.engines import engine_of
from daulat.facts.gateway import Gateway, Listener
from daulat.facts.snapshot import Model, Policy

from .labels import answering, owned

ROUTE, POOL = "HTTPRoute", "InferencePool"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Route:
    """The route of a model with what stands behind it, or why it isn't as it was requested."""

    manifests: tuple[Manifest, ...] = ()
    url: str = ""
    """Where clients outside reach the model once the Gateway has taken the route; empty where nobody can say."""
    reason: str = ""
    problem: str = ""
    """A sentence; empty where all is as it was requested."""


def route(
    model: Model,
    zone_name: str,
    zone: SovereignZoneSpec | None,
    policies: Sequence[Policy],
    gateway: Gateway | None,
    served: Mapping[str, bool],
    *,
    grouped: bool = False,
) -> Route | None:
    """Return the route; None where the model asks for none. ``served`` says which kinds the cluster knows, ``grouped`` whether a
    replica has several nodes, of which one answers."""
    asked = model.spec.exposure
    if asked is None:
        return None
    if not served[ROUTE]:
        return Route(
            reason=reasons.CRD_NOT_INSTALLED, problem="the cluster has no Gateway API (HTTPRoute v1): install its CRDs."
        )
    named = f"spec.exposure.gateway: Gateway {asked.gateway}"
    if gateway is None:
        told = f"{named} isn't in namespace {model.namespace}. Make one there of an approved class."
        return Route(reason=reasons.GATEWAY_NOT_FOUND, problem=told)
    class_ = gateway.gateway_class
    for policy in policies:
        allowed = policy.spec.exposure.gateway_classes if policy.spec.exposure else ()
        if class_ not in allowed:
            told = (
                f'{named} has the class "{class_}"; policy {policy.name} allows {", ".join(allowed) or "no Gateway"}.'
            )
            return Route(reason=reasons.GATEWAY_CLASS_NOT_APPROVED, problem=told)
    on_record = zone.gateway_classes if zone is not None else ()
    if class_ not in on_record:
        told = f'{named} has the class "{class_}"; zone {zone_name} has {", ".join(on_record) or "none"} on record.'
        return Route(reason=reasons.GATEWAY_CLASS_NOT_IN_ZONE, problem=told)
    listeners = [x for x in gateway.listeners if asked.listener in (None, x.name)]
    if not listeners:
        told = f"spec.exposure.listener: Gateway {asked.gateway} has no listener {asked.listener or 'at all'}."
        return Route(reason=reasons.GATEWAY_NOT_FOUND, problem=told)
    picker = asked.endpoint_picker
    url = _url(asked, listeners[0], gateway)
    if picker is not None and served[POOL]:
        return Route((_pool(model, picker, grouped), _http_route(model, asked, pool=True)), url)
    made = (_http_route(model, asked, pool=False),)
    if picker is not None:
        told = (
            "spec.exposure.endpointPicker: the cluster has no InferencePool (v1): install the Gateway API's inference"
        )
        return Route(made, url, reasons.CRD_NOT_INSTALLED, f"{told} extension. Until then requests go to the Service.")
    return Route(made, url)


def _http_route(model: Model, asked: ModelExposure, *, pool: bool) -> Manifest:
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": asked.gateway}
    behind: Manifest = {"group": "inference.networking.k8s.io", "kind": POOL, "name": model.name, "weight": 1}
    service: Manifest = {"group": "", "kind": "Service", "name": model.name, "port": 80, "weight": 1}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}} for path in asked.paths],
        "backendRefs": [behind if pool else service],
        # Gateways give up after seconds by themselves; an answer of a large model takes minutes.
        "timeouts": {"request": f"{asked.timeout_seconds}s", "backendRequest": f"{asked.timeout_seconds}s"},
    }
    spec: Manifest = {
        "parentRefs": [{**parent, **({"sectionName": asked.listener} if asked.listener else {})}],
        **({"hostnames": list(asked.hostnames)} if asked.hostnames else {}),
        "rules": [rule],
    }
    return owned(model, "gateway.networking.k8s.io/v1", ROUTE, {"spec": spec})


def _pool(model: Model, picker: EndpointPicker, grouped: bool) -> Manifest:
    # The picker is a Service of the namespace: no other kind and no other namespace can be named.
    reference = {"group": "", "kind": "Service", "name": picker.service, "port": {"number": picker.port}}
    spec = {
        "selector": {"matchLabels": answering(model, grouped=grouped)},
        "targetPorts": [{"number": engine_of(model.spec.engine).port}],
        "endpointPickerRef": {**reference, "failureMode": "FailClose"},
    }
    return owned(model, "inference.networking.k8s.io/v1", POOL, {"spec": spec})


def _url(asked: ModelExposure, listener: Listener, gateway: Gateway) -> str:
    names = [n for n in (*asked.hostnames, listener.hostname, *gateway.addresses) if n and not n.startswith("*")]
    if not names:
        return ""
    scheme = "https" if listener.protocol in ("HTTPS", "TLS") else "http"
    host = f"[{names[0]}]" if ":" in names[0] else names[0]
    port = "" if listener.port == _PORTS[scheme] else f":{listener.port}"
    path = next((p for p in asked.paths if p == "/v1"), asked.paths[0])
    return f"{scheme}://{host}{port}{path}"
