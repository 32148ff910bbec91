"""``daulat uninstall``: removes what Daulat has made in a cluster."""
