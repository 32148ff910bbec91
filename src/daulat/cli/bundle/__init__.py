"""``daulat bundle``: copies what manifests need to a registry of one's own, and rewrites their references."""
