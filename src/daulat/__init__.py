"""Daulat: a Kubernetes operator that keeps AI models where a policy says, on accelerators it approves, and shows why."""

__version__ = "0.1.0"
