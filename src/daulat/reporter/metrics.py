"""What Prometheus sees of the reporter.

No name is one of the operator's: alerts aggregate over jobs, and a reporter that runs would hide an operator that doesn't.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from daulat.process import lag

REGISTRY = CollectorRegistry()

LEADER = Gauge("daulat_report_leader", "1 while this replica writes reports.", registry=REGISTRY)
PASSES = Counter("daulat_report_passes_total", "Passes, by how they ended.", ["outcome"], registry=REGISTRY)
LAST = Gauge("daulat_report_last_pass_timestamp_seconds", "When a pass was completed last.", registry=REGISTRY)
SECONDS = Gauge("daulat_report_last_pass_seconds", "Time of the last completed pass.", registry=REGISTRY)
JUDGED = Counter("daulat_report_objects_judged_total", "Objects that were judged.", ["kind"], registry=REGISTRY)
RESULTS = Gauge("daulat_report_results", "Results of the last completed pass.", ["result"], registry=REGISTRY)
WRITES = Counter("daulat_report_writes_total", "Reports written and deleted.", ["verb"], registry=REGISTRY)
FAILURES = Counter(
    "daulat_report_write_failures_total", "Reports that the API server refused to take.", registry=REGISTRY
)
REQUESTS = Counter("daulat_report_api_requests_total", "Requests to the API server.", ["method"], registry=REGISTRY)
LOOP_BLOCKED = lag.histogram("daulat_report_loop_blocked_seconds", REGISTRY)
