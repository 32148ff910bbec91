"""Judges manifests before they reach a cluster: finds their pods, and evaluates the compiled policies on them. Pure."""
