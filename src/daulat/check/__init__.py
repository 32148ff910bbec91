"""Judges manifests before they reach a cluster: reads them, finds their pods, asks the compiled policies. Pure."""
