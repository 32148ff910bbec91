"""The process that writes the log: it mirrors the cluster as the operator does, with read-only rights, and the operator never waits for it."""
