"""``daulat console``: pages of a cluster, written to a folder or served on this machine."""
