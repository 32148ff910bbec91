"""Policies and controls become native admission policies of the API server. Pure: manifests in, manifests out."""
