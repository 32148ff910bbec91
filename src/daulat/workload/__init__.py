"""A placed model becomes manifests: stable, so that an upgrade of the operator rolls no pod. Pure."""
