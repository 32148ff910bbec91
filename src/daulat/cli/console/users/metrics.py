"""What Prometheus sees of a console that others reach. No label names a user."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "daulat_console_requests_total", "Requests, by the status of the answer.", ["code"], registry=REGISTRY
)
SIGN_INS = Counter(
    "daulat_console_sign_ins_total", "Sign-ins with a token, by their outcome.", ["outcome"], registry=REGISTRY
)
SESSIONS = Gauge("daulat_console_sessions", "Sessions that haven't ended.", registry=REGISTRY)
FACTS = Gauge("daulat_console_facts_timestamp_seconds", "When the facts of the pages were read.", registry=REGISTRY)
API_REQUESTS = Counter(
    "daulat_console_api_requests_total", "Requests to the API server.", ["method"], registry=REGISTRY
)
