"""Alerts and dashboards of Daulat's metrics, and a real Prometheus for their tests."""
