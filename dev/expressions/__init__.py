"""Compiles and evaluates CEL with the libraries of API servers, one minor version of Kubernetes at a time."""
