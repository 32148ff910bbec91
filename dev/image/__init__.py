"""Builds the operator's image as an OCI archive, without Docker: the same bytes from the same locks."""
