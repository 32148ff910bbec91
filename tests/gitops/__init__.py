"""Tests with real GitOps engines: Argo CD and Flux, a Git server on loopback, and the embedded control plane."""
