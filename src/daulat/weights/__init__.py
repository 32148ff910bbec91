"""Fetches weights into a pod and checks them, before the engine starts. Runs in the pod, never in the operator."""
