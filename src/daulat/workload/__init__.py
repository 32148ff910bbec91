"""A placed model becomes manifests: stable, so that an upgrade of the operator rolls as few pods as it can. Pure."""
